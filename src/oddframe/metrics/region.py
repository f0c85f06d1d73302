"""Region- and track-based detection criteria, RBDC and TBDC (method section 9, rule 5).

After Ramachandra & Jones, "Street Scene" (WACV 2020). A true region is found if a detected region of its frame
overlaps it with IoU >= 0.1; a track is found if at least 10 % of its regions are; a detected region that
overlaps no true region that much is a false positive. Both criteria are the area under (rate of found regions or
tracks) over (false positives per frame) from 0 to 1, with one global threshold.

The paper does not say how the curve is closed. Here it starts at (0, 0), is straight between thresholds, and
stays level from its last point to 1 false positive per frame: a detector that never gets there is given nothing
that it did not find. The sweep goes down from the highest threshold and ends with the first one that has more than
1 false positive per frame.

`RegionMetrics` takes lists of scored detections, `map_regions.MapRegionMetrics` takes anomaly maps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from oddframe.errors import InputError

__all__ = [
    "MIN_IOU",
    "MIN_TRACK_SHARE",
    "Detection",
    "Region",
    "RegionMetrics",
    "RegionResult",
    "Tally",
    "TrueRegion",
    "label_parts",
    "overlap",
]

Mask: TypeAlias = npt.NDArray[np.bool_]

MIN_IOU = 0.1
"""Overlap from which a detected region counts as having found a true one."""

MIN_TRACK_SHARE = 0.1
"""Share of a track's regions that must be found for the track to count."""

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, slots=True)
class Region:
    """Some pixels of a frame.

    Attributes:
        top: First row.
        left: First column.
        pixels: Boolean h x w from there on; at least one is true.
    """

    top: int
    left: int
    pixels: Mask = field(repr=False)

    @classmethod
    def box(cls, x_min: float, y_min: float, x_max: float, y_max: float) -> "Region":
        """The pixels from x_min up to, not including, x_max, and so for y; rounded to whole pixels.

        Raises:
            InputError: No pixel lies inside.
        """
        left, top, right, bottom = (round(edge) for edge in (x_min, y_min, x_max, y_max))
        if right <= left or bottom <= top:
            raise InputError(f"a box must hold a pixel, got x {x_min} to {x_max} and y {y_min} to {y_max}")
        return cls(top, left, np.ones((bottom - top, right - left), dtype=bool))


@dataclass(frozen=True, slots=True)
class TrueRegion:
    """A true region and the track that it is part of; track names are unique over all videos."""

    track: str
    region: Region


@dataclass(frozen=True, slots=True)
class Detection:
    """A detected region with its score, higher = more anomalous."""

    score: float
    region: Region


@dataclass(frozen=True, slots=True)
class RegionResult:
    """RBDC and TBDC; a criterion is None where there is nothing to find (all frames normal, or no frame at all).

    Attributes:
        rbdc: Region-based detection criterion, 0 to 1.
        tbdc: Track-based detection criterion, 0 to 1.
        frames: Frames counted; true regions of frames without a score are not.
        regions: True regions in them.
        tracks: True tracks in them.
        false_positives_per_frame: One per threshold, thresholds falling; thresholds that tell nothing new are
            left out.
        regions_found: Share of the true regions, likewise.
        tracks_found: Share of the true tracks, likewise.
    """

    rbdc: float | None
    tbdc: float | None
    frames: int
    regions: int
    tracks: int
    false_positives_per_frame: tuple[float, ...]
    regions_found: tuple[float, ...]
    tracks_found: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, ready for `json.dumps`."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


class Tally:
    """What was found and what was not, at each threshold, thresholds falling from the first.

    Attributes:
        frames: Frames counted so far.
        false_positives: int64, one per threshold.
    """

    def __init__(self, thresholds: int) -> None:
        self.frames = 0
        self.false_positives = np.zeros(thresholds, dtype=np.int64)
        self._sizes: dict[str, int] = {}
        self._found: dict[str, npt.NDArray[np.int64]] = {}

    def regions_of(self, track: str) -> npt.NDArray[np.int64]:
        """Count one more region of a track; gives the found ones per threshold, to be added to."""
        self._sizes[track] = self._sizes.get(track, 0) + 1
        return self._found.setdefault(track, np.zeros_like(self.false_positives))

    def join(self, kept: str, gone: str) -> None:
        """Two tracks turn out to be one."""
        if gone in self._sizes:
            self._sizes[kept] = self._sizes.get(kept, 0) + self._sizes.pop(gone)
            self._found[kept] = self._found.get(kept, 0) + self._found.pop(gone)

    def result(self) -> RegionResult:
        """The criteria over all frames counted so far."""
        beyond = np.flatnonzero(self.false_positives > self.frames)
        steps = int(beyond[0]) + 1 if beyond.size else self.false_positives.size
        regions, tracks = sum(self._sizes.values()), len(self._sizes)
        counts = np.array(list(self._found.values()), dtype=np.int64)
        found = counts.reshape(tracks, self.false_positives.size)[:, :steps]
        sizes = np.array(list(self._sizes.values()), dtype=np.int64).reshape(tracks, 1)
        # In whole numbers of regions and less a rounding error, so that 1 region of 10 is 10 %.
        enough = found >= np.maximum(1, np.ceil(MIN_TRACK_SHARE * sizes - 1e-9))
        rate = self.false_positives[:steps] / max(self.frames, 1)
        points = np.stack((rate, found.sum(axis=0) / max(regions, 1), enough.sum(axis=0) / max(tracks, 1)), axis=1)
        new = np.concatenate(([True], (np.diff(points, axis=0) != 0).any(axis=1)))
        rate, region_rate, track_rate = points[new].T
        return RegionResult(
            rbdc=_area(rate, region_rate) if regions else None,
            tbdc=_area(rate, track_rate) if tracks else None,
            frames=self.frames,
            regions=regions,
            tracks=tracks,
            false_positives_per_frame=tuple(rate.tolist()),
            regions_found=tuple(region_rate.tolist()),
            tracks_found=tuple(track_rate.tolist()),
        )


class RegionMetrics:
    """Collects scored detections and true regions frame by frame, at thresholds fixed beforehand.

    Args:
        thresholds: A region is detected at or above a threshold; the distinct scores give the exact curve.
    """

    def __init__(self, thresholds: Iterable[float]) -> None:
        self._thresholds = sorted({float(threshold) for threshold in thresholds}, reverse=True)
        if not self._thresholds or not np.isfinite(self._thresholds).all():
            raise InputError("thresholds must be finite numbers, at least one")
        self._tally = Tally(len(self._thresholds))

    def add(self, detections: Sequence[Detection], truth: Sequence[TrueRegion]) -> None:
        """Count one frame.

        Args:
            detections: What was detected in it, at any threshold.
            truth: The true regions of the frame; empty if it is normal.
        """
        self._tally.frames += 1
        hits = np.array(
            [[overlap(true.region, one.region) >= MIN_IOU for one in detections] for true in truth], dtype=bool
        ).reshape(len(truth), len(detections))
        scores = np.array([one.score for one in detections])
        reached = scores >= np.array(self._thresholds)[:, None]
        for true, hit in zip(truth, hits, strict=True):
            self._tally.regions_of(true.track)[:] += (reached & hit).any(axis=1)
        self._tally.false_positives += (reached & ~hits.any(axis=0)).sum(axis=1)

    def result(self) -> RegionResult:
        """The criteria over all frames counted so far."""
        return self._tally.result()


def overlap(first: Region, second: Region) -> float:
    """Intersection over union of two regions of one frame, 0 to 1."""
    top, left = max(first.top, second.top), max(first.left, second.left)
    bottom = min(first.top + first.pixels.shape[0], second.top + second.pixels.shape[0])
    right = min(first.left + first.pixels.shape[1], second.left + second.pixels.shape[1])
    if bottom <= top or right <= left:
        return 0.0
    shared = int((_cut(first, top, left, bottom, right) & _cut(second, top, left, bottom, right)).sum())
    return shared / (int(first.pixels.sum()) + int(second.pixels.sum()) - shared)


def label_parts(flags: Mask) -> tuple[npt.NDArray[np.int32], int]:
    """Number the connected parts (8 neighbours) of an H x W mask from 1; also says how many there are."""
    numbers, count = ndimage.label(flags, structure=_EIGHT_NEIGHBOURS)
    return numbers, count


def _cut(region: Region, top: int, left: int, bottom: int, right: int) -> Mask:
    return region.pixels[top - region.top : bottom - region.top, left - region.left : right - region.left]


def _area(rate: npt.NDArray[np.float64], found: npt.NDArray[np.float64]) -> float:
    """Area from 0 to 1 under the curve through (0, 0), cut at 1 and level beyond its last point.

    With maps a lower threshold can merge detections and so lower both rates. The curve then is the best rate
    reached at no more than so many false positives, which leaves the always rising curve of a fixed list as it is.
    """
    order = np.lexsort((found, rate))
    x = np.concatenate(([0.0], rate[order]))
    y = np.maximum.accumulate(np.concatenate(([0.0], found[order])))
    beyond = int(np.searchsorted(x, 1.0))  # the first point at or beyond 1
    at_one = y[-1]
    if beyond < x.size:
        share = (1.0 - x[beyond - 1]) / (x[beyond] - x[beyond - 1])
        at_one = y[beyond - 1] + share * (y[beyond] - y[beyond - 1])
    return float(np.trapezoid(np.append(y[:beyond], at_one), np.append(x[:beyond], 1.0)))
