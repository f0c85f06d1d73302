"""Frame labels: one 0 (normal) or 1 (abnormal) per frame, from the files that people have.

Benchmarks label by frame numbers (MATLAB files, arrays); one's own recordings are labelled by time,
which `label_spans` reads. Every reader checks the labels against the frames of each
video and returns read-only uint8 arrays. No file is ever unpickled.
"""

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
from oddframe.datasets.listing import entries, last_number, named
from oddframe.errors import LayoutError

Labels: TypeAlias = npt.NDArray[np.uint8]
"""One label a frame of a video: 0 is normal, 1 is abnormal."""

# Most that a file may hold, so that a small file cannot fill the memory.
_MOST_VIDEOS = 1 << 16
_MOST_INTERVALS = 1 << 20


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
    """Read labels from a `.mat` file with `gt`, a 2 x S array of [start, end] per video.

    Videos are paired in their order. Where the file knows more videos than there are (a partial
    copy), they are paired by the number that their name ends with.

    Args:
        path: The file.
        frame_counts: Frames per video, in the order of the benchmark.

    Raises:
        LayoutError: The file cannot be read, cannot be paired, or ends after a video does.
    """
    return _pair_intervals(path, read_intervals(path), frame_counts)


def labels_from_ranges(path: Path, frame_counts: Mapping[str, int]) -> LabelSource:
    """Read labels from the `.m` file that UCSD's copies carry.

    Videos are paired as `labels_from_mat` does.

    Raises:
        LayoutError: As `labels_from_mat`.
    """
    return _pair_intervals(path, read_ranges(path), frame_counts)


def labels_from_folder(folder: Path, frame_counts: Mapping[str, int]) -> LabelSource:
    """Read labels from a folder with one `<video>.npy` per video.

    Videos without a file are left out: another source may have their labels.

    Raises:
        LayoutError: A file cannot be read, or its length is not that of its video.
    """
    labels = {}
    for name, frames in frame_counts.items():
        path = named(folder, f"{name}.npy")
        if not path.exists():
            continue
        values = read_label_array(path)
        if values.size != frames:
            raise LayoutError(
                f"{path}: one label per frame is needed, found {values.size} labels "
                f"for {frames} frames; a missing or additional image, or labels of another copy"
            )
        labels[name] = values
    return LabelSource(folder, labels)


def labels_from_array(path: Path, frame_counts: Mapping[str, int]) -> LabelSource:
    """Read labels from one `.npy` in which all videos follow each other.

    It is cut by the numbers of frames of the videos.

    Raises:
        LayoutError: The file cannot be read, or its length is not that of all videos together.
    """
    values = read_label_array(path)
    total = sum(frame_counts.values())
    if values.size != total:
        raise LayoutError(
            f"{path}: one label per frame of all {len(frame_counts)} videos is needed, "
            f"found {values.size} labels for {total} frames; the labels of a partial copy "
            "must be given one file per video"
        )
    ends = np.cumsum(list(frame_counts.values()))[:-1]
    return LabelSource(path, dict(zip(frame_counts, np.split(values, ends), strict=True)))


def refused_files(places: Sequence[Path]) -> list[str]:
    """Write a sentence for each file in some folders that may hold labels but is a pickle.

    ShanghaiTech's `gt_label.json` is one, whatever its name says.
    """
    return [
        f"{path} is a pickle, which is never opened, since opening one runs code; "
        "save its labels with numpy.save"
        for place in places
        for path in entries(place)
        if path.suffix.lower() in (".json", ".pickle", ".pkl") and is_pickle(path)
    ]


def join_labels(
    sources: Sequence[LabelSource], frame_counts: Mapping[str, int], refused: Sequence[str] = ()
) -> dict[str, Labels]:
    """Choose one array per video out of all sources, which must agree wherever they overlap.

    Args:
        sources: The label files and folders that were found.
        frame_counts: Frames of each video that needs labels; only the names matter here.
        refused: Sentences on files that may hold labels and are not opened; part of the error where
            labels are missing.

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
                    f"labels of video {name} must agree, but {origin[name]} and {source.path} "
                    f"differ at {_disagreement(joined[name], values)}; "
                    "remove the one that is wrong"
                )
    missing = [name for name in frame_counts if name not in joined]
    if missing:
        looked_at = ", ".join(str(source.path) for source in sources) or "no label file"
        why = "".join(f"; {sentence}" for sentence in refused)
        raise LayoutError(
            f"every video needs frame labels, found none for {', '.join(missing)} "
            f"in {looked_at}{why}"
        )
    return {name: joined[name] for name in frame_counts}


def labels_from_intervals(intervals: Intervals, frames: int) -> Labels:
    """Write 2 x S intervals (counted from 1, inclusive) as one label per frame; S may be 0.

    Raises:
        LayoutError: An interval is turned around, starts before frame 1 or ends after the last
            frame.
    """
    labels = np.zeros(frames, dtype=np.uint8)
    for start, end in intervals.T.tolist():
        if not 1 <= start <= end <= frames:
            raise LayoutError(
                f"abnormal frames must lie within 1 to {frames}, the frames found, "
                f"but the labels say {start} to {end}; a missing image, or labels of another copy"
            )
        # From "counted from 1, end included" to "counted from 0, end excluded".
        labels[start - 1 : end] = 1
    # Several readers may hold one array: nobody may change it under the others.
    labels.setflags(write=False)
    return labels


def read_intervals(path: Path) -> list[Intervals]:
    """Read the intervals of each video in a `.mat` file with `gt`, however deep its cells are.

    Raises:
        LayoutError: Not a readable MATLAB file of version 5 to 7, no `gt`, or `gt` is not
            intervals.
    """
    return read_variable(path, "gt", _intervals_of_videos)


def read_label_array(path: Path) -> Labels:
    """Read all labels of a `.npy` file: N, 1 x N or N x 1 numbers or booleans, each 0 or 1.

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
    """Take the intervals out of the forms of `gt` that are met.

    These are a cell array, a struct of one field, one video alone, and a block of equal ones.
    """
    videos: MatArray | list[MatArray]
    # Order "F": MATLAB numbers its cells column by column.
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
    found = [_intervals_of_video(path, place, value) for place, value in enumerate(videos, start=1)]
    total = sum(intervals.shape[1] for intervals in found)
    if total > _MOST_INTERVALS:
        raise LayoutError(
            f"{path}: gt must hold {_MOST_INTERVALS:,} intervals at most, found {total:,}"
        )
    return found


def _intervals_of_video(path: Path, place: int, value: MatArray) -> Intervals:
    """Take the intervals of one video, the `place`-th from 1, out of its cell."""
    # Ped2's file has each array in a cell within a cell.
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
    # Whole numbers are often stored as doubles, so that values are checked and not their type.
    whole = (
        np.isfinite(values).all()
        and (values == np.floor(values)).all()
        and np.abs(values).max() < 2**31
    )
    if values.ndim != 2 or values.shape[0] != 2 or not whole:
        raise LayoutError(
            f"{path}: gt of video {place} must be a 2 x S array of whole numbers, "
            f"first and last abnormal frame, found shape {values.shape} of {values.dtype}"
        )
    return values.astype(np.int64)


def _pair_intervals(
    path: Path, intervals: Sequence[Intervals], frame_counts: Mapping[str, int]
) -> LabelSource:
    """Write the intervals of each video as labels; errors name the file and the video."""
    places = _places(path, list(frame_counts), len(intervals))
    labels = {}
    for (name, frames), place in zip(frame_counts.items(), places, strict=True):
        try:
            labels[name] = labels_from_intervals(intervals[place], frames)
        except LayoutError as error:
            raise LayoutError(f"{path}: video {name}: {error}") from None
    return LabelSource(path, labels)


def _places(path: Path, names: Sequence[str], available: int) -> list[int]:
    """Find the position of each video in a file of `available` videos.

    Raises:
        LayoutError: A partial copy has videos without a number, or with a wrong one.
    """
    if len(names) == available:
        return list(range(available))
    # In a partial copy order means nothing any more, but names still carry their number.
    numbers = [last_number(name) or 0 for name in names]
    if not all(1 <= number <= available for number in numbers) or len(set(numbers)) < len(numbers):
        raise LayoutError(
            f"{path}: labels {available} videos, found {len(names)} ({', '.join(names[:5])}, ...); "
            f"videos of a partial copy must keep their number, 1 to {available}, in their name"
        )
    return [number - 1 for number in numbers]


def _disagreement(first: Labels, second: Labels) -> str:
    """Say where two arrays of labels differ, as runs of frames."""
    if first.size != second.size:
        return f"their lengths, {first.size} and {second.size} frames"
    frames = np.flatnonzero(first != second)
    # Cut where a frame does not follow the one before.
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    shown = ", ".join(f"{run[0]}-{run[-1]}" if run.size > 1 else f"{run[0]}" for run in runs[:5])
    more = f" and {len(runs) - 5} more stretches" if len(runs) > 5 else ""
    return f"{frames.size} frames (counted from 0): {shown}{more}"
