"""How a stream is doing, for whoever shows, stores or counts it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Phase", "StreamState"]


class Phase(StrEnum):
    """What a stream is at.

    Attributes:
        CONNECTING: On the way to its first frame.
        LIVE: Frames come.
        STALLED: Connected, but no frame has come for a while.
        WAITING: Until the next try to connect.
        ENDED: Over: the file has ended, or the stream was stopped.
        FAILED: Crashed, or a file that cannot be read. A camera is tried again all the same.
    """

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    WAITING = "waiting"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream at one moment. No text in it holds a password.

    Attributes:
        name: What results of the stream are filed under.
        phase: What it is at.
        frames: Frames that were handed on, dropped ones included.
        dropped: Frames that nobody took in time; the oldest go first.
        damaged: Times that data could not be decoded.
        reconnects: Connections after the first one that brought frames.
        jumps: Times that the stream's timestamps jumped.
        rate_fps: Frames per second, over the last seconds.
        silent_s: Seconds since the last frame; None before the first.
        size: (width, height) of the stream's own picture in pixels; None before the first frame.
        error: What went wrong last, as a sentence; it stays after the stream has recovered.
        retry_s: Seconds until the next try; None where none is waited for.
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
