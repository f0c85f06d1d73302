"""Anybody's numbers per frame, scores or labels, from `.npy` and `.csv` files.

There is one file a video, or one for all. A `.npy` holds N, 1 x N or N x 1 numbers. A `.csv` holds
one column of numbers without a header, or columns with one:

- the values, in the column that is asked for or in the only one that has no other meaning; empty or
  `nan` is no value;
- `video`, where one file holds several videos; rows of a video follow each other in the order of
  its frames;
- `frame`, counted from 0, where rows are not simply one a frame; a frame without a row has no
  value;
- `time_s`, which tells the frame rate.

So the `<name>.scores.csv` that `oddframe score` writes is read as it is. Pickles are refused by
name.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oddframe._types import Float64
from oddframe.datasets.label_files import is_pickle, map_npy
from oddframe.datasets.listing import entries, list_names
from oddframe.datasets.tables import Row, decimal, read_rows
from oddframe.errors import LayoutError, SourceNotFoundError

Values: TypeAlias = Float64
"""One number a frame of a video, NaN where there is none."""

_SUFFIXES = (".npy", ".csv")
# Columns with a meaning of their own, which are never the values.
_COLUMNS = ("video", "frame", "time_s")
# A frame number beyond this is a slip, and would make an array that fills the memory.
_MOST_FRAMES = 100_000_000


@dataclass(frozen=True, slots=True)
class FrameValues:
    """Numbers of one or several videos, one a frame.

    Attributes:
        origin: Where they come from; named in errors.
        videos: Per video, float64, NaN where there is no value; in the natural order of files, or
            that of the table.
        joined: Whether it is one array for all videos together, under one name.
        numbered: Videos whose values are placed by a `frame` column; frames behind the last one may
            be missing.
        rates_fps: Frames per second of the videos whose times are known.
    """

    origin: str
    videos: Mapping[str, Values] = field(repr=False)
    joined: bool = False
    numbered: frozenset[str] = frozenset()
    rates_fps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one video in a table.

    Attributes:
        values: The value of each row.
        frames: The frame of each row, where the table has such a column.
        times_s: The time of each row, where the table has such a column.
    """

    values: list[float] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)


def read_values(path: str | Path, columns: Sequence[str]) -> FrameValues:
    """Read one array per video from a folder, or one for all videos from a file.

    Args:
        path: A folder with one `.npy` or `.csv` per video, or one such file.
        columns: Names of the column to take from a table with a header, the first that is there.

    Raises:
        SourceNotFoundError: Nothing is at that path.
        LayoutError: A file is a pickle, cannot be read, or is no such table or array; or two are of
            one video.
    """
    place = Path(path)
    if not place.exists():
        raise SourceNotFoundError(
            f"{place} must be a folder or a file ({', '.join(_SUFFIXES)}), but nothing is there"
        )
    if not place.is_dir():
        return _one_file(place, columns)
    # A pickle in the folder may be what is meant: passing over it would say something else.
    refuse_pickles(place)
    files = _value_files(place)
    if not files:
        names = list_names([path.name for path in entries(place)])
        raise LayoutError(f"{place} must hold one .npy or .csv file per video, found {names}")
    paths: dict[str, Path] = {}
    found: dict[str, FrameValues] = {}
    for file in files:
        name = _video_name(file)
        if name in paths:
            raise LayoutError(
                f"{place}: one file per video is needed, found {paths[name].name} and {file.name}"
            )
        read = _one_file(file, columns)
        # A table of several videos in a folder would leave open which of two files is meant.
        if not read.joined:
            raise LayoutError(
                f"{file}: a table with a column video must be given alone, not within a folder"
            )
        paths[name], found[name] = file, read
    return FrameValues(
        origin=str(place),
        videos={name: read.videos[name] for name, read in found.items()},
        numbered=frozenset().union(*(read.numbered for read in found.values())),
        rates_fps={name: rate for read in found.values() for name, rate in read.rates_fps.items()},
    )


def values_of_arrays(origin: str, arrays: Mapping[str, npt.ArrayLike]) -> FrameValues:
    """Take values from arrays in memory, one per video.

    Raises:
        LayoutError: An array is not one row of numbers.
    """
    videos = {
        name: _one_row(f"{origin} of {name}", np.asarray(array)) for name, array in arrays.items()
    }
    return FrameValues(origin, videos)


def holds_value_files(folder: Path) -> bool:
    """Whether a folder holds `.npy` or `.csv` files."""
    return bool(_value_files(folder))


def refuse_pickles(place: Path) -> None:
    """Make sure that a file, or every file of a folder, is no pickle.

    Raises:
        LayoutError: It is one.
    """
    for path in entries(place) if place.is_dir() else [place]:
        if path.is_file() and is_pickle(path):
            raise LayoutError(
                f"{path} is a pickle; pickles are never opened, since opening one runs code: "
                "save its arrays with numpy.save, one file per video"
            )


def _value_files(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if path.suffix.lower() in _SUFFIXES and path.is_file()]


def _video_name(file: Path) -> str:
    # The tables that `oddframe score` writes are called <name>.scores.csv.
    return file.stem.removesuffix(".scores")


def _one_file(file: Path, columns: Sequence[str]) -> FrameValues:
    """Read an array or a table.

    Raises:
        LayoutError: It is neither, a pickle, or cannot be read.
    """
    refuse_pickles(file)
    if file.suffix.lower() == ".npy":
        return FrameValues(
            str(file), {_video_name(file): _one_row(str(file), map_npy(file))}, joined=True
        )
    if file.suffix.lower() == ".csv":
        return _read_table(file, columns)
    raise LayoutError(f"{file} must be a {' or '.join(_SUFFIXES)} file, or a folder of them")


def _one_row(origin: str, array: npt.NDArray[np.generic]) -> Values:
    """Make one row of an array of N, 1 x N or N x 1 numbers.

    Raises:
        LayoutError: It has another shape, or holds something else than numbers.
    """
    if (
        array.dtype.kind not in "biuf"
        or array.ndim == 0
        or (array.size and array.size != max(array.shape))
    ):
        raise LayoutError(
            f"{origin}: one row of numbers is needed, N or 1 x N, "
            f"found shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.float64).ravel()


def _read_table(file: Path, columns: Sequence[str]) -> FrameValues:
    """Read a table with or without a header.

    Raises:
        LayoutError: It cannot be read, or a line of it cannot be understood.
    """
    rows = read_rows(file)
    if not rows:
        raise LayoutError(f"{file}: must hold one value per frame, it is empty")
    # A first line of numbers is data; words are a header.
    first = [cell.lower() for cell in rows[0].cells]
    header = None if all(_is_number(cell) for cell in first) else first
    places = _column_places(file, header, len(first), columns)
    videos = _rows_by_video(file, rows if header is None else rows[1:], places)
    rates_fps = {name: _rate_fps(found) for name, found in videos.items()}
    return FrameValues(
        origin=str(file),
        videos={name: _place_values(file, name, found) for name, found in videos.items()},
        joined="video" not in places,
        numbered=frozenset(videos) if "frame" in places else frozenset(),
        rates_fps={name: rate for name, rate in rates_fps.items() if rate is not None},
    )


def _column_places(
    file: Path, header: list[str] | None, width: int, columns: Sequence[str]
) -> dict[str, int]:
    """Find where the columns with a meaning stand; that of the values is called "value".

    Raises:
        LayoutError: Which column holds the values is not clear.
    """
    if header is None:
        if width != 1:
            raise LayoutError(
                f"{file}: a table of {width} columns needs a header that names them, "
                "found numbers only"
            )
        return {"value": 0}
    places = {name: header.index(name) for name in _COLUMNS if name in header}
    wanted = [name for name in columns if name in header]
    others = [name for name in header if name not in _COLUMNS]
    if not wanted and len(others) != 1:
        raise LayoutError(
            f"{file}: a column named {' or '.join(columns)} is needed, found {', '.join(header)}"
        )
    return {**places, "value": header.index(wanted[0] if wanted else others[0])}


def _rows_by_video(file: Path, rows: Iterable[Row], places: Mapping[str, int]) -> dict[str, _Rows]:
    """Read the rows, each with its number of line, video by video.

    Raises:
        LayoutError: A cell is no number, or a row has too few of them.
    """
    # A table of one video without rows is a video without frames, not a table without videos.
    videos: dict[str, _Rows] = {} if "video" in places else {_video_name(file): _Rows()}
    for row in rows:
        line, width = row.line, len(row.cells)
        if width <= max(places.values()):
            raise LayoutError(
                f"{file}: line {line} has {width} cells, {max(places.values()) + 1} are needed"
            )
        cells = {name: row.cells[place] for name, place in places.items()}
        video = videos.setdefault(cells.get("video", _video_name(file)), _Rows())
        for name, numbers in (("value", video.values), ("time_s", video.times_s)):
            if name in cells:
                if not _is_number(cells[name]):
                    raise LayoutError(
                        f"{file}: line {line}: a number, nan or nothing is needed, "
                        f"found {cells[name]!r}"
                    )
                numbers.append(decimal(cells[name]))
        if "frame" in cells:
            number = cells["frame"]
            if not number.isdecimal() or int(number) >= _MOST_FRAMES:
                raise LayoutError(
                    f"{file}: line {line}: frame must be a whole number from 0, found {number!r}"
                )
            video.frames.append(int(number))
    return videos


def _place_values(file: Path, name: str, rows: _Rows) -> Values:
    """Put the values of a video at their frames; those without a row are NaN.

    Raises:
        LayoutError: A frame has two rows.
    """
    values = np.array(rows.values, dtype=np.float64)
    if not rows.frames:
        return values
    if len(set(rows.frames)) < len(rows.frames):
        raise LayoutError(
            f"{file}: video {name}: every frame must have one row, found two for the same frame"
        )
    placed = np.full(max(rows.frames) + 1, np.nan)
    placed[rows.frames] = values
    return placed


def _rate_fps(rows: _Rows) -> float | None:
    """Frames per second between the first and the last row; None where the times do not tell."""
    if len(rows.times_s) < 2:
        return None
    # Between the ends, since times are often rounded to a hundredth of a second.
    frames = rows.frames or range(len(rows.times_s))
    span_s = rows.times_s[-1] - rows.times_s[0]
    rate_fps = (frames[-1] - frames[0]) / span_s if span_s > 0 else 0.0
    return rate_fps if np.isfinite(rate_fps) and rate_fps > 0 else None


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, `nan`, or empty."""
    return cell.lower().lstrip("+-") in ("", "nan") or not math.isnan(decimal(cell))
