"""The clip of an event as a file that plays anywhere."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from oddframe.errors import OutputError
from oddframe.media.packet_ring import WrittenClip
from oddframe.media.recording import Recording
from oddframe.media.sources import FrameFormat
from oddframe.media.writer import VideoWriter

__all__ = ["Cut", "write_event_clip"]

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
        raise OutputError(f"{path.name} could not be written: no video of that time is kept (any more)")
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
    with closing(recording.frames(FrameFormat(2, 2, "grey", _WIDTH))) as frames, ExitStack() as files:  # type: ignore[type-var]
        for frame in frames:
            assert frame.picture is not None, "it was asked for"
            if writer is None:
                height, width = frame.picture.shape[:2]
                writer = files.enter_context(VideoWriter(path, recording.rate_fps, (width, height)))
            writer.write(frame.picture, frame.time_s)
