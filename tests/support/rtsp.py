"""GStreamer's RTSP server as a child process, and a drawn scene encoded for it."""

import os
import signal
import subprocess
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from oddframe._types import Pixels
from oddframe.synthetic.scene import SceneSettings, draw

PYTHON = "/usr/bin/python3"
"""Debian's own: the one that has its GStreamer."""

SCRIPT = Path(__file__).with_name("rtsp_server.py")


def require_rtsp() -> None:
    """Skip the test where GStreamer's server is missing; fail where CI=true."""
    try:
        check = subprocess.run([PYTHON, SCRIPT], capture_output=True, text=True, timeout=60)
        missing = check.stderr.strip()
        if check.returncode == 0:
            return
    except FileNotFoundError:
        missing = PYTHON
    reason = f"{missing} is missing: scripts/install-services installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def encode(folder: Path, width: int, height: int, rate_fps: int = 10, frames: int = 60) -> Path:
    """Draw a scene and encode it for the server."""
    scene = SceneSettings(width=width, height=height, rate_fps=rate_fps)
    return encode_pictures(folder, (drawn.pixels for drawn in draw(5, frames, scene)), rate_fps)


def encode_pictures(folder: Path, pictures: Iterable[Pixels], rate_fps: int = 10) -> Path:
    """Encode pictures, uint8 H x W x 3, for the server.

    Returns:
        The folder, with a file for each picture; every tenth picture is a key frame.
    """
    folder.mkdir(parents=True)
    codec = None
    packets: list[av.Packet] = []
    for pixels in pictures:
        codec = codec or _encoder(pixels.shape[1], pixels.shape[0], rate_fps)
        packets += codec.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
    assert codec is not None
    for number, packet in enumerate([*packets, *codec.encode(None)]):
        (folder / f"{number:05d}.h264").write_bytes(bytes(packet))
    return folder


def _encoder(width: int, height: int, rate_fps: int) -> VideoCodecContext:
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, rate_fps), Fraction(rate_fps)
    codec.options = {"preset": "veryfast", "tune": "zerolatency", "g": "10", "crf": "20"}
    codec.thread_count = 1  # one slice a picture, as cameras do
    return codec


class RtspServer:
    """The server on a free port, which it keeps when it is started again.

    Use it in a `with` block.

    Args:
        folder: The encoded pictures.
        options: Options of rtsp_server.py.

    Attributes:
        options: Options of rtsp_server.py, for the next start.
        port: The port, after the first start.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self.options = folder, options
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "RtspServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def url(self, login: str = "", query: str = "") -> str:
        """Return the address of the scene."""
        return f"rtsp://{login}127.0.0.1:{self.port}/scene{query}"

    def start(self) -> None:
        """Start the process, and wait until it listens."""
        command = [PYTHON, str(SCRIPT), str(self._folder), "--port", str(self.port), *self.options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def order(self, line: str) -> None:
        """Write an order to its standard input; see rtsp_server.py."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the process: connections are cut without a goodbye."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process = None
