"""The events of a camera that were delivered, by where: its lines, the database, the receivers.

`note` and `note_stop` keep what was measured, for the tables of docs/faults.md.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from oddframe.store.reader import StoreReader
from tests.support.alerting import Hook
from tests.support.mosquitto import Listener

T = TypeVar("T")


def complete(
    messages: Iterable[Mapping[str, Any]], camera: str, phases: Iterable[str] = ("start", "end")
) -> set[str]:
    """Return the ids of a camera's anomalies of which there is a message for each of the phases."""
    seen = {
        (message["id"], message["phase"])
        for message in messages
        if (message["source"], message["kind"]) == (camera, "anomaly")
    }
    wanted = set(phases)
    return {event for event, _ in seen if {(event, phase) for phase in wanted} <= seen}


def lines(out: Path, camera: str) -> list[dict[str, Any]]:
    """Read the lines of a camera's file; none where there is no file."""
    path = out / f"{camera}.events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def stored(out: Path, camera: str) -> set[str]:
    """Return the ids of a camera's anomalies in the database that have ended."""
    reader = StoreReader(out)
    try:
        events = [row.alert.event for row in reader.events(limit=10_000)]
    finally:
        reader.close()
    return {
        event.id
        for event in events
        if (event.source, event.kind, event.phase) == (camera, "anomaly", "end")
    }


def received(hook: Hook) -> list[dict[str, Any]]:
    """Return the messages that a web server took, in order."""
    return [json.loads(body) for body in list(hook.taken)]


def count_duplicates(messages: Iterable[Mapping[str, Any]], camera: str) -> int:
    """Count the messages of a camera that came more than once; their keys are the same."""
    counts = Counter(message["key"] for message in messages if message["source"] == camera)
    return sum(count > 1 for count in counts.values())


def count_all(
    out: Path, camera: str, hook: Hook | None = None, listener: Listener | None = None
) -> dict[str, int]:
    """Count the complete events of a camera, by where they were delivered."""
    counts = {"lines": len(complete(lines(out, camera), camera)), "store": len(stored(out, camera))}
    if hook is not None:
        counts["webhook"] = len(complete(received(hook), camera))
    if listener is not None:
        counts["mqtt"] = len(complete(listener.on("oddframe/events"), camera))
    return counts


def note(fault: str, sent: int, delivered: Mapping[str, int], **measured: Any) -> None:
    """Keep a row of the table, in the file that $ODDFRAME_FAULTS names.

    Args:
        fault: What was done.
        sent: How many events the camera showed.
        delivered: How many were delivered, by where.
        measured: Further columns.
    """
    lost = max(0, sent - min(delivered.values()))
    _keep({"fault": fault, "sent": sent, **delivered, "lost": lost, **measured})


def note_stop(during: str, name: str, took_s: float) -> None:
    """Keep how long a stop took, in the same file.

    Args:
        during: What the process did at that moment.
        name: The signal.
        took_s: Seconds from the signal to the end of the process.
    """
    _keep({"stop": during, "signal": name, "took_s": took_s})


def _keep(row: Mapping[str, Any]) -> None:
    if not os.environ.get("ODDFRAME_FAULTS"):
        return
    rounded = {
        name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()
    }
    with Path(os.environ["ODDFRAME_FAULTS"]).open("a") as file:
        file.write(json.dumps(rounded) + "\n")


def run_side_by_side(tasks: Mapping[str, Callable[[], T]]) -> dict[str, T | BaseException]:
    """Run tasks at the same time; returns the result of each, or the error that ended it."""

    def run(task: Callable[[], T]) -> T | BaseException:
        try:
            return task()
        except BaseException as error:  # noqa: BLE001 - the test of this task raises it
            return error

    with ThreadPoolExecutor(len(tasks)) as threads:
        return dict(zip(tasks, threads.map(run, tasks.values()), strict=True))
