"""Score a benchmark and compare with its labels: the verb `oddframe eval`."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe.data.layouts import open_benchmark
from oddframe.errors import LayoutError
from oddframe.media.finding import open_source
from oddframe.metrics.frame import FrameMetrics, frame_metrics
from oddframe.progress import Progress, silent
from oddframe.scoring import DEFAULT_BATCH, Model, load

__all__ = ["EvalReport", "evaluate"]


@dataclass(frozen=True, kw_only=True)
class EvalReport:
    """How well a model does on a benchmark.

    Attributes:
        dataset: The benchmark's name.
        metrics: Frame-level figures.
        scores: Per video, raw scores, float64, NaN where no clip ends on the frame.
        notices: What is not as the benchmark should be, a sentence each.
        seconds: Wall-clock time.
    """

    dataset: str
    metrics: FrameMetrics
    scores: dict[str, npt.NDArray[np.float64]]
    notices: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Figures as plain values; see `FrameMetrics.as_dict`."""
        return {
            **self.metrics.as_dict(),
            "dataset": self.dataset,
            "notices": list(self.notices),
            "seconds": round(self.seconds, 3),
        }


def evaluate(
    dataset: str | Path,
    model: str | Path | Model,
    *,
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
    on_progress: Progress = silent,
) -> EvalReport:
    """Score every frame of a benchmark's test videos and compare with its labels (method section 9).

    Args:
        dataset: The benchmark's folder.
        model: A run folder, a model bundle or a loaded model.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time.
        on_progress: Told the videos done, as phase "eval".

    Raises:
        LayoutError: If the folder is no known benchmark, or its labels do not fit.
        SourceError: If a test video cannot be read.
        BundleError: If the model is unusable.
    """
    began = time.monotonic()
    benchmark = open_benchmark(dataset)
    loaded = model if isinstance(model, Model) else load(model, device=device, batch_size=batch_size)
    scores, labels, notices = {}, {}, list(benchmark.notices)
    for number, video in enumerate(benchmark.testing):
        on_progress("eval", number, len(benchmark.testing), {})
        source = open_source(video.path, loaded.bundle.rate_fps)
        raw = np.full(len(video.labels), np.nan)
        for one in loaded.scores(source, every_frame=True):
            if one.frame >= len(raw):
                raise LayoutError(
                    f"{video.path} must have as many frames as labels ({len(raw)}), but holds frame {one.frame + 1}; "
                    "frames in between are missing"
                )
            if one.raw is not None:
                raw[one.frame] = one.raw
        scores[video.name], labels[video.name] = raw, video.labels
        notices += [f"{video.name}: {notice}" for notice in source.notices]
    on_progress("eval", len(benchmark.testing), len(benchmark.testing), {})
    return EvalReport(
        dataset=benchmark.name,
        metrics=frame_metrics(scores, labels),
        scores=scores,
        notices=tuple(notices),
        seconds=time.monotonic() - began,
    )
