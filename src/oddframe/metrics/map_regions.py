"""RBDC and TBDC of anomaly maps, in one pass and fixed memory; `region` says what they are.

At a threshold the connected parts (8 neighbours) of a map that reach it are the detections. The thresholds are fixed
levels, sixteen for each factor of two (`levels`): a map's values are compared with a threshold by their levels,
so values less than 6.25 % apart may count as equal.

Counts only grow, so a threshold that has more false positives than there will be frames lies beyond 1 per frame
for good: the sweep ends there, and the frames that follow are looked at down to that level only.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from oddframe.errors import InputError
from oddframe.metrics.levels import level_numbers
from oddframe.metrics.region import MIN_IOU, RegionResult, Tally, TrueRegion, label_parts

__all__ = ["MapRegionMetrics"]

_KEPT_BITS = 13
_LEVELS = 1 << _KEPT_BITS


class MapRegionMetrics:
    """Collects anomaly maps and true regions frame by frame.

    Args:
        frames: The most frames that will come.
    """

    def __init__(self, frames: int) -> None:
        self._most_frames = frames
        self._tally = Tally(_LEVELS)
        self._end = _LEVELS  # steps from here on are beyond 1 false positive per frame for good

    def add(self, anomaly_map: npt.ArrayLike, truth: Sequence[TrueRegion]) -> None:
        """Count one scored frame.

        Args:
            anomaly_map: H x W, higher = more anomalous; taken as float32.
            truth: The true regions of the frame, at the map's size; empty if it is normal.

        Raises:
            InputError: The map is not H x W, or not finite; a region lies outside; or more frames come than said.
        """
        values = np.asarray(anomaly_map, dtype=np.float32)
        if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
            raise InputError(f"an anomaly map must be H x W and finite, got shape {values.shape}")
        if self._tally.frames == self._most_frames:
            raise InputError(f"at most {self._most_frames} frames were said to come, got one more")
        for true in truth:
            _check_inside(true, values.shape)
        self._tally.frames += 1
        found = [self._tally.regions_of(true.track) for true in truth]
        # Thresholds fall from step 0: a step is a level counted from the top.
        steps = (_LEVELS - 1) - level_numbers(values, _KEPT_BITS)
        used = np.flatnonzero(np.bincount(steps.ravel(), minlength=_LEVELS)[: self._end])
        # Between two steps with pixels on them nothing changes.
        for first, last in pairwise([*used.tolist(), self._end]):
            hits, false_positives = _outcome(steps <= first, truth)
            for counts, hit in zip(found, hits, strict=True):
                counts[first:last] += hit
            self._tally.false_positives[first:last] += false_positives
        beyond = np.flatnonzero(self._tally.false_positives[: self._end] > self._most_frames)
        if beyond.size:
            self._end = int(beyond[0]) + 1

    def join(self, kept: str, gone: str) -> None:
        """Two tracks turn out to be one."""
        self._tally.join(kept, gone)

    def result(self) -> RegionResult:
        """The criteria over all frames counted so far."""
        return self._tally.result()


def _outcome(detected: npt.NDArray[np.bool_], truth: Sequence[TrueRegion]) -> tuple[list[bool], int]:
    """Which true regions are found, and how many detected parts find none."""
    numbers, parts = label_parts(detected)
    if not truth or not parts:
        return [False] * len(truth), parts
    areas = np.bincount(numbers.ravel(), minlength=parts + 1)
    useful = np.zeros(parts + 1, dtype=bool)
    hits = []
    for true in truth:
        region = true.region
        height, width = region.pixels.shape
        under = numbers[region.top : region.top + height, region.left : region.left + width][region.pixels]
        shared = np.bincount(under, minlength=parts + 1)
        overlaps = shared / (areas + under.size - shared) >= MIN_IOU
        overlaps[0] = False  # what was not detected
        hits.append(bool(overlaps.any()))
        useful |= overlaps
    return hits, parts - int(useful.sum())


def _check_inside(true: TrueRegion, size: tuple[int, ...]) -> None:
    region = true.region
    bottom, right = region.top + region.pixels.shape[0], region.left + region.pixels.shape[1]
    if region.top < 0 or region.left < 0 or bottom > size[0] or right > size[1]:
        raise InputError(
            f"track {true.track}: a true region must lie within the {size[1]} x {size[0]} frame, "
            f"got x {region.left} to {right} and y {region.top} to {bottom}"
        )
