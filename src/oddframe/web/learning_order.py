"""What is to be learnt of a camera and how far that is, as it stands in the data folder.

A server that was stopped or killed reads these orders and goes on with them.
"""

import csv
import json
from dataclasses import asdict, dataclass, field, fields
from io import StringIO
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from oddframe.core.alerts import safe_name
from oddframe.files import write_json

Stage: TypeAlias = Literal["record", "train", "ready", "done"]
LearningState: TypeAlias = Literal["recording", "training", "paused", "failed", "ready", "finished"]
OutlierVerdict: TypeAlias = Literal["normal", "leave_out"]

JudgedSpan: TypeAlias = tuple[str, float, float, OutlierVerdict]
"""A span of a recording, its name and two times in seconds, with what somebody said of it."""

_AROUND_S = 1.0
"""So much before and after an outlier is left out with it, in seconds.

Only some of the clips around it were scored, and a clip is about half a second long.
"""


@dataclass(frozen=True, kw_only=True)
class Learning:
    """A camera that is to be learnt.

    Attributes:
        name: The camera's name.
        source: Where its pictures come from, with its secrets; None of a camera that is watched,
            whose address stands in `cameras.toml`.
        stream: What is recorded in place of what is watched, such as the camera's second stream: an
            address, or its path on the same camera.
        file: A recording or a folder to learn from instead of what the camera shows.
        for_s: How long to record, in seconds; 0 learns from what was recorded before.
        stretch_s: As for `oddframe.record`.
        every_s: As for `oddframe.record`.
        armed: As for `oddframe.record`.
        time_zone: As for `oddframe.record`.
        most_gb: Most gigabytes of footage.
        false_alarms: The budget for the threshold.
        preset: Name of the preset of the training.
        keep_footage: Whether footage stays after the training.
        at_once: Whether the camera is watched with the model as soon as it is there; otherwise
            somebody looks first at what it found.
        judged: What somebody said of the outliers of its trainings.
        run: Name of the run folder in the folder of models.
        previous: The model that the camera had before; None where it had none.
        stage: What is being done; "ready" is a model that waits to go live.
        is_paused: Whether nothing is to be done for now.
        error: What ended it, as a sentence; None where nothing did.
        pid: The process that works on it, if any did.
    """

    name: str
    source: str | None = field(default=None, repr=False)
    stream: str | None = field(default=None, repr=False)
    file: str | None = None
    for_s: float = 3600.0
    stretch_s: float | None = None
    every_s: float | None = None
    armed: tuple[str, ...] = ()
    time_zone: str | None = None
    most_gb: float = 50.0
    false_alarms: str = "1/day"
    preset: str = "fast"
    keep_footage: bool = False
    at_once: bool = False
    judged: tuple[JudgedSpan, ...] = ()
    run: str = ""
    previous: str | None = None
    stage: Stage = "record"
    is_paused: bool = False
    error: str | None = None
    pid: int | None = None

    def recorded_address(self, address: str) -> str:
        """Return the address that is recorded of a camera whose own address this is."""
        if self.stream is None or not self.stream.startswith("/"):
            return self.stream or address
        # The path of another stream on the same camera, with the same login.
        path, _, query = self.stream.partition("?")
        return urlunsplit(urlsplit(address)._replace(path=path, query=query, fragment=""))

    @property
    def state(self) -> LearningState:
        """How the learning is, in one word."""
        if self.error is not None:
            return "failed"
        if self.stage == "done":
            return "finished"
        if self.stage == "ready":
            return "ready"
        if self.is_paused:
            return "paused"
        return "recording" if self.stage == "record" else "training"

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do, so that the camera can be learnt anew."""
        # A model that is ready is not over: a second learning would take its place unseen.
        return self.state in ("failed", "finished")

    def verdict(self, source: str, start_s: float, end_s: float) -> OutlierVerdict | None:
        """Return what was said of a span, or of one that overlaps it: trainings differ a little."""
        for name, first_s, last_s, verdict in self.judged:
            if name == source and first_s <= end_s and last_s >= start_s:
                return verdict
        return None

    def judge(
        self, source: str, start_s: float, end_s: float, verdict: OutlierVerdict | None
    ) -> tuple[JudgedSpan, ...]:
        """Return what is judged once this is said of a span; None takes back what was said."""
        others = tuple(
            (name, first_s, last_s, said)
            for name, first_s, last_s, said in self.judged
            if name != source or first_s > end_s or last_s < start_s
        )
        return others if verdict is None else (*others, (source, start_s, end_s, verdict))

    def left_out(self) -> str:
        """Write what is to be left out as `oddframe train --leave-out` reads it; or nothing."""
        rows = [
            # A time before the beginning would be no time to whoever reads the table.
            (source, max(0.0, round(start_s - _AROUND_S, 3)), round(end_s + _AROUND_S, 3))
            for source, start_s, end_s, verdict in self.judged
            if verdict == "leave_out"
        ]
        if not rows:
            return ""
        table = StringIO()
        csv.writer(table, lineterminator="\n").writerows([("video", "start_s", "end_s"), *rows])
        return table.getvalue()


def order_folder(data: Path, name: str) -> Path:
    """Return where the order for a camera lies in a data folder."""
    return data / "learning" / safe_name(name)


def write_order(data: Path, learning: Learning) -> None:
    """Write down what is to be learnt.

    Raises:
        OutputError: If it cannot be written.
    """
    write_json(order_folder(data, learning.name) / "learning.json", asdict(learning))


def read_orders(data: Path) -> dict[str, Learning]:
    """Read all orders of a data folder, by the names of their cameras.

    What cannot be read cannot be done and is passed over; its footage and its run folder stay.
    """
    found = (_read(path) for path in sorted((data / "learning").glob("*/learning.json")))
    return {learning.name: learning for learning in found if learning is not None}


def _read(path: Path) -> Learning | None:
    try:
        values = json.loads(path.read_text())
        # Another version may know more, or less.
        known = {item.name: values[item.name] for item in fields(Learning) if item.name in values}
        known["armed"] = tuple(known["armed"])
        known["judged"] = tuple(map(tuple, known.get("judged", ())))
        return Learning(**known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
