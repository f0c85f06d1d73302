"""Sliding clips x0..x4 over frames, never across a gap in time (method section 1).

Thinning frames to a rate by their times: causal, it only drops and never repeats.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from oddframe.core.records import FRAMES_PER_CLIP, Clip, Frame, FrameTiming
from oddframe.errors import SettingsError


def clip_span(interval: int) -> int:
    """How many consecutive frames a clip reaches over, both ends included: 4 * interval + 1."""
    return (FRAMES_PER_CLIP - 1) * interval + 1


def clips(frames: Iterable[Frame], interval: int, gap_s: float) -> Iterator[Clip]:
    """Yield every clip of five frames that lie `interval` frames apart.

    N unbroken frames give N - 4 * interval clips, and clip i ends on frame i + 4 * interval. Frames
    are passed on as they are; at most 4 * interval + 1 of them are held. Each is compared once,
    with the one before it, to tell which clips repeat the clip before them.

    Args:
        frames: Frames of one source in order of time.
        interval: Frames from one frame of a clip to the next, at least 1.
        gap_s: The longest time between two consecutive frames, in seconds, that does not break a
            clip. Time that does not increase and a changed source size break it too.

    Raises:
        SettingsError: If `interval` is less than 1.
    """
    slider = ClipWindow(interval, gap_s)
    return (clip for clip in map(slider.push, frames) if clip is not None)


class ClipWindow:
    """Takes frames one by one and says which clip ends on each; see `clips`.

    Args:
        interval: As in `clips`.
        gap_s: As in `clips`.
        lookahead: Frames from the one that a clip scores to its last.
    """

    def __init__(self, interval: int, gap_s: float, lookahead: int = 0) -> None:
        if interval < 1:
            raise SettingsError(f"interval must be at least 1 frame, got {interval}")
        self._interval = interval
        self._gap_s = gap_s
        self._scored = clip_span(interval) - 1 - lookahead
        self._held: deque[tuple[Frame, bool]] = deque(maxlen=clip_span(interval))

    def push(self, frame: Frame) -> Clip | None:
        """Take the next frame; returns the clip that ends on it, None where there are too few frames before it."""
        if self._held and not follows(self._held[-1][0], frame, self._gap_s):
            self._held.clear()
        same = bool(self._held) and np.array_equal(self._held[-1][0].pixels, frame.pixels)
        self._held.append((frame, same))
        if len(self._held) < clip_span(self._interval):
            return None
        chosen = tuple(islice(self._held, 0, None, self._interval))
        return Clip(tuple(one for one, _ in chosen), repeats=all(same for _, same in chosen))

    @property
    def scored(self) -> Frame:
        """The frame that the clip scores which the last `push` gave."""
        return self._held[self._scored][0]

    @property
    def awaited(self) -> Frame | None:
        """The oldest frame so far that a clip to come may score."""
        place = self._scored + (len(self._held) == self._held.maxlen)
        return self._held[place][0] if place < len(self._held) else None

    def clear(self) -> None:
        """Forget the frames so far: no clip reaches across this place."""
        self._held.clear()


def follows(before: Frame, frame: Frame, gap_s: float) -> bool:
    """Whether two consecutive frames belong to one unbroken stretch."""
    # Written so that a time which is not a number breaks the stretch.
    return 0 < frame.time_s - before.time_s <= gap_s and frame.source_size == before.source_size


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
        # Nearest, guessing that the next frame is as far as the last one was: with plain rounding
        # every whole ratio of rates that is even (20 to 10 per second) would put each second frame
        # exactly on the fence.
        slack = min(step_s * self._rate_fps, 1) / 2
        point = math.floor((time_s - self._start_s) * self._rate_fps + slack)
        if point <= self._kept:
            return False
        self._kept = point
        return True
