"""Writing video: pictures go in, and one finished file comes out, or none."""

from contextlib import AbstractContextManager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from oddframe._types import Pixels
from oddframe.errors import OutputError, SettingsError
from oddframe.files import output_error, replace_file

# x264's macroblock tree (mbtree) reads memory that it never wrote, so that the same pictures now
# and then become other bytes, and what is trained on a drawn scene would differ from run to run.
# Without it files are a fifth to a half larger, and a little closer to the pictures.
_CODECS = {
    "libx264": {"crf": "20", "preset": "veryfast", "mbtree": "0"},
    "mpeg4": {"qmin": "2", "qmax": "5"},
}
"""Codecs by preference, with their settings; FFmpeg may have been built without the first."""

_CONTAINERS = {
    ".mp4": {"movflags": "+faststart"},
    ".m4v": {"movflags": "+faststart"},
    ".mov": {},
    ".mkv": {},
}
"""Containers that keep the times of frames, by suffix, with their options."""

# Fine enough for every usual rate, such as 30,000 / 1,001; MPEG-4 allows at most 65,535.
_TICKS_PER_SECOND = 30_000


# What cameras and benchmarks send.
_DECODED = ("h264", "hevc", "mpeg4", "vp9", "av1", "mjpeg", "png", "tiff")


class VideoWriter:
    """Writes pictures to an H.264 file that plays anywhere; use it in a `with` block.

    The file is written under a temporary name beside `path`, and takes its place when the block
    ends without an error. After an error nothing of it is left, and what was at `path` is
    untouched.

    Args:
        path: The file; its suffix says which container: .mp4, .m4v, .mov or .mkv.
        rate_fps: Pictures per second, above 0, for pictures that come without a time.
        size: (width, height) of the pictures in pixels; an odd side is written one pixel smaller,
            since H.264 with colour at half size needs even ones.

    Raises:
        OutputError: If the file cannot be written, on entering, on writing or on leaving.
        SettingsError: If the rate, the size or the suffix cannot be.
    """

    def __init__(self, path: str | Path, rate_fps: float, size: tuple[int, int]) -> None:
        if not rate_fps > 0:
            raise SettingsError(f"rate_fps of a video must be above 0, got {rate_fps}")
        if min(size) < 2:
            raise SettingsError(
                f"a video must have a size of at least 2 x 2, got {size[0]} x {size[1]}"
            )
        self.path = Path(path)
        if self.path.suffix.lower() not in _CONTAINERS:
            raise SettingsError(
                f"the name of a video must end in {', '.join(_CONTAINERS)}, got {self.path.name!r}"
            )
        self._rate = Fraction(rate_fps).limit_denominator(1001)
        self._size = size
        self._even = (size[0] // 2 * 2, size[1] // 2 * 2)
        self._written = 0
        self._last_tick = -1
        self._file: AbstractContextManager[Path] | None = None
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None

    def __enter__(self) -> Self:
        self._file = replace_file(self.path)
        temporary = self._file.__enter__()
        try:
            self._open(temporary)
        except BaseException:
            self.abandon()
            raise
        return self

    def write(self, picture: Pixels, time_s: float | None = None) -> None:
        """Write the next picture.

        Args:
            picture: uint8 H x W x 3 of the writer's size.
            time_s: When to show it, in seconds from the start, later than the one before; one
                period later when left out. Give all pictures times, or none.

        Raises:
            OutputError: If the file cannot be written, or the writer is not open.
            SettingsError: If the picture has another size or type.
        """
        if self._container is None or self._stream is None:
            raise OutputError(
                f"{self.path} must be open to be written to; use the writer in a with block"
            )
        width, height = self._size
        if picture.dtype != np.uint8 or picture.shape != (height, width, 3):
            raise SettingsError(
                f"a picture for {self.path} must be uint8 of shape {height} x {width} x 3, "
                f"got {picture.dtype} of shape {' x '.join(map(str, picture.shape))}"
            )
        even = np.ascontiguousarray(picture[: self._even[1], : self._even[0]])
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        frame.time_base = Fraction(1, _TICKS_PER_SECOND)
        frame.pts = self._tick(time_s)
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise self._describe(error) from error
        self._written += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.abandon()
            return
        try:
            self._finish()
        except (av.FFmpegError, OSError) as failure:
            self.abandon()
            raise self._describe(failure) from failure

    def _open(self, temporary: Path) -> None:
        codec = next((name for name in _CODECS if name in av.codecs_available), None)
        if codec is None:
            raise OutputError(
                f"{self.path} needs one of the encoders {', '.join(_CODECS)}, "
                "but FFmpeg has neither"
            )
        try:
            self._container = av.open(
                str(temporary.absolute()), "w", options=_CONTAINERS[self.path.suffix.lower()]
            )
            added = self._container.add_stream(codec, rate=self._rate, options=dict(_CODECS[codec]))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._describe(error) from error
        stream = cast(VideoStream, added)
        stream.width, stream.height = self._even
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS_PER_SECOND)
        # With several threads the bytes would depend on how many cores the machine has.
        stream.codec_context.thread_count = 1
        self._stream = stream

    def _tick(self, time_s: float | None) -> int:
        """Return a picture's time in ticks, always later than the one before."""
        seconds = self._written / self._rate if time_s is None else time_s
        self._last_tick = max(round(seconds * _TICKS_PER_SECOND), self._last_tick + 1)
        return self._last_tick

    def _finish(self) -> None:
        """Write what the encoder still holds, close the file and put it in its place."""
        if self._container is not None and self._stream is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        file, self._container, self._stream, self._file = self._file, None, None, None
        if file is not None:
            file.__exit__(None, None, None)

    def abandon(self) -> None:
        """Close what is open, and remove the temporary file; the end of the block does no more."""
        container, file = self._container, self._file
        self._container = self._stream = self._file = None
        if container is not None:
            # The error that is being raised says more than one of closing.
            with suppress(av.FFmpegError, OSError):
                container.close()
        if file is not None:
            # `replace_file` removes its file where its block ends with an error.
            abandoned = _AbandonedError()
            file.__exit__(_AbandonedError, abandoned, None)

    def _describe(self, error: av.FFmpegError | OSError | ValueError) -> OutputError:
        if isinstance(error, OutputError):
            return error
        # PyAV's errors of the system are OSErrors too, and say whether the disk is full.
        if isinstance(error, OSError):
            return output_error(self.path, error)
        return OutputError(f"{self.path} could not be written: {error}")


class _AbandonedError(Exception):
    """Tells the temporary file that it is not wanted; never leaves this file."""


def list_codecs() -> dict[str, Any]:
    """Check the FFmpeg that PyAV brings along.

    Returns:
        Its version as ``ffmpeg``, and as ``codecs`` whether each codec that is needed is there.
        Both encoders count as one, since either will do for overlays.
    """
    found = {name: _has(name, "r") for name in _DECODED}
    found["h264 or mpeg4 encoder"] = any(_has(name, "w") for name in _CODECS)
    return {"ffmpeg": av.ffmpeg_version_info, "codecs": found}


def _has(name: str, mode: Literal["r", "w"]) -> bool:
    """Whether a codec is there, to read or to write; PyAV has no other way to ask."""
    try:
        av.Codec(name, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True
