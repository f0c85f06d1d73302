"""Abnormal stretches of one's own recordings, in seconds, in one CSV file: `video,start_s,end_s`."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oddframe.data.labels import Labels
from oddframe.errors import LayoutError

__all__ = ["COLUMNS", "Stretch", "Stretches", "is_stretch_file", "labels_of_stretches", "read_stretches"]

COLUMNS = ("video", "start_s", "end_s")

_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")
_LATE_S = 1.0
"""How far a stretch may reach beyond the last frame: people round up."""
_SLACK_S = 1e-6
"""Times are compared to the microsecond, so that frame 3 of 10 per second lies in a stretch that starts at 0.3."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """An abnormal stretch, both ends included.

    Attributes:
        start_s: Time of its start in seconds.
        end_s: Time of its end.
        line: Where the file says so, from 1.
    """

    start_s: float
    end_s: float
    line: int


Stretches: TypeAlias = dict[str, tuple[Stretch, ...]]
"""Abnormal stretches by the name of the video, as the file writes it."""


def is_stretch_file(path: Path) -> bool:
    """Whether the first line of a file names the columns."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            return _header(file.readline(1000)) == COLUMNS
    except OSError:
        return False


def read_stretches(path: Path) -> Stretches:
    """The stretches of each video that the file names; a video with empty times has none.

    Times are seconds, or as players show them (`1:02`, `1:02.5`, `0:01:02`).

    Raises:
        LayoutError: The file cannot be read, or a line of it cannot be understood.
    """
    found: dict[str, list[Stretch]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if _header(file.readline(1000)) != COLUMNS:
                raise LayoutError(f"{path}: the first line must be {','.join(COLUMNS)}")
            for line, row in enumerate(csv.reader(file), start=2):
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                if len(cells) != len(COLUMNS) or not cells[0]:
                    raise LayoutError(f"{path}: line {line} must be {','.join(COLUMNS)}, found {','.join(row)[:80]!r}")
                stretches = found.setdefault(cells[0], [])
                if cells[1] or cells[2]:
                    stretches.append(_stretch(path, line, cells[1], cells[2]))
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise LayoutError(f"{path}: must be a text file in UTF-8 ({error.reason})") from error
    except csv.Error as error:
        raise LayoutError(f"{path}: must be a table of comma-separated values ({error})") from error
    return {name: tuple(stretches) for name, stretches in found.items()}


def labels_of_stretches(times_s: npt.NDArray[np.float64], stretches: Sequence[Stretch], path: Path) -> Labels:
    """One label a frame: 1 where its time lies in a stretch; read-only.

    Args:
        times_s: Time of each frame; NaN, for an image that is missing, is normal.
        stretches: Where it is abnormal.
        path: Where the stretches come from; named in errors.

    Raises:
        LayoutError: A stretch lies beyond the last frame, or holds no frame.
    """
    labels = np.zeros(times_s.size, np.uint8)
    last_s = float(np.nanmax(times_s))
    for one in stretches:
        inside = (times_s >= one.start_s - _SLACK_S) & (times_s <= one.end_s + _SLACK_S)
        if one.end_s > last_s + _LATE_S or not inside.any():
            raise LayoutError(
                f"{path}: line {one.line}: a stretch must hold frames and end before the recording does, found "
                f"{one.start_s:g} to {one.end_s:g} s, the last frame is at {last_s:.2f} s"
            )
        labels[inside] = 1
    labels.setflags(write=False)
    return labels


def _header(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().strip('"').lower() for cell in line.split(","))


def _stretch(path: Path, line: int, start: str, end: str) -> Stretch:
    start_s, end_s = _seconds(start), _seconds(end)
    if not 0 <= start_s <= end_s < math.inf:
        raise LayoutError(
            f"{path}: line {line}: times must be seconds (62.5) or minutes and seconds (1:02.5), start before end, "
            f"found {start!r} and {end!r}"
        )
    return Stretch(start_s, end_s, line)


def _seconds(text: str) -> float:
    """NaN for what is no time."""
    if clock := _CLOCK.fullmatch(text):
        return 3600 * int(clock[1] or 0) + 60 * int(clock[2]) + float(clock[3])
    try:
        return float(text)
    except ValueError:
        return math.nan
