"""A morning's review in a browser: 64 cameras, stacks, filters, undo, export, names, a wall."""

import re

import pytest
from playwright.sync_api import expect

from oddframe.store.store import Store, now_us
from tests.support.browser import PATIENCE_MS, chromium, page, server
from tests.support.morning import fill_night

pytestmark = pytest.mark.services

LONG = "x" * 64
CAMERAS = [*(f"camera {number:02}" for number in range(62)), LONG, "Nordtor-Lieferanteneinfahrt"]
EACH = 1 + 10

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The app on a data folder with a night's events of cameras that are away now."""
    chromium()
    folder = tmp_path_factory.mktemp("morning")
    assert fill_night(folder, CAMERAS, groups=2) == EACH * len(CAMERAS)
    # A score of each second minute, from eleven to thirteen hours ago.
    with Store(folder) as store:
        for minute in range(11 * 60, 13 * 60, 2):
            store.put_score("camera 05", now_us() - minute * 60_000_000, 0.62)
    tables = (f'[[camera]]\nname = "{name}"\nsource = "rtsp://127.0.0.1:9/a"\n' for name in CAMERAS)
    (folder / "cameras.toml").write_text('model = "ped2"\n' + "".join(tables))
    with server(folder) as address:
        yield address


def go(opened, address, view):
    opened.goto("about:blank")
    opened.goto(f"{address}#/{view}")
    expect(opened.locator("main h1")).to_be_visible()


def asked(opened, address, path):
    return opened.request.get(f"{address}api/v1/{path}").json()


def unjudged(opened, address, camera):
    return asked(opened, address, f"stacks?verdict=none&camera={camera}")["event_count"]


def test_ten_stacked_events_are_judged_by_one_key_which_moves_on_and_can_be_undone(address):
    with page() as (opened, wrong):
        go(opened, address, "events?camera=camera 03")
        expect(opened.locator(".summary")).to_have_text("11 events on 2 stacks")
        titles = opened.locator(".event-row .strong")
        stacked = opened.locator(".event-row", has_text="10 events")
        expect(opened.locator(".small-film img").first).to_be_visible()
        stacked.click()
        expect(opened.get_by_text("Your verdict on all 10 events")).to_be_visible()
        opened.keyboard.press("x")
        expect(opened.get_by_text("10 events marked as normal.")).to_be_visible()
        # The one that is left is shown next.
        expect(opened.get_by_text("Your verdict", exact=True)).to_be_visible()
        assert unjudged(opened, address, "camera 03") == 1
        opened.keyboard.press("z")
        expect(opened.get_by_text("Your verdict on all 10 events")).to_be_visible()
        assert unjudged(opened, address, "camera 03") == 11
        assert titles.count() == 2
        assert not wrong


def test_one_that_does_not_belong_leaves_its_stack_and_is_judged_alone(address):
    with page() as (opened, wrong):
        go(opened, address, "events?camera=camera 04")
        opened.locator(".event-row", has_text="10 events").click()
        film = opened.get_by_role("group", name="Events of this stack").get_by_role("button")
        before = film.count()
        opened.get_by_role("button", name=re.compile(r"Show \d more")).click()
        expect(film).to_have_count(10)
        assert before < 10
        film.nth(4).click()
        expect(film.nth(4)).to_have_attribute("aria-pressed", "true")
        opened.get_by_role("button", name="Not this one").click()
        expect(opened.locator(".event-row", has_text="9 events")).to_be_visible()
        expect(opened.get_by_text("Your verdict", exact=True)).to_be_visible()
        opened.keyboard.press("y")
        expect(opened.get_by_text("1 event marked as important.")).to_be_visible()
        assert unjudged(opened, address, "camera 04") == 10
        assert not wrong


def test_several_are_selected_with_shift_and_with_the_finger(address):
    with page(390, 844) as (opened, wrong):
        go(opened, address, "events?camera=camera 05")
        boxes = opened.locator(".pick input")
        boxes.nth(0).click()
        boxes.nth(1).click(modifiers=["Shift"])
        bar = opened.get_by_role("group", name="Selected")
        expect(bar).to_contain_text("11 events selected")
        bar.get_by_role("button", name="Unsure").click()
        expect(opened.get_by_text("11 events marked as unsure.")).to_be_visible()
        expect(bar).to_be_hidden()
        assert unjudged(opened, address, "camera 05") == 0
        assert not wrong


def test_a_filter_is_an_address_that_others_can_open_and_its_table_can_be_saved(address):
    with page() as (opened, wrong):
        go(opened, address, "events")
        opened.get_by_role("button", name="Search and export").click()
        opened.get_by_label("Lowest score").fill("0.8")
        opened.get_by_label("Lowest score").blur()
        opened.wait_for_url("**min_score=0.8*")
        # At once, while the view with the first filter may not be there yet.
        opened.get_by_label("Order").select_option("rarity")
        opened.wait_for_url("**sort=rarity*")
        kept = opened.url
        assert "min_score=0.8" in kept
        everything = f"{EACH * len(CAMERAS)} events"
        expect(opened.locator(".summary")).not_to_contain_text(everything)
        summary = opened.locator(".summary").text_content()
        with opened.expect_download() as saved:
            opened.get_by_role("link", name="CSV").click()
        lines = saved.value.path().read_text().splitlines()
        assert f"{len(lines) - 1} events" in summary
        opened.goto("about:blank")
        opened.goto(kept)
        expect(opened.locator(".summary")).to_have_text(summary)
        expect(opened.get_by_label("Order")).to_have_value("rarity")
        expect(opened.get_by_label("Lowest score")).to_have_value("0.8")
        assert not wrong


def test_an_event_that_is_gone_leads_back_to_the_list(address):
    with page(390, 844) as (opened, wrong):
        go(opened, address, "events/99999")
        expect(opened.get_by_role("heading", name="does not exist any more")).to_be_visible()
        opened.get_by_role("link", name="Show all events").click()
        expect(opened.locator(".event-row").first).to_be_visible()
        assert not wrong


VIEWS = (
    "cameras",
    f"cameras/{LONG}",
    f"cameras/{LONG}/edit",
    f"cameras/{LONG}/recalibrate",
    "timeline",
    f"timeline?camera={LONG}",
    f"events?camera={LONG}",
    f"events?verdict=none&min_score=0.5&camera={LONG}",
    "models",
    "health",
)

OUTSIDE = """() => {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const found = wide > 0 ? [`the page is ${wide} px too wide`] : [];
    for (const card of document.querySelectorAll(".card, dialog[open]")) {
        const room = card.getBoundingClientRect();
        for (const one of card.querySelectorAll("*")) {
            // What scrolls by itself may be wider than the room that it is seen through.
            if (!one.checkVisibility() || one.closest(".scroll, .hidden, svg")) continue;
            const place = one.getBoundingClientRect();
            if (place.width && (place.right > room.right + 1 || place.left < room.left - 1))
                found.push(one.outerHTML.slice(0, 120));
        }
    }
    return found;
}"""
"""What is wider than the page, or beyond the card that it is in."""


@pytest.mark.parametrize("width", [390, 1440])
def test_a_name_of_64_letters_stays_in_its_card_in_every_view(address, width):
    with page(width, 900) as (opened, wrong):
        for view in VIEWS:
            go(opened, address, view)
            opened.wait_for_load_state("networkidle") if "edit" in view else None
            expect(opened.get_by_text(LONG).first).to_be_attached()
            assert opened.evaluate(OUTSIDE) == [], view
        assert not wrong


def test_many_cameras_have_a_low_strip_each_that_is_read_out_and_leads_to_its_camera(address):
    with page() as (opened, wrong):
        to_us = now_us()
        go(opened, address, f"timeline?from={to_us - 2 * 86_400_000_000}&to={to_us}")
        expect(opened.locator(".wall:not([aria-busy])")).to_be_visible()
        strips = opened.locator(".strip")
        expect(strips).to_have_count(64)
        # Only what can be seen is drawn: a canvas that never was has the height of all new ones.
        assert strips.last.locator("canvas").evaluate("(canvas) => canvas.height") == 150
        strips.last.scroll_into_view_if_needed()
        height = "(canvas) => canvas.height === canvas.clientHeight * devicePixelRatio"
        drawn = strips.last.locator("canvas")
        while not drawn.evaluate(height):
            opened.wait_for_timeout(50)
        strip = strips.filter(has_text="camera 05").locator("canvas")
        strip.scroll_into_view_if_needed()
        box = strip.bounding_box()
        opened.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
        readout = opened.locator(".readout")
        expect(readout).to_contain_text("camera 05 · score 0.62")
        opened.mouse.move(5, 5)
        expect(readout).not_to_contain_text("camera 05")
        opened.get_by_role("link", name="camera 05", exact=True).click()
        expect(opened.get_by_role("heading", name="camera 05")).to_be_visible()
        assert not wrong
