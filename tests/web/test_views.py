"""Every view in a real browser: names as text, narrow screens, labels, the token, a lost server."""

import shutil

import pytest
from playwright.sync_api import expect

from oddframe.media.overlay import clock_text
from oddframe.report.page import rarity
from tests.support.browser import PATIENCE_MS, chromium, page, server

pytestmark = pytest.mark.services

EVIL = "<img src=x onerror=alert(1)>"
CAMERA = EVIL.replace("<", "%3C").replace(">", "%3E").replace("=", "%3D").replace(" ", "%20")
VIEWS = (
    "cameras",
    f"cameras/{CAMERA}",
    f"cameras/{CAMERA}/edit",
    f"cameras/{CAMERA}/recalibrate",
    "cameras/new",
    "timeline",
    "events",
    "models",
    "health",
)
TOKEN = "correct horse battery staple"

NAMELESS = """() => {
    const wanted = "button, a, input, select, textarea, img, [role=group], [role=region]";
    const named = (one) => one.getAttribute("aria-label") || one.getAttribute("aria-labelledby")
        || one.getAttribute("alt") !== null || one.labels?.length || one.textContent.trim();
    return [...document.querySelectorAll(wanted)]
        .filter((one) => one.checkVisibility() && !one.closest("[aria-hidden=true]") && !named(one))
        .map((one) => one.outerHTML);
}"""
"""Visible controls, pictures and groups without a name that can be read aloud."""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def data(tmp_path_factory, footage, tiny_run):
    """A data folder with a camera whose name is HTML."""
    chromium()
    folder = tmp_path_factory.mktemp("views")
    (folder / "models").mkdir()
    (folder / "models" / "tiny").symlink_to(tiny_run)
    shutil.copy(footage / "a.mp4", folder / "yard.mp4")
    (folder / "cameras.toml").write_text(
        f'[[camera]]\nname = "{EVIL}"\nsource = "yard.mp4"\nmodel = "models/tiny"\n'
        "loop = true\nhealth = false\n"
    )
    return folder


def go(opened, address, view):
    """Go to a view, and wait until it is drawn."""
    opened.evaluate("document.querySelector('main').replaceChildren()")
    opened.goto(f"{address}#/{view}")
    expect(opened.locator("main h1")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1920])
def test_every_view_fits_has_names_and_shows_text_as_text(data, width):
    with server(data) as address, page(width, 844) as (opened, wrong):
        opened.goto(address)
        expect(opened.get_by_role("link", name=EVIL).first).to_be_visible()
        for view in VIEWS:
            go(opened, address, view)
            opened.wait_for_load_state(
                "networkidle"
            ) if view == "cameras/new" else opened.wait_for_timeout(300)
            assert opened.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, view
            assert opened.evaluate(NAMELESS) == [], view
            assert opened.locator("img[src='x']").count() == 0, view
        assert opened.get_by_role("link", name=EVIL).count() > 0
        assert not wrong


SECONDS = (0.0, 7.34, 59.96, 760.0, 3723.4, -1.0)
RARITIES = (0.0, 0.29, 1.0, 2.531, 3.21, 5.99, 6.0, 31.0)


def test_the_page_and_the_report_write_times_and_rarities_as_python_does(data):
    with server(data) as address, page() as (opened, wrong):
        opened.goto(address)
        times, rarities = opened.evaluate(
            """async ([seconds, rarities]) => {
                const format = await import(new URL("shared/format.js", document.baseURI));
                return [seconds.map(format.playTime), rarities.map(format.formatRarity)];
            }""",
            [SECONDS, RARITIES],
        )
        assert times == [clock_text(seconds) for seconds in SECONDS]
        assert rarities == [rarity(value) for value in RARITIES]
        assert not wrong


def test_the_zone_of_the_site_is_named_and_who_sits_elsewhere_sees_his_own_time(data):
    day_us, noon_us = 86_400_000_000, 1_790_000_000_000_000
    with server(data) as address, page(zone="America/New_York") as (opened, wrong):
        zone = opened.request.get(f"{address}api/v1/info").json()["time_zone"]
        opened.goto(address)
        go(opened, address, "events")
        expect(opened.locator(".head .zone")).to_have_text(zone)
        go(opened, address, "timeline")
        expect(opened.locator(".tool-row .zone")).to_have_text(zone)
        full, here, dates = opened.evaluate(
            """async ([noon, day]) => {
                const format = await import(new URL("shared/format.js", document.baseURI));
                format.setTimeZone("Europe/Berlin");
                const far = format.fullTime(noon);
                format.setTimeZone("America/New_York");
                return [far, format.fullTime(noon),
                    [format.longDay(noon), format.dayAndTime(noon - 3650 * day)]];
            }""",
            [noon_us, day_us],
        )
        assert full == (
            "Mon, 21 Sep 2026, 16:13:20 (Europe/Berlin); "
            "for you Mon, 21 Sep 2026, 10:13:20 (America/New_York)"
        )
        assert here == "Mon, 21 Sep 2026, 10:13:20 (America/New_York)"
        assert dates == ["Mon, 21 Sep 2026", "Fri, 23 Sep 2016 10:13:20"]
        assert not wrong


def test_who_has_no_token_sees_nothing_and_who_leaves_sees_nothing_any_more(data):
    with page() as (opened, wrong):
        with server(data, TOKEN) as address:
            opened.goto(f"{address}#/health")
            opened.get_by_label("Token").fill("a guess")
            opened.get_by_role("button", name="Sign in").click()
            expect(opened.get_by_role("alert")).to_contain_text("token")
            assert opened.get_by_text(EVIL).count() == 0
            opened.get_by_label("Token").fill(TOKEN)
            opened.get_by_role("button", name="Sign in").click()
            expect(opened.get_by_role("heading", name="Health")).to_be_visible()
            expect(opened.get_by_role("link", name=EVIL)).to_be_visible()
            opened.get_by_role("button", name="Sign out").click()
            expect(opened.get_by_role("heading", name="Sign in")).to_be_visible()
            assert opened.get_by_text(EVIL).count() == 0
            opened.reload()
            opened.get_by_label("Token").fill(TOKEN)
            opened.get_by_role("button", name="Sign in").click()
            expect(opened.get_by_role("heading", name="Health")).to_be_visible()
            expect(opened.locator("#offline")).to_be_hidden()
        expect(opened.locator("#offline")).to_contain_text("No connection to the server")
        assert not wrong


def test_a_chosen_theme_stays(data):
    with server(data) as address, page() as (opened, wrong):
        opened.goto(address)
        before = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        opened.get_by_role("button", name="Change to the dark theme").click()
        after = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        assert before != after
        opened.reload()
        expect(opened.get_by_role("button", name="Change to the light theme")).to_be_visible()
        assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == after
        assert not wrong
