"""From a decoded PyAV frame to what others need: a `Frame`, or a picture file.

`Converter` makes frames, with one resize per wanted form. `prefetch` decodes and converts in a
thread while the caller computes; `map_ahead` works on single items in several. `encode_jpeg` and
`encode_webp` encode single pictures; the store, which imports nothing of this room, writes its JPEG
files itself.
"""

import io
import math
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from queue import Empty, Queue
from typing import NamedTuple, TypeVar, cast

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

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

_USED_SHARE = 0.25
"""Share of all levels of which a picture of more than 8 bits must make use to be scored well."""

_MOST_ASPECT = 10.0
"""Pixels more than this many times as wide as high, or as high as wide, are a mistake in a header.
"""

HIGHEST = 4096
"""Most height of a picture for people in pixels, whatever its width."""

T = TypeVar("T")
U = TypeVar("U")

_END = object()
"""Stands in the queue of `prefetch` behind the last item."""


class Orientation(NamedTuple):
    """How a stored picture is turned, and then mirrored, to stand as players show it.

    Attributes:
        quarter_turns: How many times it is turned counterclockwise by 90 degrees, 0 to 3.
        is_mirrored: Whether left and right are exchanged after that.
    """

    quarter_turns: int = 0
    is_mirrored: bool = False


UPRIGHT = Orientation()
"""The orientation of a picture that is stored as it is shown."""


class _FrameView(NamedTuple):
    """How the frames of a source are shown, from one key frame to the next.

    Attributes:
        stored_size: (width, height) of the frames in pixels, as they are decoded.
        orientation: How they are turned and mirrored.
        size: The same size after turning.
        pixel_aspect: Width of a pixel by its height, after turning.
    """

    stored_size: tuple[int, int]
    orientation: Orientation
    size: tuple[int, int]
    pixel_aspect: float

    @classmethod
    def of(
        cls, decoded: av.VideoFrame, orientation: Orientation, aspect: float = 1.0
    ) -> "_FrameView":
        stored = size = (decoded.width, decoded.height)
        if orientation.quarter_turns % 2:
            size, aspect = size[::-1], 1 / aspect
        return cls(stored, orientation, size, aspect)


class Converter:
    """Turns the decoded frames of one pass into one format; every pass makes its own.

    Keeping the reformatters matters: `VideoFrame.to_ndarray(format=...)` makes one for every frame
    and is about ten times slower.

    Args:
        wanted: The form of the frames.
        stream: The stream that the frames are decoded from, which knows the shape of its pixels.
            None where pixels are square, as those of images are.
    """

    def __init__(self, wanted: FrameFormat, stream: VideoStream | None = None) -> None:
        self._wanted = wanted
        self._for_pixels = VideoReformatter()
        self._for_picture = VideoReformatter()
        self._aspects = None if stream is None else _PixelAspects(stream)
        self._view: _FrameView | None = None
        self._field: _TopField | None = None

    def frame(
        self,
        decoded: av.VideoFrame,
        index: int,
        time_s: float,
        orientation: Orientation | None = None,
    ) -> Frame:
        """Convert one frame.

        Args:
            decoded: The frame as PyAV gives it.
            index: Its index in the source.
            time_s: Its time in seconds.
            orientation: How to turn it; None looks at what came with the frame.

        Returns:
            The frame, whose arrays are its own.
        """
        wanted = self._wanted
        view = self._see(decoded) if orientation is None else _FrameView.of(decoded, orientation)
        pixels = resize(
            self._for_pixels,
            decoded,
            wanted.width,
            wanted.height,
            _PIXEL_FORMATS[wanted.colour],
            view.orientation,
        )
        frame = Frame(index, time_s, pixels, view.size, pixel_aspect=view.pixel_aspect)
        if wanted.picture_width is None:
            return frame
        width, height = picture_size(frame.shown_size, wanted.picture_width)
        if decoded.interlaced_frame:
            decoded = self._one_field(decoded)
        picture = resize(self._for_picture, decoded, width, height, "rgb24", view.orientation)
        return replace(frame, picture=picture)

    def _see(self, decoded: av.VideoFrame) -> _FrameView:
        """Find out how a frame is shown; what a stream says of that changes at key frames alone."""
        view = self._view
        stored = (decoded.width, decoded.height)
        if view is None or decoded.key_frame or stored != view.stored_size:
            aspect = 1.0 if self._aspects is None else self._aspects.now()
            view = self._view = _FrameView.of(decoded, _find_orientation(decoded), aspect)
        return view

    def _one_field(self, decoded: av.VideoFrame) -> av.VideoFrame:
        """Take the upper field of an interlaced frame, which has no comb where things move."""
        if self._field is None or not self._field.takes(decoded):
            self._field = _TopField(decoded)
        return self._field.of(decoded)


class _PixelAspects:
    """The shape of a stream's pixels, width by height, as players find it."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        # What the container says wins over what the coded video says, as in every player.
        self._stated = stream.sample_aspect_ratio
        self._coded = stream.codec_context.sample_aspect_ratio

    def now(self) -> float:
        """Return the shape at the place that decoding has come to; 1.0 where none is known."""
        coded = self._stream.codec_context.sample_aspect_ratio
        if coded != self._coded and coded:
            # It changed on the way, of which the header knows nothing.
            self._stated = self._coded = coded
        aspect = float(self._stated or coded or 1)
        return aspect if 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT else 1.0


class _TopField:
    """Takes the upper field out of interlaced frames of one size and form, without copying it."""

    def __init__(self, decoded: av.VideoFrame) -> None:
        self._form = (decoded.width, decoded.height, decoded.format.name)
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add_buffer(
            width=decoded.width,
            height=decoded.height,
            format=decoded.format,
            time_base=Fraction(1, 1000),
        )
        self._graph.link_nodes(
            source, self._graph.add("field", "top"), self._graph.add("buffersink")
        ).configure()

    def takes(self, decoded: av.VideoFrame) -> bool:
        """Tell whether a frame has the size and the form that this was made for."""
        return self._form == (decoded.width, decoded.height, decoded.format.name)

    def of(self, decoded: av.VideoFrame) -> av.VideoFrame:
        """Return the upper field of a frame, half as high."""
        self._graph.vpush(decoded)
        return self._graph.vpull()


def _find_orientation(decoded: av.VideoFrame) -> Orientation:
    """Read how a frame is to be turned from what came with it."""
    try:
        found = cast("Mapping[SideData, bytes]", decoded.side_data).get(SideData.DISPLAYMATRIX)
    except ValueError:
        # FFmpeg attached something that PyAV has no name for: the angle can be read all the same.
        return Orientation(round(decoded.rotation / 90) % 4)
    if found is None:
        return UPRIGHT
    across_x, across_y, _, down_x, down_y = np.frombuffer(found, np.int32)[:5].tolist()
    # Where a step to the right and a step down in what is stored lead in what is shown.
    if abs(across_x) + abs(down_y) >= abs(across_y) + abs(down_x):
        turns = 2 if down_y < 0 else 0
        return Orientation(turns, (across_x < 0) != (down_y < 0))
    turns = 1 if across_y < 0 else 3
    return Orientation(turns, (across_y < 0) == (down_x < 0))


def describe_small_range(decoded: av.VideoFrame) -> str | None:
    """Say that a picture of more than 8 bits has few levels left when it is brought to 8.

    Args:
        decoded: The picture. Coded video in YUV, whose levels are defined, is left alone.

    Returns:
        A sentence; None where the picture is as it should be.
    """
    form = decoded.format
    bits = max(component.bits for component in form.components)
    if bits <= 8 or not (form.name.startswith("gray") or form.is_rgb):
        return None
    levels = decoded.reformat(format="gray16le").to_ndarray()[::2, ::2]
    # Without the few pixels of a sensor that are broken.
    low, high = np.percentile(levels, (0.1, 99.9))
    if high - low >= _USED_SHARE * 0xFFFF:
        return None
    shown = round((high - low) / 257) + 1
    return (
        f"the pixels have {bits} bits, of which only a small range is used "
        f"({low / 0xFFFF:.1%} to {high / 0xFFFF:.1%} of full): what is scored has about {shown} of "
        "256 levels; stretch the levels of all pictures alike, in training and scoring, before "
        "giving them to Oddframe"
    )


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


def map_ahead(work: Callable[[T], U], items: Iterable[T], threads: int) -> Generator[U, None, None]:
    """Yield what a function makes of items, in order, while threads work on the next ones.

    An error comes where its result would have come. When the caller leaves early, what runs is
    waited for, and nothing else begins.

    Args:
        work: Called in any of the threads, in several of them at a time.
        items: Asked for by the caller's thread.
        threads: How many threads; twice as many items wait or are worked on.
    """
    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(threads, "map-ahead") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) == 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


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
    orientation: Orientation,
) -> Pixels:
    """Resize a decoded frame and turn it, uint8 H x W x C; ``form`` is FFmpeg's pixel format."""
    # Resized first and turned after: the turn then moves the few pixels that are left.
    if orientation.quarter_turns % 2:
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
    if orientation != UPRIGHT:
        turned = np.rot90(pixels, orientation.quarter_turns)
        pixels = np.ascontiguousarray(turned[:, ::-1] if orientation.is_mirrored else turned)
    return pixels


def resize_picture(picture: Pixels, width: int, height: int) -> Pixels:
    """Resize a picture, uint8 H x W x 3, as the frames of a source are."""
    decoded = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return resize(VideoReformatter(), decoded, width, height, "rgb24", UPRIGHT)


def _encode(picture: Pixels, file_format: str, **options: int) -> bytes:
    # Pillow is an extra: scoring without pictures must work where it is missing.
    from PIL import Image

    # Pillow takes a grey picture without an axis for its channel.
    pixels = picture[:, :, 0] if picture.shape[2] == 1 else picture
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(content, file_format, **options)
    return content.getvalue()
