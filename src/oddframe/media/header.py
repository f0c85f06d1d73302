"""What the header of a recording states, set against the packets that are there.

Rates, lengths and counts are claims. Some formats count every frame when they are finished; others
copy what a camera says of itself, or estimate.
"""

from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from statistics import median

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from oddframe.core.records import FrameTiming
from oddframe.media.packets import demux_past_damage
from oddframe.media.source import PLAUSIBLE_FPS

_FALLBACK_FPS = 25.0

_MEASURED_PACKETS = 50
"""Packets from which the rate is measured."""

_TIMED_SHARE = 0.9
"""Share of these packets that must have times of their own."""

_AGREES = 1.25
"""A stated rate that is further from the measured one, as a factor, is not believed."""

_COUNTING_FORMAT = "mov,mp4,m4a,3gp,3g2,mj2"
"""The format whose header counts frames and their times, so that its average rate is true."""

_TIMED_FORMATS = {"matroska,webm", "flv"}
"""Formats whose header states how long the recording is; others only have it estimated."""

_RAW_FORMATS = {"h264", "hevc", "vvc", "m4v", "mpegvideo", "mjpeg", "obu"}
"""Streams without a container: FFmpeg makes up 25 frames per second for them."""

_DISCARD = 2
"""The flag of an index entry whose frame is decoded and not shown (AVINDEX_DISCARD_FRAME)."""


def is_raw(container: InputContainer) -> bool:
    """Tell whether a file is a stream without a container, and so without times."""
    if container.format.name in _RAW_FORMATS:
        return True
    # To FFmpeg one JPEG image behind the other is an image, unless the name says otherwise.
    return container.format.name == "jpeg_pipe" and _has_more_than_one(container)


def find_timing(
    container: InputContainer,
    stream: VideoStream,
    fps: float | None,
    notice: Callable[[str], None],
) -> FrameTiming:
    """Find the rate of a recording, and the gap that breaks its clips.

    Args:
        container: The open recording; its first packets are read.
        stream: Its video stream.
        fps: The rate that the user states; None states none.
        notice: Called with a sentence where the rate is made up or ``fps`` has no effect.
    """
    if is_raw(container):
        return FrameTiming.of_video(_raw_rate(stream, fps, notice))
    if fps is not None:
        notice(f"a rate of {fps:g} frames per second was given, but it has times of its own")
    slowest, fastest = PLAUSIBLE_FPS
    stated = None
    if stream.average_rate is not None and slowest <= stream.average_rate <= fastest:
        stated = FrameTiming.of_video(float(stream.average_rate))
    measured_fps = _measure(container, stream, notice)
    if measured_fps is None:
        return stated or FrameTiming.of_video(_FALLBACK_FPS)
    measured = FrameTiming.of_video(measured_fps)
    if stated is None:
        return measured
    if container.format.name == _COUNTING_FORMAT:
        # Its average is true, but a camera may begin more slowly than that.
        return FrameTiming(stated.rate_fps, max(stated.gap_s, measured.gap_s))
    agrees = 1 / _AGREES <= stated.rate_fps / measured_fps <= _AGREES
    return stated if agrees else measured


def count_stated(container: InputContainer, stream: VideoStream) -> int:
    """Return how many frames to show the header promises; 0 where it does not say."""
    if container.format.name != _COUNTING_FORMAT:
        return stream.frames
    # An edit list leaves frames out, which the count of all frames does not know.
    entries = stream.index_entries
    hidden = sum(bool(entry.flags & _DISCARD) for entry in entries)
    return (len(entries) or stream.frames) - hidden


def stated_length_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Return how long the header says that the video is, in seconds; None if it does not say."""
    if container.format.name == _COUNTING_FORMAT:
        if not stream.duration or stream.time_base is None:
            return None
        return float(stream.duration * stream.time_base)
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    end_s = _tagged_end_s(stream)
    if end_s is None and len(container.streams) == 1:
        end_s = _whole_end_s(container)
    return None if end_s is None else max(0.0, end_s - _start_s(stream))


def report_early_end(
    container: InputContainer,
    stream: VideoStream,
    packets: int,
    end_s: float,
    gap_s: float,
    notice: Callable[[str], None],
) -> None:
    """Call ``notice`` with a sentence where the file holds less than its header promises.

    Args:
        container: The recording, read to its end.
        stream: Its video stream.
        packets: Packets of that stream that were read, those of frames that are not shown too.
        end_s: When its last frame ends, in seconds from the first one.
        gap_s: The longest time between two of its frames that is not a gap, in seconds.
        notice: Takes the sentence.
    """
    if container.format.name == _COUNTING_FORMAT:
        promised = len(stream.index_entries) or stream.frames
        if promised > packets:
            notice(f"ended early: the header promises {promised} frames, the file holds {packets}")
        return
    promised_s, reached_s = stated_length_s(container, stream), end_s
    if promised_s is None and (whole_end_s := _whole_end_s(container)) is not None:
        # That is the end of the longest stream: sound may go on when the video has ended.
        promised_s = whole_end_s - _start_s(stream)
        if promised_s - end_s > gap_s:
            reached_s = _last_end_s(container, end_s) - _start_s(stream)
    if promised_s is None or promised_s - max(reached_s, end_s) <= gap_s:
        return
    notice(f"ended early: the header promises {promised_s:.1f} s, the video ends at {end_s:.1f} s")


def _has_more_than_one(container: InputContainer) -> bool:
    # Opened once more, since this format cannot go back to its first packet.
    with av.open(container.name, options={"protocol_whitelist": "file"}) as again:
        return sum(bool(packet.size) for packet in islice(again.demux(), 2)) > 1


def _raw_rate(stream: VideoStream, fps: float | None, notice: Callable[[str], None]) -> float:
    """Return the rate that a raw stream states, else the one that was given, else a made-up one."""
    slowest, fastest = PLAUSIBLE_FPS
    stated = stream.codec_context.framerate
    if stated and slowest <= stated <= fastest:
        if fps is not None and abs(fps - float(stated)) > 0.001 * fps:
            notice(
                f"a rate of {fps:g} frames per second was given, but it states "
                f"{float(stated):g} itself"
            )
        return float(stated)
    if fps is not None:
        return fps
    notice(
        f"it states no frame rate: {_FALLBACK_FPS:g} frames per second are assumed, and times are "
        "made up; state the rate with --fps"
    )
    return _FALLBACK_FPS


def _measure(
    container: InputContainer, stream: VideoStream, notice: Callable[[str], None]
) -> float | None:
    """Return the rate of the first packets, in frames per second; None where they have no times."""
    packets = islice(_shown(container, stream, notice), _MEASURED_PACKETS)
    stamps = [packet.pts for packet in packets]
    ticks = sorted({pts for pts in stamps if pts is not None})
    # Program streams give a time to every few packets only, which says nothing of the others.
    if len(ticks) < max(2, _TIMED_SHARE * len(stamps)) or stream.time_base is None:
        return None
    # The median: a gap among the first packets does not count.
    return float(1 / (median(b - a for a, b in pairwise(ticks)) * stream.time_base))


def _shown(
    container: InputContainer, stream: VideoStream, notice: Callable[[str], None]
) -> Iterator["av.Packet[VideoStream]"]:
    packets = demux_past_damage(container, stream, notice)
    return (packet for packet in packets if packet.size and not packet.is_discard)


def _start_s(stream: VideoStream) -> float:
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _whole_end_s(container: InputContainer) -> float | None:
    """Return when a file ends as its header says, in seconds; None where it does not say."""
    if container.format.name not in _TIMED_FORMATS or not container.duration:
        return None
    return container.duration / av.time_base


def _tagged_end_s(stream: VideoStream) -> float | None:
    """Return when a stream of a Matroska file ends, which its writers note for each; else None."""
    parts = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = map(float, parts)
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds


def _last_end_s(container: InputContainer, since_s: float) -> float:
    """Return when the last packet of any stream ends that lies behind a time, in seconds."""
    container.seek(round(since_s * av.time_base))
    end_s = since_s
    try:
        for packet in container.demux():
            if packet.pts is not None and packet.time_base:
                end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    except av.FFmpegError:
        # What is damaged at the end says nothing; what came before it does.
        pass
    return end_s
