"""From a decoded PyAV frame to a `Frame`: one resize per wanted form, reformatters kept for a whole pass.

Decoding while something else computes.
"""

import math
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from queue import Empty, Queue
from typing import TypeVar, cast

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from oddframe._types import Pixels
from oddframe.core.records import Frame
from oddframe.media.source import FrameFormat

_PIXEL_FORMATS = {"grey": "gray", "rgb": "rgb24"}

# Beside bilinear: rounding that does not darken (2 of 255 otherwise) and is the same on every
# processor.
_RESIZING = (
    Interpolation.BILINEAR
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)


class Converter:
    """Turns decoded frames into one format; make one per pass.

    Keeping the reformatters matters: `VideoFrame.to_ndarray(format=...)` makes one for every frame
    and is about ten times slower.
    """

    def __init__(self, wanted: FrameFormat) -> None:
        self._wanted = wanted
        self._for_pixels = VideoReformatter()
        self._for_picture = VideoReformatter()

    def frame(
        self, decoded: av.VideoFrame, index: int, time_s: float, turn_degrees: int = 0
    ) -> Frame:
        """Convert one frame.

        Args:
            decoded: The frame as PyAV gives it.
            index: Its index in the source.
            time_s: Its time in seconds.
            turn_degrees: How far to turn it counterclockwise to stand upright; a multiple of 90.
        """
        wanted = self._wanted
        quarter_turns = round(turn_degrees / 90) % 4
        size = (decoded.width, decoded.height)
        if quarter_turns % 2:
            size = size[::-1]
        pixels = _resized(
            self._for_pixels,
            decoded,
            wanted.width,
            wanted.height,
            _PIXEL_FORMATS[wanted.colour],
            quarter_turns,
        )
        picture = None
        if wanted.picture_width is not None:
            width, height = picture_size(size, wanted.picture_width)
            picture = _resized(self._for_picture, decoded, width, height, "rgb24", quarter_turns)
        return Frame(index=index, time_s=time_s, pixels=pixels, source_size=size, picture=picture)


def picture_size(source_size: tuple[int, int], width: int) -> tuple[int, int]:
    """The even size nearest to `width` that keeps the aspect ratio of `source_size`."""
    height = width * source_size[1] / source_size[0]
    return max(2, 2 * (width // 2)), max(2, 2 * math.floor(height / 2 + 0.5))


def _resized(
    reformatter: VideoReformatter,
    decoded: av.VideoFrame,
    width: int,
    height: int,
    form: str,
    quarter_turns: int,
) -> Pixels:
    # Resized first and turned after: the turn then moves the few pixels that are left.
    if quarter_turns % 2:
        width, height = height, width
    small = reformatter.reformat(
        decoded, width=width, height=height, format=form, interpolation=_RESIZING, threads=1
    )
    pixels = cast(Pixels, small.to_ndarray())
    if (
        small is decoded
    ):  # nothing had to be done: the array is a window on the decoder's own memory
        pixels = pixels.copy()
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    if quarter_turns:
        pixels = np.ascontiguousarray(np.rot90(pixels, quarter_turns))
    return pixels


T = TypeVar("T")

_END = object()


def prefetch(items: Iterator[T], most: int) -> Generator[T, None, None]:
    """Yield what ``items`` yields, in its order, while a thread of its own is up to ``most`` of them ahead.

    Decoders let others compute in the meantime. An error comes where its item would have come. When
    the caller leaves early the thread ends, and closes ``items``, before the caller goes on.

    Args:
        items: Runs in the thread, from the first item to its end.
        most: How many may wait, at least 1.
    """
    waiting: Queue[object] = Queue(most)
    leaving = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with closing(items):  # type: ignore[type-var]
                for item in items:
                    waiting.put(item)
                    if leaving.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - raised again where the item would have come
            failures.append(error)
        finally:
            if not leaving.is_set():
                waiting.put(_END)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _END:
            yield item  # type: ignore[misc]
        if failures:
            raise failures[0]
    finally:
        leaving.set()
        while thread.is_alive():
            try:
                waiting.get(timeout=0.01)
            except Empty:
                continue
