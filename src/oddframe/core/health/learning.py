"""Learn from normal footage what is usual for a camera, and which of the footage is itself bad.

Nothing here is set by hand where the footage can tell: how still it can be, and how much its light,
crowds and focus change the measures. Footage that lies beyond fixed bounds is bad only where it is
a small part: what is seen often is usual.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from oddframe._types import BoolMask, Float64, Pixels
from oddframe.core.health.measures import Average, Measures, SceneModel, grey
from oddframe.core.health.monitor import CHECK_S, NO_DETAIL, HealthReference
from oddframe.core.health.stillness import BRIDGED, MOST_STILL, Change, StillRun, change

Fault = Literal["frozen", "covered", "out of focus"]

MINORITY = 0.2
"""What makes up more of the footage than this share is usual, whatever it is."""
FROZEN_S = 10.0
"""The shortest run of repeated frames that can be a freeze, in seconds."""
STILLER = 3.0
"""A freeze lasts this many times longer than the longest usual run of repeated frames."""
MOST_LOST = 0.5
"""Share of the scene's tiles that must be lost, at least, to be covered or moved."""
DARK = 0.3
"""A picture is black below this part of the least usual brightness and of the least contrast."""
BLURRED = 0.7
"""Part of the least usual sharpness below which a picture is out of focus."""
JUMP = 25.0
"""Mean change in grey levels, at least, at which the picture has changed as a whole."""
MARGIN_S = 3.0
"""Seconds left out on both sides of bad footage, since the running mean reacts late."""
TAIL = 0.005
"""Share of the usual footage beyond the ends of its ranges."""


@dataclass(frozen=True, slots=True)
class BadFrames:
    """Frames of the footage that are no example of what the camera sees.

    Attributes:
        begin: Position of the first in the footage.
        end: Position after the last.
        fault: What is wrong with them.
    """

    begin: int
    end: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class _Check:
    """What was measured on the frames from begin to end - 1, in a run from first to last - 1."""

    begin: int
    end: int
    first: int
    last: int
    measures: Measures


def learn_health(
    sample: Pixels, stretches: Iterable[tuple[int, Iterable[Pixels]]], rate_fps: float
) -> tuple[HealthReference, tuple[BadFrames, ...]]:
    """Learn what is usual for one camera, and find what is bad, in one pass over its footage.

    Args:
        sample: Frames evenly over the footage, uint8 N x H x W x C; their median is the empty
            scene.
        stretches: Unbroken runs of frames: position of the first in the footage, and the frames,
            uint8 H x W x C.
        rate_fps: Frames per second.

    Returns:
        The reference, and bad frames in order, a range for each; ranges of one fault neither touch
        nor overlap.
    """
    # The median over time removes whoever walks through, since no place is taken most of the time.
    scene_picture = np.median(np.stack([grey(frame) for frame in sample]), axis=0).astype(np.uint8)
    scene = SceneModel(scene_picture)
    checks: list[_Check] = []
    changes: list[list[Change]] = []
    starts: list[int] = []
    distances: list[float] = []
    for start, frames in stretches:
        run = _MeasuredRun(scene, rate_fps)
        run.measure(frames)
        end = start + len(run.distances)
        checks += [
            _Check(start + first, start + after, start, end, measures)
            for first, after, measures in run.checks
        ]
        distances += run.distances
        changes.append(run.changes)
        starts.append(start)
    still_change = _still_change(
        np.array([changed.whole for of_run in changes for changed in of_run])
    )
    # A run of N frames has N - 1 changes.
    count = sum(len(of_run) + 1 for of_run in changes)
    frozen_after_s, frozen = _freezes(starts, changes, still_change, rate_fps, count)
    covered = _unusual(_is_covered(checks))
    # What is covered is soft too; it counts once, as covered.
    blurred = _unusual(_is_blurred(checks) & ~covered)
    margin = round(MARGIN_S * rate_fps)
    hidden = [
        *_spans(checks, covered, "covered", margin),
        *_spans(checks, blurred, "out of focus", margin),
    ]
    # Freezes stay in: a frozen picture shows the scene as it usually looks.
    good = [
        check.measures
        for check in checks
        if not any(span.begin < check.end and check.begin < span.end for span in hidden)
    ]
    reference = HealthReference(
        scene=scene_picture,
        still_change=still_change,
        frozen_after_s=frozen_after_s,
        jump=max(JUMP, 2.0 * float(np.quantile(distances, 0.99)) if distances else 0.0),
        **_limits(good),
    )
    return reference, tuple(sorted([*frozen, *hidden], key=lambda span: (span.begin, span.end)))


class _MeasuredRun:
    """The measures of one unbroken run of frames.

    Attributes:
        checks: First frame, frame after the last, and what was measured on them.
        changes: The change from each frame to the next.
        distances: The distance of each frame from the running mean, in grey levels.
    """

    def __init__(self, scene: SceneModel, rate_fps: float) -> None:
        self.checks: list[tuple[int, int, Measures]] = []
        self.changes: list[Change] = []
        self.distances: list[float] = []
        self._scene, self._step_s = scene, 1.0 / rate_fps
        self._every = max(1, round(CHECK_S * rate_fps))

    def measure(self, frames: Iterable[Pixels]) -> None:
        """Take the frames in order, with a check every `CHECK_S`, as `HealthMonitor` does."""
        average = Average(JUMP)
        before: Pixels | None = None
        checked = 0
        for position, pixels in enumerate(frames):
            picture = grey(pixels)
            if before is not None:
                self.changes.append(change(before, picture))
            before = picture
            self.distances.append(average.add(picture, self._step_s))
            if position + 1 - checked >= self._every and average.picture is not None:
                self.checks.append((checked, position + 1, self._scene.measure(average.picture)))
                checked = position + 1


def _still_change(changes: Float64) -> float:
    """Give the most change of a repeat, in grey levels.

    It lies well below what noise alone makes of two frames that are usually the stillest.
    """
    moving = changes[changes > 0]
    return min(MOST_STILL, 0.25 * float(np.quantile(moving, 0.01))) if len(moving) else 0.0


def _freezes(
    starts: list[int],
    changes: list[list[Change]],
    still_change: float,
    rate_fps: float,
    count: int,
) -> tuple[float, list[BadFrames]]:
    """Find from how many seconds on repeated frames are a freeze, and the freezes of the footage.

    Encoders repeat a still scene to the bit, and at night for long. Such runs come in all lengths;
    a freeze is far longer than the next shorter run.
    """
    runs = [
        (length_s, start + begin, start + end)
        for start, of_run in zip(starts, changes, strict=True)
        for begin, end, length_s in _repeats(of_run, still_change, rate_fps)
    ]
    usual_s = 0.0
    freezes = []
    for length_s, begin, end in sorted(runs):
        if length_s <= max(FROZEN_S, STILLER * usual_s):
            usual_s = length_s
        else:
            freezes.append(BadFrames(begin, end, "frozen"))
    # What makes up so much of the footage is how this camera is.
    if sum(span.end - span.begin for span in freezes) > MINORITY * count:
        usual_s, freezes = max(length_s for length_s, _, _ in runs), []
    return max(FROZEN_S, STILLER * usual_s), freezes


def _repeats(
    changes: list[Change], still_change: float, rate_fps: float
) -> Iterator[tuple[int, int, float]]:
    """Yield the runs of repeats: first frame, frame after the last, length in seconds."""
    run = StillRun(still_change)
    begin, length_s = 0, 0.0
    # Infinite changes at the end, more than a run bridges, close a run that lasts to the end.
    last = [Change(math.inf, math.inf)] * (BRIDGED + 1)
    for number, changed in enumerate([*changes, *last]):
        before_s, length_s = length_s, run.push(number / rate_fps, changed)
        if before_s > 0.0 and length_s == 0.0:
            yield begin, number, before_s
        if length_s == 0.0:
            begin = number


def _is_covered(checks: list[_Check]) -> BoolMask:
    """Mark the checks in which the picture is covered or black."""
    brightness, contrast, lost, detail, _, _ = _columns([check.measures for check in checks])
    if not checks:
        return np.zeros(0, dtype=np.bool_)
    # Where the scene has no structure that could be lost, darkness has to tell.
    dark = (brightness < DARK * np.median(brightness)) & (contrast < DARK * np.median(contrast))
    covered: BoolMask = np.where(np.isnan(lost), dark, (lost >= MOST_LOST) & (detail < NO_DETAIL))
    return covered


def _is_blurred(checks: list[_Check]) -> BoolMask:
    """Mark the checks in which the picture is out of focus; NaN is not."""
    sharpness = _columns([check.measures for check in checks])[4]
    known = sharpness[np.isfinite(sharpness)]
    blurred: BoolMask = sharpness < BLURRED * (np.median(known) if len(known) else 0.0)
    return blurred


def _unusual(found: BoolMask) -> BoolMask:
    """Return what was found, or nothing if it makes up too much of the footage to be a fault."""
    return found if found.sum() <= MINORITY * len(found) else np.zeros_like(found)


def _spans(checks: list[_Check], bad: BoolMask, fault: Fault, margin: int) -> Iterator[BadFrames]:
    """Yield the frames of bad checks with a margin around them, joined where they meet."""
    span: BadFrames | None = None
    for number in np.flatnonzero(bad):
        check = checks[number]
        begin, end = max(check.first, check.begin - margin), min(check.last, check.end + margin)
        if span is not None and begin <= span.end:
            span = BadFrames(span.begin, end, fault)
            continue
        if span is not None:
            yield span
        span = BadFrames(begin, end, fault)
    if span is not None:
        yield span


def _limits(good: list[Measures]) -> dict[str, float]:
    """Give the limits of `HealthReference`: the range of usual footage, with room to spare.

    A check whose range leaves no room is switched off.
    """
    brightness, contrast, lost, _, sharpness, shift_px = _columns(good)
    known_sharpness = sharpness[np.isfinite(sharpness)]
    known_shifts = shift_px[np.isfinite(shift_px)]
    # A shift that most checks cannot measure says nothing when it is measured for once.
    shifts_tell = bool(len(good)) and len(known_shifts) >= 0.5 * len(good)
    usual_lost = lost[np.isfinite(lost)]
    return {
        "least_brightness": DARK * _low(brightness),
        "least_contrast": DARK * _low(contrast),
        "most_lost": min(1.0, max(MOST_LOST, _high(usual_lost) + 0.3)) if len(usual_lost) else 1.0,
        "least_sharpness": BLURRED * _low(known_sharpness),
        "most_shift_px": max(1.5, _high(known_shifts) + 1.0) if shifts_tell else math.inf,
    }


def _low(values: Float64) -> float:
    """Give the lower end of the usual range, at least 0."""
    return max(0.0, float(np.quantile(values, TAIL))) if len(values) else 0.0


def _high(values: Float64) -> float:
    """Give the upper end of the usual range; 0 where there are no values."""
    return float(np.quantile(values, 1 - TAIL)) if len(values) else 0.0


def _columns(measures: list[Measures]) -> Float64:
    """Put N measures into an array, 6 x N, in the order of their fields."""
    names = [item.name for item in fields(Measures)]
    rows = [[getattr(measured, name) for name in names] for measured in measures]
    # Without measures the array must still have six rows to unpack.
    return np.array(rows, dtype=np.float64).reshape(-1, len(names)).T
