"""Region- and track-based detection criteria, RBDC and TBDC (method section 9, rule 5).

After Ramachandra & Jones, "Street Scene" (WACV 2020). A true region is found if a detected region
of its frame overlaps it with IoU >= 0.1; a track is found if at least 10 % of its regions are; a
detected region that overlaps no true region that much is a false positive. Both criteria are the
area under (rate of found regions or tracks) over (false positives per frame) from 0 to 1, with one
global threshold.

The paper does not say how the curve is closed. Here it starts at (0, 0), is straight between
thresholds, and stays level from its last point to 1 false positive per frame: a detector that never
gets there is given nothing that it did not find. The sweep goes down from the highest threshold and
ends with the first one that has more than 1 false positive per frame.

`MapRegionMetrics` computes them from anomaly maps in one pass and fixed memory. At a threshold the
connected parts (8 neighbours) of a map that reach it are the detections. The thresholds are fixed
levels, sixteen for each factor of two (`pixel.level_numbers`), so values less than 6.25 % apart may
count as equal. Where a benchmark has masks and no tracks, `MaskTracks` makes tracks of the masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from oddframe._types import BoolMask, Float64
from oddframe.errors import InputError
from oddframe.metrics.frame import plain_values
from oddframe.metrics.pixel import level_numbers

MIN_IOU = 0.1
"""Overlap from which a detected region counts as having found a true one."""

MIN_TRACK_SHARE = 0.1
"""Share of a track's regions that must be found for the track to count."""

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
"""Pixels are connected over their sides and their corners."""
_KEPT_BITS = 13
"""Sign, eight bits of exponent and four of the mantissa: sixteen levels for each factor of two."""
_LEVELS = 1 << _KEPT_BITS
"""Thresholds of the sweep."""


@dataclass(frozen=True, slots=True)
class Region:
    """A set of pixels of a frame.

    Attributes:
        top: The first row.
        left: The first column.
        pixels: Which pixels belong to it, bool h x w from there on; at least one does.
    """

    top: int
    left: int
    pixels: BoolMask = field(repr=False)

    @classmethod
    def box(cls, x_min: float, y_min: float, x_max: float, y_max: float) -> "Region":
        """Make a region of the pixels from x_min up to, not including, x_max, and so for y.

        Edges are rounded to whole pixels.

        Raises:
            InputError: No pixel lies inside.
        """
        left, top, right, bottom = (round(edge) for edge in (x_min, y_min, x_max, y_max))
        if right <= left or bottom <= top:
            raise InputError(
                f"a box must hold a pixel, got x {x_min} to {x_max} and y {y_min} to {y_max}"
            )
        return cls(top, left, np.ones((bottom - top, right - left), dtype=bool))


@dataclass(frozen=True, slots=True)
class TrueRegion:
    """A true region and the track that it is part of; track names are unique over all videos."""

    track: str
    region: Region


@dataclass(frozen=True, slots=True)
class RegionResult:
    """RBDC and TBDC; both are None where there is nothing to find.

    That is where all frames are normal, or where there is no frame at all.

    Attributes:
        rbdc: Region-based detection criterion, 0 to 1.
        tbdc: Track-based detection criterion, 0 to 1.
        frames: Frames counted; frames without a score, and their true regions, are not.
        regions: True regions in them.
        tracks: True tracks in them.
        false_positives_per_frame: One per threshold, thresholds falling; thresholds at which
            nothing changes are left out.
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
        """Give the figures as plain values; see `plain_values`."""
        values: dict[str, Any] = plain_values(self)
        return values


class Tally:
    """Counts what was found and what was not at each threshold, thresholds falling from the first.

    Args:
        thresholds: How many thresholds there are.

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
        """Count one more region of a track.

        Returns:
            How many of the track's regions were found at each threshold, for the caller to add to.
        """
        self._sizes[track] = self._sizes.get(track, 0) + 1
        return self._found.setdefault(track, np.zeros_like(self.false_positives))

    def join(self, kept: str, gone: str) -> None:
        """Count two tracks as one: it turned out that they are."""
        # A track that no scored frame has shown is not counted at all.
        if gone in self._sizes:
            self._sizes[kept] = self._sizes.get(kept, 0) + self._sizes.pop(gone)
            self._found[kept] = self._found.get(kept, 0) + self._found.pop(gone)

    def result(self) -> RegionResult:
        """Give the criteria over all frames counted so far."""
        # The sweep ends with the first threshold that has more than one false positive per frame.
        beyond = np.flatnonzero(self.false_positives > self.frames)
        steps = int(beyond[0]) + 1 if beyond.size else self.false_positives.size
        regions, tracks = sum(self._sizes.values()), len(self._sizes)
        counts = np.array(list(self._found.values()), dtype=np.int64)
        found = counts.reshape(tracks, self.false_positives.size)[:, :steps]
        sizes = np.array(list(self._sizes.values()), dtype=np.int64).reshape(tracks, 1)
        # In whole numbers of regions and less a rounding error, so that 1 region of 10 is 10 %.
        enough = found >= np.maximum(1, np.ceil(MIN_TRACK_SHARE * sizes - 1e-9))
        rate = self.false_positives[:steps] / max(self.frames, 1)
        # steps x 3: one point of both curves for each threshold.
        points = np.stack(
            (rate, found.sum(axis=0) / max(regions, 1), enough.sum(axis=0) / max(tracks, 1)), axis=1
        )
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


def _area(rate: Float64, found: Float64) -> float:
    """Compute the area from 0 to 1 under the curve through (0, 0), level beyond its last point.

    With maps a lower threshold can merge detections and so lower both rates. The curve then is the
    best rate reached at no more than so many false positives, which leaves the always rising curve
    of a fixed list as it is.
    """
    order = np.lexsort((found, rate))
    x = np.concatenate(([0.0], rate[order]))
    y = np.maximum.accumulate(np.concatenate(([0.0], found[order])))
    beyond = int(np.searchsorted(x, 1.0))  # The first point at or beyond 1.
    at_one = y[-1]
    if beyond < x.size:
        share = (1.0 - x[beyond - 1]) / (x[beyond] - x[beyond - 1])
        at_one = y[beyond - 1] + share * (y[beyond] - y[beyond - 1])
    return float(np.trapezoid(np.append(y[:beyond], at_one), np.append(x[:beyond], 1.0)))


class MapRegionMetrics:
    """Collects anomaly maps and true regions frame by frame.

    Counts only grow, so a threshold that has more false positives than there will be frames lies
    beyond 1 per frame for good: the sweep ends there, and the frames that follow are looked at down
    to that level only.

    Args:
        frames: The most frames that will come.
    """

    def __init__(self, frames: int) -> None:
        self._most_frames = frames
        self._tally = Tally(_LEVELS)
        self._end = _LEVELS  # Steps from here on are beyond 1 false positive per frame for good.

    def add(self, anomaly_map: npt.ArrayLike, truth: Sequence[TrueRegion]) -> None:
        """Count one scored frame.

        Args:
            anomaly_map: H x W, higher = more anomalous; taken as float32.
            truth: The true regions of the frame, at the map's size; empty if it is normal.

        Raises:
            InputError: The map is not H x W, or not finite; a region lies outside; or more frames
                come than said.
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
            hits, false_positives = _compare(steps <= first, truth)
            for counts, hit in zip(found, hits, strict=True):
                counts[first:last] += hit
            self._tally.false_positives[first:last] += false_positives
        beyond = np.flatnonzero(self._tally.false_positives[: self._end] > self._most_frames)
        if beyond.size:
            self._end = int(beyond[0]) + 1

    def join(self, kept: str, gone: str) -> None:
        """Count two tracks as one: it turned out that they are."""
        self._tally.join(kept, gone)

    def result(self) -> RegionResult:
        """Give the criteria over all frames counted so far."""
        return self._tally.result()


def _compare(detected: BoolMask, truth: Sequence[TrueRegion]) -> tuple[list[bool], int]:
    """Say which true regions are found, and how many detected parts find none."""
    numbers, parts = _label_parts(detected)
    if not truth or not parts:
        return [False] * len(truth), parts
    areas = np.bincount(numbers.ravel(), minlength=parts + 1)
    useful = np.zeros(parts + 1, dtype=bool)
    hits = []
    for true in truth:
        region = true.region
        height, width = region.pixels.shape
        under = numbers[region.top : region.top + height, region.left : region.left + width][
            region.pixels
        ]
        # How many pixels each part, by its number, shares with the true region; 0 is no part.
        shared = np.bincount(under, minlength=parts + 1)
        overlaps = shared / (areas + under.size - shared) >= MIN_IOU
        overlaps[0] = False
        hits.append(bool(overlaps.any()))
        useful |= overlaps
    return hits, parts - int(useful.sum())


def _check_inside(true: TrueRegion, size: tuple[int, ...]) -> None:
    """Raise an InputError if a true region reaches beyond the frame."""
    region = true.region
    bottom, right = region.top + region.pixels.shape[0], region.left + region.pixels.shape[1]
    if region.top < 0 or region.left < 0 or bottom > size[0] or right > size[1]:
        raise InputError(
            f"track {true.track}: a true region must lie within the {size[1]} x {size[0]} frame, "
            f"got x {region.left} to {right} and y {region.top} to {bottom}"
        )


class MaskTracks:
    """Names the regions of one video's masks by track, where no track file exists.

    Regions (pixels joined by their 8 neighbours) that overlap from one frame to the next are one
    track; so tracks that meet become one, and an object that jumps farther than its own size, or is
    covered for a frame, becomes two. Only the last frame is held.

    Args:
        video: Its name, which track names begin with.
    """

    def __init__(self, video: str) -> None:
        self._video = video
        # By track number: the track that it was joined to. Number 0 is the background.
        self._kept: list[int] = [0]
        self._last: npt.NDArray[np.int32] | None = None

    def add(self, mask: npt.ArrayLike) -> tuple[list[TrueRegion], list[tuple[str, str]]]:
        """Take the next frame; every frame of the video has to come, those without a score too.

        Args:
            mask: H x W, true where abnormal; one size for the whole video.

        Returns:
            The frame's regions, and the pairs (kept, gone) of earlier tracks that turn out to be
            one.

        Raises:
            InputError: The mask is not H x W, or of another size than the one before.
        """
        flags = _as_mask(mask)
        if self._last is not None and self._last.shape != flags.shape:
            raise InputError(
                f"video {self._video}: all masks must be of one size, "
                f"got {flags.shape} after {self._last.shape}"
            )
        here = np.zeros(flags.shape, dtype=np.int32)
        numbered: list[tuple[int, Region]] = []
        joined = []
        for region in regions_of_mask(flags):
            window = (
                slice(region.top, region.top + region.pixels.shape[0]),
                slice(region.left, region.left + region.pixels.shape[1]),
            )
            touched = np.zeros(1, np.int32)
            if self._last is not None:
                touched = np.unique(self._last[window][region.pixels])
            known = sorted({self._track(int(number)) for number in touched} - {0})
            if not known:
                known = [len(self._kept)]
                self._kept.append(known[0])
            for gone in known[1:]:
                self._kept[gone] = known[0]
                joined.append((self._name(known[0]), self._name(gone)))
            here[window][region.pixels] = known[0]
            numbered.append((known[0], region))
        self._last = here
        # A later region of the same frame may have joined the track of an earlier one.
        regions = [
            TrueRegion(self._name(self._track(number)), region) for number, region in numbered
        ]
        return regions, joined

    def _track(self, number: int) -> int:
        """Follow the joints from a track's first number to the one that it has now."""
        while self._kept[number] != number:
            number = self._kept[number]
        return number

    def _name(self, number: int) -> str:
        return f"{self._video}/{number}"


def regions_of_mask(mask: npt.ArrayLike) -> list[Region]:
    """Find the connected parts (8 neighbours) of an H x W mask.

    Raises:
        InputError: The mask is not H x W.
    """
    numbers, _ = _label_parts(_as_mask(mask))
    return [
        Region(rows.start, columns.start, numbers[rows, columns] == number)
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), start=1)
    ]


def _label_parts(flags: BoolMask) -> tuple[npt.NDArray[np.int32], int]:
    """Number the connected parts of an H x W mask from 1; returns how many there are as well."""
    numbers, count = ndimage.label(flags, structure=_EIGHT_NEIGHBOURS)
    return numbers, count


def _as_mask(mask: npt.ArrayLike) -> BoolMask:
    """Take a mask as booleans; raises an InputError if it is not H x W."""
    flags: BoolMask = np.asarray(mask).astype(bool)
    if flags.ndim != 2:
        raise InputError(f"a mask of one frame must be H x W, got shape {flags.shape}")
    return flags
