"""The last seconds of a stream as its camera encoded them, for clips that cost no encoding.

Packets are kept in groups of pictures: a key frame, and those after it that need it. A clip begins
with a key frame, since no decoder can start elsewhere.
"""

import io
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from oddframe.errors import OutputError, SettingsError
from oddframe.files import output_error, replace_file

_MP4_CODECS = {"h264", "hevc", "av1", "vp9"}
"""What players expect in MP4; other codecs go into Matroska, which takes them all."""

_TICKS_PER_SECOND = 90_000  # as in MPEG transport streams

# Far less than a frame's period, and more than rounding.
_SAME_TIME_S = 1e-6


@dataclass(frozen=True, slots=True)
class WrittenClip:
    """A clip on disk.

    Attributes:
        path: The file.
        start_s: Time of its first frame on the stream's axis: that of the key frame at or before
            the wanted start.
        end_s: Time of its last frame.
        frames: How many frames it holds.
    """

    path: Path
    start_s: float
    end_s: float
    frames: int


@dataclass(frozen=True, slots=True)
class _Coding:
    """What a decoder must know before the first picture.

    Attributes:
        codec: Name of the codec.
        extradata: The codec's parameters; connections to one camera share them.
        template: The same as a file of one picture, from which FFmpeg makes streams; it outlives
            the connection.
    """

    codec: str
    extradata: bytes
    template: bytes = field(compare=False, repr=False)


@dataclass(slots=True)
class _KeptPicture:
    """One encoded picture; its time and size are known when it has been decoded.

    Attributes:
        data: The packet's bytes.
        pts_s: The camera's timestamp in seconds.
        early_s: How long before its own time it must be decoded, in seconds.
        is_key: Whether it can be decoded by itself.
        coding: What a decoder must know before.
        time_s: Its time on the stream's axis; None until it was decoded.
        size: (width, height) in pixels; None until it was decoded.
    """

    data: bytes
    pts_s: float | None
    early_s: float
    is_key: bool
    coding: _Coding
    time_s: float | None = None
    size: tuple[int, int] | None = None


class PacketBuffer:
    """Keeps the encoded pictures since a key frame at least `keep_s` ago, within a memory limit.

    Its methods may be called by any thread.

    Args:
        keep_s: Seconds to keep, above 0.
        most_bytes: Most memory for them, above 0; whole groups of pictures go when it is used up,
            oldest first.

    Raises:
        SettingsError: If either cannot be.
    """

    def __init__(self, keep_s: float, most_bytes: int) -> None:
        if not (keep_s > 0 and most_bytes > 0):
            raise SettingsError(
                f"keep_s and most_bytes must be above 0, got {keep_s} and {most_bytes}"
            )
        self._keep_s, self._most_bytes = keep_s, most_bytes
        self._groups: deque[list[_KeptPicture]] = deque()
        self._bytes = 0
        self._stream: VideoStream | None = None
        self._coding: _Coding | None = None
        self._lock = threading.Lock()

    def connect(self, stream: VideoStream) -> None:
        """Expect packets of this stream, which must be open when its first key frame is added."""
        with self._lock:
            self._stream, self._coding = stream, None

    def add(self, packet: "av.Packet[VideoStream]") -> None:
        """Keep a packet; packets come in the order of decoding."""
        if not packet.size:
            return
        # Times in seconds: connections, and so the packets kept together, may differ in time base.
        base = float(packet.time_base)
        pts_s = None if packet.pts is None else packet.pts * base
        early_s = (
            0.0 if packet.pts is None or packet.dts is None else (packet.pts - packet.dts) * base
        )
        with self._lock:
            if self._stream is not None and packet.is_keyframe:
                self._coding = _describe_coding(self._stream, bytes(packet))
                self._stream = None
            if self._coding is None or not (packet.is_keyframe or self._groups):
                return  # no decoder can start here
            picture = _KeptPicture(bytes(packet), pts_s, early_s, packet.is_keyframe, self._coding)
            if picture.is_key:
                self._groups.append([])
            self._groups[-1].append(picture)
            self._bytes += len(picture.data)
            self._forget()

    def mark(self, pts_s: float | None, time_s: float, size: tuple[int, int]) -> None:
        """Note the time and the size of a kept picture that was decoded.

        Args:
            pts_s: Its timestamp in seconds, by which it is found; None where it has none.
            time_s: Its time on the stream's axis, in seconds.
            size: (width, height) in pixels.
        """
        with self._lock:
            for picture in self._newest_first():
                if picture.time_s is None and (
                    pts_s is None
                    or picture.pts_s is None
                    or abs(picture.pts_s - pts_s) < _SAME_TIME_S
                ):
                    picture.time_s, picture.size = time_s, size
                    return

    @property
    def held_bytes(self) -> int:
        """How many bytes of video are kept."""
        return self._bytes

    @property
    def span_s(self) -> tuple[float, float] | None:
        """Times of the first and the last kept frame; None where none was decoded."""
        with self._lock:
            times = [
                picture.time_s
                for group in self._groups
                for picture in group
                if picture.time_s is not None
            ]
        return (min(times), max(times)) if times else None

    def write_clip(self, path: str | Path, start_s: float, end_s: float) -> WrittenClip | None:
        """Write what was shown in a stretch of time, as it was encoded.

        The clip begins with the key frame at or before `start_s`. Where the picture's size or
        coding changes in between, the longer side is written.

        Args:
            path: The file without its suffix, which becomes .mp4, or .mkv for codecs that players
                do not expect in MP4.
            start_s: Start on the stream's axis of time, in seconds.
            end_s: End on the same axis, in seconds.

        Returns:
            What was written; None where nothing of it is kept (any more).

        Raises:
            OutputError: If the file cannot be written; what was there is untouched.
        """
        # Writing takes time, and the camera's thread must not wait for it.
        with self._lock:
            groups = [list(group) for group in self._groups]
        chosen = _longest_uniform_run(_select_pictures(groups, start_s, end_s))
        if not chosen:
            return None
        # Pictures that are shown before the key frame need the group before, which is not in the
        # clip.
        times = _times(chosen)
        whole = [
            picture for picture, time_s in zip(chosen, times, strict=True) if time_s >= times[0]
        ]
        return _write(Path(path), whole)

    def _forget(self) -> None:
        """Drop whole groups that are too old, or too many for the memory."""
        while len(self._groups) > 1 and (
            self._bytes > self._most_bytes or self._is_old(self._groups[1])
        ):
            self._bytes -= sum(len(picture.data) for picture in self._groups.popleft())
        # A single group is too large: nothing is kept until the next key frame.
        if self._bytes > self._most_bytes:
            self._groups.clear()
            self._bytes = 0

    def _is_old(self, group: Sequence[_KeptPicture]) -> bool:
        """Tell whether a group began so long ago that those before it are not needed."""
        newest_s = next(
            (picture.time_s for picture in self._newest_first() if picture.time_s is not None), None
        )
        first_s = group[0].time_s
        return newest_s is not None and first_s is not None and newest_s - first_s > self._keep_s

    def _newest_first(self) -> Iterator[_KeptPicture]:
        return (picture for group in reversed(self._groups) for picture in reversed(group))


def _select_pictures(
    groups: Sequence[Sequence[_KeptPicture]], start_s: float, end_s: float
) -> list[_KeptPicture]:
    """Return the decoded pictures of the groups that reach into a stretch, up to its end."""
    shown: list[_KeptPicture] = []
    for group in groups:
        decoded = [picture for picture in group if picture.time_s is not None]
        if decoded and group[0].time_s is not None and max(_times(decoded)) >= start_s:
            shown += decoded
    return shown[: _count_needed(_times(shown), end_s)]


def _count_needed(times: Sequence[float], end_s: float) -> int:
    """Count the pictures, in the order of decoding, that are needed up to `end_s`.

    A picture may need one that is shown later. Then that one comes along, and with it what is shown
    between the two.
    """
    count = before = 0
    while True:
        count = max((place + 1 for place, time_s in enumerate(times) if time_s <= end_s), default=0)
        if count == before:
            return count
        before, end_s = count, max(end_s, *times[:count])


def _times(decoded: Sequence[_KeptPicture]) -> list[float]:
    return [cast(float, picture.time_s) for picture in decoded]


def _longest_uniform_run(shown: Sequence[_KeptPicture]) -> list[_KeptPicture]:
    """Return the longest run of one size and coding.

    It begins with a key frame, since size and coding change only there.
    """
    runs = [
        list(run) for _, run in groupby(shown, key=lambda picture: (picture.coding, picture.size))
    ]
    runs = [run for run in runs if run[0].is_key]
    return max(runs, key=lambda run: max(_times(run)) - min(_times(run)), default=[])


def _describe_coding(stream: VideoStream, key_frame: bytes) -> _Coding:
    memory = io.BytesIO()
    # NUT takes every codec and keeps its parameters as they are.
    with av.open(memory, "w", format="nut") as container:
        packet = cast("av.Packet[VideoStream]", av.Packet(key_frame))
        packet.stream = container.add_stream_from_template(stream)
        packet.pts = packet.dts = 0
        packet.is_keyframe = True
        container.mux(packet)
    context = stream.codec_context
    return _Coding(context.name, context.extradata or b"", memory.getvalue())


def _write(path: Path, chosen: Sequence[_KeptPicture]) -> WrittenClip:
    try:
        with av.open(io.BytesIO(chosen[0].coding.template), "r", format="nut") as template:
            return _remux(path, chosen, template)
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise output_error(path, error) from error
        raise OutputError(f"{path} could not be written: {error.strerror}") from error


def _remux(path: Path, chosen: Sequence[_KeptPicture], template: InputContainer) -> WrittenClip:
    stream = template.streams.video[0]
    in_mp4 = stream.codec_context.name in _MP4_CODECS
    path = path.with_name(f"{path.name}{'.mp4' if in_mp4 else '.mkv'}")
    times = _times(chosen)
    options = {"movflags": "+faststart"} if in_mp4 else {}
    with replace_file(path) as temporary:
        with av.open(str(temporary.absolute()), "w", options=options) as container:
            added = container.add_stream_from_template(stream)
            before = None
            for picture, time_s in zip(chosen, times, strict=True):
                packet = cast("av.Packet[VideoStream]", av.Packet(picture.data))
                packet.stream = added
                packet.time_base = Fraction(1, _TICKS_PER_SECOND)
                packet.pts = round((time_s - times[0]) * _TICKS_PER_SECOND)
                # Order of decoding: as early as the camera had it, and later than the one before.
                early = packet.pts - round(picture.early_s * _TICKS_PER_SECOND)
                before = packet.dts = (
                    early if before is None else min(max(early, before + 1), packet.pts)
                )
                packet.is_keyframe = picture.is_key
                container.mux(packet)
        return WrittenClip(path, times[0], max(times), len(chosen))
