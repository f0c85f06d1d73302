"""How well maps say where: the pixel, region and track figures of a benchmark, in one pass.

`Localisation` holds the counts of all videos, `VideoLocalisation` takes the frames of one. Frames
come in order and are not kept, so that a benchmark of any length fits into memory.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from oddframe._types import AnomalyMap, BoolMask
from oddframe.errors import InputError
from oddframe.metrics.pixel import PixelMetrics, PixelResult, resize_map
from oddframe.metrics.region import MapRegionMetrics, MaskTracks, RegionResult, TrueRegion


class Localisation:
    """Counts the maps and the true masks or tracks of all videos.

    Args:
        frames: The most frames that will come, of all videos together.

    Attributes:
        disagreeing: Frames whose mask (or tracks, without masks) and label do not agree on whether
            they are abnormal.
    """

    def __init__(self, frames: int) -> None:
        self._pixels: PixelMetrics | None = None
        self._regions: MapRegionMetrics | None = None
        self._most_frames = frames
        self.disagreeing = 0

    def video(
        self,
        name: str,
        labels: npt.NDArray[np.uint8],
        tracks: Mapping[int, Sequence[TrueRegion]] | None = None,
    ) -> "VideoLocalisation":
        """Begin a video; the frames of two videos may not be mixed.

        Args:
            name: The video's name; track names of masks begin with it.
            labels: One 0 / 1 per frame.
            tracks: True regions per frame, counted from 0, where they are known; else the masks'
                parts are taken.
        """
        return VideoLocalisation(self, name, labels, tracks)

    def pixel(self) -> PixelResult | None:
        """Give the pixel-level figures; None if no scored frame had a mask."""
        return None if self._pixels is None else self._pixels.result()

    def region(self) -> RegionResult | None:
        """Give RBDC and TBDC; None if the true regions of no scored frame were known."""
        return None if self._regions is None else self._regions.result()

    def count_pixels(self, values: AnomalyMap, mask: BoolMask) -> None:
        """Count a scored frame with a mask; the map has the mask's size."""
        if self._pixels is None:
            self._pixels = PixelMetrics()
        self._pixels.add(values, mask)

    def count_regions(self, values: AnomalyMap, truth: Sequence[TrueRegion]) -> None:
        """Count a scored frame whose true regions are known, at the size of the map."""
        if self._regions is None:
            self._regions = MapRegionMetrics(self._most_frames)
        self._regions.add(values, truth)

    def join(self, kept: str, gone: str) -> None:
        """Count two tracks as one: it turned out that they are."""
        if self._regions is not None:
            self._regions.join(kept, gone)


class VideoLocalisation:
    """Takes the frames of one video in order; made by `Localisation.video`."""

    def __init__(
        self,
        whole: Localisation,
        name: str,
        labels: npt.NDArray[np.uint8],
        tracks: Mapping[int, Sequence[TrueRegion]] | None,
    ) -> None:
        self._whole, self._name, self._labels, self._tracks = whole, name, labels, tracks
        # Without tracks of its own a video gets those that its masks show.
        self._of_masks = MaskTracks(name) if tracks is None else None
        self._frame = 0

    def add(
        self,
        anomaly_map: npt.ArrayLike | None,
        mask: BoolMask | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Take the next frame of the video.

        Args:
            anomaly_map: h x w, resized to the mask's size or to `size`; None where the frame has no
                score.
            mask: H x W, true where abnormal, where the video has masks.
            size: (H, W) that the tracks are given at, where it has no masks.

        Raises:
            InputError: There is neither mask nor size, or map, mask and tracks do not fit together.
        """
        frame, self._frame = self._frame, self._frame + 1
        truth: Sequence[TrueRegion] = () if self._tracks is None else self._tracks.get(frame, ())
        if mask is not None or self._tracks is not None:
            abnormal = bool(mask.any()) if mask is not None else bool(truth)
            self._whole.disagreeing += abnormal != bool(self._labels[frame])
        if mask is not None and self._of_masks is not None:
            # Frames without a score too: tracks go on through them.
            truth, joined = self._of_masks.add(mask)
            for kept, gone in joined:
                self._whole.join(kept, gone)
        if anomaly_map is None:
            return
        wanted = mask.shape if mask is not None else size
        if wanted is None:
            raise InputError(
                f"video {self._name}: either a mask or the size of the frame is needed, got neither"
            )
        values = resize_map(anomaly_map, (wanted[0], wanted[1]))
        if mask is not None:
            self._whole.count_pixels(values, mask)
        self._whole.count_regions(values, truth)
