"""From a decoded PyAV frame to what others need: a `Frame`, or a picture file.

`Converter` makes frames, with one resize per wanted form. `prefetch` decodes and converts in a
thread while the caller computes. `encode_jpeg` and `encode_webp` encode single pictures; the store,
which imports nothing of this room, writes its JPEG files itself.
"""

import io
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

# Beside bilinear: rounding that does not darken (by 2 of 255 otherwise) and is the same on every
# processor, so that scores do not depend on the machine.
_RESIZING = (
    Interpolation.BILINEAR
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)

HIGHEST = 4096
"""Most height of a picture for people in pixels, whatever its width."""

T = TypeVar("T")

_END = object()
"""Stands in the queue of `prefetch` behind the last item."""


class Converter:
    """Turns the decoded frames of one pass into one format; every pass makes its own.

    Keeping the reformatters matters: `VideoFrame.to_ndarray(format=...)` makes one for every frame
    and is about ten times slower.

    Args:
        wanted: The form of the frames.
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

        Returns:
            The frame, whose arrays are its own.
        """
        wanted = self._wanted
        quarter_turns = round(turn_degrees / 90) % 4
        size = (decoded.width, decoded.height)
        if quarter_turns % 2:
            size = size[::-1]
        pixels = resize(
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
            picture = resize(self._for_picture, decoded, width, height, "rgb24", quarter_turns)
        return Frame(index=index, time_s=time_s, pixels=pixels, source_size=size, picture=picture)


def prefetch(items: Iterator[T], most: int) -> Generator[T, None, None]:
    """Yield the items of an iterator, in order, while a thread fetches the next ones.

    Decoders release the interpreter's lock, so the caller computes in the meantime. An error comes
    where its item would have come. When the caller leaves early the thread ends, and closes
    `items`, before the caller goes on.

    Args:
        items: Runs in the thread, from its first item to its end.
        most: How many items may wait, at least 1.
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

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _END:
            yield item  # type: ignore[misc]
        if failures:
            raise failures[0]
    finally:
        leaving.set()
        # The thread may wait for room: empty the queue until it has seen that the caller leaves.
        while thread.is_alive():
            try:
                waiting.get(timeout=0.01)
            except Empty:
                continue


def encode_jpeg(picture: Pixels, quality: int) -> bytes:
    """Encode a picture as a JPEG file.

    Args:
        picture: uint8 H x W x 1 or 3.
        quality: 1 to 95.
    """
    return _encode(picture, "JPEG", quality=quality)


def encode_webp(picture: Pixels, quality: int) -> bytes:
    """Encode a picture as a WebP file.

    Args:
        picture: uint8 H x W x 1, 3 or 4; the fourth channel is opacity.
        quality: 0 to 100.
    """
    # Heat maps have a smooth opacity: a coarse one is a fraction of the size.
    return _encode(picture, "WEBP", quality=quality, alpha_quality=60, method=2)


def picture_size(source_size: tuple[int, int], width: int) -> tuple[int, int]:
    """Return the even size nearest to `width` that keeps an aspect ratio, and is not too high.

    Args:
        source_size: (width, height) of the whole picture in pixels.
        width: The wanted width in pixels.

    Returns:
        (width, height), both even, since H.264 with colour at half size needs even ones.
    """
    # A picture that is a few pixels wide would be enlarged to gigabytes.
    width = min(width, max(2, math.floor(HIGHEST * source_size[0] / source_size[1])))
    height = min(HIGHEST, width * source_size[1] / source_size[0])
    return max(2, 2 * (width // 2)), max(2, 2 * math.floor(height / 2 + 0.5))


def resize(
    reformatter: VideoReformatter,
    decoded: av.VideoFrame,
    width: int,
    height: int,
    form: str,
    quarter_turns: int,
) -> Pixels:
    """Resize a decoded frame and turn it, uint8 H x W x C; ``form`` is FFmpeg's pixel format."""
    # Resized first and turned after: the turn then moves the few pixels that are left.
    if quarter_turns % 2:
        width, height = height, width
    small = reformatter.reformat(
        decoded, width=width, height=height, format=form, interpolation=_RESIZING, threads=1
    )
    pixels = cast(Pixels, small.to_ndarray())
    if small is decoded:
        # Nothing had to be done, so the array is a window on the decoder's own memory.
        pixels = pixels.copy()
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]  # H W -> H W 1
    if quarter_turns:
        pixels = np.ascontiguousarray(np.rot90(pixels, quarter_turns))
    return pixels


def _encode(picture: Pixels, file_format: str, **options: int) -> bytes:
    # Pillow is an extra: scoring without pictures must work where it is missing.
    from PIL import Image

    # Pillow takes a grey picture without an axis for its channel.
    pixels = picture[:, :, 0] if picture.shape[2] == 1 else picture
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(content, file_format, **options)
    return content.getvalue()
