"""Region- and track-based detection criteria, RBDC and TBDC (method section 9, rule 5).

After Ramachandra & Jones, "Street Scene" (WACV 2020). A true region is found if a detected region of its frame
overlaps it with IoU >= 0.1; a track is found if at least 10 % of its regions are; a detected region that
overlaps no true region that much is a false positive. Both criteria are the area under (rate of found regions or
tracks) over (false positives per frame) from 0 to 1, with one global threshold.

The paper does not say how the curve is closed. Here it starts at (0, 0), is straight between thresholds, and
stays level from its last point to 1 false positive per frame: a detector that never gets there is given nothing
that it did not find.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

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
    "TrueRegion",
    "overlap",
    "regions_of_mask",
    "true_regions_of_masks",
]

Mask: TypeAlias = npt.NDArray[np.bool_]

MIN_IOU = 0.1
"""Overlap from which a detected region counts as having found a true one."""

MIN_TRACK_SHARE = 0.1
"""Share of a track's regions that must be found for the track to count."""

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
# Pixels belong together within a frame by their 8 neighbours, across frames only where they overlap.
_OVER_TIME = np.zeros((3, 3, 3), dtype=bool)
_OVER_TIME[1] = True
_OVER_TIME[:, 1, 1] = True


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
    """What `RegionMetrics` finds; a criterion is None where there is nothing to find or no frame.

    Attributes:
        rbdc: Region-based detection criterion, 0 to 1.
        tbdc: Track-based detection criterion, 0 to 1.
        frames: Frames counted.
        regions: True regions in them.
        tracks: True tracks in them.
        false_positives_per_frame: One per threshold, thresholds falling.
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


class RegionMetrics:
    """Collects detections and true regions frame by frame, at thresholds fixed beforehand.

    Args:
        thresholds: A region is detected at or above a threshold. For a fixed list of detections the distinct
            scores give the exact curve; for maps some dozens of quantiles do.
    """

    def __init__(self, thresholds: Iterable[float]) -> None:
        self._thresholds = sorted({float(threshold) for threshold in thresholds}, reverse=True)
        if not self._thresholds or not np.isfinite(self._thresholds).all():
            raise InputError("thresholds must be finite numbers, at least one")
        self._frames = 0
        self._false_positives = np.zeros(len(self._thresholds), dtype=np.int64)
        self._track_sizes: dict[str, int] = {}
        self._track_found: dict[str, npt.NDArray[np.int64]] = {}

    def add_map(self, anomaly_map: npt.ArrayLike, truth: Sequence[TrueRegion]) -> None:
        """Count one frame; at each threshold the connected parts of the map that reach it are the detections.

        Args:
            anomaly_map: H x W, higher = more anomalous.
            truth: The true regions of the frame; empty if it is normal.
        """
        values = np.asarray(anomaly_map)
        self._add([regions_of_mask(values >= threshold) for threshold in self._thresholds], truth)

    def add_detections(self, detections: Sequence[Detection], truth: Sequence[TrueRegion]) -> None:
        """Count one frame with a fixed list of scored detections."""
        self._add(
            [[one.region for one in detections if one.score >= threshold] for threshold in self._thresholds],
            truth,
        )

    def result(self) -> RegionResult:
        """The criteria over all frames counted so far."""
        regions = sum(self._track_sizes.values())
        tracks = len(self._track_sizes)
        steps = len(self._thresholds)
        found = np.array(list(self._track_found.values()), dtype=np.int64).reshape(tracks, steps)
        sizes = np.array(list(self._track_sizes.values()), dtype=np.int64).reshape(tracks, 1)
        # In whole numbers of regions and less a rounding error, so that 1 region of 10 is 10 %.
        enough = found >= np.maximum(1, np.ceil(MIN_TRACK_SHARE * sizes - 1e-9))
        rate = self._false_positives / max(self._frames, 1)
        region_rate = found.sum(axis=0) / max(regions, 1)
        track_rate = enough.sum(axis=0) / max(tracks, 1)
        return RegionResult(
            rbdc=_area(rate, region_rate) if regions else None,
            tbdc=_area(rate, track_rate) if tracks else None,
            frames=self._frames,
            regions=regions,
            tracks=tracks,
            false_positives_per_frame=tuple(rate.tolist()),
            regions_found=tuple(region_rate.tolist()),
            tracks_found=tuple(track_rate.tolist()),
        )

    def _add(self, detected: Sequence[Sequence[Region]], truth: Sequence[TrueRegion]) -> None:
        self._frames += 1
        for true in truth:
            self._track_sizes[true.track] = self._track_sizes.get(true.track, 0) + 1
            self._track_found.setdefault(true.track, np.zeros(len(self._thresholds), dtype=np.int64))
        for step, regions in enumerate(detected):
            hits = [[overlap(true.region, region) >= MIN_IOU for region in regions] for true in truth]
            for true, row in zip(truth, hits, strict=True):
                self._track_found[true.track][step] += any(row)
            useful = np.any(hits, axis=0) if hits else np.zeros(len(regions), dtype=bool)
            self._false_positives[step] += len(regions) - int(useful.sum())


def overlap(first: Region, second: Region) -> float:
    """Intersection over union of two regions of one frame, 0 to 1."""
    top, left = max(first.top, second.top), max(first.left, second.left)
    bottom = min(first.top + first.pixels.shape[0], second.top + second.pixels.shape[0])
    right = min(first.left + first.pixels.shape[1], second.left + second.pixels.shape[1])
    if bottom <= top or right <= left:
        return 0.0
    shared = int((_cut(first, top, left, bottom, right) & _cut(second, top, left, bottom, right)).sum())
    return shared / (int(first.pixels.sum()) + int(second.pixels.sum()) - shared)


def regions_of_mask(mask: npt.ArrayLike) -> list[Region]:
    """The connected parts (8 neighbours) of an H x W mask.

    Raises:
        InputError: The mask is not H x W.
    """
    flags = np.asarray(mask).astype(bool)
    if flags.ndim != 2:
        raise InputError(f"a mask or anomaly map of one frame must be H x W, got shape {flags.shape}")
    numbers, _ = ndimage.label(flags, structure=_EIGHT_NEIGHBOURS)
    return [
        Region(rows.start, columns.start, numbers[rows, columns] == number)
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), start=1)
    ]


def true_regions_of_masks(video: str, masks: npt.ArrayLike) -> list[list[TrueRegion]]:
    """True regions per frame from the pixel masks of one video (T x H x W), where no track files exist.

    Regions that overlap from one frame to the next are one track; so tracks that meet become one, and an object
    that jumps farther than its own size, or is covered for a frame, becomes two.

    Raises:
        InputError: The masks are not T x H x W.
    """
    flags = np.asarray(masks).astype(bool)
    if flags.ndim != 3:
        raise InputError(f"the masks of a video must be T x H x W, got shape {flags.shape}")
    tracks, _ = ndimage.label(flags, structure=_OVER_TIME)
    frames = []
    for flags_of_frame, tracks_of_frame in zip(flags, tracks, strict=True):
        regions = regions_of_mask(flags_of_frame)
        frames.append([TrueRegion(f"{video}/{_track(region, tracks_of_frame)}", region) for region in regions])
    return frames


def _track(region: Region, tracks: npt.NDArray[np.int32]) -> int:
    row, column = np.argwhere(region.pixels)[0]
    return int(tracks[region.top + row, region.left + column])


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
