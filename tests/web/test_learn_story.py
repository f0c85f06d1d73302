"""One long story in a real browser: an empty site learns a camera, alarms, and learns it again.

The camera is a real RTSP server, and at every stage the app is killed and started again.
"""

import re
from contextlib import suppress
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from oddframe.synthetic.scene import SceneSettings, draw
from tests.support.browser import PATIENCE_MS, AppServer, page
from tests.support.rtsp import RtspServer, encode_pictures, require_rtsp
from tests.support.tiny import tiny_settings, toml_text

pytestmark = pytest.mark.services

expect.set_options(timeout=PATIENCE_MS)

SCENE = SceneSettings(width=160, height=96, density=0.5, light=0.3)
NORMAL_FRAMES, CART_FRAMES = 450, 120
WATCHED_MINUTES = "0.7"
CART_SCORE = 0.65
NARROW_PX = 390

TRAINING_MS = 900_000
"""A training is a process of low priority, and this machine may be busy."""


def pictures(seed, frames, kinds=()):
    return (frame.pixels for frame in draw(seed, frames, SCENE, kinds))


@pytest.fixture
def data(tmp_path):
    """An empty site, which trains for as short as it takes to tell a cart from people."""
    folder = tmp_path / "site"
    folder.mkdir()
    settings = tiny_settings(pretrain_steps=150, joint_steps=150)
    settings = replace(settings, network=replace(settings.network, channels=8))
    (folder / "learning.toml").write_text(toml_text(settings))
    return folder


@pytest.fixture
def camera(tmp_path):
    """An RTSP server that shows people on a plaza, over and over, and a cart when it is told to."""
    require_rtsp()
    encode_pictures(tmp_path / "cart", pictures(1003, CART_FRAMES, ("cart",)))
    with RtspServer(encode_pictures(tmp_path / "normal", pictures(1, NORMAL_FRAMES))) as server:
        yield server


class Story:
    """A browser and a narrow one, the app that they see, and what the app says."""

    def __init__(self, app, opened):
        self.app, self.page = app, opened
        self.narrow = opened.context.browser.new_page(
            viewport={"width": NARROW_PX, "height": 844}, reduced_motion="reduce"
        )
        self.narrow.set_default_timeout(PATIENCE_MS)

    def api(self, path):
        return self.page.request.get(f"{self.app.address}api/v1/{path}").json()

    def go(self, place, where=None):
        (where or self.page).goto(f"{self.app.address}#/{place}")

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def sees_heading(self, name, patience_ms=PATIENCE_MS):
        # Where times stand below it, a heading names their zone too.
        expect(self.page.get_by_role("heading", name=name)).to_be_visible(timeout=patience_ms)

    def is_killed(self):
        """The app dies as in a power cut, and comes back; nobody reloads a page."""
        self.app.kill()
        self.app.start()

    def fits_the_narrow_page(self, place, text):
        """The second browser shows something, and nothing of it hangs over its edge."""
        self.go(place, self.narrow)
        expect(self.narrow.get_by_text(text).first).to_be_visible()
        width = self.narrow.evaluate("() => document.documentElement.scrollWidth")
        assert width <= NARROW_PX, f"{place} is {width} px wide"

    def until(self, holds, patience_ms=PATIENCE_MS):
        for _ in range(patience_ms // 250):
            if found := holds():
                return found
            self.page.wait_for_timeout(250)
        raise AssertionError(f"it did not come about: {self.api('learning')}")

    def event_of_the_cart(self):
        """The event that is unlike all that people do there, once its clip is written."""
        events = self.api("events")["events"]
        found = (one for one in events if one["clip"] and one["score"] > CART_SCORE)
        return next(found, None)

    def sees_the_cart_pass(self, camera, cart):
        """The event of a cart, which passes up to three times: one pass may look like people."""
        for _ in range(3):
            camera.order(f"once {cart}")
            with suppress(AssertionError):
                return self.until(self.event_of_the_cart)
        raise AssertionError(f"no event shows the cart: {self.api('events')}")

    def learning(self):
        return self.api("learning/plaza")

    def model(self):
        return self.api("cameras/plaza")["model"]

    def learns(self):
        """The camera is learnt, through a kill in every stage, and goes live."""
        if self.learning()["stage"] == "record":
            recording = self.page.get_by_text(re.compile("^Recording the camera: "))
            expect(recording).to_be_visible()
            self.fits_the_narrow_page("cameras/plaza/learn", re.compile("^Recording the camera: "))
            self.until(lambda: self.learning()["share"] > 0.2)
            self.is_killed()
            self.until(lambda: self.learning()["share"] > 0.5)
        self.until(lambda: self.learning()["part"] in ("pretrain", "joint"), TRAINING_MS)
        expect(self.page.get_by_text(re.compile("^Training "))).to_be_visible()
        self.fits_the_narrow_page("cameras/plaza/learn", "training")
        self.is_killed()
        self.sees_heading("Before it goes live", TRAINING_MS)
        self.is_killed()
        self.until(lambda: self.learning()["state"] == "ready")
        self.page.get_by_label("Allowed false alarms").fill("60")
        self.page.get_by_label("per", exact=True).select_option("hour")
        expect(self.page.get_by_text("With 60 false alarms per hour")).to_be_visible()
        self.fits_the_narrow_page("cameras/plaza/learn", "Before it goes live")
        self.press("Go live")
        expect(
            self.page.get_by_text("The camera is watched with its own model now.")
        ).to_be_visible()


def test_an_empty_site_learns_a_camera_alarms_and_learns_it_again(data, camera):
    with AppServer(data) as app, page() as (opened, wrong):
        story = Story(app, opened)

        # Empty, and a camera is added.
        opened.goto(app.address)
        story.sees_heading("No camera yet")
        story.fits_the_narrow_page("cameras", "No camera yet")
        story.press("Add a camera")
        opened.get_by_label("Name").fill("plaza")
        opened.get_by_label("Address").fill(camera.url())
        story.press("Test")
        expect(opened.get_by_alt_text("The picture that the address gave")).to_be_visible()
        opened.get_by_label("How long to watch").fill(WATCHED_MINUTES)
        opened.get_by_label("Unit of the time").select_option("minutes")
        opened.get_by_label("Keep the video when the model is live").check()
        story.press("Learn this camera")
        story.sees_heading("Learn plaza")
        story.learns()
        first = story.model()

        # Live, and something unusual comes; the app dies while it goes on.
        opened.get_by_role("link", name="See the camera").click()
        expect(opened.get_by_alt_text("Live picture of plaza")).to_be_visible()
        expect(opened.get_by_text("pictures/s")).to_be_visible()
        story.fits_the_narrow_page("cameras/plaza", "Score")
        story.until(lambda: story.api("cameras/plaza")["score"] is not None)
        camera.order(f"once {data.parent / 'cart'}")
        story.until(lambda: (story.api("cameras/plaza")["score"] or 0) > CART_SCORE)
        assert story.api("cameras/plaza")["open_event"]
        story.is_killed()
        story.until(lambda: story.api("cameras/plaza")["score"] is not None)
        expect(opened.get_by_alt_text("Live picture of plaza")).to_be_visible()

        # Its event is there and is judged.
        event = story.sees_the_cart_pass(camera, data.parent / "cart")
        story.go(f"events/{event['row']}")
        expect(opened.locator(".judge")).to_be_visible()
        story.fits_the_narrow_page(f"events/{event['row']}", "Normal")

        def is_judged():
            if story.api(f"events/{event['row']}")["verdict"]:
                return True
            opened.keyboard.press("y")
            return False

        story.until(is_judged)
        story.is_killed()
        assert story.api(f"events/{event['row']}")["verdict"] == "important"

        # It is learnt again, from the video that was kept, and goes back to the model of before.
        story.go("cameras/plaza/learn")
        opened.get_by_label(re.compile("^Learn from the .* of video that are recorded")).check()
        story.press("Learn this camera")
        story.learns()
        second = story.model()
        assert second != first
        story.press("Use the model of before")
        story.until(lambda: story.model() == first)
        story.is_killed()
        assert story.model() == first
        assert not wrong
