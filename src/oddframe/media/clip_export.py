"""A clip of a recording, from its own packets.

The clip of an event as a file that plays anywhere.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import av

from oddframe.errors import OutputError, SourceError, SourceNotFoundError
from oddframe.media.packet_buffer import PacketBuffer, WrittenClip
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.media.video_writer import VideoWriter

_MOST_BYTES = 10**9
_FURTHER_BACK_S = 15.0
_REORDERED_S = 2.0
"""Pictures that are coded out of order lie no further from their place."""


def cut_recording(
    recording: str | Path, path: str | Path, start_s: float, end_s: float
) -> WrittenClip | None:
    """Write what a recording shows from `start_s` to `end_s`, as `PacketBuffer.write_clip` does for a camera.

    Times are those of its frames where its timestamps increase; behind a place where they jump back
    they are not.

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
        raise SourceNotFoundError(
            f"{recording} must be a recording, but nothing is there"
        ) from error
    except (av.FFmpegError, OSError) as error:
        raise SourceError(
            f"{recording} cannot be read ({error.strerror}); no clip can be cut from it"
        ) from error
    return ring.write_clip(path, start_s, end_s)


def _filled(recording: Path, start_s: float, end_s: float) -> PacketBuffer:
    """The packets of a stretch; from further back where a format without an index led to one behind its start."""
    for back_s in (0.0, _FURTHER_BACK_S, start_s):
        ring = PacketBuffer(end_s - start_s + 3600, _MOST_BYTES)
        _fill(ring, recording, start_s - back_s, end_s)
        if ring.span_s is not None and ring.span_s[0] <= start_s:
            break
    return ring


def _fill(ring: PacketBuffer, recording: Path, start_s: float, end_s: float) -> None:
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


Cut = Callable[[Path], WrittenClip | None]
"""Writes a stretch of video as it is to a path without a suffix; None where nothing of it is kept."""

_WIDTH = 640
"""Width in pixels of clips that are encoded anew."""


def write_event_clip(cut: Cut, path: Path) -> None:
    """Write a clip to `path`, an ``.mp4``: as it was encoded where players know the codec in it, else encoded anew.

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


def _encode(source: Path, path: Path) -> None:
    recording = Recording(source)
    writer: VideoWriter | None = None
    whole = recording.frames(FrameFormat(2, 2, "grey", _WIDTH))
    with closing(whole) as frames, ExitStack() as files:  # type: ignore[type-var]
        for frame in frames:
            assert frame.picture is not None, "it was asked for"
            if writer is None:
                height, width = frame.picture.shape[:2]
                writer = files.enter_context(VideoWriter(path, recording.rate_fps, (width, height)))
            writer.write(frame.picture, frame.time_s)
