"""Clips: cut out of a recording without encoding, and made ready to play anywhere."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import av

from oddframe.errors import OutputError, SourceError, SourceNotFoundError
from oddframe.media.packet_buffer import PacketBuffer, WrittenClip
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.media.video_writer import VideoWriter

Cut = Callable[[Path], WrittenClip | None]
"""Writes a stretch of video, as it was encoded, to a path without a suffix.

None where nothing of the stretch is kept.
"""

_MOST_BYTES = 10**9
"""Memory for the packets of a clip: minutes of the largest pictures."""

# Longer than key frames are apart as a rule: seeking without an index may land behind the start.
_FURTHER_BACK_S = 15.0

_REORDERED_S = 2.0
"""Pictures that are coded out of order lie no further from their place, in seconds."""

_LONGER_S = 3600.0
"""How much more than the stretch is kept while it is read: all since the key frame before."""

_WIDTH = 640
"""Width in pixels of clips that are encoded anew."""


def cut_recording(
    recording: str | Path, path: str | Path, start_s: float, end_s: float
) -> WrittenClip | None:
    """Write a stretch of a recording as it was encoded.

    This is `PacketBuffer.write_clip` for recordings. Times are those of the recording's frames as
    long as its timestamps increase; behind a place where they jump back they are not.

    Args:
        recording: The file.
        path: The clip, without its suffix.
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
        packets = _read_packets(Path(recording), start_s, end_s)
    except FileNotFoundError as error:
        raise SourceNotFoundError(
            f"{recording} must be a recording, but nothing is there"
        ) from error
    except (av.FFmpegError, OSError) as error:
        raise SourceError(
            f"{recording} cannot be read ({error.strerror}); no clip can be cut from it"
        ) from error
    return packets.write_clip(path, start_s, end_s)


def write_event_clip(cut: Cut, path: Path) -> None:
    """Write a clip to an ``.mp4`` that plays anywhere.

    It stays as it was encoded where players know its codec, and is encoded anew elsewhere.

    Args:
        cut: Writes the stretch of video.
        path: The clip; its suffix is ``.mp4``.

    Raises:
        OutputError: If nothing is kept of the stretch, or the file cannot be written.
    """
    written = cut(path.with_name(f"{path.stem}-cut"))
    if written is None:
        raise OutputError(
            f"{path.name} could not be written: no video of that time is kept (any more)"
        )
    try:
        if written.path.suffix == path.suffix:
            written.path.replace(path)
        else:
            _encode(written.path, path)
    finally:
        written.path.unlink(missing_ok=True)


def _read_packets(recording: Path, start_s: float, end_s: float) -> PacketBuffer:
    """Read the packets of a stretch.

    In formats without an index, seeking may lead behind the start; then it begins further back.
    """
    for back_s in (0.0, _FURTHER_BACK_S, start_s):
        packets = PacketBuffer(end_s - start_s + _LONGER_S, _MOST_BYTES)
        _fill(packets, recording, start_s - back_s, end_s)
        if packets.span_s is not None and packets.span_s[0] <= start_s:
            break
    return packets


def _fill(packets: PacketBuffer, recording: Path, start_s: float, end_s: float) -> None:
    # Only files: a playlist must not lead to the network.
    with av.open(str(recording.absolute()), options={"protocol_whitelist": "file"}) as container:
        if not container.streams.video:
            raise SourceError(f"{recording} must hold a video stream, but holds none")
        stream = container.streams.video[0]
        base, zero = stream.time_base, stream.start_time or 0
        assert base is not None
        packets.connect(stream)
        container.seek(zero + max(0, round(start_s / base)), stream=stream)
        for packet in container.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue
            if float((packet.dts - zero) * base) > end_s + _REORDERED_S:
                return
            packets.add(packet)
            # Nothing is decoded here: time and size are taken from the packet and the header.
            size = (stream.codec_context.width, stream.codec_context.height)
            packets.mark(float(packet.pts * base), float((packet.pts - zero) * base), size)


def _encode(source: Path, path: Path) -> None:
    """Encode a clip anew, with the times of its frames."""
    recording = Recording(source)
    writer: VideoWriter | None = None
    # Only the picture for people is wanted, so the network's is as small as it can be.
    all_frames = recording.frames(FrameFormat(2, 2, "grey", _WIDTH))
    with closing(all_frames) as frames, ExitStack() as files:  # type: ignore[type-var]
        for frame in frames:
            assert frame.picture is not None, "the frame format asks for it"
            if writer is None:
                height, width = frame.picture.shape[:2]
                writer = files.enter_context(VideoWriter(path, recording.rate_fps, (width, height)))
            writer.write(frame.picture, frame.time_s)
