"""Wall-clock times of a stream's seconds, on a wall clock that may be set at any time."""

__all__ = ["WallTime"]

_SET_US = 2_000_000
"""A wall clock that is this far from where it was expected has been set."""


class WallTime:
    """Maps the seconds of one source to microseconds since 1970-01-01 UTC.

    The first frame ties the two together. After that the wall clock is believed only where it was plainly set: the
    jitter of arrivals must not move an event by a frame from one telling to the next. Who needs one mapping for longer,
    as an event does, takes a `snapshot`.
    """

    def __init__(self) -> None:
        self._offset_us: int | None = None

    def see(self, time_s: float, now_us: int) -> bool:
        """A frame of a time came at a moment; whether the wall clock has been set since the last one.

        Args:
            time_s: Its time in seconds of the stream.
            now_us: Microseconds since 1970-01-01 UTC.
        """
        offset_us = now_us - round(time_s * 1e6)
        if self._offset_us is None or abs(offset_us - self._offset_us) > _SET_US:
            jumped, self._offset_us = self._offset_us is not None, offset_us
            return jumped
        return False

    def snapshot(self) -> "WallTime":
        """A mapping that stays as this one is now."""
        fixed = WallTime()
        fixed._offset_us = self._offset_us
        return fixed

    def __call__(self, time_s: float) -> int:
        """The moment of a time of the stream; 1970 before the first frame."""
        return round(time_s * 1e6) + (self._offset_us or 0)
