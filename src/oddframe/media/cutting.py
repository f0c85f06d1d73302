"""A clip of a recording, from its own packets."""

from pathlib import Path

import av

from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media.packet_ring import PacketRing, WrittenClip

__all__ = ["cut_recording"]

_MOST_BYTES = 10**9
_FURTHER_BACK_S = 15.0
_REORDERED_S = 2.0
"""Pictures that are coded out of order lie no further from their place."""


def cut_recording(recording: str | Path, path: str | Path, start_s: float, end_s: float) -> WrittenClip | None:
    """Write what a recording shows from `start_s` to `end_s`, as `PacketRing.write_clip` does for a camera.

    Times are those of its frames where its timestamps increase; behind a place where they jump back they are not.

    Args:
        recording: The file.
        path: The clip, without a suffix.
        start_s: Start in seconds.
        end_s: End in seconds.

    Returns:
        What was written; None where the recording has nothing there.

    Raises:
        SourceNotFoundError: If there is no such recording.
        SourceError: If it cannot be read.
        OutputError: If the clip cannot be written.
    """
    try:
        ring = _filled(Path(recording), start_s, end_s)
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{recording} must be a recording, but nothing is there") from error
    except (av.FFmpegError, OSError) as error:
        raise SourceError(f"{recording} cannot be read ({error.strerror}); no clip can be cut from it") from error
    return ring.write_clip(path, start_s, end_s)


def _filled(recording: Path, start_s: float, end_s: float) -> PacketRing:
    """The packets of a stretch; from further back where a format without an index led to one behind its start."""
    for back_s in (0.0, _FURTHER_BACK_S, start_s):
        ring = PacketRing(end_s - start_s + 3600, _MOST_BYTES)
        _fill(ring, recording, start_s - back_s, end_s)
        if ring.span_s is not None and ring.span_s[0] <= start_s:
            break
    return ring


def _fill(ring: PacketRing, recording: Path, start_s: float, end_s: float) -> None:
    with av.open(str(recording.absolute()), options={"protocol_whitelist": "file"}) as container:
        if not container.streams.video:
            raise SourceError(f"{recording} must hold a video stream, but holds none")
        stream = container.streams.video[0]
        base, zero = stream.time_base, stream.start_time or 0
        assert base is not None
        ring.connect(stream)
        container.seek(zero + max(0, round(start_s / base)), stream=stream)
        for packet in container.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue
            if float((packet.dts - zero) * base) > end_s + _REORDERED_S:
                return
            ring.add(packet)
            size = (stream.codec_context.width, stream.codec_context.height)
            ring.mark(float(packet.pts * base), float((packet.pts - zero) * base), size)
