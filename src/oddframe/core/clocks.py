"""From timestamps to seconds, and from seconds to the time of day.

`RecordingClock` and `LiveClock` turn the timestamps of a source, whatever they say, into seconds
that start at 0 and always increase. `WallClock` says which moment of the day such a second was, and
`hours_text` writes a length of time for people.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

from oddframe.core.records import FrameTiming

_NUDGE = 0.1
"""How far a frame is moved on whose timestamp does not increase, in periods of the frame rate."""

_JUMP_S = 2.0
"""How far a timestamp may run ahead of the time that passed before it counts as a jump.

Frames that come in a burst, as after a hiccup of the network, run ahead without a fault.
"""

_SLEW = 0.001
"""Share of each step by which times are drawn towards the time that really passed.

Cameras' clocks drift, and a stream may run for months. A thousandth is far above the drift of a
bad crystal (100 parts in a million) and far below what a model could notice.
"""

_SET_US = 2_000_000
"""A wall clock that is this far from where it was expected has been set, in microseconds."""


def count_damaged(
    last_s: float, times_s: Sequence[float], period_s: float, tolerance_s: float
) -> int:
    """Count the frames at the front whose timestamps are damaged.

    They are if time jumps back behind them to where it would be had they come in time. If it goes
    on from where they say, two recordings were joined, or there is a gap.

    Args:
        last_s: The time of the frame before them, in seconds.
        times_s: The times that the next frames state, in seconds.
        period_s: Time from one frame to the next, in seconds.
        tolerance_s: A longer step is a jump, and a time that is further from its place is not where
            it would be, in seconds.
    """
    for number, (before_s, time_s) in enumerate(pairwise(times_s), start=1):
        expected_s = last_s + (number + 1) * period_s
        if abs(time_s - before_s) > tolerance_s and abs(time_s - expected_s) <= tolerance_s:
            return number
    return 0


class RecordingClock:
    """Turns the timestamps of one pass over a recording into times in seconds.

    A frame without a timestamp comes one period after the one before. A timestamp that lies back
    by more than a gap starts a new run (joined recordings, a clock that was set): the times go
    on behind a gap, so that no clip spans the joint. A smaller step back is moved on by a tenth of
    a period; so are those that lie back to where time would be had it not jumped ahead before, by
    damage.

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
        # The time before the last gap, and the frames since then.
        self._before_gap_s: float | None = None
        self._since_gap = 0
        self._missing = 0
        self._moved = 0
        self._joints = 0
        self._gaps = 0

    def time_s(self, pts: int | None) -> float:
        """Give the time of the next frame in seconds.

        Args:
            pts: Its timestamp in ticks; None where it has none.
        """
        self._last_s = self._next(pts)
        return self._last_s

    @property
    def end_s(self) -> float:
        """The time in seconds at which the last frame ends."""
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
        self._since_gap += 1
        if time_s > last_s:
            if time_s - last_s > self._gap_s:
                self._gaps += 1
                self._before_gap_s, self._since_gap = last_s, 0
            return time_s
        if last_s - time_s > self._gap_s and not self._returns(time_s):
            self._joints += 1
            resumed_s = last_s + self._gap_s + self._period_s
            # From here on every timestamp is shifted by as much, or each would be a joint again.
            self._offset_s += resumed_s - time_s
            return resumed_s
        self._moved += 1
        return last_s + _NUDGE * self._period_s

    def _returns(self, time_s: float) -> bool:
        """Tell whether a time is where it would be had there been no gap."""
        if self._before_gap_s is None:
            return False
        # The first frame behind the gap took one period, and each since then another one.
        expected_s = self._before_gap_s + (self._since_gap + 1) * self._period_s
        return abs(time_s - expected_s) <= self._gap_s

    def report(self, notice: Callable[[str], None]) -> None:
        """Call `notice` with a sentence for each kind of trouble that the timestamps gave."""
        if self._missing:
            notice(f"{self._missing} frame(s) had no timestamp and were timed by the frame rate")
        if self._moved:
            notice(f"{self._moved} frame(s) had timestamps that do not increase and were moved on")
        if self._gaps:
            notice(
                f"{self._gaps} gap(s) of more than {self._gap_s:.2g} s between frames; "
                "no clip spans them"
            )
        if self._joints:
            notice(f"timestamps jump back {self._joints} time(s); each time a gap was put in")


class LiveClock:
    """Turns the timestamps of a live stream into times in seconds.

    Between two frames the stream's timestamps say how much time passed; arrival is too uneven for
    that. Across a lost connection, and where timestamps jump, the time that really passed says it,
    at least a gap, so that no clip spans the place.

    Attributes:
        jumps: How often timestamps jumped.
        left_out: How many frames were left out since their timestamps were damaged.
    """

    def __init__(self) -> None:
        self.jumps = self.left_out = 0
        self._is_in_doubt = False
        self._origin_s: float | None = None
        self._last_s = 0.0
        self._last_stamp_s: float | None = None
        self._last_arrived_s = 0.0
        self._offset_s = 0.0
        self._has_begun = self._is_connected = False
        self._timed = True
        # Those of 25 frames per second, until `connect` tells better.
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
        self._is_connected = self._is_in_doubt = False
        self._last_stamp_s = None
        self._period_s, self._gap_s = 1 / timing.rate_fps, timing.gap_s
        self._timed = timed
        self._slew = _SLEW if follows_arrival else 0.0

    def passed_s(self, arrived_s: float) -> float:
        """Give the seconds from the first frame's arrival to the moment `arrived_s`."""
        return 0.0 if self._origin_s is None else arrived_s - self._origin_s

    def time_s(self, stamp_s: float | None, arrived_s: float) -> float | None:
        """Give the time of the next frame.

        A lone timestamp that jumps is no evidence: its frame is to be left out. Only where the next
        one does not fit what came before either, the clock was set.

        Args:
            stamp_s: Its timestamp in seconds, from any start; None where it has none and comes a
                period later.
            arrived_s: When it arrived, in seconds, on a clock that never jumps.

        Returns:
            The time in seconds; None for a frame that is to be left out.
        """
        if self._origin_s is None:
            self._origin_s = arrived_s
        time_s = self._next(stamp_s, arrived_s)
        if time_s is None:
            return None
        self._last_s, self._last_arrived_s = time_s, arrived_s
        if stamp_s is not None:
            self._last_stamp_s = stamp_s
        self._has_begun = self._is_connected = True
        return time_s

    def _next(self, stamp_s: float | None, arrived_s: float) -> float | None:
        passed_s = self.passed_s(arrived_s)
        if not self._is_connected:
            return self._anchor(stamp_s, self._behind_a_gap(passed_s) if self._has_begun else 0.0)
        if not self._timed:
            return self._later(passed_s)
        if stamp_s is None:
            return self._last_s + self._period_s
        if self._last_stamp_s is None:  # The first frames of RTSP have none.
            return self._anchor(stamp_s, self._last_s + self._period_s)
        step_s = stamp_s - self._last_stamp_s
        longest_s = arrived_s - self._last_arrived_s + max(_JUMP_S, self._gap_s)
        fits = -self._gap_s <= step_s <= longest_s
        doubted, self._is_in_doubt = self._is_in_doubt, False
        if not fits and not doubted:
            self._is_in_doubt = True
            return None
        if not fits:
            self.jumps += 1
            return self._anchor(stamp_s, self._behind_a_gap(passed_s))
        self.left_out += doubted
        # Follow a clock that drifts, but so slowly that the jitter of arrivals does not show.
        most_s = self._slew * max(step_s, 0.0)
        self._offset_s += min(max(passed_s - stamp_s - self._offset_s, -most_s), most_s)
        return self._later(stamp_s + self._offset_s)

    def _anchor(self, stamp_s: float | None, time_s: float) -> float:
        """Let this timestamp mean this time from now on; returns the time."""
        if stamp_s is not None:
            self._offset_s = time_s - stamp_s
        return time_s

    def _later(self, time_s: float) -> float:
        return time_s if time_s > self._last_s else self._last_s + _NUDGE * self._period_s

    def _behind_a_gap(self, passed_s: float) -> float:
        return max(passed_s, self._last_s + self._gap_s + self._period_s)


class WallClock:
    """Maps the seconds of one source to microseconds since 1970-01-01 UTC.

    The first frame ties the two together. After that the wall clock is believed only where it was
    plainly set: the jitter of arrivals must not move an event by a frame from one message to the
    next. Who needs one mapping for longer, as an event does, takes a `snapshot`.
    """

    def __init__(self) -> None:
        self._offset_us: int | None = None

    def see(self, time_s: float, now_us: int) -> bool:
        """Take a frame's time and the moment at which it came.

        Args:
            time_s: Its time in seconds of the stream.
            now_us: Microseconds since 1970-01-01 UTC.

        Returns:
            Whether the wall clock has been set since the frame before.
        """
        offset_us = now_us - round(time_s * 1e6)
        if self._offset_us is None or abs(offset_us - self._offset_us) > _SET_US:
            jumped, self._offset_us = self._offset_us is not None, offset_us
            return jumped
        return False

    def snapshot(self) -> "WallClock":
        """Give a mapping that stays as this one is now."""
        fixed = WallClock()
        fixed._offset_us = self._offset_us
        return fixed

    def __call__(self, time_s: float) -> int:
        """Give the moment of a time of the stream; in 1970 before the first frame."""
        return round(time_s * 1e6) + (self._offset_us or 0)


def hours_text(hours: float) -> str:
    """Write a length of footage for people, in the largest unit of which there are two."""
    units = {"days": 24.0, "hours": 1.0, "minutes": 1 / 60}
    unit, length = next(
        ((name, size) for name, size in units.items() if hours >= 2 * size), ("seconds", 1 / 3600)
    )
    return f"{hours / length:.3g} {unit}"
