"""Enlarges grey frames that were kept at the camera's own size.

Video in grey of the full range of levels becomes, to the bit, what converting a frame at once to
the larger size gives; elsewhere it is off by one of 255 levels at most, since it is rounded once
more. Whole frames go through the same scaler. For a part of a frame, of which a training step needs
a few dozen, the scaler's arithmetic is done again for the pixels of that part alone.

FFmpeg's bilinear scaler mixes at most two neighbours with weights of 14 bits across and of 12 bits
down, cuts what is between to 15 bits, and rounds at the end. Products of such numbers are exact in
float32 across; down they are exact where the weights have zeros at their end, and elsewhere off by
far less than the rounding.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import islice

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from oddframe._types import Float32, Pixels
from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media.convert import UPRIGHT, resize
from oddframe.media.source import FrameFormat, FrameSource

_ACROSS, _DOWN = 1 << 14, 1 << 12
"""What weights sum to in FFmpeg, across and down."""
_MIDDLE = 128.0
"""What sums of whole weights across are divided by before they are mixed down."""
_NEGLIGIBLE = 0.002
"""A first weight below this share is left out (SWS_MAX_REDUCE_CUTOFF)."""

WHOLE = (slice(None), slice(None))
"""Rows and columns of a whole frame."""


def kept_format(sources: Sequence[FrameSource], wanted: FrameFormat) -> FrameFormat:
    """Choose the size that frames are kept at: the camera's own where that is the smaller one.

    Only in grey, where enlarging gives what scoring sees, and only where all sources have one size,
    so that no frame is resized twice.
    """
    if wanted.colour != "grey":
        return wanted
    sizes: set[tuple[int, int]] = set()
    for source in sources:
        # A source that cannot be read is named when it is its turn.
        with suppress(SourceError, SourceNotFoundError), closing(source.frames(wanted)) as frames:  # type: ignore[type-var]
            sizes |= {frame.source_size for frame in islice(frames, 1)}
    if len(sizes) != 1:
        return wanted
    ((width, height),) = sizes
    fits = width <= wanted.width and height <= wanted.height
    return replace(wanted, width=width, height=height) if fits else wanted


class Enlarger:
    """Enlarges grey frames of one size to another.

    Args:
        source_size: (width, height) of the frames in pixels.
        width: Width to enlarge to, at least theirs.
        height: Height to enlarge to, at least theirs.
    """

    def __init__(self, source_size: tuple[int, int], width: int, height: int) -> None:
        self._width, self._height = width, height
        self._reformatter = VideoReformatter()
        across, down = (
            _weights(source_size[0], width, _ACROSS),
            _weights(source_size[1], height, _DOWN),
        )
        self._across: Float32 = across / np.float32(_MIDDLE)
        self._down: Float32 = down.T / np.float32(_ACROSS / _MIDDLE * _DOWN)

    def enlarge(self, frames: Pixels, part: tuple[slice, slice] = WHOLE) -> Pixels:
        """Enlarge frames, uint8 ... x h x w x 1 to ... x H x W x 1.

        Args:
            frames: The frames.
            part: The rows and columns of the large frames that are wanted.
        """
        flat = frames.reshape(-1, *frames.shape[-3:-1])
        enlarge = self._whole if part == WHOLE else self._part
        enlarged = enlarge(flat, part)
        return enlarged.reshape(*frames.shape[:-3], *enlarged.shape[1:], 1)

    def _whole(self, frames: Pixels, part: tuple[slice, slice]) -> Pixels:
        """Enlarge whole frames with FFmpeg, uint8 N x h x w to N x H x W."""
        enlarged = np.empty((len(frames), self._height, self._width), np.uint8)
        for place, frame in zip(enlarged, frames, strict=True):
            given = av.VideoFrame.from_ndarray(frame, format="gray")
            place[:] = resize(self._reformatter, given, self._width, self._height, "gray", UPRIGHT)[
                ..., 0
            ]
        return enlarged

    def _part(self, frames: Pixels, part: tuple[slice, slice]) -> Pixels:
        """Enlarge a part of frames, uint8 N x h x w to N x rows x columns."""
        down, across = self._down[part[0]], self._across[:, part[1]]
        rows, columns = np.flatnonzero(down.any(axis=0)), np.flatnonzero(across.any(axis=1))
        seen = frames[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
        middle = seen @ across[columns[0] : columns[-1] + 1]
        np.floor(middle, out=middle)
        np.minimum(middle, 32767, out=middle)
        found = down[:, rows[0] : rows[-1] + 1] @ middle
        found += 0.5
        np.minimum(found, 255, out=found)
        enlarged: Pixels = found.astype(np.uint8)
        return enlarged


def _weights(small: int, large: int, one: int) -> Float32:
    """Compute FFmpeg's weights of bilinear enlarging along one side, float32 small x large.

    This follows initFilter of libswscale/utils.c, whose positions are in 17 bits and whose weights
    are in 30 bits before they are rounded to sum to ``one``.
    """
    step = ((small << 16) + (large >> 1)) // large
    count = max(1, min(3, small - 2))
    firsts, weights = [], []
    for number in range(large):
        at = step * (2 * number + 1) - (1 << 16)
        # Towards zero, as C divides.
        first = int((at - (count - 2) * (1 << 16)) / (1 << 17))
        near = range(first, first + count)
        weights.append([max(0, (1 << 30) - (abs((k << 17) - at) << 13)) for k in near])
        firsts.append(first)
    matrix = np.zeros((small, large), np.float32)
    # From the last to the first, since a first weight is left out only where the order stays.
    for number in reversed(range(large)):
        dropped = 0
        for _ in range(count):
            dropped += weights[number][0]
            last = number == large - 1
            if dropped > _NEGLIGIBLE * (1 << 30) or not (
                last or firsts[number] < firsts[number + 1]
            ):
                break
            weights[number] = [*weights[number][1:], 0]
            firsts[number] += 1
        # What would lie beyond the edge counts for the pixel at the edge.
        at_edge: dict[int, int] = {}
        for place, weight in enumerate(weights[number], start=firsts[number]):
            pixel = min(max(place, 0), small - 1)
            at_edge[pixel] = at_edge.get(pixel, 0) + (weight << 24)
        share = (sum(at_edge.values()) + one // 2) // one
        error = 0
        for pixel in sorted(at_edge):
            # What rounding takes from one weight the next one gets.
            wanted = at_edge[pixel] + error
            rounded = (abs(wanted) + (share >> 1)) // share * (1 if wanted >= 0 else -1)
            error = wanted - rounded * share
            matrix[pixel, number] = rounded
    return matrix
