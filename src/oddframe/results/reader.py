"""Reads the results that `oddframe score` left in a folder, and finds their recording again."""

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
from oddframe.media.source import FrameSource
from oddframe.results.provenance import SUFFIX, ScoreFacts, input_size, read_facts

TABLE = ".scores.csv"
"""Ending of the file that every scored recording has."""
# A path of any of these files names its recording.
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
    """The results of one recording.

    Attributes:
        name: The name that its files begin with.
        folder: The folder of its files.
        frame: Index of each decoded frame, int64 N.
        time_s: Time of each frame in seconds, float64 N.
        score: Score of each frame, float64 N; NaN where it has none.
        events: Its anomalies at their end, in order of time.
        faults: The camera's faults at their end, in order of time.
        facts: How the results came about; None where that was not kept.
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
        """The time of the highest score, in seconds; 0 where there is none."""
        return float(self.time_s[np.nanargmax(self.score)]) if self.peak else 0.0

    @property
    def duration_s(self) -> float:
        """Time of the last frame, in seconds."""
        return float(self.time_s[-1]) if self.time_s.size else 0.0

    def file(self, ending: str) -> Path:
        """The path of one of its files by its ending, whether or not the file is there."""
        return self.folder / f"{self.name}{ending}"


def find_results(path: str | Path) -> tuple[Path, list[str]]:
    """Find the results that a path names.

    Args:
        path: A folder of results, or a file in it, which names its recording alone.

    Returns:
        The folder, and the names of the recordings.

    Raises:
        SourceNotFoundError: If there are none.
    """
    path = Path(path)
    if path.is_dir():
        names = sorted(
            table.name.removesuffix(TABLE)
            for table in path.glob(f"*{TABLE}")
            # A table that is still being written begins with a dot.
            if not table.name.startswith(".")
        )
        folder = path
    else:
        ending = next((ending for ending in _ENDINGS if path.name.endswith(ending)), None)
        names = [path.name.removesuffix(ending)] if ending else []
        folder = path.parent
    there = [name for name in names if (folder / f"{name}{TABLE}").is_file()]
    if not there:
        if path.is_dir():
            found = "holds none"
        else:
            found = "is not one of them" if path.exists() else "is not there"
        raise SourceNotFoundError(
            f"{path} must be a folder that oddframe score wrote, a file in it, or a run folder, "
            f"but {found}"
        )
    return folder, there


def read_results(folder: Path, name: str) -> RecordingResults:
    """Read the results of one recording.

    Args:
        folder: The folder of results.
        name: The recording, as `find_results` gives it.

    Raises:
        SourceError: If it cannot be read.
    """
    table, lines = folder / f"{name}{TABLE}", folder / f"{name}.events.jsonl"
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = [
                # A frame without a score has an empty cell.
                (int(row["frame"]), float(row["time_s"]), float(row["score"] or "nan"))
                for row in csv.DictReader(file)
            ]
        text = lines.read_text(encoding="utf-8") if lines.is_file() else ""
        # Not splitlines: a name may hold what Unicode calls the end of a line, and JSON does not.
        phases = [json.loads(line) for line in text.split("\n") if line]
        # Starts and updates are repeated, more exactly, by the end of their event.
        ended = [_event(values) for values in phases if values["phase"] == "end"]
        ended.sort(key=lambda event: event.start_s)
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
    """An event from the values of a line, which holds no mask."""
    known: dict[str, Any] = {
        item.name: values[item.name] for item in fields(Event) if item.name != "mask"
    }
    box: Sequence[float] | None = known["box"]
    return Event(**{**known, "box": None if box is None else tuple(box)})


def open_footage(results: RecordingResults, elsewhere: Path | None = None) -> FrameSource:
    """Open the recording that results are of.

    Args:
        results: Its results.
        elsewhere: Where recordings are now, if not where they were when they were scored: a folder
            of them, or the recording itself.

    Raises:
        SourceNotFoundError: If it is gone.
        SourceError: If it is not known or not the same any more.
    """
    facts = results.facts
    if facts is None:
        raise SourceError(
            f"{results.name} was scored by an earlier version, "
            "which did not save the path of the recording"
        )
    there = Path(facts.recording)
    if elsewhere is not None:
        # Folders of images are often told apart by the folder above alone: 01/frames, 02/frames.
        places = (elsewhere / there.name, elsewhere / there.parent.name / there.name, elsewhere)
        there = next(
            (place for place in places if place.exists() and place.name == there.name),
            elsewhere / there.name,
        )
    if not there.exists():
        raise SourceNotFoundError(
            f"the recording is no longer at {there}, so there are no pictures; "
            "say where it is now: oddframe report --footage FOLDER"
        )
    source = open_source(there, default_fps=facts.rate_fps)
    if source.rate_fps != facts.rate_fps:
        # A rate was stated when it was scored, and counted instead of the times in the names.
        source = open_source(there, facts.rate_fps)
    size = input_size(there, source)
    if size != facts.input_size:
        unit = "images" if there.is_dir() else "bytes"
        raise SourceError(
            f"{there} is not what was scored: it has {size} {unit} "
            f"and had {facts.input_size}; score it again"
        )
    return source
