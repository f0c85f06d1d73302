"""Frames that a caller has in memory: an array, an iterable, or an OpenCV capture.

`ArraySource` gives any of them as a `FrameSource`, `ArrayConverter` makes a `Frame` of one picture.
OpenCV is known by what its objects can do and is never imported.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, islice, pairwise
from numbers import Real
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import av
import numpy as np

from oddframe._types import Pixels
from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import InputError, SettingsError, SourceError
from oddframe.media.convert import UPRIGHT, Converter
from oddframe.media.source import PLAUSIBLE_FPS, FrameFormat

ColourOrder: TypeAlias = Literal["rgb", "bgr"]
"""The order of the colours in a caller's arrays; OpenCV has blue first."""

_LOOKED_AT = 9
"""Frames whose times tell the rate of frames that come with times; as many as the chain looks at.
"""

# OpenCV's numbers of these properties, the same in all its versions.
_POSITION_MS, _RATE = 0, 5

_PIXEL_FORMATS = {
    ("rgb", 3): "rgb24",
    ("bgr", 3): "bgr24",
    ("rgb", 4): "rgba",
    ("bgr", 4): "bgra",
}
"""FFmpeg's names for arrays by order of colours and number of channels; the fourth is opacity."""


@runtime_checkable
class VideoCapture(Protocol):
    """What an opened ``cv2.VideoCapture`` can do; anything else that can is taken as well."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's own name
        """Tell whether frames can be read."""
        ...

    def read(self) -> tuple[bool, Any]:
        """Read the next frame: whether there is one, and its pixels, blue first."""
        ...

    def get(self, prop: int, /) -> float:
        """Give a property of the video by OpenCV's number of it."""
        ...


class ArrayConverter:
    """Makes frames of a caller's arrays, as those of a recording are made.

    Args:
        wanted: The form of the frames.
        colour: The order of the colours in the arrays.

    Raises:
        SettingsError: If the order is another word.
    """

    def __init__(self, wanted: FrameFormat, colour: ColourOrder = "rgb") -> None:
        self._converter = Converter(wanted)
        self._colour = check_colour(colour)

    def frame(self, picture: Any, index: int, time_s: float) -> Frame:
        """Convert one picture.

        Args:
            picture: uint8 H x W, or H x W x C with C = 1, 3 or 4 (opacity, which is ignored), of
                any size: an array, or what NumPy makes one of; or a ``av.VideoFrame``.
            index: Its index in the source.
            time_s: Its time in seconds.

        Raises:
            InputError: If it is something else.
        """
        if isinstance(picture, av.VideoFrame):
            return self._converter.frame(picture, index, time_s)
        pixels = picture_of(picture)
        form = _PIXEL_FORMATS.get((self._colour, pixels.shape[-1]), "gray")
        shaped = pixels[:, :, 0] if form == "gray" else pixels
        decoded = av.VideoFrame.from_ndarray(np.ascontiguousarray(shaped), format=form)
        return self._converter.frame(decoded, index, time_s, UPRIGHT)


class ArraySource:
    """Frames of a caller as a `FrameSource`.

    An iterator can be passed over once, what has a length as often as one likes. Frames are taken
    on the thread that asks for them, and only as they are asked for.

    Args:
        frames: An array T x H x W x C or T x H x W; an iterable of arrays, or of pairs of a time in
            seconds and an array; or an opened ``cv2.VideoCapture``.
        fps: Frames per second of frames that come without times.
        colour: The order of the colours; those of a capture are always blue first.

    Raises:
        SettingsError: If an array comes without ``fps``, or that is not above 0.
        InputError: If an array has another shape.
        SourceError: If a capture is not opened.
    """

    def __init__(self, frames: Any, fps: float | None = None, colour: ColourOrder = "rgb") -> None:
        if fps is not None and not 0 < fps < math.inf:
            raise SettingsError(f"fps must be above 0, got {fps}")
        self.name = "frames"
        self.path = Path(self.name)
        self.notices: list[str] = []
        self._fps = fps
        self._colour: ColourOrder = check_colour(colour)
        self._frames: Iterable[Any] = frames
        self._capture: VideoCapture | None = None
        if isinstance(frames, VideoCapture):
            self._open_capture(frames)
        elif hasattr(frames, "__array__"):
            self._frames = _stack_of(frames)
            if fps is None:
                raise _needs_fps()
        # What is claimed until the first frame tells better.
        self._set_timing(fps or 1.0)

    def __repr__(self) -> str:
        return f"ArraySource({type(self._frames).__name__})"

    def count_frames(self) -> int:
        """Return how many frames there are; 0 where that is not known before they come."""
        try:
            return len(self._frames)  # type: ignore[arg-type]
        except TypeError:
            return 0

    def fingerprint(self) -> str:
        """Return a text for this very object: what a caller holds has no file that may change."""
        return f"{self.name} {id(self._frames)}"

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Yield all frames; see `FrameSource.frames`. The rate is known with the first one."""
        converter = ArrayConverter(wanted, self._colour)
        frames = _with_times(self._frames)
        first = list(islice(frames, 1))
        if not first:
            raise SourceError(
                "the frames must be at least one, but there is none; an iterator can be read once"
            )
        timed = first[0].time_s is not None
        if timed and (self._fps is None or self._capture is not None):
            first += islice(frames, _LOOKED_AT - 1)
        timed = self._find_timing([frame.time_s for frame in first if frame.time_s is not None])
        for index, frame in enumerate(chain(first, frames)):
            time_s = frame.time_s if timed and frame.time_s is not None else index / self.rate_fps
            yield converter.frame(frame.picture, index, time_s)

    def _open_capture(self, capture: VideoCapture) -> None:
        """Take a capture as frames with the times that it tells."""
        if not capture.isOpened():
            raise SourceError(
                "a VideoCapture must be opened, but this one is not: OpenCV could not read what it "
                "was given"
            )
        self._capture, self._colour = capture, "bgr"
        self._frames = _read_capture(capture)

    def _find_timing(self, times_s: list[float]) -> bool:
        """Find the rate, of the first times or of what was said; returns whether times count."""
        if not times_s:
            if self._fps is None:
                raise _needs_fps()
            self._set_timing(self._fps)
            return False
        steps = [after - before for before, after in pairwise(times_s)]
        if self._capture is not None and not all(step > 0 for step in steps):
            # Some of OpenCV's readers know no times; what they call the rate must do then.
            rate_fps = self._fps or self._capture.get(_RATE)
            low, high = PLAUSIBLE_FPS
            if not low <= rate_fps <= high:
                raise _needs_fps()
            self._set_timing(rate_fps)
            return False
        middle_s = median(steps) if steps else 0.0
        self._set_timing(self._fps or (1 / middle_s if middle_s > 0 else 1.0))
        return True

    def _set_timing(self, rate_fps: float) -> None:
        timing = FrameTiming.of_video(rate_fps)
        self.rate_fps, self.gap_s = timing.rate_fps, timing.gap_s


def check_colour(colour: ColourOrder) -> ColourOrder:
    """Return an order of colours, or raise a `SettingsError` where it is none."""
    if colour not in ("rgb", "bgr"):
        raise SettingsError(f'colour must be "rgb" or "bgr", got {colour!r}')
    return colour


def check_time(time_s: Any, index: int) -> float:
    """Return the time of a frame in seconds, or raise an `InputError` where it is none."""
    if not isinstance(time_s, Real) or not math.isfinite(time_s):
        raise InputError(
            f"the time of a frame must be a finite number of seconds, got {time_s!r} "
            f"for frame {index}"
        )
    return float(time_s)


def picture_of(picture: Any) -> Pixels:
    """Give a caller's picture as an array, uint8 H x W x C with C = 1, 3 or 4.

    Raises:
        InputError: If it is something else; the sentence says what to do.
    """
    pixels = np.asarray(picture)
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]  # H W -> H W 1
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise InputError(
            "a frame must be an array of the shape H x W, or H x W x C with 1, 3 or 4 channels, "
            f"got {_described(picture)}"
        )
    if pixels.dtype != np.uint8:
        raise InputError(
            f"a frame must have whole numbers from 0 to 255 (uint8), got {pixels.dtype}; "
            "for values from 0 to 1: (frame * 255).astype(numpy.uint8)"
        )
    return pixels


def _stack_of(frames: Any) -> Any:
    """Give a caller's array as T x H x W or T x H x W x C."""
    stack = np.asarray(frames)
    is_one = stack.ndim == 3 and stack.shape[2] in (1, 3, 4)
    if stack.ndim not in (3, 4) or is_one or not len(stack):
        more = "; put a single frame into a list: [frame]" if is_one else ""
        raise InputError(
            "an array of frames must have the shape T x H x W x C or T x H x W, "
            f"got {_described(frames)}{more}"
        )
    return stack


class _GivenFrame(NamedTuple):
    """What an iterable gives: a frame, and its time where it comes with one."""

    time_s: float | None
    picture: Any


def _with_times(items: Iterable[Any]) -> Iterator[_GivenFrame]:
    """Tell frames from pairs of a time and a frame; all must be of one kind."""
    kind: bool | None = None
    for index, item in enumerate(items):
        is_pair = isinstance(item, tuple) and len(item) == 2
        if kind is not None and kind is not is_pair:
            raise InputError(
                "frames must all be arrays or all be pairs of a time in seconds and an array, "
                f"but frame {index} is not as those before it"
            )
        kind = is_pair
        yield (
            _GivenFrame(check_time(item[0], index), item[1]) if is_pair else _GivenFrame(None, item)
        )


def _read_capture(capture: VideoCapture) -> Iterator[tuple[float, Any]]:
    """Yield the time in seconds and the pixels of what a capture still has."""
    while True:
        is_there, picture = capture.read()
        if not is_there:
            return
        yield capture.get(_POSITION_MS) / 1000, picture


def _described(picture: Any) -> str:
    """Say what a caller gave: the shape of an array, the type of everything else."""
    shape = getattr(picture, "shape", None)
    return type(picture).__name__ if shape is None else " x ".join(map(str, shape)) or "a number"


def _needs_fps() -> SettingsError:
    return SettingsError(
        "frames without times need their rate, got none: give fps=..., the frames per second, "
        "or pairs of a time in seconds and a frame"
    )
