"""True regions and the tracks that they are part of, from pixel masks that go by one frame at a time."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from oddframe.errors import InputError
from oddframe.metrics.region import Region, TrueRegion, label_parts

__all__ = ["MaskTracks", "regions_of_mask"]

Mask: TypeAlias = npt.NDArray[np.bool_]


class MaskTracks:
    """Names the regions of one video's masks by track, where no track file exists.

    Regions (pixels joined by their 8 neighbours) that overlap from one frame to the next are one track; so tracks
    that meet become one, and an object that jumps farther than its own size, or is covered for a frame, becomes
    two. Only the last frame is held.

    Args:
        video: Its name, which track names begin with.
    """

    def __init__(self, video: str) -> None:
        self._video = video
        self._kept: list[int] = [0]  # by track number: the track that it was joined to; 0 is the background
        self._last: npt.NDArray[np.int32] | None = None

    def add(self, mask: npt.ArrayLike) -> tuple[list[TrueRegion], list[tuple[str, str]]]:
        """The next frame's regions, and the pairs (kept, gone) of earlier tracks that turn out to be one.

        Every frame of the video has to come, the ones without a score too.

        Args:
            mask: H x W, true where abnormal; one size for the whole video.

        Raises:
            InputError: The mask is not H x W, or of another size than the one before.
        """
        flags = _checked(mask)
        if self._last is not None and self._last.shape != flags.shape:
            raise InputError(
                f"video {self._video}: all masks must be of one size, got {flags.shape} after {self._last.shape}"
            )
        here = np.zeros(flags.shape, dtype=np.int32)
        numbered: list[tuple[int, Region]] = []
        joined = []
        for region in regions_of_mask(flags):
            window = (
                slice(region.top, region.top + region.pixels.shape[0]),
                slice(region.left, region.left + region.pixels.shape[1]),
            )
            touched = np.unique(self._last[window][region.pixels]) if self._last is not None else np.zeros(1, np.int32)
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
        regions = [TrueRegion(self._name(self._track(number)), region) for number, region in numbered]
        return regions, joined

    def _track(self, number: int) -> int:
        while self._kept[number] != number:
            number = self._kept[number]
        return number

    def _name(self, number: int) -> str:
        return f"{self._video}/{number}"


def regions_of_mask(mask: npt.ArrayLike) -> list[Region]:
    """The connected parts (8 neighbours) of an H x W mask.

    Raises:
        InputError: The mask is not H x W.
    """
    numbers, _ = label_parts(_checked(mask))
    return [
        Region(rows.start, columns.start, numbers[rows, columns] == number)
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), start=1)
    ]


def _checked(mask: npt.ArrayLike) -> Mask:
    flags: Mask = np.asarray(mask).astype(bool)
    if flags.ndim != 2:
        raise InputError(f"a mask of one frame must be H x W, got shape {flags.shape}")
    return flags
