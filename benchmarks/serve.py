"""What the web app costs and bears: the table of docs/serve.md.

    .venv/bin/python benchmarks/serve.py [--model MODEL] [--video FILE] [--clients 200] [--days 30]

Starts `oddframe serve` on a folder of its own with one looped recording and made-up scores of a
month, asks it as browsers do, and prints a Markdown table. Needs a machine that does nothing else.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from oddframe.bundle.bundle import find_bundle, read_bundle
from oddframe.store.events import camera_number
from oddframe.store.reader import DATABASE
from oddframe.store.retention import Retention
from oddframe.store.schema import SCORE_SCALE, open_engine, scores_by_minute, scores_by_second
from oddframe.store.store import Store, StoreConfig

SLOW = 50
"""Clients that read nothing."""


def main() -> None:
    """Read the arguments, measure, print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--model", default="ped2", help="a run folder, a bundle or a shipped model"
    )
    options.add_argument(
        "--video", type=Path, required=True, help="a recording to play again and again"
    )
    options.add_argument("--clients", type=int, default=200)
    options.add_argument("--days", type=int, default=30, help="days of scores that are there")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write_data(data, chosen.model, chosen.video, chosen.days)
        measure(data, chosen.clients, chosen.days)


def write_data(data: Path, model: str, video: Path, days: int) -> None:
    """A data folder with one camera and its scores of some days."""
    shutil.copy(video, data / f"video{video.suffix}")
    shutil.copytree(find_bundle(model), data / "models" / "m" / "bundle")
    (data / "cameras.toml").write_text(
        f'[[camera]]\nname = "yard"\nsource = "video{video.suffix}"\n'
        'model = "models/m"\nloop = true\n'
    )
    bundle = read_bundle(find_bundle(model))
    end = time.time_ns() // 1_000_000_000
    levels = np.random.default_rng(0).beta(2, 12, days * 86_400)
    with Store(data, StoreConfig(retention=Retention(keep_days=2 * days))) as store:
        start = end - len(levels)
        store.put_threshold(
            "yard", start * 1_000_000, bundle.calibration.threshold, bundle.fingerprint
        )
        store.flush()
        engine = open_engine(data / DATABASE, writing=True)
        for first in range(0, len(levels), 86_400):
            day = levels[first : first + 86_400]
            with engine.begin() as connection:
                write_day(connection, start + first, day)
        engine.dispose()


def write_day(connection: Connection, first: int, levels: npt.NDArray[np.float64]) -> None:
    """Write the scores of a day in bulk; in batches, as the store does it, it takes minutes."""
    camera = camera_number(connection, "yard")
    scores = np.rint(levels * SCORE_SCALE).astype(int)
    times = first + np.arange(len(scores))
    both = zip(times.tolist(), scores.tolist(), strict=True)
    connection.execute(
        insert(scores_by_second),
        [{"camera": camera, "second": at, "peak": one, "mean": one} for at, one in both],
    )
    minute = times // 60
    connection.execute(
        sqlite.insert(scores_by_minute).on_conflict_do_nothing(),
        [
            {"camera": camera, "minute": at, "peak": peak, "mean": peak, "seconds": 60}
            for at, peak in ((int(at), int(scores[minute == at].max())) for at in np.unique(minute))
        ],
    )


def measure(data: Path, clients: int, days: int) -> None:
    """Ask the server as browsers do, and print the table."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    program = subprocess.Popen(
        [Path(sys.executable).with_name("oddframe"), "serve", "--data", data, "--port", str(port)]
    )
    rows = Rows()
    try:
        while not is_up(f"{url}/readyz"):
            time.sleep(0.05)
        rows.append(("from the command to ready", f"{time.perf_counter() - began:.1f} s"))
        until_scored(url)
        rows.append(
            (
                "first view: page, style, scripts, cameras (without a browser)",
                ms(lambda: first_view(url)),
            )
        )
        rows.append(
            (f"{days} days of one camera's scores in 1,000 spans", ms(lambda: scores(url, days)))
        )
        rows.append(("one day in 1,000 spans", ms(lambda: scores(url, 1))))
        rows.append(
            (
                "live picture with heat map",
                ms(lambda: get(f"{url}/api/v1/cameras/yard/live.jpg?heat=1")),
            )
        )
        rows.append(
            ("preview of a budget on the last day", ms(lambda: get(f"{url}{BUDGET}"), times=3))
        )
        rows.append(
            (
                "preview of a recalibration, a day of scores",
                ms(lambda: post(f"{url}{PREVIEW}"), times=3),
            )
        )
        rows.append(("recalibration applied", ms(lambda: post(f"{url}{APPLY}"), times=1)))
        rows.append(
            (
                f"health with the drift of {days} days, the first time",
                ms(lambda: get(f"{url}/api/v1/health"), times=1),
            )
        )
        rows += asyncio.run(listeners(url, port, clients, program.pid))
        streams = [urllib.request.urlopen(f"{url}/api/v1/stream", timeout=30) for _ in range(20)]
        began = time.perf_counter()
        program.send_signal(signal.SIGTERM)
        code = program.wait(30)
        rows.append(
            (
                "SIGTERM to exit 0, 20 clients listening",
                f"{time.perf_counter() - began:.2f} s (exit {code})",
            )
        )
        for stream in streams:
            stream.close()
    finally:
        program.kill()
        program.wait()
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n")
    print("| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


class Rows(list[tuple[str, str]]):
    """Rows of the table, which are also printed as they come."""

    def append(self, row: tuple[str, str]) -> None:
        """Add a row and print it on standard error."""
        print(f"{row[0]}: {row[1]}", file=sys.stderr, flush=True)
        super().append(row)


BUDGET = "/api/v1/cameras/yard/budget?false_alarms=2/day"
PREVIEW = "/api/v1/cameras/yard/recalibration/preview"
APPLY = "/api/v1/cameras/yard/recalibration/apply"


def is_up(url: str) -> bool:
    """Whether the server answers at an address."""
    try:
        get(url)
    except OSError:
        return False
    return True


def until_scored(url: str) -> None:
    """Wait for the first score."""
    while json.loads(get(f"{url}/api/v1/cameras"))["cameras"][0]["score"] is None:
        time.sleep(0.1)


def get(url: str) -> bytes:
    """Get the content of an address."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        content: bytes = answer.read()
        return content


def post(url: str) -> bytes:
    """Post to an address and return the answer."""
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60) as answer:
        content: bytes = answer.read()
        return content


def first_view(url: str) -> None:
    """The page and all that it names, one after the other, and what it asks for first."""
    seen, todo = set(), ["/"]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        text = get(url + path).decode("utf-8", "replace")
        folder = path.rpartition("/")[0]
        for name in re.findall(
            r"""(?:src|href)="([^"#:]+)"|from\s+"(\.[^"]+)"|import\s+"(\.[^"]+)\"""", text
        ):
            found = next(filter(None, name))
            todo.append(
                os.path.normpath(f"{folder}/{found}") if not found.startswith("/") else found
            )
    get(f"{url}/api/v1/info")
    get(f"{url}/api/v1/cameras")


def scores(url: str, days: int) -> None:
    """Ask for the scores of the last days."""
    end_us = time.time_ns() // 1000
    get(
        f"{url}/api/v1/cameras/yard/scores"
        f"?from_us={end_us - days * 86_400_000_000}&to_us={end_us}&most=1000"
    )


def ms(ask: object, times: int = 10) -> str:
    """The median and the longest of some."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()  # type: ignore[operator]
        taken.append(1000 * (time.perf_counter() - began))
    return f"{statistics.median(taken):.0f} ms" + (
        f" (at most {max(taken):.0f})" if times > 1 else ""
    )


async def listeners(url: str, port: int, clients: int, pid: int) -> list[tuple[str, str]]:
    """Many that listen, and some that do not read."""
    before_mb = rss_mb(pid)
    opened = [await listen(port) for _ in range(clients)]
    late = await lateness(opened)
    rows = [
        (f"{clients} clients: memory of the server", f"{before_mb:.0f} to {rss_mb(pid):.0f} MB"),
        (f"{clients} clients: from the first to the last that hears a status", f"{late:.0f} ms"),
        (f"{clients} clients: /api/v1/info meanwhile", ms(lambda: get(f"{url}/api/v1/info"))),
    ]
    stuck = [await listen(port) for _ in range(SLOW)]
    await asyncio.sleep(10)
    late = await lateness(opened)
    rows.append(
        (
            f"{SLOW} more that read nothing: from the first to the last of the others",
            f"{late:.0f} ms",
        )
    )
    for _, writer in (*opened, *stuck):
        writer.close()
    return rows


async def listen(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a stream of events and read its head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"retry: 2000")
    return reader, writer


async def lateness(opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> float:
    """Milliseconds from the first to the last client that hears the same status; median of five."""

    async def wait_for_event(reader: asyncio.StreamReader) -> float:
        await reader.readuntil(b"event: status")
        return time.perf_counter()

    spread = []
    for round_ in range(7):
        moments = await asyncio.gather(*(wait_for_event(reader) for reader, _ in opened))
        if round_ >= 2:
            spread.append(1000 * (max(moments) - min(moments)))
    return statistics.median(spread)


def rss_mb(pid: int) -> float:
    """Memory of a process in megabytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
