"""Anybody's numbers per frame - scores or labels - from `.npy` and `.csv` files: one file a video, or one for all.

A `.npy` holds N, 1 x N or N x 1 numbers. A `.csv` holds one column of numbers without a header, or
columns with one:

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

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oddframe.datasets.label_files import is_pickle, map_npy
from oddframe.datasets.listing import entries, named
from oddframe.errors import LayoutError, SourceNotFoundError

Values: TypeAlias = npt.NDArray[np.float64]

_SUFFIXES = (".npy", ".csv")
_NAMED = ("video", "frame", "time_s")
_MOST_FRAMES = 100_000_000


@dataclass(frozen=True, slots=True)
class FrameValues:
    """One number a frame.

    Attributes:
        origin: Where they come from; named in errors.
        videos: Per video, float64, NaN where there is no value; in the natural order of files, or
            that of the table.
        joined: Whether there is one array for all videos together, which its only name does not
            tell apart.
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
class _ScoreColumn:
    """The rows of one video."""

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
    refuse_pickles(place)
    files = _value_files(place)
    if not files:
        raise LayoutError(
            f"{place} must hold one .npy or .csv file per video, found {named([one.name for one in entries(place)])}"
        )
    found: dict[str, tuple[Path, FrameValues]] = {}
    for file in files:
        name = _video_name(file)
        if name in found:
            raise LayoutError(
                f"{place}: one file per video is needed, found {found[name][0].name} and {file.name}"
            )
        one = _one_file(file, columns)
        if not one.joined:
            raise LayoutError(
                f"{file}: a table with a column video must be given alone, not within a folder"
            )
        found[name] = (file, one)
    return FrameValues(
        origin=str(place),
        videos={name: one.videos[name] for name, (_, one) in found.items()},
        numbered=frozenset().union(*(one.numbered for _, one in found.values())),
        rates_fps={
            video: rate for _, one in found.values() for video, rate in one.rates_fps.items()
        },
    )


def values_of_arrays(origin: str, arrays: Mapping[str, npt.ArrayLike]) -> FrameValues:
    """The same from arrays in memory, one per video.

    Raises:
        LayoutError: An array is not one row of numbers.
    """
    return FrameValues(
        origin, {name: _one_row(f"{origin} of {name}", np.asarray(a)) for name, a in arrays.items()}
    )


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
                f"{path} is a pickle; pickles are never opened, since opening one runs code: save its arrays with "
                "numpy.save, one file per video"
            )


def _value_files(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if path.suffix.lower() in _SUFFIXES and path.is_file()]


def _video_name(file: Path) -> str:
    return file.stem.removesuffix(".scores")


def _one_file(file: Path, columns: Sequence[str]) -> FrameValues:
    refuse_pickles(file)
    if file.suffix.lower() == ".npy":
        return FrameValues(
            str(file), {_video_name(file): _one_row(str(file), map_npy(file))}, joined=True
        )
    if file.suffix.lower() == ".csv":
        return _read_table(file, columns)
    raise LayoutError(f"{file} must be a {' or '.join(_SUFFIXES)} file, or a folder of them")


def _one_row(origin: str, array: npt.NDArray[np.generic]) -> Values:
    if (
        array.dtype.kind not in "biuf"
        or array.ndim == 0
        or (array.size and array.size != max(array.shape))
    ):
        raise LayoutError(
            f"{origin}: one row of numbers is needed, N or 1 x N, found shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.float64).ravel()


def _read_table(file: Path, columns: Sequence[str]) -> FrameValues:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = [(line, row) for line, row in enumerate(csv.reader(opened), start=1) if row]
    except OSError as error:
        raise LayoutError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LayoutError(
            f"{file}: must be a table of comma-separated values in UTF-8 ({error})"
        ) from error
    if not rows:
        raise LayoutError(f"{file}: must hold one value per frame, it is empty")
    first = [cell.strip().lower() for cell in rows[0][1]]
    header = None if all(_is_number(cell) for cell in first) else first
    places = _places(file, header, len(rows[0][1]), columns)
    videos = _by_video(file, rows if header is None else rows[1:], places)
    return FrameValues(
        origin=str(file),
        videos={name: _placed(file, name, column) for name, column in videos.items()},
        joined="video" not in places,
        numbered=frozenset(videos) if "frame" in places else frozenset(),
        rates_fps={
            name: rate for name, column in videos.items() if (rate := _rate_fps(column)) is not None
        },
    )


def _places(
    file: Path, header: list[str] | None, width: int, columns: Sequence[str]
) -> dict[str, int]:
    """Where the columns with a meaning stand; the values as "value"."""
    if header is None:
        if width != 1:
            raise LayoutError(
                f"{file}: a table of {width} columns needs a header that names them, found numbers only"
            )
        return {"value": 0}
    places = {name: header.index(name) for name in _NAMED if name in header}
    wanted = [name for name in columns if name in header]
    others = [name for name in header if name not in _NAMED]
    if not wanted and len(others) != 1:
        raise LayoutError(
            f"{file}: a column named {' or '.join(columns)} is needed, found {', '.join(header)}"
        )
    return {**places, "value": header.index(wanted[0] if wanted else others[0])}


def _by_video(
    file: Path, rows: Iterable[tuple[int, list[str]]], places: Mapping[str, int]
) -> dict[str, _ScoreColumn]:
    videos: dict[str, _ScoreColumn] = (
        {} if "video" in places else {_video_name(file): _ScoreColumn()}
    )
    for line, row in rows:
        if len(row) <= max(places.values()):
            raise LayoutError(
                f"{file}: line {line} has {len(row)} cells, {max(places.values()) + 1} are needed"
            )
        cells = {name: row[place].strip() for name, place in places.items()}
        column = videos.setdefault(cells.get("video", _video_name(file)), _ScoreColumn())
        for name, numbers in (("value", column.values), ("time_s", column.times_s)):
            if name in cells:
                if not _is_number(cells[name]):
                    raise LayoutError(
                        f"{file}: line {line}: a number, nan or nothing is needed, found {cells[name]!r}"
                    )
                numbers.append(float(cells[name] or "nan"))
        if "frame" in cells:
            if not cells["frame"].isdecimal() or int(cells["frame"]) >= _MOST_FRAMES:
                raise LayoutError(
                    f"{file}: line {line}: frame must be a whole number from 0, found {cells['frame']!r}"
                )
            column.frames.append(int(cells["frame"]))
    return videos


def _placed(file: Path, name: str, column: _ScoreColumn) -> Values:
    values = np.array(column.values, dtype=np.float64)
    if not column.frames:
        return values
    if len(set(column.frames)) < len(column.frames):
        raise LayoutError(
            f"{file}: video {name}: every frame must have one row, found two for the same frame"
        )
    placed = np.full(max(column.frames) + 1, np.nan)
    placed[column.frames] = values
    return placed


def _rate_fps(column: _ScoreColumn) -> float | None:
    """Frames per second between the first and the last row; None where the times do not tell."""
    if len(column.times_s) < 2:
        return None
    frames = column.frames or range(len(column.times_s))
    span_s = column.times_s[-1] - column.times_s[0]
    rate_fps = (frames[-1] - frames[0]) / span_s if span_s > 0 else 0.0
    return rate_fps if np.isfinite(rate_fps) and rate_fps > 0 else None


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip() or "nan")
    except ValueError:
        return False
    return True
