"""What is said of a camera is true in each of its states, in a real browser."""

import re
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from tests.support.browser import PATIENCE_MS, chromium, page, server
from tests.support.stream_server import StreamServer
from tests.support.stream_server import video as video_answer
from tests.support.tiny import walk
from tests.support.two_views import frame_of_view, write_model_of_view

pytestmark = pytest.mark.services

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def site(tiny_run, tmp_path):
    """Makes a data folder with one camera at an address, and a model of the view of seed 1."""
    chromium()

    def make(address, model="tiny", health="false"):
        folder = tmp_path / "site"
        (folder / "models").mkdir(parents=True)
        (folder / "models" / "tiny").symlink_to(tiny_run)
        write_model_of_view(folder / "models", "known", tiny_run, 1)
        (folder / "cameras.toml").write_text(
            f'[[camera]]\nname = "gate"\nsource = "{address}"\nmodel = "models/{model}"\n'
            f"health = {health}\n"
        )
        return folder

    return make


@pytest.fixture
def other_view(video):
    """A camera that shows the view of seed 2."""
    path = video(
        "live.ts",
        frames=300,
        rate_fps=25,
        size=(64, 48),
        draw=lambda number, *_: frame_of_view(2, number),
    )
    with StreamServer(video_answer(path)) as camera:
        yield camera


def test_a_camera_of_another_view_is_live_and_not_scored_and_says_what_mends_it(site, other_view):
    folder = site(other_view.url(), "known", "true")
    with server(folder) as address, page() as (opened, wrong):
        opened.goto(f"{address}#/cameras/gate")
        expect(opened.locator(".over")).to_contain_text("live, not scored")
        expect(opened.locator(".over")).not_to_contain_text("unusual")
        trouble = opened.locator(".callout.warn").first
        expect(trouble).to_contain_text("is not where it was")
        trouble.get_by_role("link", name="Learn this camera").click()
        expect(opened.get_by_role("heading", name="Learn gate")).to_be_visible()
        assert not wrong


def test_a_model_of_another_view_is_taken_only_after_both_were_seen(site, other_view):
    with server(site(other_view.url())) as address, page() as (opened, wrong):
        opened.goto(f"{address}#/cameras/gate")
        expect(opened.get_by_alt_text("Live picture of gate")).to_be_visible()
        expect(opened.get_by_text(re.compile(r"^\d[\d.]* pictures/s$"))).to_be_visible()

        def use_known():
            opened.goto(f"{address}#/models")
            card = opened.get_by_role("article", name="Model models/known")
            card.get_by_role("button", name="Use for a camera").click()
            opened.get_by_role("button", name="Use it", exact=True).click()

        def model():
            return opened.request.get(f"{address}api/v1/cameras/gate").json()["model"]

        use_known()
        dialog = opened.get_by_role("dialog", name="This model has learnt another view")
        for picture in ("What gate shows now", "What models/known has learnt"):
            expect(dialog.get_by_alt_text(picture)).to_be_visible()
        dialog.get_by_role("button", name="Cancel").click()
        assert model() == "models/tiny"
        use_known()
        dialog.get_by_role("button", name="Use it all the same").click()
        expect(opened.get_by_text("Camera gate uses models/known now.")).to_be_visible()
        assert model() == "models/known"
        assert not wrong


def test_an_old_picture_is_dimmed_and_its_age_counts_up(site, video):
    path = video("live.ts", frames=300, rate_fps=25, size=(64, 48), draw=walk)
    with ExitStack() as until_lost:
        camera = until_lost.enter_context(StreamServer(video_answer(path)))
        with server(site(camera.url())) as address, page() as (opened, wrong):
            opened.goto(f"{address}#/cameras/gate")
            tags, old, age = (opened.locator(one) for one in (".over", ".picture.old", ".age"))
            expect(tags).to_contain_text("live")
            expect(old).to_have_count(0)
            until_lost.close()
            expect(tags).to_contain_text("no signal")
            expect(old).to_be_visible()
            expect(age).to_have_text(re.compile("last picture .* ago"))
            first = age.text_content()
            expect(age).not_to_have_text(first)
            # The sentence says the same as the tag, and a lost camera is nothing unusual.
            expect(opened.locator(".callout.warn").first).to_be_visible()
            expect(tags).not_to_contain_text("unusual")
            assert not wrong
