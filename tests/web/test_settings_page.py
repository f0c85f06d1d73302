"""The page Settings in a browser: receivers and accounts are made there, and signing in follows."""

import pytest
from playwright.sync_api import expect

from tests.support.alerting import hook
from tests.support.browser import PATIENCE_MS, chromium, page, server
from tests.support.morning import fill_night

pytestmark = pytest.mark.services

CAMERAS = ("yard", "vault")

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def folder(tmp_path):
    """A data folder with events of two cameras that are away."""
    chromium()
    fill_night(tmp_path, CAMERAS, groups=1)
    tables = (f'[[camera]]\nname = "{name}"\nsource = "rtsp://127.0.0.1:9/a"\n' for name in CAMERAS)
    (tmp_path / "cameras.toml").write_text('model = "ped2"\n' + "".join(tables))
    return tmp_path


def make_account(opened, name, choose):
    """Makes an account, and gives its token."""
    opened.get_by_role("button", name="Add an account").click()
    opened.get_by_label("Name").fill(name)
    choose()
    opened.get_by_role("button", name="Make the account").click()
    shown = opened.get_by_role("dialog", name=f"The token of {name}")
    token = shown.get_by_role("textbox").input_value()
    shown.get_by_role("button", name="Close").click()
    return token


def sign_in(opened, token):
    opened.get_by_label("Token", exact=True).fill(token)
    opened.get_by_role("button", name="Sign in").click()


def test_a_receiver_is_set_tested_and_its_address_is_not_shown_again(folder):
    with server(folder) as address, hook() as receiver, page() as (opened, wrong):
        opened.goto(f"{address}#/settings")
        opened.get_by_role("button", name="Add a receiver").click()
        box = opened.get_by_role("dialog")
        box.get_by_label("Name").fill("phone")
        box.get_by_label("Kind").select_option("webhook")
        box.get_by_label("Address").fill("ftp://nowhere")
        box.get_by_role("button", name="Save").click()
        # What was refused is said, and what was entered stays.
        expect(opened.get_by_text("must be http://").first).to_be_visible()
        expect(box.get_by_label("Address")).to_have_value("ftp://nowhere")
        box.get_by_label("Address").fill(receiver.url)
        box.get_by_text("Which alerts").click()
        box.get_by_label("yard").check()
        box.get_by_role("button", name="Save").click()
        row = opened.get_by_role("row", name="phone")
        expect(row).to_contain_text("yard")
        row.get_by_role("button", name="Send a test").click()
        expect(opened.get_by_text("The test through phone has arrived.")).to_be_visible()
        assert len(receiver.taken) == 1
        row.get_by_role("button", name="Change phone").click()
        expect(box.get_by_label("Address")).to_have_value("")
        expect(box.get_by_label("yard")).to_be_checked()
        box.get_by_role("button", name="Cancel").click()
        assert receiver.url not in opened.content()
        expect(opened.get_by_role("region", name="Log of changes")).to_be_attached()
        assert not wrong


def test_the_first_account_closes_the_door_and_one_of_a_camera_sees_that_alone(folder):
    with server(folder) as address:
        with page() as (opened, wrong):
            opened.goto(f"{address}#/settings")
            admin = make_account(
                opened, "anna", lambda: opened.get_by_label("Role").select_option("admin")
            )
            sign_in(opened, admin)
            expect(opened.get_by_text("You are signed in as anna, admin.")).to_be_visible()

            def only_the_yard():
                opened.get_by_label("All cameras").uncheck()
                opened.get_by_role("checkbox", name="yard").check()

            guard = make_account(opened, "guard", only_the_yard)
            expect(opened.get_by_role("row", name="guard")).to_contain_text("yard")
            assert not wrong
        with page(390, 844) as (opened, wrong):
            opened.goto(f"{address}#/events")
            sign_in(opened, guard)
            expect(opened.locator(".event-row").first).to_be_visible()
            expect(opened.locator(".event-list")).not_to_contain_text("vault")
            opened.goto(f"{address}#/settings")
            expect(opened.get_by_text("You see these cameras: yard.")).to_be_visible()
            expect(opened.get_by_role("button", name="Add an account")).to_have_count(0)
            opened.goto(f"{address}#/cameras/vault")
            expect(opened.get_by_text("There is no camera with the name")).to_be_visible()
            assert not wrong


def test_a_report_of_the_events_is_saved(folder):
    with server(folder) as address, page() as (opened, wrong):
        opened.goto(f"{address}#/events")
        opened.get_by_role("button", name="Search and export").click()
        with opened.expect_download(timeout=PATIENCE_MS) as saved:
            opened.get_by_role("link", name="Report").click()
        html = saved.value.path().read_text()
        assert "20 events of 2 cameras" in html
        assert not wrong
