"""Labels by time: one table of `video,start_s,end_s` for one's own recordings.

The columns may come in any order, and others may stand between them. `tables` says which forms of
a table are read; here every cell that cannot be understood is an error with the file and the line.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from oddframe._types import Float64
from oddframe.datasets.listing import entries, list_names
from oddframe.datasets.tables import TABLE_SUFFIXES, Row, decimal, first_row, read_rows
from oddframe.errors import LayoutError

COLUMNS = ("video", "start_s", "end_s")
"""The columns of a file of labels by time."""

_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")
# How far a span may reach beyond the last frame: people round up.
_LATE_S = 1.0
# Times are compared to the microsecond, so that frame 3 of 10 per second lies in a span from 0.3.
_SLACK_S = 1e-6
# A file of this name is meant as labels, whatever is in it. Lists of other things are called
# labels.txt too, so that one is taken for labels by its columns alone.
_NAME = "labels"
_WORKBOOKS = (".xlsx", ".xls", ".ods")


@dataclass(frozen=True, slots=True)
class LabelSpan:
    """A time in which a recording is abnormal, both ends included.

    Attributes:
        start_s: Time of its start in seconds.
        end_s: Time of its end in seconds.
        line: Where the file says so, from 1.
    """

    start_s: float
    end_s: float
    line: int


def is_span_file(path: Path) -> bool:
    """Whether a file is a table whose first row names the columns of labels by time."""
    row = first_row(path) if path.suffix.lower() in TABLE_SUFFIXES and path.is_file() else None
    return row is not None and _places(row) is not None


def span_files(folders: Iterable[Path]) -> list[Path]:
    """List the files of labels by time in some folders, not in those below them.

    Raises:
        LayoutError: A file is called `labels.csv`, or as a spreadsheet calls it, and cannot be
            read.
    """
    found = []
    for path in (path for folder in folders for path in entries(folder)):
        suffix = path.suffix.lower()
        if is_span_file(path):
            found.append(path)
        elif path.stem.casefold() == _NAME and path.is_file():
            if suffix in _WORKBOOKS:
                raise LayoutError(
                    f"{path}: labels must be a table of text with the columns {','.join(COLUMNS)}, "
                    "this is a workbook; save it as CSV, or move it away"
                )
            if suffix in (".csv", ".tsv"):
                read_spans(path)
                found.append(path)
    return found


def labelled_as_abnormal(places: Iterable[Path], recordings: Iterable[Path]) -> list[str]:
    """Write a sentence for each file of labels among normal footage that calls some of it abnormal.

    Args:
        places: What the user named as normal footage.
        recordings: The recordings found there.

    Raises:
        LayoutError: There is a `labels.csv` that cannot be read: what it says is not known, so that
            nothing beside it can be taken for normal.
    """
    recordings = list(recordings)
    folders = {place: None for place in places if place.is_dir()}
    for place in list(folders):
        between = (path.parents for path in recordings if place in path.parents)
        folders |= dict.fromkeys(
            above for all_ in between for above in all_ if place in above.parents
        )
    sentences = []
    for path in span_files(folders):
        abnormal = [name for name, spans in read_spans(path).items() if spans]
        if abnormal:
            sentences.append(
                f"{path} labels a part of {list_names(abnormal)} as abnormal, which is taken as "
                "normal here; name the normal recordings alone"
            )
    return sentences


def read_spans(path: Path) -> dict[str, tuple[LabelSpan, ...]]:
    """Read the abnormal spans by the name of the video, as the file writes it.

    A video with empty times has none. Times are seconds, or as players show them (`1:02`,
    `1:02.5`, `0:01:02`), with a decimal point or comma.

    Raises:
        LayoutError: The file cannot be read, or a line of it cannot be understood.
    """
    rows = [row for row in read_rows(path) if any(row.cells)]
    head = rows[0] if rows else Row(1, ())
    places = _places(head)
    if places is None:
        raise LayoutError(
            f"{path}: line {head.line}: the first line must be {','.join(COLUMNS)} (in any order, "
            "also among other columns; separated by commas, semicolons or tabs), "
            f"found {head.text!r}; correct it, or give the file another name if it holds no labels"
        )
    found: dict[str, list[LabelSpan]] = {}
    for row in rows[1:]:
        # Spreadsheets leave empty cells at the end of a row out, or add some.
        cells = row.cells + ("",) * (len(head.cells) - len(row.cells))
        more = any(cells[len(head.cells) :])
        if more or len(row.cells) <= max(places) or not cells[places[0]]:
            raise LayoutError(
                f"{path}: line {row.line} must be {','.join(head.cells)}, found {row.text!r}"
                + "; put a cell that holds a comma between quotes" * more
            )
        video, start, end = (cells[place] for place in places)
        spans = found.setdefault(video, [])
        if start or end:
            spans.append(_span(path, row.line, start, end))
    return {name: tuple(spans) for name, spans in found.items()}


def labels_from_spans(
    times_s: Float64, spans: Sequence[LabelSpan], path: Path
) -> npt.NDArray[np.uint8]:
    """Write spans as one label a frame: 1 where its time lies in one; read-only.

    Args:
        times_s: Time of each frame; NaN, for an image that is missing, is normal.
        spans: When the recording is abnormal.
        path: Where the spans come from; named in errors.

    Raises:
        LayoutError: A span lies beyond the last frame, or holds no frame.
    """
    labels = np.zeros(times_s.size, np.uint8)
    last_s = float(np.nanmax(times_s))
    for span in spans:
        inside = (times_s >= span.start_s - _SLACK_S) & (times_s <= span.end_s + _SLACK_S)
        if span.end_s > last_s + _LATE_S or not inside.any():
            raise LayoutError(
                f"{path}: line {span.line}: a stretch must hold frames and end before the "
                f"recording does, found {span.start_s:g} to {span.end_s:g} s, "
                f"the last frame is at {last_s:.2f} s"
            )
        labels[inside] = 1
    labels.setflags(write=False)
    return labels


def _places(row: Row) -> tuple[int, ...] | None:
    """Find where the three columns stand; None where one is missing or there twice."""
    names = [cell.lower() for cell in row.cells]
    if any(names.count(name) != 1 for name in COLUMNS):
        return None
    return tuple(names.index(name) for name in COLUMNS)


def _span(path: Path, line: int, start: str, end: str) -> LabelSpan:
    """Read the two times of a line.

    Raises:
        LayoutError: One of them is no time, or they are turned around.
    """
    start_s, end_s = _seconds(start), _seconds(end)
    # NaN, for what is no time, fails this comparison as well.
    if not 0 <= start_s <= end_s < math.inf:
        raise LayoutError(
            f"{path}: line {line}: times must be seconds (62.5) or minutes and seconds (1:02.5), "
            f"start before end, found {start!r} and {end!r}"
        )
    return LabelSpan(start_s, end_s, line)


def _seconds(text: str) -> float:
    """Read a time in seconds; NaN for what is no time."""
    if clock := _CLOCK.fullmatch(text):
        return 3600 * int(clock[1] or 0) + 60 * int(clock[2]) + decimal(clock[3])
    return decimal(text)
