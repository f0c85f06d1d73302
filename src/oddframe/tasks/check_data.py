"""Check a data set, its completeness and its labels: the verb `oddframe data check`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oddframe._types import Progress, silent
from oddframe.datasets.benchmark import OFFICIAL_COUNTS, Benchmark, Counts, TestVideo
from oddframe.datasets.label_spans import labelled_as_abnormal
from oddframe.datasets.layouts import recognise
from oddframe.datasets.listing import expected_frames
from oddframe.datasets.masks import labels_of_masks
from oddframe.errors import InputError, SourceNotFoundError
from oddframe.media.discovery import find_sources
from oddframe.media.recording import Recording
from oddframe.media.source import FrameSource

NORMAL_FOOTAGE = "normal footage, without labels"
"""What a folder of recordings is recognised as if it is no benchmark."""


@dataclass(frozen=True, kw_only=True)
class CheckedRecording:
    """A recording, or a folder of images, that a training would use.

    Attributes:
        name: The recording's name.
        path: The file or folder.
        frames: Number of frames, from the header if it has one.
        rate_fps: Frames per second; for a folder of images those of the times in their names, or
            else the 10 that are assumed.
        duration_s: Duration in seconds, by frames and rate.
    """

    name: str
    path: Path
    frames: int
    rate_fps: float
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class CheckedVideo:
    """A test video and its labels.

    Attributes:
        name: The video's name in the benchmark.
        path: The file or folder.
        frames: Number of labelled frames; None where the labels cannot be read.
        labels: Whether the labels can be read.
        abnormal_frames: Number of abnormal frames; None without labels.
        abnormal_share: Share of abnormal frames, 0 to 1; None without labels.
        masks: Whether there are pixel masks.
        tracks: Whether there is a track file.
        disagreements: Frames that are abnormal with an empty mask or normal with one that is not;
            None without masks.
    """

    name: str
    path: Path
    frames: int | None
    labels: bool
    abnormal_frames: int | None
    abnormal_share: float | None
    masks: bool
    tracks: bool
    disagreements: int | None


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """What a folder holds and what is wrong with it.

    Attributes:
        path: The folder or recording that was checked.
        recognised: The data set or layout that it was recognised as, in words.
        name: A key of `OFFICIAL_COUNTS`, otherwise the folder's name.
        usable: Whether it can be used: nothing in it contradicts something else.
        partial: Whether parts of the official copy are missing.
        counts: Videos and frames that are there.
        official: Videos and frames of the official copy; None where there is none.
        notices: Problems that do not prevent its use, a sentence each.
        contradictions: Problems that do, a sentence each.
        training: The recordings that a training would use.
        testing: The labelled videos.
    """

    path: Path
    recognised: str
    name: str
    usable: bool
    partial: bool
    counts: Counts
    official: Counts | None
    notices: tuple[str, ...]
    contradictions: tuple[str, ...]
    training: tuple[CheckedRecording, ...]
    testing: tuple[CheckedVideo, ...]


def check_data(path: str | Path, *, on_progress: Progress = silent) -> DataReport:
    """Check a benchmark, a labelled set of one's own or normal footage for a training.

    Labels and masks are read; recordings that are labelled by time are decoded.

    Args:
        path: A folder, or one recording.
        on_progress: Called with the test videos done, as phase "check".

    Raises:
        SourceNotFoundError: If nothing is there.
        InputError: If it is not recognised, is a benchmark whose labels are missing or unusable, or
            has a `labels.csv` that cannot be read.
    """
    place = Path(path)
    if not place.exists():
        raise SourceNotFoundError(
            f"{place} must be a data set, a folder of recordings or a recording; nothing is there"
        )
    # A single recording is never a benchmark.
    benchmark = recognise(place) if place.is_dir() else None
    return _footage(place) if benchmark is None else _benchmark(place, benchmark, on_progress)


def _footage(place: Path) -> DataReport:
    """Check recordings that nothing labels."""
    found = find_sources(place)
    notices = [f"left out: {skipped.reason}" for skipped in found.skipped]
    training = _recordings(found.sources, notices)
    notices += [f"{source.name}: {notice}" for source in found.sources for notice in source.notices]
    notices += labelled_as_abnormal([place], (source.path for source in found.sources))
    return DataReport(
        path=place,
        recognised=NORMAL_FOOTAGE,
        name=place.resolve().name,
        usable=True,
        partial=False,
        counts=Counts(len(training), sum(recording.frames for recording in training), 0, 0, None),
        official=None,
        notices=tuple(notices),
        contradictions=(),
        training=training,
        testing=(),
    )


def _benchmark(place: Path, benchmark: Benchmark, on_progress: Progress) -> DataReport:
    """Check every video of a benchmark, and compare the counts with the official copy."""
    notices, contradictions = list(benchmark.notices), []
    testing = []
    for number, video in enumerate(benchmark.testing):
        on_progress("check", number, len(benchmark.testing), {})
        checked, wrong = _video(video)
        testing.append(checked)
        contradictions += wrong
    on_progress("check", len(benchmark.testing), len(benchmark.testing), {})
    training = _training(benchmark, notices)
    # A total without some videos would look like a partial copy.
    known = all(video.labels for video in testing)
    counts = Counts(
        training_videos=len(training),
        training_frames=sum(recording.frames for recording in training),
        testing_videos=len(testing),
        testing_frames=sum(video.frames or 0 for video in testing) if known else None,
        abnormal_frames=sum(video.abnormal_frames or 0 for video in testing) if known else None,
    )
    return DataReport(
        path=place,
        recognised=benchmark.layout,
        name=benchmark.name,
        usable=not contradictions,
        partial=any(notice.startswith("partial copy") for notice in notices),
        counts=counts,
        official=OFFICIAL_COUNTS.get(benchmark.name),
        notices=tuple(notices),
        contradictions=tuple(contradictions),
        training=training,
        testing=tuple(testing),
    )


def _training(benchmark: Benchmark, notices: list[str]) -> tuple[CheckedRecording, ...]:
    """The training recordings of a benchmark; adds to ``notices`` what cannot be used."""
    if not benchmark.training:
        return ()
    try:
        found = find_sources(benchmark.training)
    # A benchmark without its training part can still be evaluated on.
    except InputError as error:
        notices.append(f"no training footage: {error}")
        return ()
    notices += [f"left out of training: {skipped.reason}" for skipped in found.skipped]
    return _recordings(found.sources, notices)


def _recordings(
    sources: tuple[FrameSource, ...], notices: list[str]
) -> tuple[CheckedRecording, ...]:
    """Count the frames of recordings; adds to ``notices`` those that cannot be read."""
    checked = []
    for source in sources:
        try:
            frames = expected_frames(source)
            length_s = source.length_s() if isinstance(source, Recording) else None
        except InputError as error:
            notices.append(f"left out: {error}")
            continue
        checked.append(
            CheckedRecording(
                name=source.name,
                path=source.path,
                frames=frames,
                rate_fps=round(source.rate_fps, 3),
                duration_s=round(length_s or frames / source.rate_fps, 3),
            )
        )
    return tuple(checked)


def _video(video: TestVideo) -> tuple[CheckedVideo, list[str]]:
    """Check a test video; also returns what in it contradicts something else, a sentence each."""
    wrong: list[str] = []
    frames = abnormal = disagreements = None
    try:
        frames, abnormal = int(video.labels.size), int(video.labels.sum())
        if video.masks is not None:
            # A frame is abnormal where its mask is not empty, so both must say the same.
            shown = labels_of_masks(video.masks)
            if shown.size != frames:
                wrong.append(
                    f"{video.name}: {shown.size} masks for {frames} frames in {video.masks.path}"
                )
            else:
                differing = np.flatnonzero(shown != video.labels)
                disagreements = int(differing.size)
                if disagreements:
                    wrong.append(
                        f"{video.name}: labels and masks disagree on {disagreements} of "
                        f"{frames} frames (a frame is abnormal where its mask is not empty), "
                        f"the first is {differing[0]}, counted from 0"
                    )
    except InputError as error:
        wrong.append(f"{video.name}: {error}")
    checked = CheckedVideo(
        name=video.name,
        path=video.path,
        frames=frames,
        labels=frames is not None,
        abnormal_frames=abnormal,
        abnormal_share=None
        if frames is None or abnormal is None
        else round(abnormal / max(frames, 1), 6),
        masks=video.masks is not None,
        tracks=video.tracks is not None,
        disagreements=disagreements,
    )
    return checked, wrong
