"""Scores and labels that come from different people, brought to one of each per frame.

Videos are paired by name. Scores of a video are as long as its labels, or shorter by the frames
that are said to be skipped; which of the two, their length tells. In both cases the skipped frames
count as not scored (NaN).
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from oddframe.datasets.benchmark import OFFICIAL_COUNTS
from oddframe.datasets.label_spans import is_span_file, labels_from_spans, read_spans
from oddframe.datasets.labels import LabelSource, labels_from_mat, labels_from_ranges
from oddframe.datasets.layouts import open_benchmark, recognise
from oddframe.datasets.listing import folders, list_names
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
    labels: dict[str, Values]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _SkippedEnds:
    """How many frames at the two ends of each video have no score."""

    first: int
    last: int

    @property
    def frames(self) -> int:
        """Frames of each video that are skipped."""
        return self.first + self.last

    def remaining(self, frames: int) -> int:
        """How many of a video's frames are left."""
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
        # A folder with arrays and without folders is never a benchmark, which saves a look.
        if (folders(place) and recognise(place) is not None) or not holds_value_files(place):
            refuse_pickles(place)
            benchmark = open_benchmark(place)
            arrays = {video.name: video.labels.astype(np.float64) for video in benchmark.testing}
            return LabelReader(benchmark.name, FrameValues(str(place), arrays))
        return LabelReader(place.resolve().name, read_values(place, ("label",)))
    refuse_pickles(place)
    # Known by the end of its name: ped2.mat, frame_labels_ped2.npy.
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
    if is_span_file(place):
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
    """Bring scores and labels to one of each for each frame of each video.

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
        return _align_one_video(scores, labels.values, skipped)
    truth = labels.values or _write_out_labels(scores, labels, skipped, rates_fps or {})
    # Of two sides, the one that knows the videos cuts the other.
    if scores.joined and labels.from_rates is None:
        scores = _cut_scores(scores, truth, skipped)
    elif truth.joined:
        truth = _cut_labels(truth, scores, skipped)
    _check_names(scores, truth)
    fitted = {
        name: _fit_scores(scores, name, values.size, skipped)
        for name, values in truth.videos.items()
    }
    return Aligned(fitted, dict(truth.videos))


def _align_one_video(scores: FrameValues, labels: FrameValues, skipped: _SkippedEnds) -> Aligned:
    """Take two arrays that tell no videos apart for those of one video.

    Raises:
        InputError: Frames are skipped, or the lengths do not fit.
    """
    ((_, values),) = scores.videos.items()
    ((name, truth),) = labels.videos.items()
    if skipped.frames:
        raise InputError(
            f"{scores.origin} and {labels.origin} are one array each, which do not tell where a "
            "video ends and frames are skipped; give the labels one file per video"
        )
    # The labels' name, so that both are of the same video.
    numbered = frozenset({name}) if scores.numbered else frozenset[str]()
    renamed = FrameValues(scores.origin, {name: values}, numbered=numbered)
    notice = (
        "scores and labels are one array each: all frames count as one video, "
        "in per-video and macro figures too"
    )
    fitted = _fit_scores(renamed, name, truth.size, skipped)
    return Aligned({name: fitted}, {name: truth}, (notice,))


def _write_out_labels(
    scores: FrameValues, labels: LabelReader, skipped: _SkippedEnds, rates_fps: Mapping[str, float]
) -> FrameValues:
    """Write labels that only say what is abnormal out for as many frames as the scores tell.

    Raises:
        InputError: The number of frames, or their times, cannot be told.
        LayoutError: The labels do not fit the frames.
    """
    counts = {name: values.size for name, values in scores.videos.items()}
    if labels.from_rates is not None:
        if skipped.frames:
            raise InputError(
                f"{scores.origin}: labels in seconds do not tell how many frames there are; "
                "give one score for every frame, nan where there is none, "
                "instead of skipping frames"
            )
        unknown = list_names([name for name in counts if name not in rates_fps])
        if unknown:
            raise InputError(
                f"labels in seconds need the frames per second (--fps), unknown of {unknown}"
            )
        return _as_values(labels.from_rates(counts, rates_fps))
    assert labels.from_counts is not None, "labels are values, intervals or spans"
    if scores.joined:
        raise InputError(
            f"{scores.origin}: one array for all videos is cut by the labels' lengths, "
            "which intervals do not tell; give one file per video, or labels as .npy"
        )
    if not skipped.frames:
        try:
            return _as_values(labels.from_counts(counts))
        except LayoutError as error:
            raise LayoutError(
                f"{error}; where the scores leave frames out, say --skip-first or --skip-last"
            ) from error
    # The scores are as many as the frames, or fewer by the skipped ones. Intervals that reach
    # beyond the scores rule out the first; else only an official number of frames decides.
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
        f"{as_long.path} does not tell how many frames a video has, so the scores may or may not "
        "leave the skipped ones out; give a score for every frame, nan where there is none, "
        "or labels as .npy"
    )


def _labels_by_time(
    path: Path, counts: Mapping[str, int], rates_fps: Mapping[str, float]
) -> LabelSource:
    """Label frames that follow each other at a steady rate from 0 s by the spans of a file.

    Raises:
        LayoutError: The file names videos without scores, or spans without frames.
    """
    # The file may write a video's name, or that of its recording, in another Unicode form.
    names = {unicodedata.normalize("NFC", name): name for name in counts}
    spans = {}
    for written, found in read_spans(path).items():
        spelt = unicodedata.normalize("NFC", written)
        stem = Path(spelt).stem
        spans[names.get(spelt) or names.get(stem, stem)] = found
    unknown = list_names([video for video in spans if video not in counts])
    if unknown:
        raise LayoutError(
            f"{path} names {unknown}, of which there are no scores; found "
            f"{list_names(list(counts))}"
        )
    labels = {}
    for name, frames in counts.items():
        times_s = np.arange(frames) / rates_fps[name]
        labels[name] = labels_from_spans(times_s, spans.get(name, ()), path)
    return LabelSource(path, labels)


def _as_values(source: LabelSource) -> FrameValues:
    """Give labels the form in which scores come."""
    return FrameValues(
        str(source.path),
        {name: labels.astype(np.float64) for name, labels in source.labels.items()},
    )


def _cut_scores(scores: FrameValues, labels: FrameValues, skipped: _SkippedEnds) -> FrameValues:
    """Cut one array of all videos by the labels' lengths, with or without the skipped frames.

    Raises:
        InputError: It is as long as neither.
    """
    ((_, values),) = scores.videos.items()
    lengths = {name: truth.size for name, truth in labels.videos.items()}
    shorter = {name: skipped.remaining(frames) for name, frames in lengths.items()}
    for pieces in (lengths, shorter):
        if values.size == sum(pieces.values()):
            return FrameValues(scores.origin, _cut_pieces(values, pieces))
    raise InputError(
        f"{scores.origin}: one score per label is needed, found {values.size} scores "
        f"for {sum(lengths.values())} labels of {len(lengths)} videos"
        f"{_without_skipped(skipped, sum(shorter.values()))}"
        f"{_advice(lengths, values.size, skipped)}"
    )


def _cut_labels(labels: FrameValues, scores: FrameValues, skipped: _SkippedEnds) -> FrameValues:
    """Cut one array of all videos' labels by the scores' lengths, with or without skipped frames.

    Raises:
        InputError: It is as long as neither.
    """
    ((_, values),) = labels.videos.items()
    lengths = {name: found.size for name, found in scores.videos.items()}
    longer = {name: frames + skipped.frames for name, frames in lengths.items()}
    for pieces in (lengths, longer):
        if values.size == sum(pieces.values()):
            return FrameValues(labels.origin, _cut_pieces(values, pieces))
    raise InputError(
        f"{labels.origin}: one label per score is needed, found {values.size} labels "
        f"for {sum(lengths.values())} scores of {len(lengths)} videos "
        f"({list_names(list(lengths))}) that leave {skipped.frames} frames of each out; "
        "say how many with --skip-first and --skip-last, or give the labels one file per video"
    )


def _cut_pieces(values: Values, lengths: Mapping[str, int]) -> dict[str, Values]:
    """Cut an array into one piece a video; the lengths add up to that of the array."""
    ends = np.cumsum(list(lengths.values()))[:-1]
    return dict(zip(lengths, np.split(values, ends), strict=True))


def _check_names(scores: FrameValues, labels: FrameValues) -> None:
    """Make sure that both sides have the same videos.

    Raises:
        InputError: Some are only on one side; names the first few.
    """
    only_scores = [name for name in scores.videos if name not in labels.videos]
    only_labels = [name for name in labels.videos if name not in scores.videos]
    if only_scores or only_labels:
        raise InputError(
            f"{scores.origin} and {labels.origin} must name the same videos; "
            f"only scores: {list_names(only_scores) or 'none'}; "
            f"only labels: {list_names(only_labels) or 'none'}"
        )


def _fit_scores(scores: FrameValues, name: str, frames: int, skipped: _SkippedEnds) -> Values:
    """Bring the scores of one video to one for each of its frames, NaN where not scored.

    Raises:
        InputError: There are neither as many as frames, nor as many as are not skipped.
    """
    values = scores.videos[name]
    fitted = np.full(frames, np.nan)
    # A table with frame numbers may end before the video does: what is missing was not scored.
    if values.size == frames or (name in scores.numbered and values.size < frames):
        fitted[: values.size] = values
        fitted[: skipped.first] = np.nan
        fitted[max(0, frames - skipped.last) :] = np.nan
    elif skipped.frames and values.size == skipped.remaining(frames):
        fitted[skipped.first : skipped.first + values.size] = values
    else:
        raise InputError(
            f"{scores.origin}: video {name}: one score per label is needed, "
            f"found {values.size} scores for {frames} labels"
            f"{_without_skipped(skipped, skipped.remaining(frames))}"
            f"{_advice({name: frames}, values.size, skipped)}"
        )
    return fitted


def _without_skipped(skipped: _SkippedEnds, frames: int) -> str:
    """Part of an error: how many frames there are without the skipped ones."""
    return f", {frames} without the skipped ones" if skipped.frames else ""


def _advice(lengths: Mapping[str, int], scores: int, skipped: _SkippedEnds) -> str:
    """Part of an error: advice where scores that leave out frames are the likely reason."""
    # A model that looks at clips of T frames has no score for the first T - 1 of each video.
    missing, rest = divmod(sum(lengths.values()) - scores, len(lengths))
    if skipped.frames or missing <= 0 or rest:
        return ""
    each = " of each video" if len(lengths) > 1 else ""
    return f"; if the first {missing} frames{each} have no score, say --skip-first {missing}"
