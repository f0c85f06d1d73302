"""From frames to clips: thin a source to the model's rate, and slide a window of five over it.

Both are causal: what they give for a frame depends on no later frame. No clip reaches across a gap
in time (method section 1).
"""

import math
from collections import deque
from itertools import islice
from statistics import fmean, median

import numpy as np

from oddframe.core.records import FRAMES_PER_CLIP, Clip, Frame, FrameTiming
from oddframe.errors import SettingsError

RATE_TOLERANCE = 0.05
"""Rates that differ by no more than this share count as the same rate."""

_OTHER_SHAPE = 1.15
"""Pictures this many times wider or narrower than those of the training are named.

Streams that do not state the shape of their pixels are off by less, as 352 x 288 for 4:3.
"""

_STEPS = 8
"""Steps from frame to frame that tell a source's rate."""

_DEVIATION = 1.25
"""How far the rate that is believed may be from what those steps say, as a factor."""

_SLOW_S, _ALL_SLOW = 5.0, 0.9
"""A part of a source that is slower than wanted is named from this length on, in seconds; from this
share of the source on, all of it is."""


def clip_span(interval: int) -> int:
    """Count the consecutive frames from a clip's first to its last, both included."""
    return (FRAMES_PER_CLIP - 1) * interval + 1


class ClipWindow:
    """Takes the frames of one source one by one and gives the clip that ends on each.

    N unbroken frames give N - 4 * interval clips, and clip i ends on frame i + 4 * interval. Frames
    are passed on as they are; at most 4 * interval + 1 of them are held. Each is compared once,
    with the one before it, to tell which clips repeat the clip before them.

    Args:
        interval: Frames from one frame of a clip to the next, at least 1.
        gap_s: The first value of the attribute.
        lookahead: Frames from the one that a clip scores to its last.

    Attributes:
        gap_s: The longest time between two consecutive frames, in seconds, that does not break a
            clip. Time that does not increase and a changed source size break it too.
        run: Number of the unbroken run of frames that the last one belongs to; it only grows.

    Raises:
        SettingsError: If `interval` is less than 1.
    """

    def __init__(self, interval: int, gap_s: float, lookahead: int = 0) -> None:
        if interval < 1:
            raise SettingsError(f"interval must be at least 1 frame, got {interval}")
        self._interval = interval
        self.gap_s = gap_s
        self.run = 0
        self._scored = clip_span(interval) - 1 - lookahead
        # Each frame with whether its pixels are those of the frame before it.
        self._held: deque[tuple[Frame, bool]] = deque(maxlen=clip_span(interval))

    def push(self, frame: Frame) -> Clip | None:
        """Take the next frame.

        Returns:
            The clip that ends on it; None where too few unbroken frames lie before it.
        """
        if self._held and not follows(self._held[-1][0], frame, self.gap_s):
            self.clear()
        # The first frame after a gap repeats nothing: the clip before it belongs to another run.
        same = bool(self._held) and np.array_equal(self._held[-1][0].pixels, frame.pixels)
        self._held.append((frame, same))
        if len(self._held) < clip_span(self._interval):
            return None
        chosen = tuple(islice(self._held, 0, None, self._interval))
        # With an interval above 1 the clip before consists of other frames. Each frame of a clip
        # is compared with its own predecessor, so this holds for every interval.
        repeats = all(same for _, same in chosen)
        return Clip(tuple(held for held, _ in chosen), repeats=repeats)

    @property
    def scored(self) -> Frame:
        """The frame that the clip scores which the last `push` gave."""
        return self._held[self._scored][0]

    @property
    def awaited(self) -> Frame | None:
        """The oldest frame so far that a clip to come may score."""
        # A full window has just scored its frame, so the next clip scores the one after it.
        place = self._scored + (len(self._held) == self._held.maxlen)
        return self._held[place][0] if place < len(self._held) else None

    def clear(self) -> None:
        """Forget the frames so far: no clip reaches across this place."""
        self._held.clear()
        self.run += 1


def follows(before: Frame, frame: Frame, gap_s: float) -> bool:
    """Say whether two consecutive frames belong to one unbroken run."""
    # Written so that a time which is not a number breaks the run.
    return 0 < frame.time_s - before.time_s <= gap_s and frame.source_size == before.source_size


def thins(source_fps: float, rate_fps: float) -> bool:
    """Say whether a source of `source_fps` has frames to drop to arrive at `rate_fps`."""
    return source_fps > rate_fps * (1 + RATE_TOLERANCE)


def rate_notice(source_fps: float, rate_fps: float) -> str | None:
    """Write a notice about a source that is slower than the wanted rate; None for all others."""
    if source_fps >= rate_fps * (1 - RATE_TOLERANCE):
        return None
    return _slow_text(source_fps, rate_fps, "", "every frame is used")


def _slow_text(source_fps: float, wanted_fps: float, part: str, used: str) -> str:
    if source_fps > 1 + RATE_TOLERANCE:
        rates = f"{source_fps:.3g} frames per second{part} where {wanted_fps:.3g} are wanted"
    else:
        period_s = round(1 / source_fps, 1)
        rates = f"a frame every {period_s:g} s{part} where {wanted_fps:.3g} per second are wanted"
    return f"has {rates}: {used} and movement will look faster than it is"


def shape_notice(frame: Frame, trained_aspect: float | None) -> str | None:
    """Write a notice about pictures of another shape than in the training; None for all others.

    Args:
        frame: A frame of the source.
        trained_aspect: Width by height of the pictures of the training, as players show them; None
            where it is not known.
    """
    width, height = frame.shown_size
    if trained_aspect is None or 1 / _OTHER_SHAPE < width / height / trained_aspect < _OTHER_SHAPE:
        return None
    return (
        f"its pictures are {width / height:.2f} times as wide as high, those of the training were "
        f"{trained_aspect:.2f} times: the model sees things wider or narrower than they were, or "
        "another part of the scene; set the camera as it was, or train anew"
    )


def sampled_gap_s(source: FrameTiming, rate_fps: float) -> float:
    """Give the gap, in seconds, that breaks clips after `Sampler`."""
    if not thins(source.rate_fps, rate_fps):
        return source.gap_s
    # Frames that are kept lie up to one period of each rate apart; a tenth more is for rounding.
    return max(source.gap_s, 1.1 * (1 / rate_fps + 1 / source.rate_fps))


class RateFollower:
    """Follows how fast the frames of one source come, from their times.

    What a source states is a claim, and its latest frames are evidence. The rate is believed until
    the steps between the last few frames say otherwise by more than a quarter: in their median,
    which a gap does not move, and in their mean, which frames that come in bursts do not move.

    Args:
        wanted_fps: The rate that the frames are wanted at, in frames per second, above 0.
        source: The timing that the source states.

    Attributes:
        timing: The timing that is believed now.
    """

    def __init__(self, wanted_fps: float, source: FrameTiming) -> None:
        self.timing = source
        self._wanted_fps, self._stated = wanted_fps, source
        self._steps: deque[float] = deque(maxlen=_STEPS)
        self._before_s = math.nan
        self._passed_s = self._slow_s = 0.0
        self._slow_frames = 0

    @property
    def is_slow(self) -> bool:
        """Whether frames come more slowly than they are wanted."""
        return self.timing.rate_fps < self._wanted_fps * (1 - RATE_TOLERANCE)

    def see(self, time_s: float) -> bool:
        """Take the time of the next frame; returns whether the timing is another one from now on.

        Args:
            time_s: The time in seconds. One that lies back tells nothing.
        """
        step_s, self._before_s = time_s - self._before_s, time_s
        # False for the first frame too: a comparison with NaN is false.
        if not step_s > 0:
            return False
        changed = self._learn(step_s)
        if step_s <= self.timing.gap_s:
            self._passed_s += step_s
            if self.is_slow:
                self._slow_s += step_s
                self._slow_frames += 1
        return changed

    def notice(self) -> str | None:
        """Write a notice about what was slower than wanted; None where nothing much was."""
        all_slow = self._slow_s >= _ALL_SLOW * self._passed_s
        if not self._slow_s or (self._slow_s < _SLOW_S and not all_slow):
            return None
        rate_fps = self._slow_frames / self._slow_s
        if all_slow:
            return rate_notice(rate_fps, self._wanted_fps)
        part = f" in {self._slow_s:.0f} of its {self._passed_s:.0f} s"
        return _slow_text(rate_fps, self._wanted_fps, part, "every frame is used there")

    def _learn(self, step_s: float) -> bool:
        """Compare what is believed with the last steps."""
        self._steps.append(step_s)
        if len(self._steps) < _STEPS:
            return False
        steps = sorted(self._steps)
        middle_s, period_s = median(steps), 1 / self.timing.rate_fps
        # What is nearer to the belief is believed next: in a change the last steps are mixed. Of a
        # mean that is longer, the longest step does not count, which may be a gap.
        slower_s, faster_s = min(middle_s, fmean(steps[:-1])), max(middle_s, fmean(steps))
        if slower_s > period_s * _DEVIATION:
            self.timing = self._stated.at(1 / slower_s)
        elif faster_s < period_s / _DEVIATION:
            self.timing = self._stated.at(1 / faster_s)
        else:
            return False
        return True


class Sampler:
    """Keeps the frames that lie nearest to a grid of `rate_fps` points per second.

    While frames come at a rate that is at most 5 % above `rate_fps`, or below it, every frame is
    kept. After a gap, and when time goes backwards, the grid starts afresh on the frame that
    follows.

    Args:
        rate_fps: Frames per second wanted, above 0; infinite to keep every frame whatever the
            source's rate.
        source: The timing that the source states; how its frames really come is followed.

    Attributes:
        rates: Follows the source's rate.
        thins: Whether frames are dropped now, since they come faster than wanted.
        gap_s: The gap, in seconds, that breaks clips of what is kept now.

    Raises:
        SettingsError: If `rate_fps` is not above 0.
    """

    def __init__(self, rate_fps: float, source: FrameTiming) -> None:
        if not rate_fps > 0:
            raise SettingsError(f"rate_fps must be above 0, got {rate_fps}")
        self.rates = RateFollower(rate_fps, source)
        self._rate_fps = rate_fps
        self.thins, self.gap_s = thins(source.rate_fps, rate_fps), sampled_gap_s(source, rate_fps)
        self._start_s = self._before_s = math.nan
        self._kept = 0

    def keeps(self, frame: Frame) -> bool:
        """Say whether to keep the next frame."""
        return self.keeps_at(frame.time_s)

    def keeps_at(self, time_s: float) -> bool:
        """Say whether to keep the next frame, whose time is `time_s`."""
        if self.rates.see(time_s):
            self._adopt(self.rates.timing)
        if not self.thins:
            return True
        step_s = time_s - self._before_s
        self._before_s = time_s
        # True for the first frame too: a comparison with NaN is false.
        if not 0 <= step_s <= self.rates.timing.gap_s:
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

    def _adopt(self, timing: FrameTiming) -> None:
        thinned, self.thins = self.thins, thins(timing.rate_fps, self._rate_fps)
        self.gap_s = sampled_gap_s(timing, self._rate_fps)
        if self.thins and not thinned:
            self._before_s = math.nan
