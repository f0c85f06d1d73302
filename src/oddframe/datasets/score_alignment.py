"""Scores and labels that come from different hands, brought to one score and one label per frame.

Videos are paired by name. Scores of a video are as long as its labels, or shorter by the frames
that are said to be skipped; which of the two, their length tells. In both cases the skipped frames
count as not scored (NaN).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from oddframe.datasets.benchmark import OFFICIAL_COUNTS
from oddframe.datasets.labels import (
    LabelSource,
    is_stretch_file,
    labels_from_mat,
    labels_from_ranges,
    labels_of_stretches,
    read_stretches,
)
from oddframe.datasets.layouts import open_benchmark, recognise
from oddframe.datasets.listing import folders, named
from oddframe.datasets.score_files import (
    FrameValues,
    Values,
    holds_value_files,
    read_values,
    refuse_pickles,
)
from oddframe.errors import InputError, LayoutError, SourceNotFoundError


@dataclass(frozen=True, slots=True)
class Aligned:
    """Scores and labels of the same frames.

    Attributes:
        scores: Per video, float64, NaN where not scored.
        labels: Per video, one label per frame, as read.
        notices: What is worth knowing, a sentence each.
    """

    scores: dict[str, Values]
    labels: dict[str, npt.NDArray[np.float64]]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _SkippedEnds:
    first: int
    last: int

    @property
    def frames(self) -> int:
        return self.first + self.last

    def of(self, frames: int) -> int:
        """Frames that are left of so many."""
        return max(0, frames - self.frames)


@dataclass(frozen=True, slots=True)
class LabelReader:
    """Labels as they were found; some only say which frames are abnormal, not how many there are.

    Attributes:
        name: What the data set is called.
        values: One label a frame.
        from_counts: In place of `values`: labels for given numbers of frames per video.
        from_rates: In place of `values`: labels for given numbers of frames and frames per second.
        official_frames: Frames of all videos together, where the data set is known.
    """

    name: str
    values: FrameValues | None = None
    from_counts: Callable[[Mapping[str, int]], LabelSource] | None = field(default=None, repr=False)
    from_rates: Callable[[Mapping[str, int], Mapping[str, float]], LabelSource] | None = field(
        default=None, repr=False
    )
    official_frames: int | None = None


def read_labels(path: str | Path) -> LabelReader:
    """Recognise what somebody calls labels.

    Args:
        path: A folder with one `.npy` or `.csv` per video, a benchmark's folder, a `.mat` with
            `gt`, UCSD's `.m`, a `.npy` or `.csv` with all videos one after the other, a `.csv` with
            a column `video`, or one of `video,start_s,end_s`.

    Raises:
        SourceNotFoundError: Nothing is at that path.
        LayoutError: It is none of these, a pickle, or cannot be read.
    """
    place = Path(path)
    if not place.exists():
        raise SourceNotFoundError(
            f"{place} must be a folder or a file of labels, but nothing is there"
        )
    suffix = place.suffix.lower()
    if place.is_dir():
        if (folders(place) and recognise(place) is not None) or not holds_value_files(place):
            refuse_pickles(place)
            benchmark = open_benchmark(place)
            arrays = {video.name: video.labels.astype(np.float64) for video in benchmark.testing}
            return LabelReader(benchmark.name, FrameValues(str(place), arrays))
        return LabelReader(place.resolve().name, read_values(place, ("label",)))
    refuse_pickles(place)
    official = OFFICIAL_COUNTS.get(place.stem.lower().rpartition("_")[2])
    frames = None if official is None else official.testing_frames
    if suffix == ".mat":
        return LabelReader(
            place.stem, from_counts=partial(labels_from_mat, place), official_frames=frames
        )
    if suffix == ".m":
        return LabelReader(
            place.stem, from_counts=partial(labels_from_ranges, place), official_frames=frames
        )
    if suffix == ".csv" and is_stretch_file(place):
        return LabelReader(place.stem, from_rates=partial(_labels_by_time, place))
    if suffix not in (".npy", ".csv"):
        raise LayoutError(f"{place}: labels must be a folder, or a .npy, .csv, .mat or .m file")
    return LabelReader(place.stem, read_values(place, ("label",)))


def align(
    scores: FrameValues,
    labels: LabelReader,
    *,
    skip_first: int = 0,
    skip_last: int = 0,
    rates_fps: Mapping[str, float] | None = None,
) -> Aligned:
    """One score and one label for each frame of each video.

    Args:
        scores: One array per video, or one for all, which the labels' lengths cut.
        labels: What `read_labels` found.
        skip_first: Frames at the start of each video that are not scored, whether or not `scores`
            has a number there.
        skip_last: The same at the end.
        rates_fps: Frames per second of each video, where they are known.

    Raises:
        InputError: Names, lengths or skipped frames do not fit together; says what was found.
    """
    if skip_first < 0 or skip_last < 0:
        raise InputError(
            f"skipped frames must be 0 or more, got {skip_first} first and {skip_last} last"
        )
    skipped = _SkippedEnds(skip_first, skip_last)
    if labels.values is not None and scores.joined and labels.values.joined:
        return _as_one_video(scores, labels.values, skipped)
    truth = labels.values or _of_lengths(scores, labels, skipped, rates_fps or {})
    if scores.joined and labels.from_rates is None:
        scores = _cut_scores(scores, truth, skipped)
    elif truth.joined:
        truth = _cut_labels(truth, scores, skipped)
    _check_names(scores, truth)
    fitted = {
        name: _fitted(scores, name, values.size, skipped) for name, values in truth.videos.items()
    }
    return Aligned(fitted, dict(truth.videos))


def _as_one_video(scores: FrameValues, labels: FrameValues, skipped: _SkippedEnds) -> Aligned:
    ((_, values),) = scores.videos.items()
    ((name, truth),) = labels.videos.items()
    if skipped.frames:
        raise InputError(
            f"{scores.origin} and {labels.origin} are one array each, which do not tell where a video ends and frames "
            "are skipped; give the labels one file per video"
        )
    one = FrameValues(
        scores.origin,
        {name: values},
        numbered=frozenset({name}) if scores.numbered else frozenset(),
    )
    notice = "scores and labels are one array each: all frames count as one video, in per-video and macro figures too"
    return Aligned({name: _fitted(one, name, truth.size, skipped)}, {name: truth}, (notice,))


def _of_lengths(
    scores: FrameValues, labels: LabelReader, skipped: _SkippedEnds, rates_fps: Mapping[str, float]
) -> FrameValues:
    """Labels that only say what is abnormal, written out for as many frames as the scores tell."""
    counts = {name: values.size for name, values in scores.videos.items()}
    if labels.from_rates is not None:
        if skipped.frames:
            raise InputError(
                f"{scores.origin}: labels in seconds do not tell how many frames there are; give one score for every "
                "frame, nan where there is none, instead of skipping frames"
            )
        unknown = [name for name in counts if name not in rates_fps]
        if unknown:
            raise InputError(
                f"labels in seconds need the frames per second (--fps), unknown of {named(unknown)}"
            )
        return _as_values(labels.from_rates(counts, rates_fps))
    assert labels.from_counts is not None, "labels are values, intervals or stretches"
    if scores.joined:
        raise InputError(
            f"{scores.origin}: one array for all videos is cut by the labels' lengths, which intervals do not tell; "
            "give one file per video, or labels as .npy"
        )
    if not skipped.frames:
        try:
            return _as_values(labels.from_counts(counts))
        except LayoutError as error:
            raise LayoutError(
                f"{error}; where the scores leave frames out, say --skip-first or --skip-last"
            ) from error
    longer = {name: frames + skipped.frames for name, frames in counts.items()}
    try:
        as_long = labels.from_counts(counts)
    except LayoutError:
        return _as_values(labels.from_counts(longer))
    total = labels.official_frames
    if total is not None and total == sum(longer.values()):
        return _as_values(labels.from_counts(longer))
    if total is not None and total == sum(counts.values()):
        return _as_values(as_long)
    raise InputError(
        f"{as_long.path} does not tell how many frames a video has, so the scores may or may not leave "
        "the skipped ones out; give a score for every frame, nan where there is none, or labels as .npy"
    )


def _labels_by_time(
    path: Path, counts: Mapping[str, int], rates_fps: Mapping[str, float]
) -> LabelSource:
    """Labels of a file of stretches, for frames that follow each other at a steady rate from 0 s."""
    stretches = {_meant(video, counts): found for video, found in read_stretches(path).items()}
    unknown = [video for video in stretches if video not in counts]
    if unknown:
        raise LayoutError(
            f"{path} names {named(unknown)}, of which there are no scores; found {named(list(counts))}"
        )
    return LabelSource(
        path,
        {
            name: labels_of_stretches(
                np.arange(frames) / rates_fps[name], stretches.get(name, ()), path
            )
            for name, frames in counts.items()
        },
    )


def _meant(video: str, counts: Mapping[str, int]) -> str:
    """The file may write a video's name, or that of its recording."""
    return video if video in counts else Path(video).stem


def _as_values(source: LabelSource) -> FrameValues:
    return FrameValues(
        str(source.path),
        {name: labels.astype(np.float64) for name, labels in source.labels.items()},
    )


def _cut_scores(scores: FrameValues, labels: FrameValues, skipped: _SkippedEnds) -> FrameValues:
    """One array of all videos, cut by the labels' lengths."""
    ((_, values),) = scores.videos.items()
    lengths = {name: truth.size for name, truth in labels.videos.items()}
    left = {name: skipped.of(frames) for name, frames in lengths.items()}
    for pieces in (lengths, left):
        if values.size == sum(pieces.values()):
            return FrameValues(scores.origin, _pieces(values, pieces))
    raise InputError(
        f"{scores.origin}: one score per label is needed, found {values.size} scores for {sum(lengths.values())} "
        f"labels of {len(lengths)} videos{_without(skipped, sum(left.values()))}"
        f"{_advice(lengths, values.size, skipped)}"
    )


def _cut_labels(labels: FrameValues, scores: FrameValues, skipped: _SkippedEnds) -> FrameValues:
    """One array of all videos' labels, cut by the scores' lengths."""
    ((_, values),) = labels.videos.items()
    lengths = {name: one.size for name, one in scores.videos.items()}
    longer = {name: frames + skipped.frames for name, frames in lengths.items()}
    for pieces in (lengths, longer):
        if values.size == sum(pieces.values()):
            return FrameValues(labels.origin, _pieces(values, pieces))
    raise InputError(
        f"{labels.origin}: one label per score is needed, found {values.size} labels for {sum(lengths.values())} "
        f"scores of {len(lengths)} videos ({named(list(lengths))}) that leave {skipped.frames} frames of each out; say "
        "how many with --skip-first and --skip-last, or give the labels one file per video"
    )


def _pieces(values: Values, lengths: Mapping[str, int]) -> dict[str, Values]:
    ends = np.cumsum(list(lengths.values()))[:-1]
    return dict(zip(lengths, np.split(values, ends), strict=True))


def _check_names(scores: FrameValues, labels: FrameValues) -> None:
    without_labels = [name for name in scores.videos if name not in labels.videos]
    without_scores = [name for name in labels.videos if name not in scores.videos]
    if without_labels or without_scores:
        raise InputError(
            f"{scores.origin} and {labels.origin} must name the same videos; "
            f"only scores: {named(without_labels) or 'none'}; only labels: {named(without_scores) or 'none'}"
        )


def _fitted(scores: FrameValues, name: str, frames: int, skipped: _SkippedEnds) -> Values:
    """Scores of one video, one for each of its frames, NaN where not scored."""
    values = scores.videos[name]
    fitted = np.full(frames, np.nan)
    if values.size == frames or (name in scores.numbered and values.size < frames):
        fitted[: values.size] = values
        fitted[: skipped.first] = np.nan
        fitted[max(0, frames - skipped.last) :] = np.nan
    elif skipped.frames and values.size == skipped.of(frames):
        fitted[skipped.first : skipped.first + values.size] = values
    else:
        raise InputError(
            f"{scores.origin}: video {name}: one score per label is needed, found {values.size} scores for {frames} "
            f"labels{_without(skipped, skipped.of(frames))}{_advice({name: frames}, values.size, skipped)}"
        )
    return fitted


def _without(skipped: _SkippedEnds, left: int) -> str:
    return f", {left} without the skipped ones" if skipped.frames else ""


def _advice(lengths: Mapping[str, int], scores: int, skipped: _SkippedEnds) -> str:
    """What to say where scores that leave out a few frames of each video are the likely reason."""
    missing, rest = divmod(sum(lengths.values()) - scores, len(lengths))
    if skipped.frames or missing <= 0 or rest:
        return ""
    each = " of each video" if len(lengths) > 1 else ""
    return f"; if the first {missing} frames{each} have no score, say --skip-first {missing}"
