"""Frame times from timestamps: from 0, always increasing, whatever the file says."""

from collections.abc import Callable
from fractions import Fraction

from oddframe.core.records import FrameTiming

__all__ = ["FrameClock"]

_NUDGE = 0.1
"""In periods: how far a frame is moved on whose timestamp does not increase."""


class FrameClock:
    """Turns the timestamps of one pass into times in seconds.

    A frame without a timestamp comes one period after the one before. A timestamp that lies back
    by more than a gap starts a new stretch (joined recordings, a clock that was set): the times go
    on behind a gap, so that no clip spans the joint. A smaller step back is moved on by a tenth of
    a period.

    Args:
        timing: Its rate is for frames without timestamps, its gap for those that lie back.
        time_base: Seconds per tick.
        start: The stream's first timestamp in ticks; None where the file does not say.
    """

    def __init__(self, timing: FrameTiming, time_base: Fraction, start: int | None) -> None:
        self._period_s = 1 / timing.rate_fps
        self._gap_s = timing.gap_s
        self._time_base = float(time_base)
        self._start = start
        self._offset_s = 0.0
        self._last_s: float | None = None
        self._missing = 0
        self._moved = 0
        self._joints = 0
        self._gaps = 0

    def time_s(self, pts: int | None) -> float:
        """The time of the next frame, whose timestamp is `pts` ticks (None where it has none)."""
        self._last_s = self._next(pts)
        return self._last_s

    @property
    def end_s(self) -> float:
        """Where the last frame ends."""
        return 0.0 if self._last_s is None else self._last_s + self._period_s

    def _next(self, pts: int | None) -> float:
        last_s = self._last_s
        if pts is None:
            self._missing += 1
            return 0.0 if last_s is None else last_s + self._period_s
        if self._start is None or last_s is None:
            # Some files hold frames from before their stated start.
            self._start = pts if self._start is None else min(self._start, pts)
        time_s = (pts - self._start) * self._time_base + self._offset_s
        if last_s is None:
            return time_s
        if time_s > last_s:
            self._gaps += time_s - last_s > self._gap_s
            return time_s
        if last_s - time_s > self._gap_s:
            self._joints += 1
            resumed_s = last_s + self._gap_s + self._period_s
            self._offset_s += resumed_s - time_s
            return resumed_s
        self._moved += 1
        return last_s + _NUDGE * self._period_s

    def report(self, notice: Callable[[str], None]) -> None:
        """Say what was wrong with the timestamps, one sentence each."""
        if self._missing:
            notice(f"{self._missing} frame(s) had no timestamp and were timed by the frame rate")
        if self._moved:
            notice(f"{self._moved} frame(s) had timestamps that do not increase and were moved on")
        if self._gaps:
            notice(f"{self._gaps} gap(s) of more than {self._gap_s:.2g} s between frames; no clip spans them")
        if self._joints:
            notice(f"timestamps jump back {self._joints} time(s); each time a gap was put in")
