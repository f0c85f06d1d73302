"""Thinning frames to a rate by their times: causal, it only drops and never repeats."""

import math
from collections.abc import Iterable, Iterator

from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import SettingsError

__all__ = ["RATE_TOLERANCE", "Sampler", "rate_notice", "sample", "sampled_gap_s", "thins"]

RATE_TOLERANCE = 0.05
"""Rates that differ by no more than this share count as the same rate."""


def thins(source_fps: float, rate_fps: float) -> bool:
    """Whether a source of `source_fps` has frames to drop to arrive at `rate_fps`."""
    return source_fps > rate_fps * (1 + RATE_TOLERANCE)


def rate_notice(source_fps: float, rate_fps: float) -> str | None:
    """What to tell of a source that is slower than the wanted rate; None where there is nothing to tell."""
    if source_fps >= rate_fps * (1 - RATE_TOLERANCE):
        return None
    return (
        f"has {source_fps:.3g} frames per second where {rate_fps:.3g} are wanted: "
        "every frame is used and movement will look faster than it is"
    )


def sampled_gap_s(source: FrameTiming, rate_fps: float) -> float:
    """Give the gap that breaks clips after `sample`.

    Frames that are kept lie up to one period of each rate apart.
    """
    if not thins(source.rate_fps, rate_fps):
        return source.gap_s
    return max(source.gap_s, 1.1 * (1 / rate_fps + 1 / source.rate_fps))


def sample(frames: Iterable[Frame], rate_fps: float, source: FrameTiming) -> Iterator[Frame]:
    """Keep the frames that lie nearest to a grid of `rate_fps` points per second.

    Args:
        frames: Frames of one source in order of time.
        rate_fps: Frames per second wanted, above 0.
        source: The timing of the frames. Where its rate is at most 5 % above `rate_fps`, or below
            it, every frame is kept. After a gap, and when time goes backwards, the grid starts
            afresh on the frame that follows.

    Raises:
        SettingsError: If `rate_fps` is not above 0.
    """
    sampler = Sampler(rate_fps, source)
    return (frame for frame in frames if sampler.keeps(frame))


class Sampler:
    """Takes frames one by one and says which to keep; see `sample`."""

    def __init__(self, rate_fps: float, source: FrameTiming) -> None:
        if not rate_fps > 0:
            raise SettingsError(f"rate_fps must be above 0, got {rate_fps}")
        self._keeps_all = not thins(source.rate_fps, rate_fps)
        self._rate_fps, self._gap_s = rate_fps, source.gap_s
        self._start_s = self._before_s = math.nan
        self._kept = 0

    def keeps(self, frame: Frame) -> bool:
        """Whether to keep the next frame."""
        return self.keeps_at(frame.time_s)

    def keeps_at(self, time_s: float) -> bool:
        """Whether to keep the next frame, whose time is `time_s`."""
        if self._keeps_all:
            return True
        step_s = time_s - self._before_s
        self._before_s = time_s
        if not 0 <= step_s <= self._gap_s:
            self._start_s, self._kept = time_s, 0
            return True
        # Nearest, guessing that the next frame is as far as the last one was: with plain rounding every whole
        # ratio of rates that is even (20 to 10 per second) would put each second frame exactly on the fence.
        slack = min(step_s * self._rate_fps, 1) / 2
        point = math.floor((time_s - self._start_s) * self._rate_fps + slack)
        if point <= self._kept:
            return False
        self._kept = point
        return True
