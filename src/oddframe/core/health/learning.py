"""What is usual for a camera, learned from its normal footage, and which of that footage is itself bad.

Nothing here is set by hand where the footage can tell: how still it can be, how far its light,
crowds and focus carry the measures. Footage that lies beyond fixed bounds is bad only where it is a
small part: what is seen often is usual.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt

from oddframe._types import Pixels
from oddframe.core.health.measures import (
    BRIDGED,
    Average,
    Measures,
    SceneModel,
    StillRun,
    change,
    grey,
)
from oddframe.core.health.monitor import CHECK_S, NO_DETAIL, HealthReference

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
"""Part of the least usual brightness, and of the least usual contrast, below which a picture is black."""
BLURRED = 0.7
"""Part of the least usual sharpness below which a picture is out of focus."""
JUMP = 25.0
"""Mean change in grey levels, at least, at which the picture has changed as a whole."""
MARGIN_S = 3.0
"""Left out on both sides of bad footage: the running mean is slow to tell."""
TAIL = 0.005
"""Share of the usual footage beyond the ends of its ranges."""


@dataclass(frozen=True, slots=True)
class BadFrames:
    """Frames at positions begin to end - 1 of the footage that are no example of what the camera sees.

    Attributes:
        begin: Position of the first.
        end: Position after the last.
        fault: What is wrong with them.
    """

    begin: int
    end: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class _Check:
    """Measures of the frames from begin to end - 1, which lie in the stretch from first to last."""

    begin: int
    end: int
    first: int
    last: int
    measures: Measures


def learn_health(
    sample: Pixels, stretches: Iterable[tuple[int, Iterable[Pixels]]], rate_fps: float
) -> tuple[HealthReference, tuple[BadFrames, ...]]:
    """Learn what is usual, and find what is bad, in one pass over footage of one camera.

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
    scene_picture = np.median(np.stack([grey(frame) for frame in sample]), axis=0).astype(np.uint8)
    scene = SceneModel(scene_picture)
    checks: list[_Check] = []
    changes: list[npt.NDArray[np.float64]] = []
    starts: list[int] = []
    distances: list[float] = []
    for start, frames in stretches:
        found = _HealthyRun(scene, rate_fps)
        found.go_over(frames)
        end = start + len(found.distances)
        checks += [
            _Check(start + a, start + b, start, end, measures) for a, b, measures in found.checks
        ]
        distances += found.distances
        changes.append(np.array(found.changes))
        starts.append(start)
    still_change = _still_change(np.concatenate([np.zeros(0), *changes]))
    count = sum(len(one) + 1 for one in changes)
    frozen_after_s, frozen = _freezes(starts, changes, still_change, rate_fps, count)
    covered = _unusual(_is_covered(checks))
    blurred = _unusual(_is_blurred(checks) & ~covered)
    margin = round(MARGIN_S * rate_fps)
    hidden = [
        *_spans(checks, covered, "covered", margin),
        *_spans(checks, blurred, "out of focus", margin),
    ]
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


class _HealthyRun:
    """What is seen in one unbroken run of frames."""

    def __init__(self, scene: SceneModel, rate_fps: float) -> None:
        self.checks: list[tuple[int, int, Measures]] = []
        self.changes: list[float] = []
        self.distances: list[float] = []
        self._scene, self._step_s = scene, 1.0 / rate_fps
        self._every = max(1, round(CHECK_S * rate_fps))

    def go_over(self, frames: Iterable[Pixels]) -> None:
        """Check the frames in order."""
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


def _still_change(changes: npt.NDArray[np.float64]) -> float:
    """Most change of a repeat: well below what the noise of the stillest usual frames makes of two of them."""
    moving = changes[changes > 0]
    return min(0.5, 0.25 * float(np.quantile(moving, 0.01))) if len(moving) else 0.0


def _freezes(
    starts: list[int],
    changes: list[npt.NDArray[np.float64]],
    still_change: float,
    rate_fps: float,
    count: int,
) -> tuple[float, list[BadFrames]]:
    """From how many seconds on repeated frames are a freeze, and those of the footage.

    Encoders repeat a still scene to the bit, and at night for long. Such runs come in all lengths;
    a freeze is far longer than the next shorter run.
    """
    runs = [
        (length_s, start + begin, start + end)
        for start, of_stretch in zip(starts, changes, strict=True)
        for begin, end, length_s in _runs(of_stretch, still_change, rate_fps)
    ]
    usual_s = 0.0
    freezes = []
    for length_s, begin, end in sorted(runs):
        if length_s <= max(FROZEN_S, STILLER * usual_s):
            usual_s = length_s
        else:
            freezes.append(BadFrames(begin, end, "frozen"))
    if sum(span.end - span.begin for span in freezes) > MINORITY * count:
        usual_s, freezes = max(length_s for length_s, _, _ in runs), []
    return max(FROZEN_S, STILLER * usual_s), freezes


def _runs(
    changes: npt.NDArray[np.float64], still_change: float, rate_fps: float
) -> Iterator[tuple[int, int, float]]:
    """Runs of repeats in a stretch: first frame, frame after the last, seconds."""
    run = StillRun(still_change)
    begin, length_s = 0, 0.0
    for number, changed in enumerate([*changes, *[math.inf] * (BRIDGED + 1)]):
        before_s, length_s = length_s, run.push(number / rate_fps, changed)
        if before_s > 0.0 and length_s == 0.0:
            yield begin, number, before_s
        if length_s == 0.0:
            begin = number


def _is_covered(checks: list[_Check]) -> npt.NDArray[np.bool_]:
    brightness, contrast, lost, detail, _, _ = _columns([check.measures for check in checks])
    if not checks:
        return np.zeros(0, dtype=np.bool_)
    dark = (brightness < DARK * np.median(brightness)) & (contrast < DARK * np.median(contrast))
    covered: npt.NDArray[np.bool_] = np.where(
        np.isnan(lost), dark, (lost >= MOST_LOST) & (detail < NO_DETAIL)
    )
    return covered


def _is_blurred(checks: list[_Check]) -> npt.NDArray[np.bool_]:
    sharpness = _columns([check.measures for check in checks])[4]
    known = sharpness[np.isfinite(sharpness)]
    blurred: npt.NDArray[np.bool_] = sharpness < BLURRED * (np.median(known) if len(known) else 0.0)
    return blurred


def _unusual(found: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """What was found, unless it makes up too much of the footage to be a fault."""
    return found if found.sum() <= MINORITY * len(found) else np.zeros_like(found)


def _spans(
    checks: list[_Check], bad: npt.NDArray[np.bool_], fault: Fault, margin: int
) -> Iterator[BadFrames]:
    """Frames of bad checks with a margin around them, joined where they meet."""
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
    """How far measures go in usual footage, with room to spare; a check whose range leaves no room is switched off."""
    brightness, contrast, lost, _, sharpness, shift_px = _columns(good)
    known_sharpness, known_shifts = (
        sharpness[np.isfinite(sharpness)],
        shift_px[np.isfinite(shift_px)],
    )
    shifts_tell = bool(len(good)) and len(known_shifts) >= 0.5 * len(good)
    usual_lost = lost[np.isfinite(lost)]
    return {
        "least_brightness": DARK * _low(brightness),
        "least_contrast": DARK * _low(contrast),
        "most_lost": min(1.0, max(MOST_LOST, _high(usual_lost) + 0.3)) if len(usual_lost) else 1.0,
        "least_sharpness": BLURRED * _low(known_sharpness),
        "most_shift_px": max(1.5, _high(known_shifts) + 1.0) if shifts_tell else math.inf,
    }


def _low(values: npt.NDArray[np.float64]) -> float:
    return max(0.0, float(np.quantile(values, TAIL))) if len(values) else 0.0


def _high(values: npt.NDArray[np.float64]) -> float:
    return float(np.quantile(values, 1 - TAIL)) if len(values) else 0.0


def _columns(measures: list[Measures]) -> npt.NDArray[np.float64]:
    """Measures as 6 x N, in the order of their fields."""
    rows = [[getattr(one, item.name) for item in fields(Measures)] for one in measures]
    return np.array(rows, dtype=np.float64).reshape(-1, len(fields(Measures))).T
