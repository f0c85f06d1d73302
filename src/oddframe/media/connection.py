"""One connection to a camera: a thread that opens, reads and decodes, and that can be left behind.

Opening a stream with FFmpeg: time-outs, what it may reach, and errors without secrets.
"""

import errno
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from oddframe.core.clips import Sampler, sampled_gap_s
from oddframe.core.clocks import LiveClock
from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import SourceError
from oddframe.media.convert import Converter
from oddframe.media.live_config import LiveSettings, StreamAddress
from oddframe.media.packet_buffer import PacketBuffer
from oddframe.media.source import FrameFormat

_MICROSECONDS = 1_000_000
_PLAUSIBLE_FPS = (0.01, 240.0)

_UNTIMED_FORMATS = {"mpjpeg", "mjpeg", "h264", "hevc", "m4v", "image2pipe", "jpeg_pipe"}
"""Formats without timestamps; FFmpeg makes up 25 frames per second for them."""

_REASONS = {
    errno.ETIMEDOUT: "there was no answer in time; is it switched on and reachable?",
    errno.ECONNREFUSED: "nothing listens there; check the port, and whether the camera has started",
    errno.EHOSTUNREACH: "there is no way to that host; check the network",
    errno.ENETUNREACH: "there is no way to that network; check the network",
    errno.ECONNRESET: "the connection was cut",
    errno.EPIPE: "the connection was cut",
    errno.ENOENT: "there is no such camera; is it plugged in?",
    errno.ENODEV: "there is no such camera; is it plugged in?",
    errno.EBUSY: "another program uses the camera",
    errno.EACCES: "permission denied; may this user read the camera?",
    errno.EIO: "the server or the network broke off, or the server does not offer this transport",
    errno.EINVAL: "this protocol is not permitted here, or what was sent is no video",
}


class LoginRefusedError(SourceError):
    """The server wants another user name or password; trying again soon locks accounts."""


def open_stream(address: StreamAddress, settings: LiveSettings) -> InputContainer:
    """Connect; takes at most twice the open time-out, unless the system itself hangs (names, drivers).

    Raises:
        LoginRefusedError: If user name or password are refused.
        SourceError: If it cannot be opened.
    """
    form, options = _options(address, settings)
    try:
        return av.open(
            address.secret,
            format=form,
            options=options,
            timeout=(settings.open_timeout_s, settings.read_timeout_s),
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        failed = failure(address, error)
    # Outside of the handler: FFmpeg's own error holds the address, and would travel along as the
    # context.
    raise failed


def _options(address: StreamAddress, settings: LiveSettings) -> tuple[str | None, dict[str, str]]:
    """The demuxer, where it is not to be guessed, and its options.

    The whitelists hold for everything that a server makes FFmpeg open: playlists, redirections,
    descriptions. Files are in none of them.
    """
    read_us = str(round(settings.read_timeout_s * _MICROSECONDS))
    # FFmpeg would watch five seconds go by to learn what a server's description does not say.
    quick = {"analyzeduration": str(_MICROSECONDS)}
    if address.kind == "rtsp":
        udp = address.transport == "udp"
        return (
            "rtsp",
            quick
            | {
                "rtsp_transport": address.transport,
                "protocol_whitelist": "tcp,tls,udp,rtp" if udp else "tcp,tls",
                "allowed_media_types": "video",
                "fpsprobesize": "0",  # the frame rate stands in the stream, or is measured while frames already come
                "timeout": read_us,
            },
        )
    if address.kind == "http":
        redirects = {} if settings.redirects else {"max_redirects": "0"}
        reach = {"protocol_whitelist": "http,https,httpproxy,tcp,tls,crypto", "rw_timeout": read_us}
        return None, quick | reach | redirects
    return "v4l2", {"protocol_whitelist": "file"}


def failure(address: StreamAddress, error: Exception) -> SourceError:
    """What to say of an error of FFmpeg's, without anything that is secret.

    Its own text is not used: it ends with the whole address.
    """
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return LoginRefusedError(f"{address} refuses the user name or the password; correct them")
    if isinstance(error, av.error.ExitError):
        return SourceError(f"{address} cannot be read: {_REASONS[errno.ETIMEDOUT]}")
    if isinstance(error, av.error.EOFError):
        return SourceError(f"{address} cannot be read: the server ended the stream")
    number = getattr(error, "errno", None)
    said = _REASONS.get(number or 0) or getattr(error, "strerror", None) or type(error).__name__
    return SourceError(address.scrub(f"{address} cannot be read: {said}"))


def video_stream(container: InputContainer, address: StreamAddress) -> VideoStream:
    """The first stream of moving pictures.

    Raises:
        SourceError: If there is none that can be decoded.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None:
            return stream
    raise SourceError(f"{address} must send video that FFmpeg can decode, but sends none")


def stated_rate_fps(container: InputContainer, stream: VideoStream) -> float | None:
    """Frames per second as the stream states them; None where it does not, or what it states cannot be."""
    slowest, fastest = _PLAUSIBLE_FPS
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate is not None and slowest <= rate <= fastest and not is_untimed(container):
            return float(rate)
    return None


def is_untimed(container: InputContainer) -> bool:
    """Whether the stream's timestamps, and its rate, are made up."""
    return container.format.name in _UNTIMED_FORMATS


_MOST_SKIPPED = 300
"""Packets that are skipped for want of a key frame; some streams mark none."""

_MEASURED_S = 1.5
"""How long frames are counted to learn a rate that is not stated."""


@dataclass(frozen=True, slots=True)
class CameraFeed:
    """What the connections of one camera share.

    Attributes:
        address: Where to.
        wanted: The form of the frames.
        settings: The knobs.
        keep_fps: Rate to which frames are thinned before they are converted; None keeps all.
        clock: Times of the stream, across connections.
        ring: Encoded video for clips; None keeps none.
        now_s: Seconds on a clock that never jumps.
        opened: Called with the stream's own rate and the gap of the frames that are kept, once
            they are known.
        numbers: Indices of decoded frames; they go on across connections.
        give: Takes a frame.
    """

    address: StreamAddress
    wanted: FrameFormat
    settings: LiveSettings
    keep_fps: float | None
    clock: LiveClock
    ring: PacketBuffer | None
    now_s: Callable[[], float]
    opened: Callable[[FrameTiming], None]
    numbers: Iterator[int]
    give: Callable[[Frame], None]


class Connection:
    """A try to connect, and what follows while it holds.

    FFmpeg cannot be interrupted between its own time-outs, and name servers and drivers not even by
    these. So nobody waits for the thread: `abandon` makes sure that nothing of it gets out any
    more, and it ends when FFmpeg lets go of it.

    Args:
        around: What it shares with those before and after it.
        wake: Called when it has ended.
        known_fps: The stream's rate as an earlier connection measured it, for where none is stated.

    Attributes:
        error: Why it ended, as a sentence without secrets; None while it holds.
        refused: Whether user name or password were refused.
        crashed: Whether it ended in a way that nobody foresaw.
        opened_s: When the stream was open; None before.
        damaged: Times that data could not be decoded.
        ended: Set when it has ended.
    """

    def __init__(
        self, around: CameraFeed, wake: Callable[[], None], known_fps: float | None
    ) -> None:
        self.error: str | None = None
        self.refused = self.crashed = False
        self.opened_s: float | None = None
        self.damaged = 0
        self.ended = threading.Event()
        self._around = around
        self._wake = wake
        self._known_fps = known_fps
        self._gate = threading.Lock()
        self._abandoned = threading.Event()
        self._paced = self._untimed = self._follows_arrival = self._has_begun = False
        self._waits_for_key, self._skipped = True, 0
        self._lossy = around.address.kind == "rtsp" and around.address.transport == "udp"
        self._measured = 0
        self._measured_from_s: float | None = None
        self._sampler: Sampler | None = None
        self._converter = Converter(around.wanted)
        self.thread = threading.Thread(
            target=self._run, name=f"stream {around.address.name}", daemon=True
        )

    def abandon(self) -> None:
        """From now on nothing of this connection gets out."""
        self._abandoned.set()
        with self._gate:
            pass

    def _run(self) -> None:
        try:
            self._connect_and_read()
        except SourceError as error:
            self.error, self.refused = str(error), isinstance(error, LoginRefusedError)
        except Exception as error:  # noqa: BLE001 - one camera's crash must not be the program's; its state tells
            self.error, self.crashed = self._crash(error), True
        finally:
            self.ended.set()
            self._wake()

    def _crash(self, error: Exception) -> str:
        address = self._around.address
        return address.scrub(f"{address} crashed: {type(error).__name__}: {error}")

    def _connect_and_read(self) -> None:
        around = self._around
        with open_stream(around.address, around.settings) as container:
            stream = video_stream(container, around.address)
            stream.codec_context.thread_count = around.settings.decoder_threads
            if self._lossy:
                # A decoder that makes do without what is lost smears, and smears look abnormal.
                stream.codec_context.options = {"err_detect": "explode"}
            with self._gate:
                if self._abandoned.is_set():
                    return
                self._open(container, stream)
            failed = self._read(container, stream)
        if failed is not None:
            raise failed

    def _open(self, container: InputContainer, stream: VideoStream) -> None:
        around = self._around
        # Servers hand out segments, and whole files, faster than they play.
        self._untimed = is_untimed(container)
        self._paced = around.address.kind == "http" and not self._untimed
        self._follows_arrival = container.format.name != "hls"
        if around.ring is not None:
            around.ring.connect(stream)
        self.opened_s = around.now_s()
        rate_fps = stated_rate_fps(container, stream) or self._known_fps
        if rate_fps is not None:
            self._begin(rate_fps)

    def _begin(self, rate_fps: float) -> None:
        """Frames can be passed on: their rate is known."""
        around = self._around
        timing, keep_fps = FrameTiming.of_video(rate_fps), around.keep_fps
        if keep_fps is not None:
            self._sampler = Sampler(keep_fps, timing)
            timing = replace(timing, gap_s=sampled_gap_s(timing, keep_fps))
        around.clock.connect(
            timing,
            timed=not self._untimed,
            follows_arrival=self._follows_arrival,
        )
        around.opened(timing)
        self._has_begun = True

    def _measure(self, stamp_s: float | None) -> None:
        """Learn the rate of a stream that does not state one, at the cost of its first frames."""
        if stamp_s is None:
            return
        self._measured += 1
        if self._measured_from_s is None or stamp_s < self._measured_from_s:
            self._measured, self._measured_from_s = 1, stamp_s
        if stamp_s - self._measured_from_s >= _MEASURED_S:
            self._begin((self._measured - 1) / (stamp_s - self._measured_from_s))

    def _read(self, container: InputContainer, stream: VideoStream) -> SourceError | None:
        """Read until the connection ends; returns why, None where it was abandoned."""
        packets = container.demux(stream)
        while not self._abandoned.is_set():
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                return failure(self._around.address, error)
            if (
                packet is None or not packet.size
            ):  # an empty packet asks the decoder for what it still holds
                return SourceError(f"{self._around.address} has ended the stream")
            self._decode(packet, stream)
        return None

    def _decode(self, packet: "av.Packet[VideoStream]", stream: VideoStream) -> None:
        with self._gate:
            if self._abandoned.is_set():
                return
            if self._around.ring is not None:
                self._around.ring.add(packet)
        if self._waits_for_key and not packet.is_keyframe and self._skipped < _MOST_SKIPPED:
            self._skipped += 1
            return
        self._waits_for_key, self._skipped = False, 0
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            # What builds on a damaged picture is smeared too, until the next key frame.
            self.damaged += 1
            self._waits_for_key = True
            return
        for picture in decoded:
            self._pass_on(picture, stream)

    def _pass_on(self, picture: av.VideoFrame, stream: VideoStream) -> None:
        around = self._around
        base = picture.time_base or stream.time_base or Fraction(1, 1000)
        stamp_s = None if picture.pts is None else float(picture.pts * base)
        with self._gate:
            if self._abandoned.is_set():
                return
            arrived_s = around.now_s()
            if not self._has_begun:
                self._measure(arrived_s if self._untimed else stamp_s)
                return
            time_s = around.clock.time_s(stamp_s, arrived_s)
            if around.ring is not None:
                around.ring.mark(stamp_s, time_s, (picture.width, picture.height))
            early_s = time_s - around.clock.passed_s(arrived_s)
        if self._paced and early_s > 0:
            self._abandoned.wait(early_s)
        with self._gate:
            if self._abandoned.is_set():
                return
            index = next(around.numbers)
            if self._sampler is None or self._sampler.keeps_at(time_s):
                around.give(self._converter.frame(picture, index, time_s, picture.rotation))
