"""When scores become an event and when it is over: hysteresis, least length, merge gap and cool-down, in seconds."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from oddframe.errors import SettingsError

_ROUNDING_S = 1e-6
"""Times are kept to the microsecond: 1.3 - 1.0 is 0.3."""
_STEPS_MISSED = 3
"""A stretch goes on over this many times the usual step between frames, however short the merge gap is."""


@dataclass(frozen=True, kw_only=True)
class EventRules:
    """When scores become an event.

    Attributes:
        least_s: How long the score must stay up, without a break, for an event to start; delays its
            start by as much.
        merge_gap_s: An event goes on when the score rises above the threshold again within this
            time; delays its end by as much.
        cool_down_s: For this time after an event's end none starts.
        update_s: Time of the stream from one word about an event that lasts to the next.
        hold: How high the score must stay for an event to go on: share of the way from the median
            normal score to the threshold, on the logarithmic scale, in [0, 1]. 1 is no hysteresis.
    """

    least_s: float = 0.3
    merge_gap_s: float = 2.0
    cool_down_s: float = 0.0
    update_s: float = 1.0
    hold: float = 0.75

    def __post_init__(self) -> None:
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
    """What a frame changed.

    Attributes:
        closed: The event that is over now.
        rose: Whether the score has just risen above the threshold.
        opened: Whether an event has just become certain.
    """

    closed: Span | None
    rose: bool
    opened: bool


class HysteresisDetector:
    """Takes the values of one source in order of time; what it says needs nothing that comes later.

    Args:
        rules: When values become an event; ``hold`` has been made ``leave`` by the caller.
        enter: A value above this starts a stretch.
        leave: A stretch lasts while values reach this, at most ``enter``.

    Attributes:
        high: Whether the last value belongs to a stretch.
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
        """Take the next frame; ``None`` is a frame of which nothing is known but that time has passed."""
        closed = None
        if (
            self.high or self.is_open
        ) and not 0 <= time_s - self.last_s <= self._longest_s + _ROUNDING_S:
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
    def _longest_s(self) -> float:
        """How long nothing may be heard without an end."""
        gap_s = self._rules.merge_gap_s
        return max(gap_s, _STEPS_MISSED * self._step_s) if self.high else gap_s

    def finish(self) -> Span | None:
        """The source has ended, or what follows belongs to nothing before: close what is open."""
        closed = Span(self.start_s, self.last_s) if self.is_open else None
        self.high = self.is_open = False
        if closed and self._rules.cool_down_s:
            self._quiet_until_s = closed.end_s + self._rules.cool_down_s
        return closed


def spans(
    times_s: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    rules: EventRules,
    enter: float,
    leave: float,
) -> list[Span]:
    """The events of one recording, by `Alarm` itself.

    Only what can change its state is pushed, so that many thresholds can be tried on hours of
    scores.

    Args:
        times_s: N increasing times in seconds.
        values: N values, every one known.
        rules: As for `Alarm`.
        enter: As for `Alarm`.
        leave: As for `Alarm`.
    """
    matters = _around_peaks(values, enter, leave)
    alarm = HysteresisDetector(rules, enter, leave)
    steps = (
        alarm.push(*pair)
        for pair in zip(times_s[matters].tolist(), values[matters].tolist(), strict=True)
    )
    found = [step.closed for step in steps if step.closed is not None]
    last = alarm.finish()
    return found if last is None else [*found, last]


def _around_peaks(
    values: npt.NDArray[np.float64], enter: float, leave: float
) -> npt.NDArray[np.bool_]:
    """The unbroken stretches that rise above ``enter``, and a value on both sides: it tells the step."""
    up = values >= leave
    stretch = np.cumsum(np.diff(up, prepend=False) & up)
    has_peak = np.zeros(int(stretch[-1]) + 1 if len(stretch) else 1, np.bool_)
    has_peak[stretch[values > enter]] = True
    inside: npt.NDArray[np.bool_] = up & has_peak[stretch]
    near = inside.copy()
    near[1:] |= inside[:-1]
    near[:-1] |= inside[1:]
    return near
