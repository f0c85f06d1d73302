"""From what a camera has seen, and what people called normal, to a threshold of its own.

Scores are stored by the second, as r / (r + t) for the threshold t of their time. They are turned
back into raw scores r, so that what was seen under one threshold can be judged under another.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from oddframe._types import BoolMask, Float32, Float64
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import Calibration, NormalScores, calibrate
from oddframe.core.event_rules import EventRules, Span, spans
from oddframe.errors import InputError

MARGIN = 1.1
"""The threshold lies at least this many times above every event that was called normal.

So an event like it stays quiet too, as long as its raw score is at most a tenth higher.
"""

_BREAK_S = 3
"""Seconds without a score that break footage in two."""

_POINTS = 4
"""The peak of a second stands for so many frames in it: one high frame makes a high second."""

_MOST_SCORE = 1 - 0.5e-4
"""Scores are stored to a ten-thousandth; what reads 1 is taken as halfway to it."""

Seconds = npt.NDArray[np.int64]
"""Whole seconds since 1970-01-01 UTC."""


def raw_score(score: float, threshold: float) -> float:
    """Give the raw score r behind a score r / (r + t), in (0, 1), under the threshold t."""
    return threshold * score / (1 - score)


def raw_scores(scores: Float64, thresholds: Float64) -> Float64:
    """Give the raw scores behind N stored scores, which may have been rounded to 0 or 1.

    Args:
        scores: N scores, 0 to 1.
        thresholds: The threshold that held for each; NaN where it is not known.

    Returns:
        N raw scores above 0; NaN where the threshold is.
    """
    inside = np.clip(scores, 1 - _MOST_SCORE, _MOST_SCORE)
    raw: Float64 = thresholds * inside / (1 - inside)
    return raw


def outside(
    seconds: Seconds, stretches: Sequence[tuple[float, float]], around_s: float = 2.0
) -> BoolMask:
    """Mark those of N seconds that lie in no stretch, nor within ``around_s`` of one; bool N."""
    free = np.ones(len(seconds), np.bool_)
    for start_s, end_s in stretches:
        # A second reaches to the next one.
        first, last = np.searchsorted(
            seconds, [start_s - around_s - 1, end_s + around_s], side="right"
        )
        free[first:last] = False
    return free


def alarms(seconds: Seconds, raw: Float64, calibration: Calibration) -> list[Span]:
    """Find the events that the peaks of N seconds make at a threshold.

    Args:
        seconds: The seconds, in order.
        raw: The highest raw score of each, above 0.
        calibration: The threshold and the rules.

    Returns:
        The events, in seconds of the same clock.
    """
    if not len(seconds):
        return []
    enter, leave = float(np.log(calibration.threshold)), float(np.log(calibration.release))
    # From 0, since fractions of seconds since 1970 have few digits left in a float.
    start = int(seconds[0])
    times_s = ((seconds - start)[:, None] + np.arange(_POINTS) / _POINTS).ravel()
    found = spans(times_s, np.repeat(np.log(raw), _POINTS), calibration.rules, enter, leave)
    return [Span(start + span.start_s, start + span.end_s) for span in found]


def extend_footage(normal: NormalScores, seconds: Seconds, raw: Float64) -> NormalScores:
    """Add what a camera has seen since, which was normal too, to the normal footage.

    All frames of a second count as high as its highest: that errs on the side of fewer alarms.
    Their parts are not known; the medians stand in for them, so no tails may be taken from this.

    Args:
        normal: What the model was calibrated on.
        seconds: Seconds of the camera in order.
        raw: The highest raw score of each, above 0.
    """
    if not len(seconds):
        return normal
    frames = max(1, round(normal.rate_fps))
    # Each unbroken piece counts as a recording, numbered on from those of the footage.
    breaks = np.diff(seconds, prepend=seconds[0]) > _BREAK_S
    piece = np.cumsum(breaks) + int(normal.recording[-1]) + 1
    steps = np.arange(frames) / frames

    def join(values: Float32, more: Float64) -> Float32:
        return np.concatenate([values, more.astype(np.float32)])

    def join_median(values: Float32) -> Float32:
        return join(values, np.full(len(seconds) * frames, float(np.median(values))))

    peaks = np.repeat(raw, frames)
    return NormalScores(
        recording=np.concatenate([normal.recording, np.repeat(piece, frames).astype(np.int32)]),
        time_s=np.concatenate([normal.time_s, ((seconds - seconds[0])[:, None] + steps).ravel()]),
        # A raw score that float32 would round to 0 must stay above it.
        raw=join(normal.raw, np.maximum(peaks, np.finfo(np.float32).tiny)),
        appearance=join_median(normal.appearance),
        motion=join_median(normal.motion),
        cluster=join_median(normal.cluster),
        map_peak=join_median(normal.map_peak),
        rate_fps=normal.rate_fps,
        in_sample=normal.in_sample,
    )


def calibrate_camera(
    before: Calibration,
    normal: NormalScores,
    seconds: Seconds,
    raw: Float64,
    quiet: Sequence[float],
    budget: FalseAlarmBudget,
) -> Calibration:
    """Find a camera's own threshold.

    It is the budget's threshold on all of the normal footage, the camera's own included, and lies
    above all events that were called normal.

    Args:
        before: The model's calibration: its rules, tails and map level stay.
        normal: The scores that it came from.
        seconds: Seconds of the camera that were normal, in order.
        raw: The highest raw score of each, above 0.
        quiet: Raw scores at the peaks of events that people called normal.
        budget: False alarms agreed to.
    """
    footage = extend_footage(normal, seconds, raw)
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


def choose_threshold(
    before: Calibration, threshold: float, normal: NormalScores | None
) -> Calibration:
    """Give a calibration with a threshold that somebody chose; its rate of false alarms is unknown.

    Args:
        before: The calibration whose threshold it replaces: rules, tails and map level stay.
        threshold: The raw score, above 0.
        normal: The scores of normal footage behind ``before``. Without them the release keeps its
            distance to the threshold.

    Raises:
        InputError: If the threshold is not above 0 and finite.
    """
    if not 0 < threshold < np.inf:
        raise InputError(f"a threshold must be a raw score above 0, got {threshold}")
    release = threshold * before.release / before.threshold
    if normal is not None:
        release = _release(threshold, normal, before.rules)
    return replace(
        before,
        threshold=threshold,
        # A threshold at the median is its own release, but for a rounding error.
        release=min(release, threshold),
        threshold_low=threshold,
        threshold_high=threshold,
        rate_low=0.0,
        rate_high=float("inf"),
    )


def _release(threshold: float, footage: NormalScores, rules: EventRules) -> float:
    """Give the raw score at which an event ends, as `calibrate` sets it."""
    level = float(np.log(threshold))
    middle = float(np.median(np.log(footage.raw.astype(np.float64))))
    return float(np.exp(level - max(level - middle, 0.0) * (1.0 - rules.hold)))


def raw_score_text(score: float) -> str:
    """Write a raw score for people: three digits and never an exponent, such as "0.0000769"."""
    return np.format_float_positional(float(f"{score:.3g}"), trim="-")
