"""How long a person waits for a view of the web app: figures of docs/serve.md.

    python benchmarks/browser.py first-row
    python benchmarks/browser.py wall

Fills a data folder, runs `oddframe serve` on it and opens a view in headless Chromium, each time
with an empty cache. `first-row` opens the page Events over a slow line and says what was asked for
before the first row of the list was painted; `wall` opens the timeline of many cameras and a month,
and scrolls it. Needs `scripts/install-services` and a machine that
does nothing else.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, Request, sync_playwright

from oddframe.store.reader import DATABASE
from oddframe.store.store import Store

# The server, the browser and the night of events are those of the tests.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.browser import chromium, server
from tests.support.morning import fill_night

GROUPS = 3
"""Groups of like events of each camera: 21 events in them."""

ROW, WALL = ".event-row", ".wall:not([aria-busy])"
"""What is waited for: the first row of events, the strips of many cameras with their scores."""

PAINTED = """(selector) => {
    const look = () => document.querySelector(selector)
        && requestAnimationFrame(() => setTimeout(() => { window.painted ??= performance.now(); }));
    new MutationObserver(look)
        .observe(document, { attributes: true, childList: true, subtree: true });
}"""
"""Notes when an element that fits a selector was first painted, in milliseconds of the visit."""


def main() -> None:
    """Read the arguments, fill a folder, measure, print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = options.add_subparsers(dest="what", required=True)
    row = what.add_parser("first-row", help="the first row of the page Events over a slow line")
    row.add_argument("--cameras", type=int, default=50)
    row.add_argument("--loads", type=int, default=5)
    row.add_argument("--latency-ms", type=float, default=150)
    row.add_argument("--mbit-s", type=float, default=1.6)
    wall = what.add_parser("wall", help="the timeline of many cameras on this machine")
    wall.add_argument("--cameras", type=int, default=64, help="more than can be seen at once")
    wall.add_argument("--days", type=int, default=30)
    wall.add_argument("--loads", type=int, default=5)
    options.add_argument("--data", type=Path, help="a folder to fill, or to use again")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure = measure_first_row if chosen.what == "first-row" else measure_wall
        measure(chosen.data or Path(folder), chosen)


def write_cameras(folder: Path, count: int) -> list[str]:
    """Write a `cameras.toml` with cameras that cannot be reached; returns their names."""
    names = [f"camera {number:02}" for number in range(1, count + 1)]
    tables = [f'[[camera]]\nname = "{name}"\nsource = "rtsp://127.0.0.1:9/a"\n' for name in names]
    (folder / "cameras.toml").write_text('model = "ped2"\n' + "".join(tables))
    return names


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, Browser]]:
    """Run the server and a browser; yields the server's address and the browser."""
    with server(folder) as address, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield address, browser
        browser.close()


@contextmanager
def visit(browser: Browser, selector: str) -> Iterator[Page]:
    """Open a page with an empty cache, which notes when what a selector names was painted."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(f"({PAINTED})({selector!r})")
    yield page
    context.close()


def measure_first_row(folder: Path, chosen: argparse.Namespace) -> None:
    """Print how long the first row took, and what was asked for before it."""
    if not (folder / "cameras.toml").exists():
        folder.mkdir(exist_ok=True)
        fill_night(folder, write_cameras(folder, chosen.cameras), groups=GROUPS)
    first: list[float] = []
    again: list[float] = []
    with served(folder) as (address, browser):
        for _ in range(chosen.loads):
            with visit(browser, ROW) as page:
                slow_down(page, chosen.latency_ms, chosen.mbit_s)
                asked = note_requests(page)
                first.append(painted_ms(page, f"{address}#/events", ROW))
                before = asked_before(asked, first[-1])
                # The pictures of the first visit must not take the line from the second.
                page.wait_for_timeout(5_000)
                page.goto("about:blank")
                again.append(painted_ms(page, f"{address}#/events", ROW))
            print(f"{first[-1]:.0f} ms, {again[-1]:.0f} ms", file=sys.stderr, flush=True)
    print(
        f"{chosen.cameras} cameras, {chosen.latency_ms:.0f} ms, {chosen.mbit_s} Mbit/s, "
        f"{chosen.loads} loads\n\nfirst row at the first visit: {told(first)}\n"
        f"first row at the second visit: {told(again)}\n"
    )
    print_requests(before, first[-1])


def print_requests(before: list[tuple[float, float, str, int]], end_ms: float) -> None:
    """Print what was answered before the end of a visit, and how long that was before it."""
    size = sum(size for *_, size in before) / 1000
    print(
        f"{len(before)} requests with {size:.0f} KB before the end of the last visit; "
        f"{end_ms - before[-1][1]:.0f} ms from the last answer to the end:\n\n"
        "| asked after ms | answered after ms | KB | |\n|---|---|---|---|"
    )
    for begun, ended, name, size in before:
        print(f"| {begun:.0f} | {ended:.0f} | {size / 1000:.1f} | {name} |")


def measure_wall(folder: Path, chosen: argparse.Namespace) -> None:
    """Print how long the wall took to be painted, and how long pictures took while it scrolled."""
    if not (folder / "cameras.toml").exists():
        folder.mkdir(exist_ok=True)
        fill_month(folder, write_cameras(folder, chosen.cameras), chosen.days)
    end_us = time.time_ns() // 1_000
    start_us = end_us - chosen.days * 86_400_000_000
    taken: list[float] = []
    with served(folder) as (address, browser):
        for _ in range(chosen.loads):
            with visit(browser, WALL) as page:
                asked = note_requests(page)
                taken.append(
                    painted_ms(page, f"{address}#/timeline?from={start_us}&to={end_us}", WALL)
                )
                before = asked_before(asked, taken[-1])
                gaps = page.evaluate(f"({SCROLL})()")
            print(f"{taken[-1]:.0f} ms", file=sys.stderr, flush=True)
    gaps.sort()
    print(
        f"{chosen.cameras} cameras, {chosen.days} days, {chosen.loads} loads\n\n"
        f"strips painted: {told(taken)}\n"
        f"between pictures while scrolling: median {statistics.median(gaps):.0f} ms, "
        f"95 % within {gaps[int(0.95 * len(gaps))]:.0f} ms, longest {gaps[-1]:.0f} ms\n"
    )
    print_requests(before, taken[-1])


SCROLL = """async () => {
    const box = document.querySelector(".wall"), gaps = [];
    let before = performance.now();
    while (box.scrollTop + box.clientHeight < box.scrollHeight - 1) {
        box.scrollTop += 12;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        gaps.push(now - before);
        before = now;
    }
    return gaps;
}"""
"""Scrolls from the first camera to the last; returns the milliseconds from picture to picture."""


def fill_month(folder: Path, names: list[str], days: int) -> None:
    """Write scores of each minute and each hour of some days; each camera has quieter nights."""
    random = np.random.default_rng(3)
    Store(folder).close()
    hours = days * 24
    first = int(time.time()) // 3_600 - hours + 1
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        for number, name in enumerate(names, 1):
            connection.execute("INSERT INTO cameras VALUES (?, ?)", (number, name))
            day = 0.2 + 0.15 * np.sin((np.arange(hours * 60) / 60 + number) * np.pi / 12)
            mean = np.clip(day + random.normal(0, 0.04, len(day)), 0.01, 0.45) * 10_000
            peak = np.minimum(9_900, mean * (1.2 + random.exponential(0.12, len(day))))
            minutes = zip(
                [number] * len(day),
                (first * 60 + np.arange(len(day))).tolist(),
                peak.astype(int).tolist(),
                mean.astype(int).tolist(),
                [60] * len(day),
                strict=True,
            )
            connection.executemany("INSERT INTO minutes VALUES (?, ?, ?, ?, ?)", minutes)
        # As the store makes hours of minutes that are all full.
        connection.execute(
            "INSERT INTO hours SELECT camera, minute / 60, max(peak), round(avg(mean)), "
            "sum(seconds) FROM minutes GROUP BY camera, minute / 60"
        )


def note_requests(page: Page) -> list[Request]:
    """Return a list that the requests of a page come into as they are answered."""
    asked: list[Request] = []

    def note(request: Request) -> None:
        asked.append(request)

    page.on("requestfinished", note)
    return asked


def painted_ms(page: Page, address: str, selector: str) -> float:
    """Go to an address; returns when what a selector names was painted, in milliseconds."""
    page.goto(address, wait_until="commit")
    page.wait_for_selector(selector, state="attached")
    # Asked again and again: the page's policy forbids what Playwright's own waiting would run.
    while (painted := page.evaluate("window.painted")) is None:
        page.wait_for_timeout(20)
    return float(painted)


def told(taken: list[float]) -> str:
    """Say what some times were in milliseconds."""
    return f"{statistics.median(taken):.0f} ms ({min(taken):.0f} to {max(taken):.0f})"


def slow_down(page: Page, latency_ms: float, mbit_s: float) -> None:
    """Make the page's line slow in both directions, as Chromium's own tools do it."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": latency_ms,
            "downloadThroughput": mbit_s * 1e6 / 8,
            "uploadThroughput": mbit_s * 1e6 / 8,
        },
    )


def asked_before(asked: list[Request], end_ms: float) -> list[tuple[float, float, str, int]]:
    """Return the requests that were answered before a moment of the visit, by their end.

    Returns:
        When each was sent and answered, in milliseconds of the visit, its name and its bytes.
    """
    start = min(request.timing["startTime"] for request in asked)
    found = []
    for request in asked:
        begun = request.timing["startTime"] - start
        ended = begun + request.timing["responseEnd"]
        if ended <= end_ms:
            sizes = request.sizes()
            size = sizes["responseBodySize"] + sizes["responseHeadersSize"]
            found.append((begun, ended, request.url.split("/", 3)[3] or "the page", size))
    return sorted(found, key=lambda row: row[1])


if __name__ == "__main__":
    main()
