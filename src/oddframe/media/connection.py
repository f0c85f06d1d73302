"""One connection to a camera: a thread that opens, reads and decodes, and that can be left behind.

The functions at the top open a stream with FFmpeg: they set its time-outs, limit what it may reach,
and turn its errors into sentences without secrets. `Connection` at the bottom runs them in a
thread and passes the frames on to the camera that it belongs to, a `CameraFeed`.
"""

import errno
import math
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Protocol
from urllib.parse import urlsplit

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from oddframe.core.clips import Sampler
from oddframe.core.clocks import LiveClock
from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import LoginRefusedError, SourceError
from oddframe.media.convert import Converter
from oddframe.media.live_config import LiveSettings, StreamAddress
from oddframe.media.packet_buffer import PacketBuffer
from oddframe.media.source import PLAUSIBLE_FPS, FrameFormat

MEASURED_S = 1.5
"""How long frames are counted, in seconds, to learn a rate that the stream does not state."""

_MICROSECONDS = 1_000_000

_MOST_SKIPPED = 300
"""Packets that are skipped for want of a key frame; some streams mark none."""

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

_NO_VIDEO = (
    "what it sends is no video; if this is the page of the camera, its manual names the address of "
    "its stream, which often begins with rtsp://"
)
_UNKNOWN_HOST = "no host of this name is known; check its spelling, or write its number"


def open_stream(address: StreamAddress, settings: LiveSettings) -> InputContainer:
    """Connect to a stream and read its description.

    This takes at most twice the open time-out, unless the system itself hangs, as name servers and
    drivers may.

    Raises:
        LoginRefusedError: If user name or password are refused.
        SourceError: If it cannot be opened.
    """
    demuxer, options = _ffmpeg_options(address, settings)
    try:
        return av.open(
            address.secret,
            format=demuxer,
            options=options,
            timeout=(settings.open_timeout_s, settings.read_timeout_s),
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        readable_error = failure(address, error)
    # Outside of the handler: FFmpeg's own error holds the address, and would travel along as the
    # context.
    raise readable_error


def _ffmpeg_options(
    address: StreamAddress, settings: LiveSettings
) -> tuple[str | None, dict[str, str]]:
    """Return the demuxer, None where FFmpeg may guess it, and its options.

    The whitelists hold for everything that a server makes FFmpeg open: playlists, redirections,
    descriptions. Files are in none of them.
    """
    read_us = str(round(settings.read_timeout_s * _MICROSECONDS))
    # By default FFmpeg analyses five seconds of video to learn what a description does not say.
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
                # No frames are read ahead for the frame rate: the stream states it, or it is
                # measured while frames already come.
                "fpsprobesize": "0",
                "timeout": read_us,
            },
        )
    if address.kind == "http":
        redirects = {} if settings.redirects else {"max_redirects": "0"}
        reach = {"protocol_whitelist": "http,https,httpproxy,tcp,tls,crypto", "rw_timeout": read_us}
        return None, quick | reach | redirects
    return "v4l2", {"protocol_whitelist": "file"}


def failure(address: StreamAddress, error: Exception) -> SourceError:
    """Turn an error of FFmpeg into a sentence without anything that is secret.

    FFmpeg's own text is not used: it ends with the whole address.

    Returns:
        The error to raise: a `LoginRefusedError` where user name or password were refused.
    """
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return LoginRefusedError(f"{address} refuses the user name or the password; correct them")
    if isinstance(error, av.error.ExitError):
        return SourceError(f"{address} cannot be read: {_REASONS[errno.ETIMEDOUT]}")
    if isinstance(error, av.error.EOFError):
        return SourceError(f"{address} cannot be read: the server ended the stream")
    if isinstance(error, av.error.InvalidDataError):
        return SourceError(f"{address} cannot be read: {_NO_VIDEO}")
    number = getattr(error, "errno", None)
    # FFmpeg says of a host that no name server knows what it says of a line that broke.
    if number == errno.EIO and not _is_known_host(address):
        return SourceError(f"{address} cannot be read: {_UNKNOWN_HOST}")
    reason = _REASONS.get(number or 0) or getattr(error, "strerror", None) or type(error).__name__
    return SourceError(address.scrub(f"{address} cannot be read: {reason}"))


def _is_known_host(address: StreamAddress) -> bool:
    """Ask the name servers for a host, which may take them seconds."""
    host = urlsplit(address.secret).hostname
    try:
        return host is None or bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def video_stream(container: InputContainer, address: StreamAddress) -> VideoStream:
    """Return the first stream of moving pictures in a container.

    Raises:
        SourceError: If there is none that can be decoded.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None:
            return stream
    raise SourceError(f"{address} must send video that FFmpeg can decode, but sends none")


def stated_rate_fps(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the frames per second that the stream states.

    Returns:
        The rate; None where the stream states none, or one that cannot be true.
    """
    slowest, fastest = PLAUSIBLE_FPS
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate is not None and slowest <= rate <= fastest and not is_untimed(container):
            return float(rate)
    return None


def is_untimed(container: InputContainer) -> bool:
    """Tell whether FFmpeg makes up the stream's timestamps and its rate."""
    return container.format.name in _UNTIMED_FORMATS


class CameraFeed(Protocol):
    """A camera as its connections see it: what they share, and where their frames go.

    Attributes:
        address: Where the camera is.
        wanted: The form of the frames.
        settings: Time-outs and the other settings of its connections.
        keep_fps: Rate to which frames are thinned before they are converted; None keeps all.
        clock: Gives frames their times, across connections.
        ring: Keeps encoded video for clips; None keeps none.
        indices: Indices of decoded frames; they go on across connections.
        now_s: Gives seconds on a clock that never jumps.
    """

    address: StreamAddress
    wanted: FrameFormat
    settings: LiveSettings
    keep_fps: float | None
    clock: LiveClock
    ring: PacketBuffer | None
    indices: Iterator[int]
    now_s: Callable[[], float]

    def begin(self, timing: FrameTiming) -> None:
        """Learn the stream's own rate and the gap of the kept frames.

        This comes before the first frame, and again when frames come at another rate than before.
        """
        ...

    def put(self, frame: Frame) -> None:
        """Take the next frame; called by the connection's thread."""
        ...


class Connection:
    """One attempt to connect, and the reading that follows while the connection holds.

    FFmpeg cannot be interrupted between its own time-outs, and name servers and drivers not even by
    these. So nobody waits for the thread: `abandon` makes sure that the camera gets nothing more
    from it, and the thread ends when FFmpeg returns.

    Args:
        feed: The camera, which outlives its connections.
        wake: Called when the connection has ended.
        known_fps: The stream's rate as an earlier connection measured it, for streams that state
            none.

    Attributes:
        error: Why the connection ended, as a sentence without secrets; None while it holds.
        refused: Whether user name or password were refused.
        crashed: Whether it ended with an error that nobody foresaw.
        opened_s: When the stream was open, in seconds of the feed's clock; None before.
        damaged: How often data could not be decoded.
        ended: Set when the connection has ended.
        thread: Connects, reads and decodes; its owner starts it.
    """

    def __init__(self, feed: CameraFeed, wake: Callable[[], None], known_fps: float | None) -> None:
        self.error: str | None = None
        self.refused = self.crashed = False
        self.opened_s: float | None = None
        self.damaged = 0
        self.ended = threading.Event()
        self._feed = feed
        self._wake = wake
        self._known_fps = known_fps
        # Held while anything is passed on: after `abandon` has had it, nothing is passed on.
        self._gate = threading.Lock()
        self._abandoned = threading.Event()
        self._paced = self._untimed = self._follows_arrival = False
        self._waits_for_key, self._skipped = True, 0
        self._lossy = feed.address.kind == "rtsp" and feed.address.transport == "udp"
        self._measured = 0
        self._measured_from_s: float | None = None
        self._sampler: Sampler | None = None
        self._converter: Converter
        self.thread = threading.Thread(
            target=self._run, name=f"stream {feed.address.name}", daemon=True
        )

    def abandon(self) -> None:
        """Pass nothing on from now on; returns when what is being passed on has arrived."""
        self._abandoned.set()
        with self._gate:
            pass

    def _run(self) -> None:
        try:
            self._connect_and_read()
        except SourceError as error:
            self.error, self.refused = str(error), isinstance(error, LoginRefusedError)
        except Exception as error:  # noqa: BLE001 - it must not end the program
            self.error, self.crashed = self._describe_crash(error), True
        finally:
            self.ended.set()
            self._wake()

    def _describe_crash(self, error: Exception) -> str:
        address = self._feed.address
        return address.scrub(f"{address} crashed: {type(error).__name__}: {error}")

    def _connect_and_read(self) -> None:
        feed = self._feed
        with open_stream(feed.address, feed.settings) as container:
            stream = video_stream(container, feed.address)
            stream.codec_context.thread_count = feed.settings.decoder_threads
            if self._lossy:
                # A decoder that makes do without what is lost smears, and smears look abnormal.
                stream.codec_context.options = {"err_detect": "explode"}
            with self._gate:
                if self._abandoned.is_set():
                    return
                self._open(container, stream)
            error = self._read(container, stream)
        if error is not None:
            raise error

    def _open(self, container: InputContainer, stream: VideoStream) -> None:
        feed = self._feed
        self._converter = Converter(feed.wanted, stream)
        self._untimed = is_untimed(container)
        # Servers hand out segments, and whole files, faster than they play.
        self._paced = feed.address.kind == "http" and not self._untimed
        self._follows_arrival = container.format.name != "hls"
        if feed.ring is not None:
            feed.ring.connect(stream)
        self.opened_s = feed.now_s()
        rate_fps = stated_rate_fps(container, stream) or self._known_fps
        if rate_fps is not None:
            self._begin(rate_fps)

    def _begin(self, rate_fps: float) -> None:
        """Pass frames on from now on, since their rate is known."""
        feed = self._feed
        timing = FrameTiming.of_video(rate_fps)
        self._sampler = Sampler(feed.keep_fps or math.inf, timing)
        timing = replace(timing, gap_s=self._sampler.gap_s)
        feed.clock.connect(
            timing,
            timed=not self._untimed,
            follows_arrival=self._follows_arrival,
        )
        feed.begin(timing)

    def _keeps(self, sampler: Sampler, time_s: float) -> bool:
        """Say whether to keep a frame, and tell the camera where the rate has changed."""
        timing = sampler.rates.timing
        keeps = sampler.keeps_at(time_s)
        if sampler.rates.timing is not timing:
            self._feed.begin(replace(sampler.rates.timing, gap_s=sampler.gap_s))
        return keeps

    def _measure(self, stamp_s: float | None) -> None:
        """Learn the rate of a stream that does not state one, at the cost of its first frames."""
        if stamp_s is None:
            return
        self._measured += 1
        # Timestamps that lie back, as in the first packets of some cameras, start the count anew.
        if self._measured_from_s is None or stamp_s < self._measured_from_s:
            self._measured, self._measured_from_s = 1, stamp_s
        # n frames have n - 1 periods between them.
        if stamp_s - self._measured_from_s >= MEASURED_S:
            self._begin((self._measured - 1) / (stamp_s - self._measured_from_s))

    def _read(self, container: InputContainer, stream: VideoStream) -> SourceError | None:
        """Read until the connection ends.

        Returns:
            Why it ended; None where it was abandoned.
        """
        packets = container.demux(stream)
        while not self._abandoned.is_set():
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                return failure(self._feed.address, error)
            # An empty packet is PyAV's last one: it asks the decoder for what it still holds.
            if packet is None or not packet.size:
                return SourceError(f"{self._feed.address} has ended the stream")
            self._decode(packet, stream)
        return None

    def _decode(self, packet: "av.Packet[VideoStream]", stream: VideoStream) -> None:
        with self._gate:
            if self._abandoned.is_set():
                return
            if self._feed.ring is not None:
                self._feed.ring.add(packet)
        # Without its key frame a picture cannot be decoded, or is smeared.
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
        feed = self._feed
        base = picture.time_base or stream.time_base or Fraction(1, 1000)
        stamp_s = None if picture.pts is None else float(picture.pts * base)
        with self._gate:
            if self._abandoned.is_set():
                return
            arrived_s = feed.now_s()
            if self._sampler is None:
                self._measure(arrived_s if self._untimed else stamp_s)
                return
            time_s = feed.clock.time_s(stamp_s, arrived_s)
            if time_s is None:
                return
            if feed.ring is not None:
                feed.ring.mark(stamp_s, time_s, (picture.width, picture.height))
            early_s = time_s - feed.clock.passed_s(arrived_s)
        # Outside of the gate, so that a long wait does not delay `abandon`.
        if self._paced and early_s > 0:
            self._abandoned.wait(early_s)
        with self._gate:
            if self._abandoned.is_set():
                return
            index = next(feed.indices)
            if self._keeps(self._sampler, time_s):
                feed.put(self._converter.frame(picture, index, time_s))
