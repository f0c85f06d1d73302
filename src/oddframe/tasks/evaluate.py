"""Compare scores with labels: the verb `oddframe eval`.

The scores are a model's on a benchmark, or those of any program, which needs no model and no torch.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from oddframe._types import AnomalyMap, BoolMask, Float64, Progress, silent
from oddframe.core.clips import Sampler, thins
from oddframe.core.records import FrameTiming
from oddframe.datasets.benchmark import TestVideo
from oddframe.datasets.label_files import read_tracks
from oddframe.datasets.layouts import open_benchmark
from oddframe.datasets.listing import list_names
from oddframe.datasets.score_alignment import LabelReader, align, read_labels
from oddframe.datasets.score_files import read_values, values_of_arrays
from oddframe.errors import LayoutError
from oddframe.inference.loading import load_model
from oddframe.inference.model import Model
from oddframe.inference.selection import (
    BackendChoice,
    InferenceOptions,
    PrecisionChoice,
)
from oddframe.media.discovery import open_source
from oddframe.media.source import FrameFormat, FrameSource
from oddframe.metrics.events import EventMetrics, event_metrics
from oddframe.metrics.frame import SMOOTHING_SIGMA, FrameMetrics, frame_metrics
from oddframe.metrics.localisation import Localisation
from oddframe.metrics.pixel import PixelResult
from oddframe.metrics.region import RegionResult, TrueRegion

# Where only the size of the original picture is asked for.
_TINY = FrameFormat(2, 2, "grey")


@dataclass(frozen=True, kw_only=True)
class EvalReport:
    """How well scores agree with labels; docs/evaluation.md describes its JSON.

    Example:
        >>> report = oddframe.evaluate_scores({"a": [0.1, 0.2, 0.9]}, {"a": [0, 0, 1]})
        >>> report.as_dict()["auc"]["micro"]["raw"]
        1.0

    Attributes:
        dataset: The benchmark's name.
        metrics: Frame-level figures.
        events: False alarms and delays, of the raw scores.
        pixel: Pixel-level figures; None without maps or masks.
        region: RBDC and TBDC; None without maps, or without masks and tracks.
        scores: Per video, raw scores, float64, NaN where no clip scores the frame.
        notices: What is not as it should be, a sentence each.
        seconds: Wall-clock time.
    """

    dataset: str
    metrics: FrameMetrics
    events: EventMetrics
    pixel: PixelResult | None = None
    region: RegionResult | None = None
    scores: Mapping[str, Float64] = field(repr=False)
    notices: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain values; the frame-level ones stand at the top."""
        return {
            **self.metrics.as_dict(),
            "smoothing_sigma_frames": SMOOTHING_SIGMA,
            "events": self.events.as_dict(),
            "pixel": None if self.pixel is None else self.pixel.as_dict(),
            "region": None if self.region is None else self.region.as_dict(),
            "dataset": self.dataset,
            "notices": list(self.notices),
            "seconds": round(self.seconds, 3),
        }


def evaluate(
    dataset: str | Path,
    model: str | Path | Model,
    *,
    fps: float | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    on_progress: Progress = silent,
) -> EvalReport:
    """Score every frame of a benchmark's test videos and compare with its labels.

    Method section 9. It is one pass over the videos; of maps and masks no more than a batch is in
    memory. Footage of one's own is thinned to the model's rate as in use, and frames that thinning
    drops do not count at all.

    Example:
        >>> report = oddframe.evaluate("labelled", "runs/door")
        >>> report.as_dict()["videos"]
        1

    Args:
        dataset: The benchmark's folder.
        model: A run folder, a model bundle or a loaded model.
        fps: Frames per second of folders of images; the bundle's rate when None. Recordings have
            times of their own.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time, as in
            `oddframe.inference.loading.load`.
        backend: What runs the network, as in `oddframe.inference.loading.load`.
        precision: What it computes in, likewise.
        on_progress: Called with the videos done, as phase "eval".

    Raises:
        LayoutError: If the folder is no known benchmark, or its labels, masks or tracks do not fit.
        SourceError: If a test video cannot be read.
        BundleError: If the model is unusable.
    """
    began = time.monotonic()
    benchmark = open_benchmark(dataset)
    loaded = (
        model
        if isinstance(model, Model)
        else load_model(model, InferenceOptions(device, backend, precision, batch_size))
    )
    regions = _RegionScores(benchmark.testing)
    scores, labels, rates_fps = {}, {}, {}
    notices = [*benchmark.notices, *loaded.notices]
    for number, video in enumerate(benchmark.testing):
        on_progress("eval", number, len(benchmark.testing), {})
        source = open_source(video.path, fps, loaded.bundle.rate_fps)
        rate_fps = source.rate_fps if benchmark.every_frame else loaded.bundle.rate_fps
        raw, kept = _score_video(video, source, loaded, rate_fps, regions.begin(video))
        scores[video.name], labels[video.name] = raw[kept], video.labels[kept]
        rates_fps[video.name] = rate_fps if thins(source.rate_fps, rate_fps) else source.rate_fps
        notices += [f"{video.name}: {notice}" for notice in source.notices]
    on_progress("eval", len(benchmark.testing), len(benchmark.testing), {})
    if waits := loaded.bundle.network.config.known_after:
        notices.append(
            f"the model knows a frame's score {waits} frames after it, "
            "which the delays do not count"
        )
    return EvalReport(
        dataset=benchmark.name,
        metrics=frame_metrics(scores, labels),
        events=event_metrics(scores, labels, rates_fps),
        pixel=regions.figures.pixel(),
        region=regions.figures.region(),
        scores=scores,
        notices=(*notices, *regions.notices()),
        seconds=time.monotonic() - began,
    )


def _score_video(
    video: TestVideo,
    source: FrameSource,
    model: Model,
    rate_fps: float,
    regions: "_VideoRegions | None",
) -> tuple[Float64, BoolMask]:
    """Score one video, and add its maps to ``regions`` on the way.

    Returns:
        For every frame its raw score, NaN without one, and whether it counts at the rate.
    """
    raw = np.full(len(video.labels), np.nan)
    kept = np.ones(len(raw), dtype=bool)
    window = max(model.bundle.network.config.score_windows)
    every_frame = rate_fps == source.rate_fps
    timing = FrameTiming(source.rate_fps, source.gap_s)
    sampler = Sampler(math.inf if every_frame else rate_fps, timing)
    with_maps = regions is not None
    # Whatever the camera's health: a frame that is left out because it looks odd would make every
    # figure better.
    for score in model.scores(source, every_frame=every_frame, health=False, maps=with_maps):
        if score.frame >= len(raw):
            raise LayoutError(
                f"{video.path} must have as many frames as labels ({len(raw)}), but holds frame "
                f"{score.frame + 1}; frames in between are missing"
            )
        if score.raw is not None:
            raw[score.frame] = score.raw
        kept[score.frame] = sampler.keeps_at(score.time_s) or score.raw is not None
        if regions is not None:
            averaged = None if score.map is None else _average_over_windows(score.map, window)
            regions.add(score.frame, averaged)
    return raw, kept


def _average_over_windows(anomaly_map: AnomalyMap, side: int) -> AnomalyMap:
    """Average a map over windows of ``side`` pixels, as the score does.

    Otherwise single pixels would count as regions.
    """
    averaged: AnomalyMap = ndimage.uniform_filter(anomaly_map, side, mode="nearest")
    return averaged


class _RegionScores:
    """Compares the maps of all videos with their masks and tracks; not every video has both."""

    def __init__(self, videos: Sequence[TestVideo]) -> None:
        self._masked = any(video.masks is not None for video in videos)
        self._known = self._masked or any(video.tracks is not None for video in videos)
        self._unknown: list[str] = []
        self.figures = Localisation(
            sum(video.labels.size for video in videos) if self._known else 0
        )

    def begin(self, video: TestVideo) -> "_VideoRegions | None":
        """Begin a video; None where it has neither masks nor tracks, or where no video has."""
        if not self._known:
            return None
        if video.masks is not None and video.tracks is None:
            return _VideoRegions(self.figures, video, video.masks.frames(), None, None)
        if video.masks is None and video.tracks is None and video.labels.any():
            self._unknown.append(video.name)
            return None
        size = _frame_size(video)
        tracks = read_tracks(video.tracks, video.name, size) if video.tracks is not None else {}
        # A normal video needs no masks: nothing in it is abnormal.
        empty = (
            repeat(np.zeros(size, dtype=bool)) if self._masked and not video.labels.any() else None
        )
        masks = video.masks.frames() if video.masks is not None else empty
        return _VideoRegions(self.figures, video, masks, tracks, size)

    def notices(self) -> Iterator[str]:
        """Yield sentences on masks and tracks that are missing or contradict the labels."""
        if self._unknown:
            yield (
                "neither masks nor tracks, so left out of pixel, region and track figures: "
                f"{list_names(self._unknown)}"
            )
        if self.figures.disagreeing:
            yield (
                f"masks or tracks and frame labels disagree on {self.figures.disagreeing} frames; "
                "frame figures follow the labels, the others the masks and tracks"
            )


class _VideoRegions:
    """Reads the masks of one video as its maps come, so that they are never all in memory."""

    def __init__(
        self,
        figures: Localisation,
        video: TestVideo,
        masks: Iterator[BoolMask] | None,
        tracks: Mapping[int, Sequence[TrueRegion]] | None,
        size: tuple[int, int] | None,
    ) -> None:
        self._figures = figures.video(video.name, video.labels, tracks)
        self._video, self._masks, self._size = video, masks, size
        self._next = 0

    def add(self, frame: int, anomaly_map: AnomalyMap | None) -> None:
        """Count a frame, and those before it that had no map."""
        for number in range(self._next, frame + 1):
            mask = None if self._masks is None else next(self._masks, None)
            if self._masks is not None and mask is None:
                raise LayoutError(
                    f"video {self._video.name} must have a mask for every frame, found {number}"
                )
            self._figures.add(anomaly_map if number == frame else None, mask, self._size)
        self._next = frame + 1


def _frame_size(video: TestVideo) -> tuple[int, int]:
    """Height and width of the first frame in pixels."""
    width, height = next(open_source(video.path).frames(_TINY)).source_size
    return height, width


def evaluate_scores(
    scores: str | Path | Mapping[str, npt.ArrayLike],
    labels: str | Path | Mapping[str, npt.ArrayLike],
    *,
    skip_first: int = 0,
    skip_last: int = 0,
    fps: float | None = None,
) -> EvalReport:
    """Compare frame scores with frame labels.

    docs/evaluation.md says which files are read and how they are paired. Figures that need anomaly
    maps are None. Times are None unless the frame rate is known.

    Example:
        >>> report = oddframe.evaluate_scores({"a": [0.1, 0.2, 0.9]}, {"a": [0, 0, 1]})
        >>> report.as_dict()["frames_scored"]
        3

    Args:
        scores: One array per video (higher = more anomalous, NaN where not scored), a folder with
            one `.npy` or `.csv` per video, or a file with one array for all, which the labels'
            lengths cut.
        labels: One array of 0 / 1 per video, or a file or folder that
            `oddframe.datasets.score_alignment.read_labels` recognises.
        skip_first: Frames at the start of each video that are not scored: left out of the scores,
            or without meaning.
        skip_last: The same at the end.
        fps: Frames per second of all videos; where None, as the `time_s` columns of the scores
            tell.

    Raises:
        SourceNotFoundError: Nothing is at a path.
        InputError: A file cannot be read, or scores and labels do not fit together.
    """
    began = time.monotonic()
    given = (
        values_of_arrays("scores", scores)
        if isinstance(scores, Mapping)
        else read_values(scores, ("raw", "score"))
    )
    truth = (
        LabelReader("scores", values_of_arrays("labels", labels))
        if isinstance(labels, Mapping)
        else read_labels(labels)
    )
    rates_fps = dict(given.rates_fps) if fps is None else dict.fromkeys(given.videos, fps)
    aligned = align(given, truth, skip_first=skip_first, skip_last=skip_last, rates_fps=rates_fps)
    # Delays and false alarms per hour need the rate of every video.
    known = fps if fps is not None else rates_fps if set(aligned.labels) <= set(rates_fps) else None
    return EvalReport(
        dataset=truth.name,
        metrics=frame_metrics(aligned.scores, aligned.labels),
        events=event_metrics(aligned.scores, aligned.labels, known),
        scores=aligned.scores,
        notices=aligned.notices,
        seconds=time.monotonic() - began,
    )
