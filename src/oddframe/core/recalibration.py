"""From what a camera was seen to do, and what people said of it, to a threshold of its own.

Scores are kept by the second, as r / (r + t) for the threshold t of their time; they are turned
back into raw scores, so that what was seen under one threshold can be judged under another.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from oddframe._types import Float64
from oddframe.core.calibration import Calibration, FalseAlarmBudget, NormalScores, calibrate
from oddframe.core.event_rules import EventRules, Span, spans

MARGIN = 1.1
"""An event that was called normal stays quiet, and so does one like it whose raw score is a tenth higher."""

_BREAK_S = 3
"""Seconds without a score that break footage in two."""

_POINTS = 4
"""The peak of a second counts so many times in it: a single high frame counts as a second that is high."""

_MOST_SCORE = 1 - 0.5e-4
"""Scores are kept to a ten-thousandth; what reads 1 is taken as halfway to it."""

Seconds = npt.NDArray[np.int64]


def raw_scores(scores: Float64, thresholds: Float64) -> Float64:
    """The raw scores r behind scores r / (r + t); NaN where the threshold is not known.

    Args:
        scores: N scores, 0 to 1.
        thresholds: The threshold t that held for each.
    """
    kept = np.clip(scores, 1 - _MOST_SCORE, _MOST_SCORE)
    raw: Float64 = thresholds * kept / (1 - kept)
    return raw


def outside(
    seconds: Seconds, stretches: Sequence[tuple[float, float]], around_s: float = 2.0
) -> npt.NDArray[np.bool_]:
    """Which of N seconds lie in no stretch, nor within ``around_s`` of one; bool N."""
    free = np.ones(len(seconds), np.bool_)
    for start_s, end_s in stretches:
        # A second reaches to the next one.
        first, last = np.searchsorted(
            seconds, [start_s - around_s - 1, end_s + around_s], side="right"
        )
        free[first:last] = False
    return free


def alarms(seconds: Seconds, raw: Float64, calibration: Calibration) -> list[Span]:
    """The events that the peaks of N seconds make at a threshold, in seconds of the same clock.

    Args:
        seconds: In order.
        raw: The highest raw score of each, above 0.
        calibration: The threshold.
    """
    if not len(seconds):
        return []
    enter, leave = float(np.log(calibration.threshold)), float(np.log(calibration.release))
    start = int(seconds[0])
    times_s = ((seconds - start)[:, None] + np.arange(_POINTS) / _POINTS).ravel()
    found = spans(times_s, np.repeat(np.log(raw), _POINTS), calibration.rules, enter, leave)
    return [Span(start + span.start_s, start + span.end_s) for span in found]


def extended(normal: NormalScores, seconds: Seconds, raw: Float64) -> NormalScores:
    """Normal footage with what a camera has shown since, which was normal too.

    All frames of a second count as high as its highest: that errs on the side of fewer alarms.
    Their parts are not known; whoever uses the result must not take tails from it.

    Args:
        normal: What the model was calibrated on.
        seconds: Seconds of the camera in order.
        raw: The highest raw score of each, above 0.
    """
    if not len(seconds):
        return normal
    frames = max(1, round(normal.rate_fps))
    piece = (
        np.cumsum(np.diff(seconds, prepend=seconds[0]) > _BREAK_S) + int(normal.recording[-1]) + 1
    )
    steps = np.arange(frames) / frames

    def joined(values: npt.NDArray[np.float32], more: Float64) -> npt.NDArray[np.float32]:
        return np.concatenate([values, more.astype(np.float32)])

    count = len(seconds) * frames
    peaks = np.repeat(raw, frames)
    return NormalScores(
        recording=np.concatenate([normal.recording, np.repeat(piece, frames).astype(np.int32)]),
        time_s=np.concatenate([normal.time_s, ((seconds - seconds[0])[:, None] + steps).ravel()]),
        raw=joined(normal.raw, np.maximum(peaks, np.finfo(np.float32).tiny)),
        **{
            name: joined(
                getattr(normal, name), np.full(count, float(np.median(getattr(normal, name))))
            )
            for name in ("appearance", "motion", "cluster", "map_peak")
        },
        rate_fps=normal.rate_fps,
        in_sample=normal.in_sample,
    )


def recalibrated(
    before: Calibration,
    normal: NormalScores,
    seconds: Seconds,
    raw: Float64,
    quiet: Sequence[float],
    budget: FalseAlarmBudget,
) -> Calibration:
    """A camera's own threshold: the budget's on all of its normal footage, and above all that was called normal.

    Args:
        before: The model's calibration: its rules, tails and map level stay.
        normal: What it came from.
        seconds: Seconds of the camera that were normal, in order.
        raw: The highest raw score of each, above 0.
        quiet: Raw scores at the peaks of events that people called normal.
        budget: False alarms agreed to.
    """
    footage = extended(normal, seconds, raw)
    found = calibrate(footage, budget, before.rules)
    found = replace(found, tails=before.tails, map_level=before.map_level)
    least = MARGIN * max(quiet, default=0.0)
    if found.threshold >= least:
        return found
    return replace(
        found,
        threshold=least,
        release=_release(least, footage, before.rules),
        threshold_low=min(found.threshold_low, least),
        threshold_high=max(found.threshold_high, least),
        # A higher threshold can only make false alarms rarer; how much is not known.
        rate_low=0.0,
    )


def _release(threshold: float, footage: NormalScores, rules: EventRules) -> float:
    """The raw score at which an event ends, as `calibrate` sets it."""
    level, middle = (
        float(np.log(threshold)),
        float(np.median(np.log(footage.raw.astype(np.float64)))),
    )
    return float(np.exp(level - max(level - middle, 0.0) * (1.0 - rules.hold)))


def raw_score_text(score: float) -> str:
    """Write a raw score for people: three digits and never an exponent, such as "0.0000769"."""
    return np.format_float_positional(float(f"{score:.3g}"), trim="-")
