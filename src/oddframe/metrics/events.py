"""What frame scores mean to a person on watch: false alarms per hour, and how late an event is noticed.

A true event is an unbroken run of abnormal frames in one video. At a threshold, an alarm is an unbroken run of
scored frames that reach it. An event is detected if one of its frames reaches the threshold; an alarm that
touches no event is false. Frames without a score (NaN) raise no alarm and end one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe.errors import InputError
from oddframe.metrics.curves import Floats, stretches
from oddframe.metrics.frame import Labels, check_paired

__all__ = ["DETECTION_RATES", "EventMetrics", "OperatingPoint", "event_metrics"]

DETECTION_RATES = (0.5, 0.8, 0.9, 1.0)
"""Shares of the true events at which false alarms are counted."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What the highest threshold that still detects a share of the events costs; None where none does.

    Attributes:
        detection_rate: The share that was asked for.
        threshold: An alarm is raised at or above it.
        detected: Events detected, at least the share asked for.
        false_alarms: Alarms that touch no event.
        false_alarms_per_hour: Per hour of scored video, with or without events in it.
        delay_mean_s: Mean over the detected events of the time from an event's first frame to its first alarmed
            frame, in seconds.
        delay_median_s: Its median.
    """

    detection_rate: float
    threshold: float | None = None
    detected: int | None = None
    false_alarms: int | None = None
    false_alarms_per_hour: float | None = None
    delay_mean_s: float | None = None
    delay_median_s: float | None = None


@dataclass(frozen=True, slots=True)
class EventMetrics:
    """What `event_metrics` finds.

    Attributes:
        events: True events.
        unscored_events: Those of them without a scored frame: counted, and never detected.
        hours_scored: Scored frames as time.
        points: One operating point per detection rate asked for.
    """

    events: int
    unscored_events: int
    hours_scored: float
    points: tuple[OperatingPoint, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same tree as plain dicts, lists and numbers, ready for `json.dumps`."""
        return {**asdict(self), "points": [asdict(point) for point in self.points]}


@dataclass(frozen=True, slots=True)
class _TrueEvent:
    scores: Floats
    peak: float  # NaN if none of its frames has a score


def event_metrics(
    scores: Mapping[str, npt.ArrayLike],
    labels: Mapping[str, npt.ArrayLike],
    rate_fps: float,
    detection_rates: Sequence[float] = DETECTION_RATES,
) -> EventMetrics:
    """Count false alarms and delays at the thresholds that detect given shares of the events.

    Args:
        scores: Per video, one score per frame on one scale for all videos, NaN where unscored. Min-max within a
            video uses the future and says nothing about a person on watch.
        labels: Per video, one label per frame: 0 normal, 1 abnormal.
        rate_fps: Frames per second.
        detection_rates: Shares of the events, each in (0, 1].

    Raises:
        InputError: Scores and labels do not fit together, or a rate is out of range.
    """
    if not (math.isfinite(rate_fps) and rate_fps > 0.0):
        raise InputError(f"rate_fps must be above 0, got {rate_fps}")
    if not all(0.0 < rate <= 1.0 for rate in detection_rates):
        raise InputError(f"detection rates must be above 0 and at most 1, got {list(detection_rates)}")
    checked_scores, checked_labels = check_paired(scores, labels)
    pairs = [(checked_scores[name], checked_labels[name]) for name in checked_labels]
    events = [event for values, truth in pairs for event in _true_events(values, truth)]
    hours = sum(int((~np.isnan(values)).sum()) for values, _ in pairs) / rate_fps / 3600.0
    return EventMetrics(
        events=len(events),
        unscored_events=sum(math.isnan(event.peak) for event in events),
        hours_scored=hours,
        points=tuple(_operating_point(rate, pairs, events, hours, rate_fps) for rate in detection_rates),
    )


def _operating_point(
    rate: float, pairs: list[tuple[Floats, Labels]], events: list[_TrueEvent], hours: float, rate_fps: float
) -> OperatingPoint:
    peaks = sorted((event.peak for event in events if not math.isnan(event.peak)), reverse=True)
    # Less a rounding error, so that 80 % of 5 events are 4 and never 5.
    needed = math.ceil(rate * len(events) - 1e-9)
    if not events or needed > len(peaks):
        return OperatingPoint(rate)
    threshold = peaks[needed - 1]
    delays = [int(np.argmax(event.scores >= threshold)) / rate_fps for event in events if event.peak >= threshold]
    false_alarms = sum(_false_alarms(values, truth, threshold) for values, truth in pairs)
    return OperatingPoint(
        detection_rate=rate,
        threshold=threshold,
        detected=len(delays),
        false_alarms=false_alarms,
        false_alarms_per_hour=false_alarms / hours,
        delay_mean_s=float(np.mean(delays)),
        delay_median_s=float(np.median(delays)),
    )


def _true_events(scores: Floats, truth: Labels) -> list[_TrueEvent]:
    found = []
    for start, stop in stretches(truth == 1):
        values = scores[start:stop]
        scored = values[~np.isnan(values)]
        found.append(_TrueEvent(values, float(scored.max()) if scored.size else math.nan))
    return found


def _false_alarms(scores: Floats, truth: Labels, threshold: float) -> int:
    # A comparison with NaN is false, so an unscored frame is never part of an alarm.
    return sum(not truth[start:stop].any() for start, stop in stretches(scores >= threshold))
