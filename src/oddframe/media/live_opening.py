"""Opening a stream with FFmpeg: time-outs, what it may reach, and errors without secrets."""

import errno

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from oddframe.errors import SourceError
from oddframe.media.live_settings import LiveSettings
from oddframe.media.stream_address import StreamAddress

__all__ = ["RefusedError", "failure", "is_untimed", "open_stream", "stated_rate_fps", "video_stream"]

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


class RefusedError(SourceError):
    """The server wants another user name or password; trying again soon locks accounts."""


def open_stream(address: StreamAddress, settings: LiveSettings) -> InputContainer:
    """Connect; takes at most twice the open time-out, unless the system itself hangs (names, drivers).

    Raises:
        RefusedError: If user name or password are refused.
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
    # Outside of the handler: FFmpeg's own error holds the address, and would travel along as the context.
    raise failed


def _options(address: StreamAddress, settings: LiveSettings) -> tuple[str | None, dict[str, str]]:
    """The demuxer, where it is not to be guessed, and its options.

    The whitelists hold for everything that a server makes FFmpeg open: playlists, redirections, descriptions. Files
    are in none of them.
    """
    read_us = str(round(settings.read_timeout_s * _MICROSECONDS))
    # FFmpeg would watch five seconds go by to learn what a server's description does not say.
    quick = {"analyzeduration": str(_MICROSECONDS)}
    if address.kind == "rtsp":
        udp = address.transport == "udp"
        return "rtsp", quick | {
            "rtsp_transport": address.transport,
            "protocol_whitelist": "tcp,tls,udp,rtp" if udp else "tcp,tls",
            "allowed_media_types": "video",
            "fpsprobesize": "0",  # the frame rate stands in the stream, or is measured while frames already come
            "timeout": read_us,
        }
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
        return RefusedError(f"{address} refuses the user name or the password; correct them")
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
