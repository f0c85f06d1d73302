"""Frame times of a live stream: its own timestamps, held to the time that really passes."""

from oddframe.core.records import FrameTiming

__all__ = ["LiveClock"]

_NUDGE = 0.1
"""In periods: how far a frame is moved on whose timestamp does not increase."""

_JUMP_S = 2.0
"""A timestamp may run ahead of the time that passed by this much (frames that come in a burst) before it is a jump."""

_SLEW = 0.001
"""Share of each step by which times are drawn towards the time that passed: cameras' clocks drift for months."""


class LiveClock:
    """Turns timestamps into times in seconds: from 0 at the first frame, always increasing.

    Between two frames the stream's timestamps say how much time passed; arrival is too uneven for that. Across
    a lost connection, and where timestamps jump, the time that really passed says it, at least a gap, so that no
    clip spans the place. `FrameClock` does this for recordings, which know of no time but their own.

    Attributes:
        jumps: How often timestamps jumped.
    """

    def __init__(self) -> None:
        self.jumps = 0
        self._origin_s: float | None = None
        self._last_s = 0.0
        self._last_stamp_s: float | None = None
        self._last_arrived_s = 0.0
        self._offset_s = 0.0
        self._has_begun = self._is_connected = False
        self._timed = True
        self._period_s, self._gap_s, self._slew = 0.04, 0.5, _SLEW

    def connect(
        self,
        timing: FrameTiming,
        *,
        timed: bool = True,
        follows_arrival: bool = True,
    ) -> None:
        """Begin a connection; the next frame comes behind a gap.

        Args:
            timing: How its frames follow each other.
            timed: Whether the stream has timestamps; frames without any come at the time of their
                arrival.
            follows_arrival: Whether frames arrive when they were taken. Segments (HLS) arrive ahead
                of their time, and so say nothing of a clock that drifts.
        """
        self._is_connected, self._last_stamp_s = False, None
        self._period_s, self._gap_s = 1 / timing.rate_fps, timing.gap_s
        self._timed = timed
        self._slew = _SLEW if follows_arrival else 0.0

    def passed_s(self, arrived_s: float) -> float:
        """Where on the stream's axis of time the moment `arrived_s` lies."""
        return 0.0 if self._origin_s is None else arrived_s - self._origin_s

    def time_s(self, stamp_s: float | None, arrived_s: float) -> float:
        """The time of the next frame.

        Args:
            stamp_s: Its timestamp in seconds, from any start; None where it has none and comes a period later.
            arrived_s: When it arrived, in seconds, on a clock that never jumps.
        """
        if self._origin_s is None:
            self._origin_s = arrived_s
        time_s = self._next(stamp_s, arrived_s)
        self._last_s, self._last_arrived_s = time_s, arrived_s
        if stamp_s is not None:
            self._last_stamp_s = stamp_s
        self._has_begun = self._is_connected = True
        return time_s

    def _next(self, stamp_s: float | None, arrived_s: float) -> float:
        passed_s = self.passed_s(arrived_s)
        if not self._is_connected:
            return self._anchored(stamp_s, self._behind_a_gap(passed_s) if self._has_begun else 0.0)
        if not self._timed:
            return self._later(passed_s)
        if stamp_s is None:
            return self._last_s + self._period_s
        if self._last_stamp_s is None:  # the first frames of RTSP have none
            return self._anchored(stamp_s, self._last_s + self._period_s)
        step_s = stamp_s - self._last_stamp_s
        if not -self._gap_s <= step_s <= arrived_s - self._last_arrived_s + max(_JUMP_S, self._gap_s):
            self.jumps += 1
            return self._anchored(stamp_s, self._behind_a_gap(passed_s))
        most_s = self._slew * max(step_s, 0.0)
        self._offset_s += min(max(passed_s - stamp_s - self._offset_s, -most_s), most_s)
        return self._later(stamp_s + self._offset_s)

    def _anchored(self, stamp_s: float | None, time_s: float) -> float:
        """From now on this timestamp means this time."""
        if stamp_s is not None:
            self._offset_s = time_s - stamp_s
        return time_s

    def _later(self, time_s: float) -> float:
        return time_s if time_s > self._last_s else self._last_s + _NUDGE * self._period_s

    def _behind_a_gap(self, passed_s: float) -> float:
        return max(passed_s, self._last_s + self._gap_s + self._period_s)
