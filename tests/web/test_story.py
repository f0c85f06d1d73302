"""One long story in a real browser: an empty server, an alarm, a recalibration, and back again."""

import json
import re
import shutil

import pytest
from playwright.sync_api import expect

from oddframe.media.video_writer import VideoWriter
from oddframe.synthetic.scene import SceneSettings, draw
from tests.support.browser import PATIENCE_MS, chromium, page, server
from tests.support.tiny import tiny_settings

pytestmark = pytest.mark.services

SCENE = SceneSettings(width=160, height=96, density=0.5, light=0.3)
LOOP = 120
"""Frames of the recording that is played over and over; a cart crosses it in frames 20 to 106."""

expect.set_options(timeout=PATIENCE_MS)


def film(path, seed, frames, kinds=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, SCENE.rate_fps, (SCENE.width, SCENE.height)) as writer:
        for frame in draw(seed, frames, SCENE, kinds):
            writer.write(frame.pixels)


@pytest.fixture(scope="module")
def data(tmp_path_factory, oddframe_command):
    """A data folder with two models of the drawn plaza and a recording with a cart; no camera."""
    chromium()
    folder = tmp_path_factory.mktemp("story")
    for seed in (1, 2, 3):
        film(folder / "normal" / f"{seed}.mp4", seed, 150)
    film(folder / "data" / "cart.mp4", 1003, LOOP, ("cart",))
    settings = tiny_settings(pretrain_steps=150, joint_steps=150).as_dict()
    settings["network"]["channels"] = 8
    config = folder / "config.json"
    config.write_text(json.dumps(settings))
    models = folder / "data" / "models"
    run = models / "plaza"
    left = oddframe_command(
        "train",
        folder / "normal",
        "-o",
        run,
        "-c",
        config,
        "--false-alarms",
        "60/hour",
        "--seed",
        1,
    )
    assert left.code == 0, left
    shutil.copytree(run / "bundle", models / "plaza in winter" / "bundle")
    return folder / "data"


@pytest.fixture(scope="module")
def address(data):
    with server(data) as address:
        yield address


class Story:
    """What a person sees and does, and what the server says of it."""

    def __init__(self, page, address):
        self.page, self.address = page, address

    def api(self, path):
        return self.page.request.get(f"{self.address}api/v1/{path}").json()

    def camera(self):
        return self.api("cameras")["cameras"][0]

    def go(self, place):
        self.page.goto(f"{self.address}#/{place}")

    def press(self, name, role="button", within=None):
        (within or self.page).get_by_role(role, name=name, exact=True).click()

    def sees(self, text):
        expect(self.page.get_by_text(text).first).to_be_visible()

    def until(self, holds):
        for _ in range(PATIENCE_MS // 250):
            if holds():
                return
            self.page.wait_for_timeout(250)
        raise AssertionError(f"it did not come about: {self.camera()}")

    def watch_on(self, frames):
        """Wait until so many more frames were watched."""
        enough = self.camera()["state"]["frames"] + frames
        self.until(lambda: self.camera()["state"]["frames"] >= enough)


def test_the_whole_story(address):
    with page() as (opened, wrong):
        story = Story(opened, address)

        story.go("")
        story.sees("No camera yet")
        story.press("Add a camera")
        opened.get_by_label("Name").fill("plaza")
        opened.get_by_label("Address").fill("no-such-file.mp4")
        story.press("Test")
        story.sees("there is no such file")
        opened.get_by_label("Address").fill("cart.mp4")
        story.press("Test")
        expect(opened.get_by_alt_text("The picture that the address gave")).to_be_visible()
        opened.get_by_label("Model", exact=True).select_option("models/plaza")
        opened.get_by_label("Warn when the camera is covered").uncheck()
        story.press("Add the camera")

        # Live: a picture, then an alarm.
        picture = opened.get_by_alt_text("Live picture of plaza")
        expect(picture).to_be_visible()
        first = picture.get_attribute("src")
        expect(picture).not_to_have_attribute("src", first)
        story.sees("unusual now")
        story.until(lambda: any(one["clip"] for one in story.api("events")["events"]))

        # Its clip plays.
        opened.get_by_role("link", name=re.compile("^Events")).click()
        rows = opened.locator(".event-row")
        expect(rows.first).to_be_visible()
        event = next(one for one in story.api("events")["events"] if one["clip"])
        opened.locator(f'.event-row[data-row="{event["row"]}"]').click()
        story.press("Play the clip")
        clip = opened.locator("video")
        opened.wait_for_function("() => document.querySelector('video').currentTime > 0.3")
        assert clip.evaluate("video => video.videoWidth") == SCENE.width
        expect(opened.locator(".bars .main")).to_have_count(1)

        # The timeline finds it by keys alone, and plays it.
        story.go("timeline")
        expect(opened.locator(".strip canvas")).to_be_visible()
        opened.keyboard.press("p")
        expect(opened.locator(".event-panel h2")).to_be_visible()
        # The newest one may not have its clip yet. What is seen must be the new view's: the old one
        # stays for a moment.
        opened.evaluate("() => document.querySelector('.event-panel').classList.add('before')")
        story.go(f"timeline?event={event['row']}")
        panel = opened.locator(".event-panel:not(.before)")
        expect(panel.get_by_role("button", name="Play the clip")).to_be_visible()
        opened.keyboard.press(" ")
        opened.wait_for_function("() => document.querySelector('video')?.currentTime > 0.3")

        # All that the cart did is normal.
        story.until(lambda: not story.camera()["open_event"])
        story.go(f"events/{event['row']}")
        expect(opened.get_by_role("heading", name="Events", level=1)).to_be_visible()
        expect(opened.locator(".judge")).to_be_visible()

        # A key judges all like events and moves on to the next ones.
        def are_judged():
            if not story.api("stacks?verdict=none")["stacks"]:
                return True
            opened.keyboard.press("x")
            return False

        story.until(are_judged)
        expect(opened.locator(".judge button", has_text="Normal")).to_have_attribute(
            "aria-pressed", "true"
        )
        story.press("Preview recalibration", role="link")
        story.sees("would disappear")
        expect(
            opened.get_by_role("region", name="Alarms that would disappear")
            .locator(".event-row")
            .first
        ).to_be_visible()
        story.press("Apply")
        story.sees("Applied.")
        learned = story.camera()["threshold"]

        # The cart comes again, twice, and raises no alarm.
        story.until(lambda: not story.camera()["open_event"])
        known = story.api("events")["events"][0]["row"]
        story.watch_on(2 * LOOP)
        assert story.api("events")["events"][0]["row"] == known
        assert max(score for score in story.camera()["recent"] if score is not None) < 0.5

        # Another model brings its own threshold; rolled back, what was learned holds again.
        story.go("models")
        winter = opened.get_by_role("article", name="Model models/plaza in winter")
        winter.get_by_role("button", name="Use for a camera").click()
        story.press("Use it")
        expect(winter.get_by_role("link", name="plaza", exact=True)).to_be_visible()
        assert story.camera()["model"] == "models/plaza in winter"
        assert story.camera()["threshold"] < learned
        winter.get_by_role("button", name="Roll back plaza").click()
        story.press("Roll back", within=opened.get_by_role("dialog"))
        expect(winter.get_by_text("not used")).to_be_visible()
        assert story.camera()["model"] == "models/plaza"
        assert story.camera()["threshold"] == learned
        assert not wrong
