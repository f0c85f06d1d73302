"""What is said of a camera is true in each of its states, in a real browser."""

import re
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from tests.support.browser import PATIENCE_MS, chromium, page, server
from tests.support.stream_server import StreamServer
from tests.support.stream_server import video as video_answer
from tests.support.tiny import walk

pytestmark = pytest.mark.services

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def site(tiny_run, tmp_path):
    """Makes a data folder with one camera at an address."""
    chromium()

    def make(address):
        folder = tmp_path / "site"
        (folder / "models").mkdir(parents=True)
        (folder / "models" / "tiny").symlink_to(tiny_run)
        (folder / "cameras.toml").write_text(
            f'[[camera]]\nname = "gate"\nsource = "{address}"\nmodel = "models/tiny"\n'
            "health = false\n"
        )
        return folder

    return make


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
