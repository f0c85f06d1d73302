"""When scores become an event and when it is over.

The rules are hysteresis, a least length, a merge gap and a cool-down, all in seconds of the source.
They work on plain values and times, so that the same code serves streams (`HysteresisDetector`)
and a calibration that counts events at many thresholds (`spans`).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from oddframe._types import BoolMask, Float64
from oddframe.errors import SettingsError

_ROUNDING_S = 1e-6
"""Times are compared to the microsecond, in seconds: in floats 1.3 - 1.0 is not quite 0.3."""
_STEPS_MISSED = 3
"""A run of high values outlasts this many usual steps between frames without a value.

This holds however short the merge gap is: at one frame a second a gap of 0.5 s would end every run.
"""


@dataclass(frozen=True, kw_only=True)
class EventRules:
    """When scores become an event.

    Attributes:
        least_s: How long the score must stay high, without a break, for an event to start. The
            start is reported as much later.
        merge_gap_s: An event continues when the score rises above the threshold again within this
            time. The end is reported as much later.
        cool_down_s: For this time after an event's end no other event starts.
        update_s: Time of the stream from one message about an event that lasts to the next.
        hold: How high the score must stay for an event to go on: share of the way from the median
            normal score to the threshold, on the logarithmic scale, in [0, 1]. 1 is no hysteresis.
    """

    least_s: float = 0.3
    merge_gap_s: float = 2.0
    cool_down_s: float = 0.0
    update_s: float = 1.0
    hold: float = 0.75

    def __post_init__(self) -> None:
        # Written so that NaN is refused too.
        for name in ("least_s", "merge_gap_s", "cool_down_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"{name} must be 0 s or more, got {getattr(self, name)}")
        if not 0 < self.update_s < math.inf:
            raise SettingsError(f"update_s must be above 0 s, got {self.update_s}")
        if not 0 <= self.hold <= 1:
            raise SettingsError(f"hold must be from 0 to 1, got {self.hold}")


class Span(NamedTuple):
    """First and last time of an event in seconds."""

    start_s: float
    end_s: float


class Step(NamedTuple):
    """What a frame has changed.

    Attributes:
        closed: The event that is over now, if one is.
        rose: Whether the score has just risen above the threshold.
        opened: Whether an event has just become certain.
    """

    closed: Span | None
    rose: bool
    opened: bool


class HysteresisDetector:
    """Finds events in the values of one source, frame by frame, without looking ahead.

    A run is what lies between a value above ``enter`` and the next one below ``leave``. An event is
    a run that has lasted ``least_s``, with the runs that follow within the merge gap.

    Args:
        rules: When values become an event; the caller has turned ``hold`` into ``leave``.
        enter: A value above this starts a run.
        leave: A run lasts while values reach this, at most ``enter``.

    Attributes:
        high: Whether the last value belongs to a run.
        is_open: Whether an event is in progress; in the merge gap it still is.
        start_s: When it started.
        last_s: The last time that belongs to it.
    """

    def __init__(self, rules: EventRules, enter: float, leave: float) -> None:
        self._rules, self._enter, self._leave = rules, enter, leave
        self.high = self.is_open = False
        self.start_s = self.last_s = math.nan
        self._quiet_until_s = -math.inf
        self._before_s, self._step_s = math.nan, 0.0

    def push(self, time_s: float, value: float | None) -> Step:
        """Take the next frame.

        Args:
            time_s: Its time in seconds.
            value: Its value; None where nothing is known but that time has passed.
        """
        closed = None
        if self.high or self.is_open:
            # Time that goes back ends an event as a gap does: what follows is something else.
            silent_s = time_s - self.last_s
            if not 0 <= silent_s <= self._longest_silence_s + _ROUNDING_S:
                closed = self.finish()
        rose = opened = False
        if value is not None:
            self._step_s, self._before_s = max(0.0, time_s - self._before_s), time_s
            if self.high:
                self.high = value >= self._leave
            elif value > self._enter and time_s >= self._quiet_until_s:
                self.high = rose = True
                if not self.is_open:
                    self.start_s = time_s
            if self.high:
                self.last_s = time_s
                if not self.is_open and time_s - self.start_s >= self._rules.least_s - _ROUNDING_S:
                    self.is_open = opened = True
        return Step(closed, rose, opened)

    @property
    def _longest_silence_s(self) -> float:
        """How long no high value may come before the event is over, in seconds."""
        gap_s = self._rules.merge_gap_s
        return max(gap_s, _STEPS_MISSED * self._step_s) if self.high else gap_s

    def finish(self) -> Span | None:
        """Close the open event: the source has ended, or what follows is not connected to it."""
        closed = Span(self.start_s, self.last_s) if self.is_open else None
        self.high = self.is_open = False
        if closed and self._rules.cool_down_s:
            self._quiet_until_s = closed.end_s + self._rules.cool_down_s
        return closed


def spans(
    times_s: Float64,
    values: Float64,
    rules: EventRules,
    enter: float,
    leave: float,
) -> list[Span]:
    """Find the events of one recording with a `HysteresisDetector`.

    Only frames that can change its state are pushed, so that many thresholds can be tried on hours
    of scores.

    Args:
        times_s: N increasing times in seconds.
        values: N values, every one known.
        rules: As for `HysteresisDetector`.
        enter: As for `HysteresisDetector`.
        leave: As for `HysteresisDetector`.
    """
    matters = _around_peaks(values, enter, leave)
    detector = HysteresisDetector(rules, enter, leave)
    found = []
    # Python's own floats: the detector is called for each, and is several times slower on numpy's.
    for time_s, value in zip(times_s[matters].tolist(), values[matters].tolist(), strict=True):
        closed = detector.push(time_s, value).closed
        if closed is not None:
            found.append(closed)
    last = detector.finish()
    return found if last is None else [*found, last]


def _around_peaks(values: Float64, enter: float, leave: float) -> BoolMask:
    """Mark the runs of values that rise above ``enter``, and one value on both sides of each.

    The value before tells the detector how long a step between frames is, the one after that the
    run is over.
    """
    up = values >= leave
    # Runs are numbered from 1 by the values that start them.
    run = np.cumsum(np.diff(up, prepend=False) & up)
    has_peak = np.zeros(int(run[-1]) + 1 if len(run) else 1, np.bool_)
    has_peak[run[values > enter]] = True
    inside: BoolMask = up & has_peak[run]
    near = inside.copy()
    near[1:] |= inside[:-1]
    near[:-1] |= inside[1:]
    return near
