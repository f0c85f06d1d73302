"""What is reported while cameras are watched: alerts, and the status of cameras and streams.

An alert is an event with wall-clock times. These are whole microseconds since 1970-01-01 UTC,
``*_us``, as integers: floats of that size would lose the last of them. Where they come from is the
caller's business: `alert` is given a function from the source's seconds to them.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from oddframe.core.records import Event
from oddframe.errors import InputError

ToUnixTime: TypeAlias = Callable[[float], int]
"""From a time of the source in seconds to microseconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One phase of an event, with the wall-clock times that it has for people.

    Attributes:
        event: What happened, in the source's own time.
        start_us: When it started, in microseconds since 1970-01-01 UTC.
        peak_us: When it was highest so far.
        seen_us: The last moment that so far belongs to it; its end where the phase is "end".
        snapshot: Where its picture is or will be, relative to the store's folder; None without one.
        clip: Where its clip is or will be, as above.
    """

    event: Event
    start_us: int
    peak_us: int
    seen_us: int
    snapshot: str | None = None
    clip: str | None = None

    @property
    def end_us(self) -> int | None:
        """When it ended; None while it goes on."""
        return self.seen_us if self.event.phase == "end" else None

    @property
    def key(self) -> str:
        """A name for this message: the same alert has the same key, however often it is sent.

        It is made of the event's id, its start and the phase. Updates add a hash of their content,
        since an event may have many.
        """
        key = f"{self.event.id}-{self.start_us}-{self.event.phase}"
        if self.event.phase != "update":
            return key
        # Receivers drop alerts whose key they know, so this text must never change its form.
        content = (
            f"{self.peak_us} {self.seen_us} {self.event.score!r} "
            f"{self.event.reason} {self.event.box}"
        )
        return f"{key}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def alert(event: Event, wall: ToUnixTime) -> Alert:
    """Give an event its wall-clock times.

    Args:
        event: Any phase of it.
        wall: From the seconds of its source to the time of day, such as a `clocks.WallClock`.
    """
    return Alert(event, wall(event.start_s), wall(event.peak_s), wall(event.end_s))


def plain_message(event: Event) -> dict[str, Any]:
    """Make the message of an event without wall-clock times, of the form that sinks get.

    Its key is made of the event's id, its phase and its end so far.
    """
    # The fields are there all the same, so that one receiver takes both forms.
    nothing = dict.fromkeys(("start", "peak", "end", "snapshot", "clip"))
    return {"key": f"{event.id}-{event.phase}-{event.end_s:.6f}", **event.as_dict(), **nothing}


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStatus:
    """The state of a camera; its counts start from 0 when watching begins.

    Attributes:
        camera: The camera's name.
        at_us: When this was so, in microseconds since 1970-01-01 UTC.
        online: Whether frames come in.
        state: The same in a word or two: "live", "connecting", "stalled".
        rate_fps: Frames per second over the last seconds.
        frames: Frames decoded.
        dropped: Frames lost because scoring did not keep up.
        reconnects: How often the source had to be opened again.
        clips: Clips scored.
        inference_s: Seconds that the model spent on them.
        score: The latest score, in (0, 1); None where there is none.
    """

    camera: str
    at_us: int
    online: bool
    state: str
    rate_fps: float = 0.0
    frames: int = 0
    dropped: int = 0
    reconnects: int = 0
    clips: int = 0
    inference_s: float = 0.0
    score: float | None = None

    def __post_init__(self) -> None:
        if not self.camera:
            raise InputError("a camera must have a name, got an empty one")


def safe_name(name: str) -> str:
    """Turn a camera's name into one part of a path or of an MQTT topic.

    Letters, digits, ``-`` and ``_`` stay; everything else becomes ``_``. Names that had to be
    changed get a part of their hash, so that no two cameras share a folder.
    """
    kept = (
        letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_"
        for letter in name
    )
    # File systems allow 255 bytes for a name; what is added to it by others needs room too.
    plain = "".join(kept)[:60]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


class Phase(StrEnum):
    """The phase that a stream is in.

    Attributes:
        CONNECTING: On the way to its first frame.
        LIVE: Frames come.
        STALLED: Connected, but no frame has come for a while.
        WAITING: Waiting for the next try to connect.
        ENDED: The file has ended, or the stream was stopped.
        FAILED: Crashed, or a file that cannot be read. A camera is tried again all the same.
    """

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    WAITING = "waiting"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """The state of a stream at one moment. No text in it holds a password.

    Attributes:
        name: What results of the stream are filed under.
        phase: The phase that it is in.
        frames: Frames that were handed on, dropped ones included.
        dropped: Frames that nobody took in time; the oldest go first.
        damaged: How often data could not be decoded.
        reconnects: Connections after the first one that brought frames.
        jumps: How often the stream's timestamps jumped.
        rate_fps: Frames per second, over the last seconds.
        silent_s: Seconds since the last frame; None before the first.
        size: (width, height) of the stream's own picture in pixels; None before the first frame.
        error: What went wrong last, as a sentence; it stays after the stream has recovered.
        retry_s: Seconds until the next try; None where none is waited for.
        notice: What is worth knowing of its frames as they come now, as a sentence that goes on
            behind its name; None where nothing is.
    """

    name: str
    phase: Phase
    frames: int = 0
    dropped: int = 0
    damaged: int = 0
    reconnects: int = 0
    jumps: int = 0
    rate_fps: float = 0.0
    silent_s: float | None = None
    size: tuple[int, int] | None = None
    error: str | None = None
    retry_s: float | None = None
    notice: str | None = None
