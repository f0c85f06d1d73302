"""What storing and sending costs: the speed of the database, and what a slow disk or sink does.

Whoever scores only hands over; the times of the calls are theirs. "locked" has another program hold
the database, as a disk that hangs does; "sink hangs" has a receiver that takes half a second for
each alert.

    python benchmarks/store.py [--events 2000] [--days 2] [--json]
"""

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from oddframe._version import __version__
from oddframe.core.alerts import Alert, CameraStatus, alert
from oddframe.core.records import Event, event_id
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.sink import Message, Retry
from oddframe.store.retention import Retention
from oddframe.store.store import Store, StoreConfig

NOON_US = 1_790_000_000_000_000
DAY_S = 86_400
ROOMY = StoreConfig(pictures=False, retention=Retention(keep_days=3650, keep_free_gb=0))


def alerts(count: int) -> Iterator[Alert]:
    """Starts and ends of events, half as many."""
    for number in range(count // 2):
        start_s = 10.0 * number
        phases: tuple[Literal["start", "end"], ...] = ("start", "end")
        for phase in phases:
            event = Event(
                id=event_id("yard", start_s),
                kind="anomaly",
                phase=phase,
                source="yard",
                start_s=start_s,
                end_s=start_s + 4.0,
                peak_s=start_s + 2.0,
                score=0.75,
                box=(0.25, 0.5, 0.75, 1.0),
                reason="moves wrong",
                parts={"appearance": 0.5, "motion": 4.0, "cluster": 1.0},
            )
            yield alert(event, lambda time_s: NOON_US + round(time_s * 1e6))


def timed(calls: Iterator[Callable[[], object]]) -> npt.NDArray[np.float64]:
    """Make the calls and return the seconds of each."""
    spent = []
    for call in calls:
        began_s = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began_s)
    return np.array(spent)


def row(what: str, spent: npt.NDArray[np.float64], done_s: float | None) -> dict[str, Any]:
    """A row of the table; `done_s` is when the last one was on disk, or with the receiver."""
    return {
        "what": what,
        "calls": len(spent),
        "median_us": 1e6 * float(np.median(spent)),
        "p99_us": 1e6 * float(np.quantile(spent, 0.99)),
        "most_ms": 1e3 * float(spent.max()),
        "per_s": None if done_s is None else len(spent) / done_s,
    }


def database(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Events and scores, with nobody else and with another program that holds the lock."""
    messages = list(alerts(count))
    with Store(folder / "free", ROOMY) as store:
        began_s = time.perf_counter()
        spent = timed(partial(store.put_event, message) for message in messages)
        store.flush(600)
        yield row("events", spent, time.perf_counter() - began_s)
        began_s = time.perf_counter()
        moments = NOON_US + 100_000 * np.arange(10 * count)
        spent = timed(partial(store.put_score, "yard", int(at), 0.25) for at in moments)
        store.flush(600)
        yield row("scores, 10 a second", spent, time.perf_counter() - began_s)
    with (
        Store(folder / "locked", ROOMY) as store,
        closing(sqlite3.connect(folder / "locked/oddframe.sqlite")) as other,
    ):
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        spent = timed(partial(store.put_event, message) for message in messages)
        other.execute("ROLLBACK")
        yield row("events, database locked", spent, None)
        store.flush(600)


class Slow:
    """A sink that takes its time."""

    retry = Retry()

    def __init__(self, takes_s: float, *, durable: bool) -> None:
        self.durable, self._takes_s = durable, takes_s

    def deliver(self, message: Message) -> None:
        """Wait as long as a slow receiver, then accept the alert."""
        time.sleep(self._takes_s)

    def report(self, status: CameraStatus) -> None:
        """Ignore the state of a camera."""

    def close(self) -> None:
        """Do nothing, since nothing is open."""


def sinks(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Alerts to a sink at once, and to one that hangs."""
    messages = list(alerts(count))
    delivery = Delivery({"quick": Slow(0.0, durable=True)}, folder / "quick", most_waiting=count)
    began_s = time.perf_counter()
    spent = timed(partial(delivery.offer, message) for message in messages)
    delivery.flush(600)
    yield row("alerts to a sink, queue on disk", spent, time.perf_counter() - began_s)
    delivery.close()
    delivery = Delivery({"slow": Slow(0.5, durable=True)}, folder / "slow", most_waiting=count)
    spent = timed(partial(delivery.offer, message) for message in messages)
    yield row("alerts, sink hangs", spent, None)
    while delivery.counts()["slow"].waiting + delivery.counts()["slow"].delivered < count:
        time.sleep(0.1)  # until all of it is on disk
    delivery.close(10)


def kept(folder: Path, days: int) -> dict[str, Any]:
    """How much the scores of a camera take."""
    with Store(folder, ROOMY) as store:
        began_s = time.perf_counter()
        noise = np.random.default_rng(0).uniform(0.1, 0.5, days * DAY_S)
        for second, score in enumerate(noise):
            store.put_score("yard", NOON_US + 1_000_000 * second, float(score))
            if second % 50_000 == 0:
                store.flush(600)
        store.flush(600)
        spent_s = time.perf_counter() - began_s
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {
        "days": days,
        "mb": size / 1e6,
        "mb_a_month": 30 * size / days / 1e6,
        "seconds_per_s": days * DAY_S / spent_s,
    }


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=2000, help="alerts to put")
    parser.add_argument("--days", type=int, default=2, help="days of scores to keep")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object instead of the table"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="store-") as folder:
        rows = [*database(Path(folder), args.events), *sinks(Path(folder), args.events)]
        month = kept(Path(folder) / "month", args.days)
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "load": os.getloadavg()[0],
        "oddframe": __version__,
        "sqlite": sqlite3.sqlite_version,
    }
    if args.json:
        json.dump({"about": about, "rows": rows, "month": month}, sys.stdout, indent=1)
        print()
        return
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print("| | calls | median | p99 | longest | written a second |\n|---|---|---|---|---|---|")
    for one in rows:
        done = "" if one["per_s"] is None else f"{one['per_s']:,.0f}"
        times = f"{one['median_us']:.0f} µs | {one['p99_us']:.0f} µs | {one['most_ms']:.1f} ms"
        print(f"| {one['what']} | {one['calls']:,} | {times} | {done} |")
    print(
        f"scores of a camera: {month['mb']:.1f} MB in {month['days']} days, "
        f"{month['mb_a_month']:.0f} MB a month; "
        f"{month['seconds_per_s']:,.0f} seconds written a second"
    )


if __name__ == "__main__":
    main()
