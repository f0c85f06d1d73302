"""Settings that people change in the browser: hours as a week, names, and what is kept."""

import pytest
import tomlkit
from playwright.sync_api import expect

from tests.support.browser import PATIENCE_MS, chromium, page, server

pytestmark = pytest.mark.services

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def data(tiny_run, tmp_path):
    """A data folder with a camera that is away."""
    chromium()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny").symlink_to(tiny_run)
    (tmp_path / "cameras.toml").write_text(
        '[[camera]]\nname = "gate"\nsource = "rtsp://127.0.0.1:9/a"\nmodel = "models/tiny"\n'
    )
    return tmp_path


def camera(data):
    (table,) = tomlkit.parse((data / "cameras.toml").read_text())["camera"]
    return table.unwrap()


@pytest.mark.parametrize("width", [390, 1280])
def test_hours_and_cool_down_are_edited_as_a_week_and_rolled_back(data, width):
    with server(data) as address, page(width) as (opened, wrong):
        opened.goto(f"{address}#/cameras/gate")
        hours = opened.get_by_role("region", name="Armed hours")
        expect(hours.get_by_text("Alarms are raised at all times.")).to_be_visible()
        hours.get_by_role("button", name="Change").click()
        hours.get_by_role("button", name="Add hours").click()
        hours.get_by_role("button", name="Monday").click()
        hours.get_by_label("From").fill("22:30")
        hours.get_by_label("Cool-down in seconds").fill("30")
        hours.get_by_role("button", name="Save").click()
        expect(hours.get_by_text("Alarms are raised tue-fri 22:30-06:00")).to_be_visible()
        expect(hours.get_by_text("no other one begins for 30 s")).to_be_visible()
        zones = camera(data)["zones"]
        assert (zones["armed"], zones["cool_down_s"]) == (["tue-fri 22:30-06:00"], 30)
        assert opened.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        # What stands there is what the editor begins with.
        hours.get_by_role("button", name="Change").click()
        expect(hours.get_by_role("button", name="Tuesday")).to_have_attribute(
            "aria-pressed", "true"
        )
        expect(hours.get_by_role("button", name="Monday")).to_have_attribute(
            "aria-pressed", "false"
        )
        hours.get_by_role("button", name="Cancel").click()
        history = opened.get_by_role("region", name="History")
        expect(history.get_by_text("Armed hours: always")).to_be_visible()
        history.get_by_role("button", name="Roll back").click()
        opened.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        expect(hours.get_by_text("Alarms are raised at all times.")).to_be_visible()
        assert "zones" not in camera(data)
        assert not wrong


def test_a_camera_is_renamed_and_gets_its_name_back(data):
    with server(data) as address, page() as (opened, wrong):
        opened.goto(f"{address}#/cameras/gate/edit")
        opened.get_by_label("Name").fill("front gate")
        opened.get_by_role("button", name="Save").click()
        expect(opened.get_by_role("heading", name="front gate", level=1)).to_be_visible()
        assert camera(data)["name"] == "front gate"
        history = opened.get_by_role("region", name="History")
        history.get_by_role("button", name="Roll back").click()
        opened.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        expect(opened.get_by_role("heading", name="gate", level=1, exact=True)).to_be_visible()
        assert camera(data)["name"] == "gate"
        assert not wrong


def test_what_is_kept_is_set_for_the_site_and_rolled_back(data):
    with server(data) as address, page() as (opened, wrong):
        opened.goto(f"{address}#/settings")
        opened.get_by_label("Days", exact=True).fill("7")
        opened.get_by_role("form", name="What is kept").get_by_role("button", name="Save").click()
        history = opened.get_by_role("region", name="History")
        expect(history.get_by_text("Kept: 30 → 7 days")).to_be_visible()
        assert tomlkit.parse((data / "cameras.toml").read_text())["watch"]["keep_days"] == 7
        history.get_by_role("button", name="Roll back").click()
        opened.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        expect(opened.get_by_label("Days", exact=True)).to_have_value("30")
        assert not wrong
