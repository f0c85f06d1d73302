"""What came of the events of a camera: in its lines, in the database, at the receivers, for docs/faults.md."""

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
    """Ids of the anomalies of a camera of which all these phases were told."""
    seen = {
        (one["id"], one["phase"])
        for one in messages
        if (one["source"], one["kind"]) == (camera, "anomaly")
    }
    wanted = set(phases)
    return {event for event, _ in seen if {(event, phase) for phase in wanted} <= seen}


def lines(out: Path, camera: str) -> list[dict[str, Any]]:
    """The lines of a camera's file; none where there is no file."""
    path = out / f"{camera}.events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def stored(out: Path, camera: str) -> set[str]:
    """Ids of the anomalies of a camera in the database that have their end."""
    reader = StoreReader(out)
    try:
        events = [one.alert.event for one in reader.events(limit=10_000)]
    finally:
        reader.close()
    return {
        one.id for one in events if (one.source, one.kind, one.phase) == (camera, "anomaly", "end")
    }


def received(hook: Hook) -> list[dict[str, Any]]:
    """What a web server took, in order."""
    return [json.loads(body) for body in list(hook.taken)]


def twice(messages: Iterable[Mapping[str, Any]], camera: str) -> int:
    """How many messages of a camera came more than once; they have the same key."""
    return sum(
        count > 1
        for count in Counter(one["key"] for one in messages if one["source"] == camera).values()
    )


def count_all(
    out: Path, camera: str, hook: Hook | None = None, listener: Listener | None = None
) -> dict[str, int]:
    """Complete events of a camera, by where they came to."""
    counts = {"lines": len(complete(lines(out, camera), camera)), "store": len(stored(out, camera))}
    if hook is not None:
        counts["webhook"] = len(complete(received(hook), camera))
    if listener is not None:
        counts["mqtt"] = len(complete(listener.on("oddframe/events"), camera))
    return counts


def note(fault: str, sent: int, told: Mapping[str, int], **measured: Any) -> None:
    """Keep a row of the table, in the file that $ODDFRAME_FAULTS names.

    Args:
        fault: What was done.
        sent: Events that the camera showed.
        told: Those that came, by where they came to.
        measured: What else there is to say.
    """
    _keep(
        {
            "fault": fault,
            "sent": sent,
            **told,
            "lost": max(0, sent - min(told.values())),
            **measured,
        }
    )


def note_stop(during: str, name: str, took_s: float) -> None:
    """Keep how long a stop took, in the same file.

    Args:
        during: What went on.
        name: The signal.
        took_s: Seconds from the signal to the end of the process.
    """
    _keep({"stop": during, "signal": name, "took_s": took_s})


def _keep(row: Mapping[str, Any]) -> None:
    if os.environ.get("ODDFRAME_FAULTS"):
        with Path(os.environ["ODDFRAME_FAULTS"]).open("a") as file:
            file.write(
                json.dumps({k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()})
                + "\n"
            )


def side_by_side(tasks: Mapping[str, Callable[[], T]]) -> dict[str, T | BaseException]:
    """Do several things at the same time; gives what came of each, or how it failed."""

    def tried(task: Callable[[], T]) -> T | BaseException:
        try:
            return task()
        except BaseException as error:  # noqa: BLE001 - the test of this one raises it
            return error

    with ThreadPoolExecutor(len(tasks)) as threads:
        return dict(zip(tasks, threads.map(tried, tasks.values()), strict=True))
