"""Frame labels of benchmarks: one 0 (normal) or 1 (abnormal) per frame, from the files people have.

Every reader checks the labels against the number of frames of each video and returns read-only
uint8 arrays. No file is ever unpickled.

Abnormal stretches of one's own recordings, in seconds, in one CSV file: `video,start_s,end_s`.
"""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oddframe.datasets.label_files import (
    Intervals,
    MatArray,
    is_numeric,
    is_pickle,
    map_npy,
    read_ranges,
    read_variable,
)
from oddframe.datasets.listing import entries, last_number
from oddframe.errors import LayoutError

Labels: TypeAlias = npt.NDArray[np.uint8]

_MOST_VIDEOS = 1 << 16
_MOST_INTERVALS = 1 << 20
"""Most that a file may hold, so that a small file cannot fill the memory."""


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Labels that one file or folder gives, for the videos that it covers.

    Attributes:
        path: Where they come from; named in errors.
        labels: Per video, uint8 0 / 1.
    """

    path: Path
    labels: Mapping[str, Labels]


def labels_from_mat(path: Path, frame_counts: Mapping[str, int]) -> LabelSource:
    """Labels from a `.mat` file with `gt`, a 2 x S array of [start, end] per video.

    Videos are paired in their order. Where the file knows more videos than there are (a partial
    copy), they are paired by the number that their name ends with.

    Args:
        path: The file.
        frame_counts: Frames per video, in the order of the benchmark.

    Raises:
        LayoutError: The file cannot be read, cannot be paired, or ends after a video does.
    """
    return _paired(path, read_intervals(path), frame_counts)


def labels_from_ranges(path: Path, frame_counts: Mapping[str, int]) -> LabelSource:
    """Labels from the `.m` file that UCSD's copies carry; videos are paired as `labels_from_mat` does.

    Raises:
        LayoutError: As `labels_from_mat`.
    """
    return _paired(path, read_ranges(path), frame_counts)


def labels_from_folder(folder: Path, frame_counts: Mapping[str, int]) -> LabelSource:
    """Labels from a folder with one `<video>.npy` per video; videos without a file are left out.

    Raises:
        LayoutError: A file cannot be read, or its length is not that of its video.
    """
    labels = {}
    for name, frames in frame_counts.items():
        path = folder / f"{name}.npy"
        if not path.exists():
            continue
        values = read_label_array(path)
        if values.size != frames:
            raise LayoutError(
                f"{path}: one label per frame is needed, found {values.size} labels for {frames} frames; "
                "a missing or additional image, or labels of another copy"
            )
        labels[name] = values
    return LabelSource(folder, labels)


def labels_from_array(path: Path, frame_counts: Mapping[str, int]) -> LabelSource:
    """Labels from one `.npy` in which all videos follow each other, cut by their numbers of frames.

    Raises:
        LayoutError: The file cannot be read, or its length is not that of all videos together.
    """
    values = read_label_array(path)
    total = sum(frame_counts.values())
    if values.size != total:
        raise LayoutError(
            f"{path}: one label per frame of all {len(frame_counts)} videos is needed, found {values.size} "
            f"labels for {total} frames; the labels of a partial copy must be given one file per video"
        )
    ends = np.cumsum(list(frame_counts.values()))[:-1]
    return LabelSource(path, dict(zip(frame_counts, np.split(values, ends), strict=True)))


def refused_files(places: Sequence[Path]) -> list[str]:
    """A sentence for each file in some folders that may hold labels but is a pickle, `gt_label.json` among them."""
    return [
        f"{path} is a pickle, which is never opened, since opening one runs code; save its labels with numpy.save"
        for place in places
        for path in entries(place)
        if path.suffix.lower() in (".json", ".pickle", ".pkl") and is_pickle(path)
    ]


def join_labels(
    sources: Sequence[LabelSource], frame_counts: Mapping[str, int], refused: Sequence[str] = ()
) -> dict[str, Labels]:
    """One array per video out of all sources present, which must agree wherever they overlap.

    Args:
        sources: What was found.
        frame_counts: Frames of each video that needs labels.
        refused: Sentences on files that may hold labels and are not opened; told where labels are
            missing.

    Raises:
        LayoutError: Two sources disagree (names the video and the frames), or a video has no
            labels.
    """
    joined: dict[str, Labels] = {}
    origin: dict[str, Path] = {}
    for source in sources:
        for name, values in source.labels.items():
            if name not in joined:
                joined[name], origin[name] = values, source.path
            elif not np.array_equal(joined[name], values):
                raise LayoutError(
                    f"labels of video {name} must agree, but {origin[name]} and {source.path} differ at "
                    f"{_disagreement(joined[name], values)}; remove the one that is wrong"
                )
    missing = [name for name in frame_counts if name not in joined]
    if missing:
        looked_at = ", ".join(str(source.path) for source in sources) or "no label file"
        why = "".join(f"; {sentence}" for sentence in refused)
        raise LayoutError(
            f"every video needs frame labels, found none for {', '.join(missing)} in {looked_at}{why}"
        )
    return {name: joined[name] for name in frame_counts}


def labels_of_intervals(intervals: Intervals, frames: int) -> Labels:
    """Write 2 x S intervals (counted from 1, inclusive) as one label per frame; S may be 0.

    Raises:
        LayoutError: An interval is turned around, starts before frame 1 or ends after the last
            frame.
    """
    labels = np.zeros(frames, dtype=np.uint8)
    for start, end in intervals.T.tolist():
        if not 1 <= start <= end <= frames:
            raise LayoutError(
                f"abnormal frames must lie within 1 to {frames}, the frames found, but the labels say "
                f"{start} to {end}; a missing image, or labels of another copy"
            )
        labels[start - 1 : end] = 1
    labels.setflags(write=False)
    return labels


def read_intervals(path: Path) -> list[Intervals]:
    """The intervals of each video in a `.mat` file with `gt`, however deep its cells are nested.

    Raises:
        LayoutError: Not a readable MATLAB file (up to version 7.2), no `gt`, or `gt` is not
            intervals.
    """
    return read_variable(path, "gt", _intervals_of_videos)


def read_label_array(path: Path) -> Labels:
    """All labels of a `.npy` file in one row: N, 1 x N or N x 1; numbers or booleans, each 0 or 1.

    Raises:
        LayoutError: Not a plain `.npy`, another shape, or something else than 0 and 1.
    """
    values = map_npy(path)
    if values.ndim == 0 or values.size != max(values.shape):
        raise LayoutError(f"{path}: labels must be one row, N or 1 x N, found shape {values.shape}")
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        found = np.unique(values)[:5].tolist()
        raise LayoutError(
            f"{path}: labels must be 0 (normal) or 1 (abnormal), found {found} of {values.dtype}"
        )
    labels: Labels = values.ravel().astype(np.uint8)
    labels.setflags(write=False)
    return labels


def _intervals_of_videos(path: Path, gt: MatArray) -> list[Intervals]:
    videos: MatArray | list[MatArray]
    if gt.dtype.names is not None and len(gt.dtype.names) == 1:
        (field,) = gt.dtype.names
        videos = gt[field].ravel(order="F")
    elif gt.dtype == object:
        videos = gt.ravel(order="F")
    else:
        videos = gt if gt.ndim == 3 else [gt]
    if len(videos) > _MOST_VIDEOS:
        raise LayoutError(
            f"{path}: gt must hold {_MOST_VIDEOS:,} videos at most, found {len(videos):,}"
        )
    found = [_intervals_of_video(path, place, one) for place, one in enumerate(videos, start=1)]
    total = sum(intervals.shape[1] for intervals in found)
    if total > _MOST_INTERVALS:
        raise LayoutError(
            f"{path}: gt must hold {_MOST_INTERVALS:,} intervals at most, found {total:,}"
        )
    return found


def _intervals_of_video(path: Path, place: int, value: MatArray) -> Intervals:
    while isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.item()
    if not is_numeric(value):
        raise LayoutError(
            f"{path}: gt of video {place} must be a 2 x S array of numbers, found something else"
        )
    if value.size == 0:
        return np.zeros((2, 0), dtype=np.int64)
    # A single stretch is also met as a row.
    values = value.reshape(2, 1) if value.shape == (1, 2) else value
    whole = (
        np.isfinite(values).all()
        and (values == np.floor(values)).all()
        and np.abs(values).max() < 2**31
    )
    if values.ndim != 2 or values.shape[0] != 2 or not whole:
        raise LayoutError(
            f"{path}: gt of video {place} must be a 2 x S array of whole numbers, first and last abnormal "
            f"frame, found shape {values.shape} of {values.dtype}"
        )
    return values.astype(np.int64)


def _paired(
    path: Path, intervals: Sequence[Intervals], frame_counts: Mapping[str, int]
) -> LabelSource:
    places = _places(path, list(frame_counts), len(intervals))
    labels = {}
    for (name, frames), place in zip(frame_counts.items(), places, strict=True):
        try:
            labels[name] = labels_of_intervals(intervals[place], frames)
        except LayoutError as error:
            raise LayoutError(f"{path}: video {name}: {error}") from None
    return LabelSource(path, labels)


def _places(path: Path, names: Sequence[str], available: int) -> list[int]:
    if len(names) == available:
        return list(range(available))
    numbers = [last_number(name) or 0 for name in names]
    if not all(1 <= number <= available for number in numbers) or len(set(numbers)) < len(numbers):
        raise LayoutError(
            f"{path}: labels {available} videos, found {len(names)} ({', '.join(names[:5])}, ...); videos of "
            f"a partial copy must keep their number, 1 to {available}, in their name"
        )
    return [number - 1 for number in numbers]


def _disagreement(first: Labels, second: Labels) -> str:
    if first.size != second.size:
        return f"their lengths, {first.size} and {second.size} frames"
    frames = np.flatnonzero(first != second)
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    shown = ", ".join(f"{run[0]}-{run[-1]}" if run.size > 1 else f"{run[0]}" for run in runs[:5])
    more = f" and {len(runs) - 5} more stretches" if len(runs) > 5 else ""
    return f"{frames.size} frames (counted from 0): {shown}{more}"


COLUMNS = ("video", "start_s", "end_s")

_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")
_LATE_S = 1.0
"""How far a stretch may reach beyond the last frame: people round up."""
_SLACK_S = 1e-6
"""Times are compared to the microsecond, so that frame 3 of 10 per second lies in a stretch that starts at 0.3."""


@dataclass(frozen=True, slots=True)
class LabelSpan:
    """An abnormal stretch, both ends included.

    Attributes:
        start_s: Time of its start in seconds.
        end_s: Time of its end.
        line: Where the file says so, from 1.
    """

    start_s: float
    end_s: float
    line: int


Stretches: TypeAlias = dict[str, tuple[LabelSpan, ...]]
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
    found: dict[str, list[LabelSpan]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if _header(file.readline(1000)) != COLUMNS:
                raise LayoutError(f"{path}: the first line must be {','.join(COLUMNS)}")
            for line, row in enumerate(csv.reader(file), start=2):
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                if len(cells) != len(COLUMNS) or not cells[0]:
                    raise LayoutError(
                        f"{path}: line {line} must be {','.join(COLUMNS)}, found {','.join(row)[:80]!r}"
                    )
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


def labels_of_stretches(
    times_s: npt.NDArray[np.float64], stretches: Sequence[LabelSpan], path: Path
) -> Labels:
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


def _stretch(path: Path, line: int, start: str, end: str) -> LabelSpan:
    start_s, end_s = _seconds(start), _seconds(end)
    if not 0 <= start_s <= end_s < math.inf:
        raise LayoutError(
            f"{path}: line {line}: times must be seconds (62.5) or minutes and seconds (1:02.5), start before end, "
            f"found {start!r} and {end!r}"
        )
    return LabelSpan(start_s, end_s, line)


def _seconds(text: str) -> float:
    """NaN for what is no time."""
    if clock := _CLOCK.fullmatch(text):
        return 3600 * int(clock[1] or 0) + 60 * int(clock[2]) + float(clock[3])
    try:
        return float(text)
    except ValueError:
        return math.nan
