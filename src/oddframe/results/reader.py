"""What `oddframe score` left in a folder, read back.

The recording behind some results, found again.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe.core.records import Event
from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media.discovery import open_source
from oddframe.media.source import Source
from oddframe.results.provenance import SUFFIX, ScoreFacts, input_size, read_facts

TABLE = ".scores.csv"
_ENDINGS = (
    TABLE,
    ".events.jsonl",
    SUFFIX,
    ".curve.png",
    ".maps.npz",
    ".overlay.mp4",
    ".scores.parquet",
)


@dataclass(frozen=True, kw_only=True)
class RecordingResults:
    """What was found in one recording.

    Attributes:
        name: What its files are called.
        folder: Where they are.
        frame: Index of each decoded frame, int64 N.
        time_s: Its time in seconds, float64 N.
        score: Its score, float64 N; NaN where it has none.
        events: Its events at their end, in order of time.
        faults: What was wrong with the camera, likewise.
        facts: How they came about; None where that was not kept.
    """

    name: str
    folder: Path
    frame: npt.NDArray[np.int64]
    time_s: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    events: tuple[Event, ...]
    faults: tuple[Event, ...]
    facts: ScoreFacts | None

    @property
    def peak(self) -> float:
        """The highest score; 0 where there is none."""
        known = self.score[np.isfinite(self.score)]
        return float(known.max()) if known.size else 0.0

    @property
    def peak_s(self) -> float:
        """When that was, in seconds."""
        return float(self.time_s[np.nanargmax(self.score)]) if self.peak else 0.0

    @property
    def duration_s(self) -> float:
        """Time of the last frame, in seconds."""
        return float(self.time_s[-1]) if self.time_s.size else 0.0

    def file(self, ending: str) -> Path:
        """A file of this recording's results, there or not."""
        return self.folder / f"{self.name}{ending}"


def find_results(path: str | Path) -> tuple[Path, list[str]]:
    """The folder of results that a path names, and the recordings in it; one of them where the path is one's file.

    Raises:
        SourceNotFoundError: If there are none.
    """
    path = Path(path)
    if path.is_dir():
        names = sorted(
            one.name.removesuffix(TABLE)
            for one in path.glob(f"*{TABLE}")
            if not one.name.startswith(".")
        )
        folder = path
    else:
        ending = next((ending for ending in _ENDINGS if path.name.endswith(ending)), None)
        names = [path.name.removesuffix(ending)] if ending else []
        folder = path.parent
    there = [name for name in names if (folder / f"{name}{TABLE}").is_file()]
    if not there:
        found = (
            "holds none"
            if path.is_dir()
            else "is not one of them"
            if path.exists()
            else "is not there"
        )
        raise SourceNotFoundError(
            f"{path} must be a folder that oddframe score wrote, a file in it, or a run folder, but {found}"
        )
    return folder, there


def read_results(folder: Path, name: str) -> RecordingResults:
    """What was found in one recording.

    Raises:
        SourceError: If it cannot be read.
    """
    table, lines = folder / f"{name}{TABLE}", folder / f"{name}.events.jsonl"
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = [
                (int(row["frame"]), float(row["time_s"]), float(row["score"] or "nan"))
                for row in csv.DictReader(file)
            ]
        text = lines.read_text(encoding="utf-8") if lines.is_file() else ""
        told = [json.loads(line) for line in text.splitlines()]
        ended = sorted(
            (_event(one) for one in told if one["phase"] == "end"), key=lambda event: event.start_s
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{table} and {lines.name} must be what oddframe score wrote, but: {error}"
        ) from error
    frame, time_s, score = zip(*rows, strict=True) if rows else ((), (), ())
    return RecordingResults(
        name=name,
        folder=folder,
        frame=np.array(frame, dtype=np.int64),
        time_s=np.array(time_s, dtype=np.float64),
        score=np.array(score, dtype=np.float64),
        events=tuple(event for event in ended if event.kind == "anomaly"),
        faults=tuple(event for event in ended if event.kind == "health"),
        facts=read_facts(folder / f"{name}{SUFFIX}"),
    )


def _event(values: dict[str, Any]) -> Event:
    known: dict[str, Any] = {
        item.name: values[item.name] for item in fields(Event) if item.name != "mask"
    }
    box: Sequence[float] | None = known["box"]
    return Event(**{**known, "box": None if box is None else tuple(box)})


def open_footage(results: RecordingResults, elsewhere: Path | None = None) -> Source:
    """The recording that results are of.

    Args:
        results: What was found in it.
        elsewhere: Where recordings are now, if not where they were when they were scored: a folder
            of them, or the recording itself.

    Raises:
        SourceNotFoundError: If it is gone.
        SourceError: If it is not known or not the same any more.
    """
    facts = results.facts
    if facts is None:
        raise SourceError(
            f"{results.name} was scored by an earlier version, which did not save the path of the recording"
        )
    there = Path(facts.recording)
    if elsewhere is not None:
        # Folders of images are often told apart by the folder above alone: 01/frames, 02/frames.
        places = (elsewhere / there.name, elsewhere / there.parent.name / there.name, elsewhere)
        there = next(
            (one for one in places if one.exists() and one.name == there.name),
            elsewhere / there.name,
        )
    if not there.exists():
        raise SourceNotFoundError(
            f"the recording is no longer at {there}, so there are no pictures; "
            "say where it is now: oddframe report --footage FOLDER"
        )
    source = open_source(there, facts.rate_fps)
    found = input_size(there, source)
    if found != facts.input_size:
        raise SourceError(
            f"{there} is not what was scored: it has {found} {'images' if there.is_dir() else 'bytes'} "
            f"and had {facts.input_size}; score it again"
        )
    return source
