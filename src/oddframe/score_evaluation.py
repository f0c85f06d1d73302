"""Anybody's scores against labels: the verb `oddframe eval --scores ... --labels ...`. Needs no model and no torch."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy.typing as npt

from oddframe.data.alignment import LabelReader, align, read_labels
from oddframe.data.value_files import read_values, values_of_arrays
from oddframe.metrics.events import event_metrics
from oddframe.metrics.frame import frame_metrics
from oddframe.metrics.report import EvalReport

__all__ = ["evaluate_scores"]


def evaluate_scores(
    scores: str | Path | Mapping[str, npt.ArrayLike],
    labels: str | Path | Mapping[str, npt.ArrayLike],
    *,
    skip_first: int = 0,
    skip_last: int = 0,
    fps: float | None = None,
) -> EvalReport:
    """Compare frame scores with frame labels; docs/evaluation.md says which files are read and how they are paired.

    Figures that need anomaly maps are None. Times are None unless the frame rate is known.

    Args:
        scores: One array per video (higher = more anomalous, NaN where not scored), a folder with one `.npy` or
            `.csv` per video, or a file with one array for all, which the labels' lengths cut.
        labels: One array of 0 / 1 per video, or what `data.alignment.read_labels` recognises.
        skip_first: Frames at the start of each video that are not scored: left out of the scores, or without meaning.
        skip_last: The same at the end.
        fps: Frames per second of all videos; where None, as the `time_s` columns of the scores tell.

    Raises:
        SourceNotFoundError: Nothing is at a path.
        InputError: A file cannot be read, or scores and labels do not fit together.
    """
    began = time.monotonic()
    given = values_of_arrays("scores", scores) if isinstance(scores, Mapping) else read_values(scores, ("raw", "score"))
    truth = (
        LabelReader("scores", values_of_arrays("labels", labels))
        if isinstance(labels, Mapping)
        else read_labels(labels)
    )
    rates_fps = dict(given.rates_fps) if fps is None else dict.fromkeys(given.videos, fps)
    aligned = align(given, truth, skip_first=skip_first, skip_last=skip_last, rates_fps=rates_fps)
    known = fps if fps is not None else rates_fps if set(aligned.labels) <= set(rates_fps) else None
    return EvalReport(
        dataset=truth.name,
        metrics=frame_metrics(aligned.scores, aligned.labels),
        events=event_metrics(aligned.scores, aligned.labels, known),
        scores=aligned.scores,
        notices=aligned.notices,
        seconds=time.monotonic() - began,
    )
