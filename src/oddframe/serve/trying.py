"""Try an address before a camera is added: its first picture, or what is wrong."""

import base64
import io
import threading
import time
from pathlib import Path

from PIL import Image

from oddframe.core.records import Frame
from oddframe.errors import OddframeError
from oddframe.media.finding import open_source
from oddframe.media.live import LiveStream
from oddframe.media.live_settings import LiveSettings
from oddframe.media.sources import FrameFormat
from oddframe.media.stream_address import StreamAddress, stream_address
from oddframe.serve.shapes import SourceTested

__all__ = ["try_source"]

MOST_S = 11.0
"""Longest wait for the first picture."""

MOST_AT_ONCE = 4
"""Tries at the same time: each holds a connection and a decoder."""

_WANTED = FrameFormat(32, 32, "grey", 640)
_SETTINGS = LiveSettings(open_timeout_s=5.0, read_timeout_s=5.0, redirects=False)
_IMAGE_RATE_FPS = 10.0

_trying = threading.Semaphore(MOST_AT_ONCE)


def try_source(source: str, folder: Path) -> SourceTested:
    """What came of trying a checked address; no redirection is followed.

    Args:
        source: The address.
        folder: Where relative paths begin.
    """
    if not _trying.acquire(timeout=1.0):
        text = "too many addresses are being tested at once; try again in a moment"
        return SourceTested(ok=False, error=text)
    try:
        address = stream_address(source if "://" in source else _path(source, folder), variables={})
        if address.kind == "file":
            opened = open_source(address.secret, _IMAGE_RATE_FPS)
            rate_fps: float | None
            frame, rate_fps = next(iter(opened.frames(_WANTED)), None), opened.rate_fps
            error = None if frame else "the file contains no pictures"
        else:
            frame, rate_fps, error = _first(address)
    except OddframeError as failure:
        return SourceTested(ok=False, error=str(failure))
    finally:
        _trying.release()
    if frame is None or frame.picture is None:
        return SourceTested(ok=False, error=error or f"no picture came within {MOST_S:.0f} s")
    return SourceTested(ok=True, size=frame.source_size, rate_fps=rate_fps, picture=_as_text(frame))


def _path(source: str, folder: Path) -> str:
    return source if source.isdigit() else str(folder / source)


def _first(address: StreamAddress) -> tuple[Frame | None, float | None, str | None]:
    """The first frame of a camera, its rate, and what went wrong."""
    stream = LiveStream(address, _WANTED, _SETTINGS, name="test")
    came = threading.Event()
    stream.notify = came.set
    deadline = time.monotonic() + MOST_S
    stream.start()
    try:
        while time.monotonic() < deadline:
            came.wait(0.1)
            came.clear()
            if (frame := stream.take()) is not None:
                return frame, stream.rate_fps, None
            state = stream.state()
            if state.retry_s is not None:
                return None, None, state.error
        return None, None, stream.state().error
    finally:
        stream.stop()


def _as_text(frame: Frame) -> str:
    assert frame.picture is not None, "one was asked for"
    file = io.BytesIO()
    Image.fromarray(frame.picture).save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
