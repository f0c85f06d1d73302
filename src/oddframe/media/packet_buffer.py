"""The last seconds of a stream as its camera encoded them, for clips that cost no encoding.

Packets are kept in groups of pictures: a key frame, and those after it that need it. A clip begins
with a key frame, since no decoder can start elsewhere.
"""

import io
import struct
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby, pairwise
from math import inf
from pathlib import Path
from typing import cast

import av
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

from oddframe.errors import OutputError, SettingsError
from oddframe.files import output_error, replace_file

_MP4_CODECS = {"h264", "hevc", "av1", "vp9"}
"""What players expect in MP4; other codecs go into Matroska, or where that refuses them NUT."""

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
class PictureGroup:
    """A key frame in memory and the decoded pictures that need it.

    Attributes:
        start_s: Time of the key frame on the stream's axis.
        end_s: Time of the last picture.
        size_bytes: How many bytes they are.
        form: Their size and coding; pictures of another form need another file.
    """

    start_s: float
    end_s: float
    size_bytes: int
    form: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Coding:
    """What a decoder must know before the first picture.

    Attributes:
        codec: Name of the codec.
        extradata: The codec's parameters; connections to one camera share them.
        template: The same as a file of one picture, from which FFmpeg makes streams; it outlives
            the connection.
        upright: The picture as a QuickTime file, which keeps how it is to be turned; empty where
            that takes no such codec.
    """

    codec: str
    extradata: bytes
    template: bytes = field(compare=False, repr=False)
    upright: bytes = field(compare=False, repr=False)


@dataclass(slots=True)
class _KeptPicture:
    """One encoded picture; its time and size are known when it has been decoded.

    Attributes:
        data: The packet's bytes.
        pts_s: The camera's timestamp in seconds.
        is_key: Whether it can be decoded by itself.
        coding: What a decoder must know before.
        time_s: Its time on the stream's axis; None until it was decoded.
        size: (width, height) in pixels; None until it was decoded.
    """

    data: bytes
    pts_s: float | None
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

    Attributes:
        trouble: Why nothing is kept of what comes in, as the end of a sentence; empty where it is.

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
        self.trouble = ""

    def connect(self, stream: VideoStream) -> None:
        """Expect packets of this stream, which must be open when its first key frame is added."""
        with self._lock:
            self._stream, self._coding = stream, None

    def add(self, packet: "av.Packet[VideoStream]") -> None:
        """Keep a packet; packets come in the order of decoding."""
        if not packet.size:
            return
        # Times in seconds: connections, and so the packets kept together, may differ in time base.
        pts_s = None if packet.pts is None else packet.pts * float(packet.time_base)
        with self._lock:
            if self._stream is not None and packet.is_keyframe:
                self._describe(self._stream, bytes(packet))
            if self._coding is None or not (packet.is_keyframe or self._groups):
                return  # no decoder can start here
            picture = _KeptPicture(bytes(packet), pts_s, packet.is_keyframe, self._coding)
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
        """Times of the first and the last frame that can be shown; None where there is none."""
        with self._lock:
            groups = _whole_groups(self._groups)
        if not groups:
            return None
        return _times(groups[0])[0], max(time_s for group in groups for time_s in _times(group))

    def groups(self) -> list[PictureGroup]:
        """Describe what can be shown, oldest first; pictures may still be added to the last one."""
        with self._lock:
            groups = _whole_groups(self._groups)
        return [
            PictureGroup(
                _times(group)[0],
                max(_times(group)),
                sum(len(picture.data) for picture in group),
                (group[0].coding, group[0].size),
            )
            for group in groups
        ]

    def bytes_per_s(self, least_s: float) -> float | None:
        """Measure how much video a second is; None while less than ``least_s`` seconds are kept."""
        groups = self.groups()
        length_s = groups[-1].start_s - groups[0].start_s if groups else 0.0
        # The last group may not be complete.
        size = sum(group.size_bytes for group in groups[:-1])
        return size / length_s if length_s >= least_s > 0 else None

    def drop_until(self, time_s: float) -> None:
        """Drop the groups that begin at or before a time, since they are not needed any more."""
        with self._lock:
            # A key frame that could not be decoded has no time, and goes with those before it.
            begun = (
                place
                for place, group in enumerate(self._groups, start=1)
                if group[0].time_s is not None and group[0].time_s <= time_s + _SAME_TIME_S
            )
            for _ in range(max(begun, default=0)):
                self._bytes -= sum(len(picture.data) for picture in self._groups.popleft())

    def write_clips(self, path: str | Path, start_s: float, end_s: float) -> list[WrittenClip]:
        """Write what was shown in a stretch of time, as it was encoded.

        The clip begins with the key frame at or before `start_s`. Where the picture's size or
        coding changes in between, a further clip begins.

        Args:
            path: The file without its suffix, which becomes .mp4, or .mkv or .nut for codecs that
                players do not expect in MP4; further clips have a number too.
            start_s: Start on the stream's axis of time, in seconds.
            end_s: End on the same axis, in seconds.

        Returns:
            What was written, in order of time; nothing where nothing of it is kept (any more).

        Raises:
            OutputError: If the file cannot be written; what was there is untouched.
        """
        # Writing takes time, and the camera's thread must not wait for it.
        with self._lock:
            groups = [list(group) for group in self._groups]
        written: list[WrittenClip] = []
        for run in _uniform_runs(_select_pictures(groups, start_s, end_s)):
            # Pictures that are shown before the key frame need the group before, which is not in
            # the clip.
            first_s = _times(run)[0]
            shown = [
                picture
                for picture, time_s in zip(run, _times(run), strict=True)
                if time_s >= first_s
            ]
            name = f"{Path(path).name}-{len(written)}" if written else Path(path).name
            written.append(_write(Path(path).with_name(name), shown))
        return written

    def _describe(self, stream: VideoStream, key_frame: bytes) -> None:
        """Learn what a decoder must know; a codec that cannot be kept must not end the stream."""
        self._stream, self.trouble = None, ""
        try:
            self._coding = _describe_coding(stream, key_frame)
        except (av.FFmpegError, ValueError):
            self.trouble = f"its coding {stream.codec_context.codec.canonical_name} cannot be kept"

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
            self.trouble = (
                f"the pictures since one key frame take more than {self._most_bytes / 1e6:.3g} MB"
            )

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
    """Return the decoded pictures of a stretch, from the key frame at or before its start."""
    whole = _whole_groups(groups)
    # Pictures that are shown before their key frame need the group before too.
    first = max(
        (place for place, group in enumerate(whole) if _times(group)[0] <= start_s + _SAME_TIME_S),
        default=0,
    )
    shown = [picture for group in whole[first:] for picture in group]
    if max(_times(shown), default=-inf) < start_s - _SAME_TIME_S:
        return []
    return shown[: _count_needed(_times(shown), end_s + _SAME_TIME_S)]


def _whole_groups(groups: Iterable[Sequence[_KeptPicture]]) -> list[list[_KeptPicture]]:
    """Return the decoded pictures of each group whose key frame was decoded."""
    return [
        [picture for picture in group if picture.time_s is not None]
        for group in groups
        if group[0].time_s is not None
    ]


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


def _uniform_runs(shown: Sequence[_KeptPicture]) -> Iterator[list[_KeptPicture]]:
    """Yield the runs of one size and coding; both change at key frames only."""
    for _, pictures in groupby(shown, key=lambda picture: (picture.coding, picture.size)):
        run = list(pictures)
        if run[0].is_key:
            yield run


def _describe_coding(stream: VideoStream, key_frame: bytes) -> _Coding:
    # NUT takes every codec and keeps its parameters as they are, but not how to turn the picture.
    template = _write_key_frame(stream, key_frame, "nut")
    try:
        upright = _write_key_frame(stream, key_frame, "mov")
    except (av.FFmpegError, ValueError):
        upright = b""
    context = stream.codec_context
    return _Coding(context.codec.canonical_name, context.extradata or b"", template, upright)


def _write_key_frame(stream: VideoStream, key_frame: bytes, file_format: str) -> bytes:
    memory = io.BytesIO()
    with av.open(memory, "w", format=file_format) as container:
        packet = cast("av.Packet[VideoStream]", av.Packet(key_frame))
        packet.stream = container.add_stream_from_template(stream, opaque=True)
        # Without a length, QuickTime would not show it.
        packet.time_base, packet.duration = Fraction(1, _TICKS_PER_SECOND), _TICKS_PER_SECOND
        packet.pts = packet.dts = 0
        packet.is_keyframe = True
        container.mux(packet)
    return memory.getvalue()


def _display_matrix(coding: _Coding) -> tuple[int, ...] | None:
    """Return how players are to turn and mirror the picture; None where they are not."""
    try:
        with av.open(io.BytesIO(coding.upright), "r", format="mov") as container:
            for frame in container.decode(video=0):
                matrix = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
                return None if matrix is None else struct.unpack("=9i", bytes(matrix))
    except (av.FFmpegError, IndexError):
        # A picture that cannot be decoded shows nothing, whichever way it is turned.
        return None
    return None


def _write(path: Path, chosen: Sequence[_KeptPicture]) -> WrittenClip:
    reason = ""
    for suffix in (".mp4", ".mkv") if chosen[0].coding.codec in _MP4_CODECS else (".mkv", ".nut"):
        try:
            return _remux(path.with_name(f"{path.name}{suffix}"), chosen)
        except (av.FFmpegError, ValueError) as error:
            # The disk refuses every container; a codec may be refused by the first one alone.
            if isinstance(error, OSError):
                raise output_error(path, error) from error
            reason = reason or str(error)
    raise OutputError(f"{path} could not be written: {reason}")


def _remux(path: Path, chosen: Sequence[_KeptPicture]) -> WrittenClip:
    times = _times(chosen)
    shown = [round((time_s - times[0]) * _TICKS_PER_SECOND) for time_s in times]
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    coding = chosen[0].coding
    with replace_file(path) as temporary:
        with (
            av.open(io.BytesIO(coding.template), "r", format="nut") as template,
            av.open(str(temporary.absolute()), "w", options=options) as container,
        ):
            added = container.add_stream_from_template(template.streams.video[0], opaque=True)
            matrix = _display_matrix(coding)
            if matrix is not None:
                added.set_display_matrix(matrix)
            decoding = _decoding_times(shown)
            # Of a last picture without a length, MP4 shows nothing.
            lengths = [after - before for before, after in pairwise(decoding)] or [
                _TICKS_PER_SECOND
            ]
            lengths.append(lengths[-1])
            for picture, pts, dts, length in zip(chosen, shown, decoding, lengths, strict=True):
                packet = cast("av.Packet[VideoStream]", av.Packet(picture.data))
                packet.stream = added
                packet.time_base = Fraction(1, _TICKS_PER_SECOND)
                packet.pts, packet.dts, packet.duration = pts, dts, length
                packet.is_keyframe = picture.is_key
                container.mux(packet)
        return WrittenClip(path, times[0], max(times), len(chosen))


def _decoding_times(shown: Sequence[int]) -> list[int]:
    """Return when pictures are to be decoded, in ticks, from when they are shown.

    Sources say it wrongly or not at all. The same times in increasing order do, as far ahead as the
    picture needs that is shown soonest after it was decoded.
    """
    ordered = sorted(shown)
    ahead = max(early - pts for early, pts in zip(ordered, shown, strict=True))
    return [early - ahead for early in ordered]
