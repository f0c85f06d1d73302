"""What frame scores mean to a person on watch: false alarms per hour, and delays.

A true event is an unbroken run of abnormal frames in one video. At a threshold, an alarm is an
unbroken run of scored frames that reach it. An event is detected if one of its frames reaches the
threshold; an alarm that touches no event is false. Frames without a score (NaN) raise no alarm and
end one.

Where all frames are normal there is nothing to detect, and where too few events have a scored frame
a share of them cannot be: the operating point then is None in all but the share. Where all are
abnormal no alarm is false.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe._types import Float64
from oddframe.errors import InputError
from oddframe.metrics.frame import Labels, check_paired, plain_values, stretches

DETECTION_RATES = (0.5, 0.8, 0.9, 1.0)
"""Shares of the true events at which false alarms are counted."""


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """An unbroken run of abnormal frames.

    Attributes:
        video: The video that it is in.
        first_frame: The event's first frame, counted from 0.
        last_frame: The event's last frame.
        peak: The highest score of its frames; None if none of them has a score.
    """

    video: str
    first_frame: int
    last_frame: int
    peak: float | None


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The price of the highest threshold that still detects a share of the events.

    Everything but the share is None where no threshold does. Times are None where the frame rate is
    not known.

    Attributes:
        detection_rate: The share that was asked for.
        threshold: An alarm is raised at or above it.
        detected: Events detected, at least the share asked for.
        false_alarms: Alarms that touch no event.
        false_alarms_per_hour: Per hour of scored video, with or without events in it.
        delay_mean_s: Mean over the detected events of the time from an event's first frame to its
            first alarmed frame, in seconds.
        delay_median_s: The median of these times, in seconds.
        delays_frames: The delay of each true event in frames; None for one that is not detected.
    """

    detection_rate: float
    threshold: float | None = None
    detected: int | None = None
    false_alarms: int | None = None
    false_alarms_per_hour: float | None = None
    delay_mean_s: float | None = None
    delay_median_s: float | None = None
    delays_frames: tuple[int | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class EventMetrics:
    """The event-level figures of a benchmark.

    Attributes:
        events: Number of true events.
        unscored_events: Events without a scored frame: counted, and never detected.
        hours_scored: Length of the scored frames in hours; None where the frame rate is not known.
        true_events: The events, in the order of `OperatingPoint.delays_frames`.
        points: One operating point per detection rate asked for.
    """

    events: int
    unscored_events: int
    hours_scored: float | None
    true_events: tuple[TrueEvent, ...]
    points: tuple[OperatingPoint, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain values; see `plain_values`."""
        values: dict[str, Any] = plain_values(self)
        return values


@dataclass(frozen=True, slots=True)
class _ScoredVideos:
    """Scores and labels of all videos, their frame rates and their length in hours."""

    scores: dict[str, Float64]
    labels: dict[str, Labels]
    rates_fps: dict[str, float] | None
    hours: float | None


def event_metrics(
    scores: Mapping[str, npt.ArrayLike],
    labels: Mapping[str, npt.ArrayLike],
    rate_fps: float | Mapping[str, float] | None,
    detection_rates: Sequence[float] = DETECTION_RATES,
) -> EventMetrics:
    """Count false alarms and delays at the thresholds that detect given shares of the events.

    Args:
        scores: Per video, one score per frame on one scale for all videos, NaN where unscored.
            Min-max within a video uses the future and says nothing about a person on watch.
        labels: Per video, one label per frame: 0 normal, 1 abnormal.
        rate_fps: Frames per second, of all videos or of each; None where nobody knows.
        detection_rates: Shares of the events, each in (0, 1].

    Raises:
        InputError: Scores and labels do not fit together, or a rate is missing or out of range.
    """
    if not all(0.0 < rate <= 1.0 for rate in detection_rates):
        raise InputError(
            f"detection rates must be above 0 and at most 1, got {list(detection_rates)}"
        )
    checked_scores, checked_labels = check_paired(scores, labels)
    rates_fps = _rates(rate_fps, list(checked_labels))
    # Frames without a score raise no alarm, so their time must not dilute the rate of alarms.
    hours = None
    if rates_fps is not None:
        counted = {name: int((~np.isnan(values)).sum()) for name, values in checked_scores.items()}
        hours = sum(frames / rates_fps[name] for name, frames in counted.items()) / 3600.0
    events = tuple(
        event
        for name in checked_labels
        for event in _true_events(name, checked_scores, checked_labels)
    )
    videos = _ScoredVideos(checked_scores, checked_labels, rates_fps, hours)
    return EventMetrics(
        events=len(events),
        unscored_events=sum(event.peak is None for event in events),
        hours_scored=hours,
        true_events=events,
        points=tuple(_operating_point(rate, events, videos) for rate in detection_rates),
    )


def _rates(
    rate_fps: float | Mapping[str, float] | None, names: Sequence[str]
) -> dict[str, float] | None:
    """Give the frame rate of each video; None where nobody knows."""
    if rate_fps is None:
        return None
    rates_fps = dict(rate_fps) if isinstance(rate_fps, Mapping) else dict.fromkeys(names, rate_fps)
    for name in names:
        if not (math.isfinite(rates_fps.get(name, math.nan)) and rates_fps[name] > 0.0):
            raise InputError(
                f"rate_fps must be above 0 for every video, got {rates_fps.get(name)} for {name}"
            )
    return rates_fps


def _operating_point(
    rate: float, events: Sequence[TrueEvent], videos: _ScoredVideos
) -> OperatingPoint:
    """Find the highest threshold that detects a share of the events, and what it costs."""
    # An event is detected from its peak downwards, so the threshold is one of the peaks.
    peaks = sorted((event.peak for event in events if event.peak is not None), reverse=True)
    # Less a rounding error, so that 80 % of 5 events are 4 and never 5.
    needed = math.ceil(rate * len(events) - 1e-9)
    if not events or needed > len(peaks):
        return OperatingPoint(rate)
    threshold = peaks[needed - 1]
    delays = tuple(_delay(event, videos.scores[event.video], threshold) for event in events)
    false_alarms = sum(
        _false_alarms(videos.scores[name], videos.labels[name], threshold) for name in videos.labels
    )
    point = OperatingPoint(
        detection_rate=rate,
        threshold=threshold,
        detected=sum(delay is not None for delay in delays),
        false_alarms=false_alarms,
        delays_frames=delays,
    )
    if videos.rates_fps is None or videos.hours is None:
        return point
    delays_s = [
        delay / videos.rates_fps[event.video]
        for event, delay in zip(events, delays, strict=True)
        if delay is not None
    ]
    return replace(
        point,
        false_alarms_per_hour=false_alarms / videos.hours,
        delay_mean_s=float(np.mean(delays_s)),
        delay_median_s=float(np.median(delays_s)),
    )


def _true_events(
    name: str, scores: Mapping[str, Float64], labels: Mapping[str, Labels]
) -> list[TrueEvent]:
    """Find the true events of one video, in order."""
    found = []
    for start, stop in stretches(labels[name] == 1):
        values = scores[name][start:stop]
        scored = values[~np.isnan(values)]
        found.append(TrueEvent(name, start, stop - 1, float(scored.max()) if scored.size else None))
    return found


def _delay(event: TrueEvent, scores: Float64, threshold: float) -> int | None:
    """Count the frames from an event's first to its first alarmed one; None if none is."""
    if event.peak is None or event.peak < threshold:
        return None
    return int(np.argmax(scores[event.first_frame : event.last_frame + 1] >= threshold))


def _false_alarms(scores: Float64, truth: Labels, threshold: float) -> int:
    """Count the alarms of one video that touch no true event."""
    # A comparison with NaN is false, so an unscored frame is never part of an alarm.
    return sum(not truth[start:stop].any() for start, stop in stretches(scores >= threshold))
