"""Recordings: any file that FFmpeg reads, with times from its timestamps.

`Recording.frames` reads all of one, past whatever is damaged; `_Pass` holds the state of one such
pass. `Recording.frames_at` reads single frames again, without decoding all that lies before them.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from oddframe._types import Float64
from oddframe.core.clocks import RecordingClock
from oddframe.core.records import Frame
from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media.convert import Converter, describe_small_range
from oddframe.media.header import (
    count_stated,
    find_timing,
    is_raw,
    report_early_end,
    stated_length_s,
)
from oddframe.media.images import ImageFolder
from oddframe.media.nvdec import Nvdec
from oddframe.media.packets import TimestampCheck, demux_past_damage
from oddframe.media.source import FrameFormat, FrameSource

# Every decoding thread holds frames of its own: more of them cost memory and bring no speed that
# is used.
_DECODING_THREADS = 4

_TOLERANCE_S = 1e-4
"""Times of the same frame in two passes differ by rounding alone, so by less than this."""

_WRITTEN_LATELY_S = 60.0
"""A file that cannot be opened may be one that is still being written, if it changed since so long.
"""

_STILL_FORMATS = {"tty": "text", "image2": "a single image", "ico": "a single image"}
"""What FFmpeg would play although it is no recording."""


_INTERLACED = (
    "the video is interlaced: pictures for people are made of one field of each frame; "
    "what is scored is made of both"
)


def read_frames(
    source: FrameSource, wanted: FrameFormat, indices: Sequence[int], times_s: Float64
) -> list[Frame]:
    """Read the frames of a source with these numbers, as a whole pass would give them.

    Args:
        source: A recording, a folder of images or another source.
        wanted: The form of the frames.
        indices: Their numbers, increasing.
        times_s: The times that an earlier pass gave to them, in seconds.

    Returns:
        Those of the frames that are there, in order.

    Raises:
        SourceNotFoundError: If the source is no longer there.
        SourceError: If it cannot be read.
    """
    if not indices:
        return []
    if isinstance(source, Recording):
        return source.frames_at(wanted, indices, times_s)
    if isinstance(source, ImageFolder):
        return list(source.frames(wanted, only=frozenset(indices)))
    return _read_from_front(source, wanted, indices)


class Recording:
    """One file with video in it, as a `FrameSource`.

    Opening reads the header only, and finds out whether there is a video stream that can be
    decoded.

    Args:
        path: The file.
        name: What results are filed under; the file's name without its suffix when None.
        fps: Frames per second of a raw stream, which has no times and may not state its rate;
            others have times of their own, and a notice says that this has no effect on them.

    Attributes:
        timing: Its rate and its gap as one record.
        nvdec: Decodes whole passes on a GPU where it can; None has the processor decode them.

    Raises:
        SourceNotFoundError: If there is no such file.
        SourceError: If it is not a recording with video in it; the sentence says why.
    """

    def __init__(self, path: str | Path, name: str | None = None, fps: float | None = None) -> None:
        self.path = Path(path)
        self.name = name or self.path.stem
        self.notices: list[str] = []
        self.nvdec: Nvdec | None = None
        with _open(self.path) as container:
            stream = _video_stream(container, self.path)
            self.timing = find_timing(container, stream, fps, self.notice)
            if (count := len(_moving_pictures(container))) > 1:
                self.notice(f"holds {count} streams of video, of which only the first is used")
        self.rate_fps, self.gap_s = self.timing.rate_fps, self.timing.gap_s

    def __repr__(self) -> str:
        return f"Recording({str(self.path)!r}, {self.rate_fps:.3g} frames per second)"

    def count_frames(self) -> int:
        """Count the packets of the video stream; a damaged file may give fewer frames."""
        with _open(self.path) as container:
            stream = _video_stream(container, self.path)
            packets = demux_past_damage(container, stream, self.notice)
            return sum(1 for packet in packets if packet.size and not packet.is_discard)

    def stated_frames(self) -> int:
        """Return how many frames to show the header promises; 0 where it does not say."""
        with _open(self.path) as container:
            return count_stated(container, _video_stream(container, self.path))

    def length_s(self) -> float | None:
        """Return how long the header says that the video is, in seconds; None if it does not."""
        with _open(self.path) as container:
            return stated_length_s(container, _video_stream(container, self.path))

    def fingerprint(self) -> str:
        """Return a hash of the file's full name, size and time of change."""
        state = self.path.stat()
        identity = f"{self.path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}"
        return hashlib.sha256(identity.encode()).hexdigest()

    @contextmanager
    def opened(self) -> "Iterator[tuple[InputContainer, VideoStream]]":
        """Open it for reading packets: the container, and its video stream.

        Raises:
            SourceNotFoundError: If the recording is no longer there.
            SourceError: If it cannot be read.
        """
        with _open(self.path) as container:
            yield container, _video_stream(container, self.path)

    def decode(self) -> int:
        """Decode every frame and convert none, to measure the decoder alone.

        Returns:
            How many frames there are.
        """
        with _open(self.path, self) as container:
            return sum(1 for _ in _Pass(self, container).decoded())

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Yield all frames in a fresh pass; see `FrameSource.frames`."""
        with _open(self.path, self) as container:
            yield from _Pass(self, container).frames(wanted)

    def frames_at(
        self, wanted: FrameFormat, indices: Sequence[int], times_s: Float64
    ) -> list[Frame]:
        """Read single frames again, as a whole pass gives them.

        Decoding begins at the picture before the first of them that can be decoded by itself. Where
        the recording's timestamps cannot be trusted to lead there, which their times show, it is
        decoded from the front up to the last of them.

        Args:
            wanted: The form of the frames.
            indices: Their numbers, increasing, at least one.
            times_s: The times that an earlier pass gave to them, in seconds.

        Returns:
            Those of the frames that are there, in order.

        Raises:
            SourceNotFoundError: If the recording is no longer there.
            SourceError: If it cannot be read.
        """
        frames = self._seek_frames(wanted, indices, times_s)
        return _read_from_front(self, wanted, indices) if frames is None else frames

    def _seek_frames(
        self, wanted: FrameFormat, indices: Sequence[int], times_s: Float64
    ) -> list[Frame] | None:
        """Read the frames at these times by seeking; None unless every one of them is met."""
        path = self.path
        frames: list[Frame] = []
        try:
            with av.open(str(path.absolute()), options={"protocol_whitelist": "file"}) as container:
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                converter = Converter(wanted, stream)
                base, zero = stream.time_base, stream.start_time or 0
                if base is None or is_raw(container):
                    return None
                container.seek(zero + max(0, int(times_s[0] / base)), stream=stream)
                for decoded in container.decode(stream):
                    if decoded.pts is None:
                        return None
                    time_s = float(decoded.pts - zero) * float(base)
                    place = int(np.searchsorted(times_s, time_s - _TOLERANCE_S))
                    if place < len(times_s) and abs(times_s[place] - time_s) < _TOLERANCE_S:
                        frames.append(
                            converter.frame(decoded, indices[place], float(times_s[place]))
                        )
                    if time_s > times_s[-1] - _TOLERANCE_S:
                        break
        except FileNotFoundError as error:
            raise _not_there(path) from error
        except PermissionError as error:
            raise _not_permitted(path) from error
        except (av.FFmpegError, IndexError):
            # What is damaged is read as it was the first time: from the front, past the damage.
            return None
        return frames if [frame.index for frame in frames] == list(indices) else None

    def notice(self, text: str) -> None:
        """Add a sentence to `notices`, unless an earlier pass has added it."""
        if text not in self.notices:
            self.notices.append(text)


class _Pass:
    """The state of one pass over a recording: its clock and what went wrong."""

    def __init__(self, recording: Recording, container: InputContainer) -> None:
        self._recording = recording
        self._container = container
        self._stream = _video_stream(container, recording.path)
        self._stream.thread_type = "AUTO"
        self._on_gpu = self._stream.codec_context.is_hwaccel
        threads = min(_DECODING_THREADS, os.cpu_count() or 1)
        self._stream.thread_count = 1 if self._on_gpu else threads
        packets = demux_past_damage(container, self._stream, recording.notice)
        self._check = TimestampCheck(packets, recording.timing, self._stream)
        self._is_raw = is_raw(container)
        self._bytes = recording.path.stat().st_size
        self._packets = 0
        self._damaged = 0
        self._size: tuple[int, int] | None = None
        self._interlaced = False

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Decode, time and convert every frame, and note what went wrong."""
        converter = Converter(wanted, self._stream)
        index = 0
        clock: RecordingClock | None = None
        for decoded in self.decoded():
            if self._check.leaves_out(decoded.pts):
                # It keeps its number: others count the frames too, as labels do.
                index += 1
                continue
            clock = self._new_clock() if clock is None else clock
            time_s = clock.time_s(None if self._is_raw else decoded.pts)
            self._damaged += decoded.is_corrupt
            try:
                frame = converter.frame(decoded, index, time_s)
            except av.FFmpegError as error:
                path, pixel_format = self._recording.path, decoded.format.name
                raise SourceError(
                    f"{path} holds pictures of the form {pixel_format}, which cannot be converted"
                ) from error
            self._check_picture(frame, decoded)
            index += 1
            yield frame
        self._report(clock)

    def _new_clock(self) -> RecordingClock:
        stream = self._stream
        start = None if self._check.is_first_damaged else stream.start_time
        return RecordingClock(self._recording.timing, stream.time_base or Fraction(1, 1000), start)

    def decoded(self) -> Iterator[av.VideoFrame]:
        """Decode every frame, and skip what cannot be decoded."""
        for packet in self._check:
            self._packets += bool(packet.size)
            self._damaged += packet.is_corrupt
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                # A packet that the demuxer marks as corrupt is counted already.
                self._damaged += not packet.is_corrupt
                continue
            yield from decoded
        # Where reading was given up the decoder still holds frames; elsewhere it says that it is
        # empty.
        with suppress(av.FFmpegError):
            yield from self._stream.decode(None)

    def _check_picture(self, frame: Frame, decoded: av.VideoFrame) -> None:
        if self._size is None and self._on_gpu and self._recording.nvdec is not None:
            self._recording.nvdec.check_frame(decoded, self._recording.notice)
        if self._size is None and (small := describe_small_range(decoded)) is not None:
            self._recording.notice(small)
        if decoded.interlaced_frame and not self._interlaced:
            self._interlaced = True
            self._recording.notice(_INTERLACED)
        if self._size is not None and frame.source_size != self._size:
            before, after = (
                f"{width} x {height}" for width, height in (self._size, frame.source_size)
            )
            self._recording.notice(
                f"the picture changes from {before} to {after} at {frame.time_s:.2f} s"
            )
        self._size = frame.source_size

    def _report(self, clock: RecordingClock | None) -> None:
        recording = self._recording
        if clock is None:
            raise SourceError(
                f"{recording.path} must give at least one video frame, but none could be decoded; "
                "it is empty, cut off or damaged"
            )
        if self._damaged:
            recording.notice(
                f"damaged data was met {self._damaged} time(s); "
                "what could not be decoded was skipped"
            )
        if self._check.found:
            recording.notice(
                f"{self._check.found} frame(s) had timestamps far from those of their neighbours "
                "and were left out"
            )
        if not self._is_raw:
            clock.report(recording.notice)
        grown = 0
        # Somebody may have moved it away meanwhile.
        with suppress(OSError):
            grown = recording.path.stat().st_size - self._bytes
        if grown > 0:
            recording.notice(
                "it is still being written: it grew while it was read; score it again when it is "
                "finished"
            )
        else:
            report_early_end(
                self._container,
                self._stream,
                self._packets,
                clock.end_s,
                recording.gap_s,
                recording.notice,
            )


@contextmanager
def _open(path: Path, decoded: Recording | None = None) -> Iterator[InputContainer]:
    """Open a file, for a pass of a recording or a look; what goes wrong is a `SourceError`."""
    try:
        if path.is_dir():
            raise SourceError(f"{path} must be a recording, but it is a folder")
        if not path.stat().st_size:
            raise SourceError(f"{path} must be a recording, but it is empty")
        # An absolute path cannot be taken for a protocol ("a:b.mp4"); no playlist may lead to the
        # network.
        local = {"protocol_whitelist": "file"}
        open_file = partial(av.open, str(path.absolute()), options=local, metadata_errors="replace")
        if decoded is None or decoded.nvdec is None:
            container = open_file()
        else:
            container = decoded.nvdec.open(open_file, decoded.notice)
    except FileNotFoundError as error:
        raise _not_there(path) from error
    except PermissionError as error:
        raise _not_permitted(path) from error
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or str(error)
        raise SourceError(
            f"{path} must be a recording, but FFmpeg cannot open it ({reason}); "
            f"it is not a video or its header is cut off or damaged{_written_lately(path)}"
        ) from error
    with container:
        container_format = container.format.name
        kind = _STILL_FORMATS.get(container_format)
        # FFmpeg's name for a bare image is png_pipe; a stream of JPEG images has the same name.
        if container_format.endswith("_pipe") and not is_raw(container):
            kind = "a single image"
        if kind is not None:
            raise SourceError(f"{path} must be a recording, but it is {kind}")
        yield container


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the first stream of moving pictures."""
    streams = _moving_pictures(container)
    if not streams:
        kinds = " and ".join(sorted({str(stream.type) for stream in container.streams}))
        kinds = kinds or "nothing"
        raise SourceError(f"{path} must hold a video stream, but it only holds {kinds}")
    stream = streams[0]
    if stream.codec_context is None:
        raise SourceError(
            f"{path} holds video in a coding that this FFmpeg has no decoder for; convert it first"
        )
    return stream


def _written_lately(path: Path) -> str:
    """Say that a file may not be finished yet, where it was written to a moment ago."""
    age_s = time.time() - path.stat().st_mtime
    if not 0 <= age_s < _WRITTEN_LATELY_S:
        return ""
    return f", or it is still being written (it was changed {age_s:.0f} s ago)"


def _moving_pictures(container: InputContainer) -> list[VideoStream]:
    """List the streams of moving pictures; the cover picture of a song is none."""
    return [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]


def _not_there(path: Path) -> SourceNotFoundError:
    return SourceNotFoundError(f"{path} must be a recording, but nothing is there")


def _not_permitted(path: Path) -> SourceError:
    return SourceError(f"{path} cannot be read: permission denied; change its permissions")


def _read_from_front(
    source: FrameSource, wanted: FrameFormat, indices: Sequence[int]
) -> list[Frame]:
    """Read the frames with these numbers in a pass from the front up to the last of them."""
    chosen, frames = frozenset(indices), []
    for frame in source.frames(wanted):
        if frame.index in chosen:
            frames.append(frame)
        if frame.index >= indices[-1]:
            break
    return frames
