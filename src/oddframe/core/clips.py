"""Sliding clips x0..x4 over frames, never across a gap in time (method section 1)."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from oddframe.core.records import FRAMES_PER_CLIP, Clip, Frame
from oddframe.errors import SettingsError

__all__ = ["clip_span", "clips", "follows"]


def clip_span(interval: int) -> int:
    """How many consecutive frames a clip reaches over, both ends included: 4 * interval + 1."""
    return (FRAMES_PER_CLIP - 1) * interval + 1


def clips(frames: Iterable[Frame], interval: int, gap_s: float) -> Iterator[Clip]:
    """Yield every clip of five frames that lie `interval` frames apart.

    N unbroken frames give N - 4 * interval clips, and clip i ends on frame i + 4 * interval. Frames are
    passed on as they are; at most 4 * interval + 1 of them are held. Each is compared once, with the one before it,
    to tell which clips repeat the clip before them.

    Args:
        frames: Frames of one source in order of time.
        interval: Frames from one frame of a clip to the next, at least 1.
        gap_s: The longest time between two consecutive frames, in seconds, that does not break a clip. Time
            that does not increase and a changed source size break it too.

    Raises:
        SettingsError: If `interval` is less than 1.
    """
    slider = ClipSlider(interval, gap_s)
    return (clip for clip in map(slider.push, frames) if clip is not None)


class ClipSlider:
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
