"""Recordings: any file that FFmpeg reads, with times from its timestamps.

Some frames of a source again, by number, without decoding all that lies before them.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from oddframe.core.clocks import RecordingClock
from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media.convert import Converter
from oddframe.media.images import ImageFolder
from oddframe.media.source import FrameFormat, Source

_FALLBACK_FPS = 25.0
_PLAUSIBLE_FPS = (0.01, 240.0)
_MEASURED_PACKETS = 50
_DEMUX_RETRIES = 100
_DECODING_THREADS = 4

_COUNTING_FORMATS = {"mov,mp4,m4a,3gp,3g2,mj2"}
"""Formats whose header states the number of frames reliably."""

_TIMED_FORMATS = {"matroska,webm", "flv"}
"""Formats whose header states how long the recording is; others only have it estimated."""

_STILL_FORMATS = {"tty": "text", "image2": "a single image", "ico": "a single image"}
"""What FFmpeg would play although it is no recording."""


class Recording:
    """One file with video in it; see `Source` for what it offers.

    Opening reads the header only, and finds out whether there is a video stream that can be
    decoded.

    Raises:
        SourceNotFoundError: If there is no such file.
        SourceError: If it is not a recording with video in it; the sentence says why.
    """

    def __init__(self, path: str | Path, name: str | None = None) -> None:
        self.path = Path(path)
        self.name = name or self.path.stem
        self.notices: list[str] = []
        with _opened(self.path) as container:
            rate_fps = self._measured_fps(container, _video_stream(container, self.path))
        self.timing = FrameTiming.of_video(rate_fps)
        self.rate_fps, self.gap_s = self.timing.rate_fps, self.timing.gap_s

    def __repr__(self) -> str:
        return f"Recording({str(self.path)!r}, {self.rate_fps:.3g} frames per second)"

    def count_frames(self) -> int:
        """Packets of the video stream; a damaged file may give fewer frames than that."""
        with _opened(self.path) as container:
            stream = _video_stream(container, self.path)
            packets = _readable_packets(container, stream, self._notice)
            return sum(1 for packet in packets if packet.size and not packet.is_discard)

    def stated_frames(self) -> int:
        """Frames that the header promises, found without reading on; 0 where it does not say."""
        with _opened(self.path) as container:
            return _video_stream(container, self.path).frames

    def fingerprint(self) -> str:
        """Hash of the file's full name, size and time of change."""
        state = self.path.stat()
        told = f"{self.path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}"
        return hashlib.sha256(told.encode()).hexdigest()

    def decode(self) -> int:
        """Decode all of it and convert nothing; how many frames that gives, for whoever measures it."""
        with _opened(self.path) as container:
            return sum(1 for _ in _Pass(self, container).decoded())

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """A fresh pass over all frames; see `Source.frames`."""
        with _opened(self.path) as container:
            yield from _Pass(self, container).frames(wanted)

    def _measured_fps(self, container: InputContainer, stream: VideoStream) -> float:
        """Average frames per second; measured on the first packets where the header's claim is implausible."""
        slowest, fastest = _PLAUSIBLE_FPS
        if stream.average_rate is not None and slowest <= stream.average_rate <= fastest:
            return float(stream.average_rate)
        packets = islice(_readable_packets(container, stream, self._notice), _MEASURED_PACKETS)
        ticks = sorted({packet.pts for packet in packets if packet.pts is not None})
        if len(ticks) < 2 or stream.time_base is None:
            return _FALLBACK_FPS
        return float(1 / (median(b - a for a, b in pairwise(ticks)) * stream.time_base))

    def _notice(self, text: str) -> None:
        if text not in self.notices:
            self.notices.append(text)


class _Pass:
    """The state of one pass over a recording: its clock and what went wrong."""

    def __init__(self, recording: Recording, container: InputContainer) -> None:
        self._recording = recording
        self._container = container
        self._stream = _video_stream(container, recording.path)
        self._stream.thread_type = "AUTO"
        # Every decoding thread holds frames of its own: more of them cost memory and bring no speed
        # that is used.
        self._stream.thread_count = min(_DECODING_THREADS, os.cpu_count() or 1)
        time_base, start = self._stream.time_base or Fraction(1, 1000), self._stream.start_time
        self._clock = RecordingClock(recording.timing, time_base, start)
        self._packets = 0
        self._damaged = 0
        self._size: tuple[int, int] | None = None

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Decode, time and convert every frame."""
        converter = Converter(wanted)
        index = 0
        for decoded in self.decoded():
            time_s = self._clock.time_s(decoded.pts)
            self._damaged += decoded.is_corrupt
            try:
                frame = converter.frame(decoded, index, time_s, decoded.rotation)
            except av.FFmpegError as error:
                path, form = self._recording.path, decoded.format.name
                raise SourceError(
                    f"{path} holds pictures of the form {form}, which cannot be converted"
                ) from error
            self._watch_size(frame)
            index += 1
            yield frame
        self._report(index)

    def decoded(self) -> Iterator[av.VideoFrame]:
        """Decode every frame."""
        for packet in _readable_packets(self._container, self._stream, self._recording._notice):
            self._packets += bool(packet.size) and not packet.is_discard
            self._damaged += packet.is_corrupt
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                self._damaged += not packet.is_corrupt
                continue
            yield from decoded
        # Where reading was given up the decoder still holds frames; elsewhere it says that it is
        # empty.
        with suppress(av.FFmpegError):
            yield from self._stream.decode(None)

    def _watch_size(self, frame: Frame) -> None:
        if self._size is not None and frame.source_size != self._size:
            before, after = (
                f"{width} x {height}" for width, height in (self._size, frame.source_size)
            )
            self._recording._notice(
                f"the picture changes from {before} to {after} at {frame.time_s:.2f} s"
            )
        self._size = frame.source_size

    def _report(self, frames: int) -> None:
        recording = self._recording
        if not frames:
            raise SourceError(
                f"{recording.path} must give at least one video frame, but none could be decoded; "
                "it is empty, cut off or damaged"
            )
        if self._damaged:
            recording._notice(
                f"damaged data was met {self._damaged} time(s); what could not be decoded was skipped"
            )
        self._clock.report(recording._notice)
        self._report_early_end()

    def _report_early_end(self) -> None:
        container, stream = self._container, self._stream
        if container.format.name in _COUNTING_FORMATS and stream.frames > self._packets:
            self._recording._notice(
                f"ended early: the header promises {stream.frames} frames, the file holds {self._packets}"
            )
            return
        promised_s, end_s = _promised_s(container, stream), self._clock.end_s
        if promised_s is not None and promised_s - end_s > self._recording.gap_s:
            self._recording._notice(
                f"ended early: the header promises {promised_s:.1f} s, the video ends at {end_s:.1f} s"
            )


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """Open a recording for reading, translating what can go wrong."""
    try:
        if path.is_dir():
            raise SourceError(f"{path} must be a recording, but it is a folder")
        if not path.stat().st_size:
            raise SourceError(f"{path} must be a recording, but it is empty")
        # An absolute path cannot be taken for a protocol ("a:b.mp4"); no playlist may lead to the
        # network.
        container = av.open(
            str(path.absolute()), options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path} must be a recording, but nothing is there") from error
    except PermissionError as error:
        raise SourceError(
            f"{path} cannot be read: permission denied; change its permissions"
        ) from error
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or str(error)
        raise SourceError(
            f"{path} must be a recording, but FFmpeg cannot open it ({reason}); "
            "it is not a video or its header is cut off or damaged"
        ) from error
    with container:
        form = container.format.name
        kind = "a single image" if form.endswith("_pipe") else _STILL_FORMATS.get(form)
        if kind is not None:
            raise SourceError(f"{path} must be a recording, but it is {kind}")
        yield container


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first stream of moving pictures; a cover picture in a piece of music is none."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = (
            " and ".join(sorted({str(stream.type) for stream in container.streams})) or "nothing"
        )
        raise SourceError(f"{path} must hold a video stream, but it only holds {kinds}")
    stream = streams[0]
    if stream.codec_context is None:
        raise SourceError(
            f"{path} holds video in a coding that this FFmpeg has no decoder for; convert it first"
        )
    return stream


def _packets(container: InputContainer, stream: VideoStream) -> "Iterator[av.Packet[VideoStream]]":
    return container.demux(stream)


def _readable_packets(
    container: InputContainer, stream: VideoStream, notice: Callable[[str], None]
) -> "Iterator[av.Packet[VideoStream]]":
    """Every packet that can be had: behind a damaged place the file goes on as far as FFmpeg finds its footing."""
    reason = ""
    for _ in range(_DEMUX_RETRIES):
        try:
            yield from _packets(container, stream)
        except av.FFmpegError as error:
            reason = error.strerror or str(error)
        except IndexError:
            # PyAV, at the end of a file in which damage made streams appear that the header does
            # not name.
            return
        else:
            return
    notice(f"ended early: reading failed ({reason})")


def _promised_s(container: InputContainer, stream: VideoStream) -> float | None:
    """How long the video is according to the header; None where no header says so."""
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    if container.format.name in _TIMED_FORMATS and container.duration:
        return container.duration / av.time_base
    return None


_TOLERANCE_S = 1e-4
"""Times of the same frame differ by rounding alone."""


def read_frames(
    source: Source, wanted: FrameFormat, indices: Sequence[int], times_s: npt.NDArray[np.float64]
) -> list[Frame]:
    """The frames of a source with these numbers, as a whole pass would give them.

    A recording is entered at the picture before the first of them that can be decoded by itself.
    Where its timestamps cannot be trusted to lead there, which their times show, all of it is
    decoded up to the last.

    Args:
        source: A recording or a folder of images.
        wanted: The form of the frames.
        indices: Their numbers, increasing.
        times_s: The times that an earlier pass gave to them, in seconds.

    Returns:
        Those that are there, in order.

    Raises:
        SourceNotFoundError: If the source is no longer there.
        SourceError: If it cannot be read.
    """
    if not indices:
        return []
    if isinstance(source, ImageFolder):
        return list(source.frames(wanted, only=frozenset(indices)))
    found = (
        _sought(source.path, wanted, indices, times_s) if isinstance(source, Recording) else None
    )
    return _passed(source, wanted, indices) if found is None else found


def _sought(
    path: Path, wanted: FrameFormat, indices: Sequence[int], times_s: npt.NDArray[np.float64]
) -> list[Frame] | None:
    """The frames at these times, entered by seeking; None unless every one of them is met."""
    converter, found = Converter(wanted), []
    try:
        with av.open(str(path.absolute()), options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            base, zero = stream.time_base, stream.start_time or 0
            if base is None:
                return None
            container.seek(zero + max(0, int(times_s[0] / base)), stream=stream)
            for decoded in container.decode(stream):
                if decoded.pts is None:
                    return None
                time_s = float(decoded.pts - zero) * float(base)
                place = int(np.searchsorted(times_s, time_s - _TOLERANCE_S))
                if place < len(times_s) and abs(float(times_s[place]) - time_s) < _TOLERANCE_S:
                    frame = converter.frame(
                        decoded, indices[place], float(times_s[place]), decoded.rotation
                    )
                    found.append(frame)
                if time_s > times_s[-1] - _TOLERANCE_S:
                    break
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path} must be a recording, but nothing is there") from error
    except PermissionError as error:
        raise SourceError(
            f"{path} cannot be read: permission denied; change its permissions"
        ) from error
    except (av.FFmpegError, IndexError):
        # What is damaged is read as it was the first time: from the front, past the damage.
        return None
    return found if [frame.index for frame in found] == list(indices) else None


def _passed(source: Source, wanted: FrameFormat, indices: Sequence[int]) -> list[Frame]:
    """The frames with these numbers in a pass from the front."""
    chosen, found = frozenset(indices), []
    for frame in source.frames(wanted):
        if frame.index in chosen:
            found.append(frame)
        if frame.index >= indices[-1]:
            break
    return found
