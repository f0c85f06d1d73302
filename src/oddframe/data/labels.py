"""Frame labels of benchmarks: one 0 (normal) or 1 (abnormal) per frame, from the files people have.

Every reader checks the labels against the number of frames of each video and returns read-only uint8 arrays.
No file is ever unpickled.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from oddframe.errors import LayoutError

__all__ = [
    "Intervals",
    "LabelSource",
    "Labels",
    "join_labels",
    "labels_from_array",
    "labels_from_folder",
    "labels_from_mat",
    "labels_of_intervals",
    "read_intervals",
    "read_label_array",
]

Labels: TypeAlias = npt.NDArray[np.uint8]
Intervals: TypeAlias = npt.NDArray[np.int64]
"""2 x S: first and last abnormal frame of each stretch, counted from 1, both inclusive."""

# What scipy's and numpy's readers have been seen to raise on truncated and altered files.
_MAT_ERRORS = (
    ArithmeticError,
    LookupError,
    MatReadError,
    MemoryError,
    NameError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
    zlib.error,
)
_NPY_ERRORS = (ArithmeticError, MemoryError, SyntaxError, TokenError, TypeError, ValueError)


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

    Videos are paired in their order. Where the file knows more videos than there are (a partial copy), they
    are paired by number, which takes names that are plain numbers from 1.

    Args:
        path: The file.
        frame_counts: Frames per video, in the order of the benchmark.

    Raises:
        LayoutError: The file cannot be read, cannot be paired, or ends after a video does.
    """
    intervals = read_intervals(path)
    places = _places(path, list(frame_counts), len(intervals))
    labels = {}
    for (name, frames), place in zip(frame_counts.items(), places, strict=True):
        try:
            labels[name] = labels_of_intervals(intervals[place], frames)
        except LayoutError as error:
            raise LayoutError(f"{path}: video {name}: {error}") from None
    return LabelSource(path, labels)


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


def join_labels(sources: Sequence[LabelSource], frame_counts: Mapping[str, int]) -> dict[str, Labels]:
    """One array per video out of all sources present, which must agree wherever they overlap.

    Raises:
        LayoutError: Two sources disagree (names the video and the frames), or a video has no labels.
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
        raise LayoutError(f"every video needs frame labels, found none for {', '.join(missing)} in {looked_at}")
    return {name: joined[name] for name in frame_counts}


def labels_of_intervals(intervals: Intervals, frames: int) -> Labels:
    """Write 2 x S intervals (counted from 1, inclusive) as one label per frame; S may be 0.

    Raises:
        LayoutError: An interval is turned around, starts before frame 1 or ends after the last frame.
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
        LayoutError: Not a readable MATLAB file (up to version 7.2), no `gt`, or `gt` is not intervals.
    """
    try:
        content = loadmat(path)
    except _MAT_ERRORS as error:
        raise LayoutError(
            f"{path}: a MATLAB file (up to version 7.2) is needed, it cannot be read ({error}); fetch or save it again"
        ) from error
    if "gt" not in content:
        names = ", ".join(sorted(name for name in content if not name.startswith("__"))) or "nothing"
        raise LayoutError(f"{path}: must hold gt, the abnormal intervals of each video, found {names}")
    gt = content["gt"]
    cells = list(gt.ravel()) if gt.dtype == object else list(gt) if gt.ndim == 3 else [gt]
    return [_intervals_of_cell(path, place, cell) for place, cell in enumerate(cells, start=1)]


def read_label_array(path: Path) -> Labels:
    """All labels of a `.npy` file in one row: N, 1 x N or N x 1; numbers or booleans, each 0 or 1.

    Raises:
        LayoutError: Not a plain `.npy`, another shape, or something else than 0 and 1.
    """
    values = _read_npy(path)
    if values.ndim == 0 or values.size != max(values.shape):
        raise LayoutError(f"{path}: labels must be one row, N or 1 x N, found shape {values.shape}")
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        found = np.unique(values)[:5].tolist()
        raise LayoutError(f"{path}: labels must be 0 (normal) or 1 (abnormal), found {found} of {values.dtype}")
    labels: Labels = values.ravel().astype(np.uint8)
    labels.setflags(write=False)
    return labels


def _read_npy(path: Path) -> npt.NDArray[Any]:
    try:
        with path.open("rb") as file:
            start = file.read(6)
            if start != b"\x93NUMPY":
                kind = "a pickle" if start[:1] == b"\x80" else "empty" if not start else "something else"
                raise LayoutError(
                    f"{path}: must be a numpy array file (.npy), it is {kind}; pickles are never opened, "
                    "since opening one runs code: save the labels again with numpy.save"
                )
            file.seek(0)
            array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise LayoutError(f"{path}: labels cannot be read ({error.strerror})") from error
    except _NPY_ERRORS as error:
        if "Object arrays" in str(error):
            raise LayoutError(
                f"{path}: must hold plain numbers, it holds pickled objects, which are never opened, since "
                "opening them runs code: save one array per video with numpy.save"
            ) from error
        raise LayoutError(f"{path}: damaged numpy array file ({error}); fetch or save it again") from error
    return array


def _intervals_of_cell(path: Path, place: int, cell: npt.NDArray[Any]) -> Intervals:
    values = np.asarray(cell)
    while values.dtype == object and values.size == 1:
        values = np.asarray(values.item())
    if values.size == 0:
        return np.zeros((2, 0), dtype=np.int64)
    values = values.reshape(2, 1) if values.shape in ((2,), (1, 2)) else values
    whole = values.dtype.kind in "iuf" and bool((values == np.floor(values)).all())
    if values.ndim != 2 or values.shape[0] != 2 or not whole:
        raise LayoutError(
            f"{path}: gt of video {place} must be a 2 x S array of whole numbers, first and last abnormal "
            f"frame, found shape {values.shape} of {values.dtype}"
        )
    return values.astype(np.int64)


def _places(path: Path, names: Sequence[str], available: int) -> list[int]:
    if len(names) == available:
        return list(range(available))
    numbers = [int(name) if re.fullmatch(r"[0-9]+", name) else 0 for name in names]
    if not all(1 <= number <= available for number in numbers):
        raise LayoutError(
            f"{path}: labels {available} videos, found {len(names)} ({', '.join(names[:5])}, ...); videos of "
            f"a partial copy must keep their number, 1 to {available}, as their name"
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
