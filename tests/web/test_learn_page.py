"""The page on which a camera is learnt, in a real browser: from an address to a live camera."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browser import PATIENCE_MS, chromium, page, server
from tests.support.learnt_camera import put_learnt_camera
from tests.support.stream_server import StreamServer
from tests.support.stream_server import video as video_answer
from tests.support.tiny import tiny_settings, toml_text, walk

pytestmark = pytest.mark.services

expect.set_options(timeout=PATIENCE_MS)

TRAINING_MS = 900_000
"""A training is a process of low priority, and this machine may be busy."""


@pytest.fixture
def camera(video):
    """A server that shows the same scene again and again, as a live camera."""
    chromium()
    path = video("live.ts", frames=300, rate_fps=25, size=(320, 240), draw=walk)
    with StreamServer(video_answer(path)) as shown:
        yield shown


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    settings = tiny_settings(pretrain_steps=2, joint_steps=2)
    (folder / "learning.toml").write_text(toml_text(settings))
    return folder


def test_an_empty_site_learns_its_first_camera_and_watches_it(camera, data):
    with server(data) as address, page() as (opened, wrong):
        opened.goto(address)
        opened.get_by_role("button", name="Add a camera").click()
        opened.get_by_label("Name").fill("front door")
        opened.get_by_label("Address").fill(camera.url())
        # What it takes is said before.
        opened.get_by_label("How long to watch").fill("2")
        expect(opened.get_by_text("The video takes about 43 GB")).to_be_visible()
        opened.get_by_label("How much of that to record").select_option("1")
        expect(opened.get_by_text("The video takes about 7.2 GB")).to_be_visible()
        opened.get_by_label("How much of that to record").select_option("0")
        opened.get_by_label("How long to watch").fill("8")
        opened.get_by_label("Unit of the time").select_option("minutes")
        expect(opened.get_by_text("A first look")).to_be_visible()
        opened.get_by_role("button", name="Learn this camera").click()
        expect(opened.get_by_role("heading", name="Learn front door")).to_be_visible()
        expect(opened.get_by_text(re.compile("Recording the camera: .* of 8 min"))).to_be_visible()

        # It is stopped, goes on, and is cancelled with what it recorded.
        opened.get_by_role("button", name="Pause").click()
        expect(opened.get_by_text("paused")).to_be_visible()
        expect(opened.get_by_role("heading", name="Recorded video")).to_be_visible()
        opened.get_by_role("button", name="Go on").click()
        opened.get_by_role("button", name="Cancel").click()
        opened.get_by_role("button", name="Delete the video too").click()
        expect(opened.get_by_role("heading", name="No camera yet")).to_be_visible()
        assert list(data.rglob("*.mp4")) == []

        # As long as a test may take: the camera is learnt, and is watched with its own model.
        opened.get_by_role("button", name="Add a camera").click()
        opened.get_by_label("Name").fill("front door")
        opened.get_by_label("Address").fill(camera.url())
        opened.get_by_label("How long to watch").fill("0.15")
        opened.get_by_label("Unit of the time").select_option("minutes")
        opened.get_by_role("button", name="Learn this camera").click()
        expect(opened.get_by_role("heading", name="Before it goes live")).to_be_visible(
            timeout=TRAINING_MS
        )
        expect(opened.get_by_text(re.compile("it would have raised .* alarm"))).to_be_visible()
        opened.get_by_label("Allowed false alarms").fill("3")
        expect(opened.get_by_text("With 3 false alarms per day")).to_be_visible()
        opened.get_by_role("button", name="Go live").click()
        expect(opened.get_by_text("The camera is watched with its own model now.")).to_be_visible()
        opened.get_by_role("link", name="See the camera").click()
        expect(opened.get_by_alt_text("Live picture of front door")).to_be_visible()
        assert wrong == []


def test_outliers_are_judged_with_pictures_and_what_was_said_stays(data, tiny_run):
    chromium()
    put_learnt_camera(data, tiny_run)
    with server(data) as address, page() as (opened, wrong):
        opened.goto(f"{address}#/cameras/gate/learn")
        outliers = opened.get_by_role("region", name="Unlike the rest")
        expect(outliers.get_by_role("img")).to_have_count(2)
        expect(outliers.get_by_text("2 moments to look at.")).to_be_visible()
        again = outliers.get_by_role("button", name="Train again without them")
        expect(again).to_be_hidden()
        first, second = (outliers.get_by_role("listitem").nth(place) for place in (0, 1))
        first.get_by_role("button", name="Leave out").click()
        second.get_by_role("button", name="That is normal").click()
        expect(outliers.get_by_text("You have looked at all of them.")).to_be_visible()
        expect(again).to_be_visible()
        opened.reload()
        for place, button in ((first, "Leave out"), (second, "That is normal")):
            pressed = place.get_by_role("button", name=button)
            expect(pressed).to_have_attribute("aria-pressed", "true")
        # Pressed once more it is taken back.
        first.get_by_role("button", name="Leave out").click()
        expect(outliers.get_by_text("1 moment to look at.")).to_be_visible()
        expect(again).to_be_hidden()
        assert wrong == []


def test_a_camera_is_learnt_from_recordings_that_the_browser_sends(camera, data, video):
    content = video("walk.mp4", frames=60, draw=walk).read_bytes()
    with server(data) as address, page() as (opened, wrong):
        opened.goto(f"{address}#/cameras/new")
        opened.get_by_label("Name").fill("front door")
        opened.get_by_label("Address").fill(camera.url())
        opened.get_by_label("Learn from").select_option("upload")
        expect(opened.get_by_label("How long to watch")).to_be_hidden()
        opened.get_by_role("button", name="Learn this camera").click()
        expect(opened.get_by_text("Choose recordings first.")).to_be_visible()
        # What is no recording is refused in words, and nothing is learnt.
        text = {"name": "notes.mp4", "mimeType": "video/mp4", "buffer": b"no video " * 100}
        opened.get_by_label("Recordings").set_input_files([text])
        opened.get_by_role("button", name="Learn this camera").click()
        expect(opened.get_by_text("Notes.mp4 must be a recording")).to_be_visible()
        sent = {"name": "walk.mp4", "mimeType": "video/mp4", "buffer": content}
        opened.get_by_label("Recordings").set_input_files([sent])
        # One part is lost on its way, and is sent again.
        failed = []

        def fail_once(route):
            failed.append(route.request.url)
            route.abort() if len(failed) == 1 else route.continue_()

        opened.route("**/uploads/file*", fail_once)
        opened.get_by_role("button", name="Learn this camera").click()
        expect(opened.get_by_role("heading", name="Learn front door")).to_be_visible()
        assert len(failed) == 2
        (path,) = (data / "uploads").rglob("walk.mp4")
        assert path.read_bytes() == content
        opened.get_by_role("button", name="Delete walk.mp4").click()
        opened.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(opened.get_by_role("button", name="Delete walk.mp4")).to_have_count(0)
        assert not path.exists()
        opened.get_by_role("button", name="Cancel").click()
        opened.get_by_role("button", name="Yes").click()
        expect(opened.get_by_role("heading", name="No camera yet")).to_be_visible()
        assert wrong == []
