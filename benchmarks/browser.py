"""How long a person waits for a view of the web app: figures of docs/serve.md.

    python benchmarks/browser.py first-row

Fills a data folder, runs `oddframe serve` on it and opens a view in headless Chromium, each time
with an empty cache. `first-row` opens the page Events over a slow line and says what was asked for
before the first row of the list was painted. Needs `scripts/install-services` and a machine that
does nothing else.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

# The server, the browser and the night of events are those of the tests.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.browser import chromium, server
from tests.support.morning import fill_night

GROUPS = 3
"""Groups of like events of each camera: 21 events in them."""

PAINTED = """(selector) => {
    const look = () => document.querySelector(selector)
        && requestAnimationFrame(() => setTimeout(() => { window.painted ??= performance.now(); }));
    new MutationObserver(look).observe(document, { childList: true, subtree: true });
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
    options.add_argument("--data", type=Path, help="a folder to fill, or to use again")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_first_row(chosen.data or Path(folder), chosen)


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
            with visit(browser, ".event-row") as page:
                slow_down(page, chosen.latency_ms, chosen.mbit_s)
                asked: list[Any] = []
                page.on("requestfinished", lambda request, asked=asked: asked.append(request))
                first.append(painted_ms(page, f"{address}#/events"))
                before = asked_before(asked, first[-1])
                # The pictures of the first visit must not take the line from the second.
                page.wait_for_timeout(5_000)
                page.goto("about:blank")
                again.append(painted_ms(page, f"{address}#/events"))
            print(f"{first[-1]:.0f} ms, {again[-1]:.0f} ms", file=sys.stderr, flush=True)
    size = sum(size for *_, size in before) / 1000
    print(
        f"{chosen.cameras} cameras, {chosen.latency_ms:.0f} ms, {chosen.mbit_s} Mbit/s, "
        f"{chosen.loads} loads\n\nfirst row at the first visit: {told(first)}\n"
        f"first row at the second visit: {told(again)}\n\n"
        f"{len(before)} requests with {size:.0f} KB before the row of the last first visit; "
        f"{first[-1] - before[-1][1]:.0f} ms from the last answer to the row:\n\n"
        "| asked after ms | answered after ms | KB | |\n|---|---|---|---|"
    )
    for begun, ended, name, size in before:
        print(f"| {begun:.0f} | {ended:.0f} | {size / 1000:.1f} | {name} |")


def painted_ms(page: Page, address: str) -> float:
    """Go to an address; returns when what the visit waits for was painted, in milliseconds."""
    page.goto(address, wait_until="commit")
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


def asked_before(asked: list[Any], end_ms: float) -> list[tuple[float, float, str, int]]:
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
