"""Clips of events: copied as they were encoded where that shows the event, or else encoded anew.

A copy is cut out of a recording, or out of the video of a camera in memory. It is what a clip
becomes where it plays anywhere and shows what is wanted. Elsewhere the clip is encoded anew: from
the copy, or from the frames of the recording or the folder of images.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from oddframe._types import Pixels
from oddframe.core.clocks import RecordingClock
from oddframe.errors import OddframeError, OutputError, SourceError
from oddframe.media.header import is_raw
from oddframe.media.packet_buffer import PacketBuffer, WrittenClip
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat, FrameSource
from oddframe.media.video_writer import VideoWriter

_MOST_BYTES = 10**9
"""Memory for the packets of a clip: minutes of the largest pictures."""

# Longer than key frames are apart as a rule: seeking without an index may land behind the start.
_FURTHER_BACK_S = 15.0

_REORDERED_S = 2.0
"""Pictures that are coded out of order lie no further from their place, in seconds."""

_LONGER_S = 3600.0
"""How much more than the stretch is kept while it is read: all since the key frame before."""

_MOST_EARLY_S = 10.0
"""How long before the wanted start a copy may begin, in seconds; people wait for the event."""

_WIDTH = 640
"""Largest width in pixels of clips that are encoded anew."""

_SAME_TIME_S = 1e-3
"""Times of the same frame differ by rounding alone: copies in Matroska have milliseconds."""


def write_event_clip(
    video: FrameSource | PacketBuffer,
    path: Path,
    start_s: float,
    end_s: float,
    *,
    before_s: float = 0.0,
    after_s: float = 0.0,
) -> None:
    """Write an event to an ``.mp4`` that plays anywhere.

    Args:
        video: The recording or folder of images, or the video of a camera in memory.
        path: The clip; its suffix is ``.mp4``.
        start_s: The event's start in seconds of the video's frames.
        end_s: Its end in the same seconds.
        before_s: How much of what was before it is wanted too, in seconds.
        after_s: How much of what comes after it.

    Raises:
        OutputError: If the video has nothing of the event, or the file cannot be written.
        SourceNotFoundError: If the recording is no longer there.
        SourceError: If it cannot be read.
    """
    wanted_s = (max(0.0, start_s - before_s), end_s + after_s)
    copies: list[WrittenClip] = []
    try:
        copies = _try_copies(video, path.with_name(f"{path.stem}-cut"), *wanted_s)
        # What came after an event shows nothing of it.
        if any(copy.start_s <= end_s and start_s <= copy.end_s for copy in copies):
            _use_copies(copies, path, *wanted_s)
            return
    except OddframeError:
        # Of a recording there are still the frames.
        if isinstance(video, PacketBuffer):
            raise
    finally:
        for copy in copies:
            copy.path.unlink(missing_ok=True)
    if isinstance(video, PacketBuffer):
        raise OutputError(_describe_missing(video, start_s, end_s))
    _encode([(video, 0.0)], path, *wanted_s)


def cut_recording(
    recording: Recording, path: str | Path, start_s: float, end_s: float
) -> WrittenClip | None:
    """Write a stretch of a recording as it was encoded.

    This is `PacketBuffer.write_clips` for recordings.

    Args:
        recording: The recording.
        path: The clip, without its suffix.
        start_s: Start in seconds of the recording's frames.
        end_s: End in the same seconds.

    Returns:
        What was written; None where the recording has nothing there, and where its packets do not
        tell when their pictures are shown.

    Raises:
        SourceNotFoundError: If the recording is no longer there.
        SourceError: If it cannot be read.
        OutputError: If the clip cannot be written.
    """
    axis = _find_axis(recording, recording.fingerprint() if recording.path.exists() else "")
    if axis is None or end_s > axis.until_s:
        return None
    try:
        packets = _read_packets(recording, axis, start_s, end_s)
    except av.FFmpegError as error:
        raise SourceError(
            f"{recording.path} cannot be read ({error.strerror}); no clip can be cut from it"
        ) from error
    # One stream has one coding, and the size that the header states.
    written = packets.write_clips(path, start_s, end_s)
    return written[0] if written else None


def _try_copies(
    video: FrameSource | PacketBuffer, path: Path, start_s: float, end_s: float
) -> list[WrittenClip]:
    """Write copies of a stretch, in order of time; none where there can be none."""
    if isinstance(video, PacketBuffer):
        return video.write_clips(path, start_s, end_s)
    try:
        copy = cut_recording(video, path, start_s, end_s) if isinstance(video, Recording) else None
    except OddframeError:
        # The frames may still be read, or say better what is wrong.
        return []
    return [] if copy is None else [copy]


def _use_copies(copies: Sequence[WrittenClip], path: Path, start_s: float, end_s: float) -> None:
    """Make the clip of copies: the only one itself, or where that will not do their pictures."""
    first = copies[0]
    is_early = first.start_s < start_s - _MOST_EARLY_S
    if len(copies) == 1 and first.path.suffix == path.suffix and not is_early and _plays(first):
        first.path.replace(path)
    else:
        parts = [(Recording(copy.path), copy.start_s) for copy in copies]
        _encode(parts, path, start_s, end_s)


def _describe_missing(kept: PacketBuffer, start_s: float, end_s: float) -> str:
    """Say why the video in memory has nothing of a stretch."""
    span_s = kept.span_s
    held = "nothing" if span_s is None else f"{span_s[0]:.1f} to {span_s[1]:.1f} s only"
    return (
        f"the video in memory must hold {start_s:.1f} to {end_s:.1f} s of the stream for the clip, "
        f"but holds {held}{f', since {kept.trouble}' if kept.trouble else ''}; "
        "no picture came then, or keep_mb must be larger"
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """How the timestamps of a recording's packets lead to the times of its frames.

    Attributes:
        zero_s: The timestamp at time 0, in seconds.
        until_s: Up to which time that is so for all packets.
        stamps: Timestamps of all packets in ticks, increasing.
        keys: Those of the key frames, increasing.
    """

    zero_s: float
    until_s: float
    stamps: "array[int]" = field(repr=False)
    keys: "array[int]" = field(repr=False)

    def knows(self, packet: "av.Packet[VideoStream]") -> bool:
        """Tell whether a packet has a timestamp that it may have had when all was read."""
        stamps = self.keys if packet.is_keyframe else self.stamps
        assert packet.pts is not None, "only such packets are read"
        place = bisect_left(stamps, packet.pts)
        return place < len(stamps) and stamps[place] == packet.pts


# Reading a long recording takes seconds, and each of its events asks.
@lru_cache(maxsize=16)
def _find_axis(recording: Recording, _fingerprint: str) -> _Axis | None:
    """Find out how far the packets of a recording tell the times of its frames.

    Frames get their times in the order in which they are shown, by a clock that puts right what
    timestamps say wrongly. Packets tell as much only where nothing had to be put right.

    Returns:
        None where they do not tell it from the start.
    """
    with recording.opened() as (container, stream):
        base, start = stream.time_base, stream.start_time
        if base is None or start is None or is_raw(container):
            return None
        decoded, keys, is_whole = _read_stamps(container, stream, base)
        stamps = array("q", sorted(decoded))
        # Some formats keep no times of showing: what FFmpeg makes up follows the order of decoding.
        if stream.codec_context.has_b_frames and stamps == decoded:
            return None
    if not stamps or stamps[0] < start:
        return None
    clock = RecordingClock(recording.timing, base, start)
    zero_s: float | None = None
    time_s = 0.0
    for pts in stamps:
        stamp_s, time_s = float(pts * base), clock.time_s(pts)
        zero_s = stamp_s - time_s if zero_s is None else zero_s
        if abs(stamp_s - zero_s - time_s) > _SAME_TIME_S:
            is_whole = False
            break
    assert zero_s is not None, "there are timestamps"
    until_s = inf if is_whole else time_s - _REORDERED_S
    return _Axis(zero_s, until_s, stamps, array("q", sorted(keys)))


def _read_stamps(
    container: InputContainer, stream: VideoStream, base: Fraction
) -> "tuple[array[int], array[int], bool]":
    """Read when pictures are shown, in ticks, from the first key frame on.

    Returns:
        The timestamps in the order of decoding up to the first that is missing or cannot be, those
        of key frames among them, and whether these are all.
    """
    stamps, keys = array("q"), array("q")
    before: int | None = None
    try:
        for packet in container.demux(stream):
            if not packet.size or packet.is_discard or not (stamps or packet.is_keyframe):
                continue
            pts, dts = packet.pts, packet.dts
            if pts is None:
                return stamps, keys, False
            if dts is not None:
                is_back = before is not None and dts < before
                if is_back or abs(pts - dts) * base > _REORDERED_S:
                    return stamps, keys, False
                before = dts
            # Pictures that are shown before the first key frame need one that is not there.
            if not stamps or pts >= stamps[0]:
                stamps.append(pts)
            if packet.is_keyframe:
                keys.append(pts)
    except (av.FFmpegError, IndexError):
        return stamps, keys, False
    return stamps, keys, True


def _read_packets(recording: Recording, axis: _Axis, start_s: float, end_s: float) -> PacketBuffer:
    """Read the packets of a stretch.

    In formats without an index, seeking may lead behind the start, or to packets whose timestamps
    FFmpeg has to guess; then it begins further back, and at last from the front.
    """
    for back_s in (0.0, _FURTHER_BACK_S, inf):
        packets = PacketBuffer(end_s - start_s + _LONGER_S, _MOST_BYTES)
        are_known = _fill(packets, recording, axis, start_s - back_s, end_s)
        span_s = packets.span_s
        if are_known and span_s is not None and span_s[0] <= start_s + _SAME_TIME_S:
            break
    return packets


def _fill(
    packets: PacketBuffer, recording: Recording, axis: _Axis, start_s: float, end_s: float
) -> bool:
    """Fill in the packets from the key frame before a start; returns whether all are known."""
    are_known = True
    with recording.opened() as (container, stream):
        base = float(stream.time_base or Fraction(1, 1000))
        packets.connect(stream)
        if start_s > 0:
            container.seek(round((axis.zero_s + start_s) / base), stream=stream)
        for packet in container.demux(stream):
            if packet.pts is None:
                continue
            stamp_s = packet.pts * base
            decoded_s = stamp_s if packet.dts is None else packet.dts * base
            if decoded_s - axis.zero_s > end_s + _REORDERED_S:
                break
            are_known = are_known and (packet.is_discard or axis.knows(packet))
            packets.add(packet)
            # Nothing is decoded here: time and size are taken from the packet and the header.
            size = (stream.codec_context.width, stream.codec_context.height)
            packets.mark(stamp_s, stamp_s - axis.zero_s, size)
    return are_known


def _plays(clip: WrittenClip) -> bool:
    """Tell whether a clip, opened again, holds every frame, and shows one size all the time."""
    try:
        with av.open(str(clip.path.absolute())) as container:
            packets = sum(1 for packet in container.demux(video=0) if packet.size)
        with av.open(str(clip.path.absolute())) as container:
            # Each group of pictures needs its key frame; decoding all of them would take seconds.
            container.streams.video[0].codec_context.skip_frame = "NONKEY"
            sizes = {(frame.width, frame.height) for frame in container.decode(video=0)}
    except (av.FFmpegError, IndexError):
        return False
    return packets == clip.frames and len(sizes) == 1


def _encode(
    parts: Sequence[tuple[FrameSource, float]], path: Path, start_s: float, end_s: float
) -> None:
    """Encode a stretch anew, with the times of its frames.

    Args:
        parts: Sources, and at what time each begins, in seconds.
        path: The clip.
        start_s: Start in the same seconds.
        end_s: End in the same seconds.
    """
    writer: VideoWriter | None = None
    began_s = 0.0
    first, _ = parts[0]
    wanted = FrameFormat(2, 2, "grey", _picture_width(first))
    with ExitStack() as files:
        for time_s, picture in _pictures(parts, wanted, start_s, end_s):
            if writer is None:
                height, width = picture.shape[:2]
                began_s = time_s
                writer = files.enter_context(VideoWriter(path, first.rate_fps, (width, height)))
            writer.write(_fit(picture, height), time_s - began_s)
    if writer is None:
        raise OutputError(
            f"{first.name} must show something from {start_s:.1f} to {end_s:.1f} s for the clip, "
            "but no picture of that time can be read"
        )


def _pictures(
    parts: Sequence[tuple[FrameSource, float]], wanted: FrameFormat, start_s: float, end_s: float
) -> Iterator[tuple[float, Pixels]]:
    """Yield the times and pictures of a stretch."""
    for source, zero_s in parts:
        all_frames = source.frames(wanted)
        with closing(all_frames) as frames:  # type: ignore[type-var]
            for frame in frames:
                time_s = zero_s + frame.time_s
                if time_s > end_s + _SAME_TIME_S:
                    break
                if time_s >= start_s - _SAME_TIME_S:
                    assert frame.picture is not None, "the frame format asks for it"
                    yield time_s, frame.picture


def _picture_width(source: FrameSource) -> int:
    """Return the width of a source's pictures for people in pixels, at most that of clips."""
    with closing(source.frames(FrameFormat(2, 2, "grey"))) as frames:  # type: ignore[type-var]
        return max(2, min(_WIDTH, next(frames).shown_size[0]))


def _fit(picture: Pixels, height: int) -> Pixels:
    """Give a picture another height; where its size changes midway, its shape may too."""
    if picture.shape[0] == height:
        return picture
    return cast(Pixels, picture[np.arange(height) * picture.shape[0] // height])
