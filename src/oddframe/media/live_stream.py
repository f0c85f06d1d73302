"""A camera that is watched for months: it connects, checks on the connection, and connects again.

`LiveStream` is the camera. Two parts of it serve `PlaybackStream` too: `FrameQueue` holds frames
between the thread that decodes and whoever takes them, and `RecentRate` counts frames per second.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

from oddframe.core.alerts import Phase, StreamStatus
from oddframe.core.backoff import Backoff
from oddframe.core.clocks import LiveClock
from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import InputError
from oddframe.media.connection import Connection
from oddframe.media.live_config import LiveSettings, StreamAddress
from oddframe.media.packet_buffer import PacketBuffer
from oddframe.media.source import FrameFormat

MOST_HUNG = 3
"""Abandoned connections that may hang at a time; no new one is made beside so many."""

_CHECK_EVERY_S = 0.25
"""How often a connection is checked, in seconds."""

# No frame comes before the rate is known, so this gap only delays when a stream shows as stalled.
_UNKNOWN_GAP_S = 0.5

_STOP_WAIT_S = 0.5
"""How long `stop` waits for a connection to end by itself, in seconds."""

_RATE_WINDOW_S = 5.0


class FrameQueue:
    """A short queue of frames, safe between the thread that puts and the one that takes.

    When it is full, a camera's queue drops its oldest frame, and a file's makes `put` wait.

    Args:
        length: How many frames it holds at most.
        waits: Whether a full queue makes `put` wait instead of dropping the oldest frame.
        arrived: Called after every frame, from the thread that puts it.

    Attributes:
        newest: The last frame that was added, also once it was taken; None before the first.
    """

    def __init__(self, length: int, *, waits: bool, arrived: Callable[[], None]) -> None:
        self._length, self._waits, self._arrived = length, waits, arrived
        self._frames: deque[Frame] = deque()
        self.newest: Frame | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._dropped = 0

    def put(self, frame: Frame) -> None:
        """Add a frame; a closed queue ignores it."""
        with self._changed:
            if self._waits:
                self._changed.wait_for(lambda: self._closed or len(self._frames) < self._length)
            if self._closed:
                return
            if len(self._frames) >= self._length:
                self._frames.popleft()
                self._dropped += 1
            self._frames.append(frame)
            self.newest = frame
        # Outside of the lock: the callback may take the frame at once.
        self._arrived()

    def take(self) -> Frame | None:
        """Take out the oldest frame, None where there is none; never waits."""
        with self._changed:
            if not self._frames:
                return None
            frame = self._frames.popleft()
            self._changed.notify_all()
            return frame

    def close(self) -> None:
        """Ignore further frames; a `put` that waits returns."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def dropped(self) -> int:
        """Frames that were dropped so far."""
        return self._dropped

    def __len__(self) -> int:
        return len(self._frames)


class RecentRate:
    """Counts how often something happened in the last five seconds; safe between threads.

    The times that its methods are given must not decrease.
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._since_s: float | None = None
        self._lock = threading.Lock()

    def add(self, now_s: float) -> None:
        """Count one more, at this time in seconds."""
        with self._lock:
            if self._since_s is None:
                self._since_s = now_s
            self._times.append(now_s)
            self._forget(now_s)

    def per_second(self, now_s: float) -> float:
        """Return how often it happened per second.

        The mean is over the last five seconds, or over the time since the first one where that is
        shorter.
        """
        with self._lock:
            if self._since_s is None:
                return 0.0
            self._forget(now_s)
            # At least a second: one frame just now is not a thousand frames per second.
            return len(self._times) / max(min(now_s - self._since_s, _RATE_WINDOW_S), 1.0)

    def _forget(self, now_s: float) -> None:
        while self._times and self._times[0] <= now_s - _RATE_WINDOW_S:
            self._times.popleft()


class LiveStream:
    """A camera as a `FrameStream`; it never gives up.

    One thread checks on the connection. The connection has a thread of its own, and is left behind
    when it hangs. To its connections the camera is the `CameraFeed`.

    Args:
        address: A camera's address: rtsp, http or a local camera.
        wanted: The form of the frames.
        settings: Time-outs, waits and sizes; the defaults when None.
        keep_fps: Rate to which frames are thinned by time before they are converted and queued;
            None keeps all.
        name: What results are filed under; made from the address when None.
        now_s: Seconds on a clock that never jumps.
        draw: Random numbers from 0 up to 1, for the waits.

    Raises:
        InputError: If the address is a file's; `PlaybackStream` is for those.
    """

    def __init__(
        self,
        address: StreamAddress,
        wanted: FrameFormat,
        settings: LiveSettings | None = None,
        *,
        keep_fps: float | None = None,
        name: str | None = None,
        now_s: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if address.kind == "file":
            raise InputError(
                f"{address} must be a camera's address, but it is a file; "
                "play it as a stream instead"
            )
        settings = settings or LiveSettings()
        self.name = name or address.name
        self.rate_fps: float | None = None
        self.gap_s = _UNKNOWN_GAP_S
        self.ring = (
            PacketBuffer(settings.keep_s, round(settings.keep_mb * 1e6))
            if settings.keep_s
            else None
        )
        self.notify: Callable[[], None] = lambda: None
        self.address, self.wanted, self.settings = address, wanted, settings
        self.keep_fps, self.now_s = keep_fps, now_s
        self.clock = LiveClock()
        self.indices: Iterator[int] = count()
        # `notify` is looked up at each frame, since a `StreamSet` replaces it later.
        self._queue = FrameQueue(settings.queue, waits=False, arrived=lambda: self.notify())
        self._backoff = Backoff(settings.first_wait_s, settings.longest_wait_s, draw)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(
            target=self._supervise, name=f"watch {self.name}", daemon=True
        )
        self._connection: Connection | None = None
        self._known_fps: float | None = None
        self._hung: list[Connection] = []
        # What `state` reports; each is written by one thread at a time, and read whole.
        self._phase = Phase.CONNECTING
        self._rate = RecentRate()
        self._frames = self._damaged_before = self._reconnects = 0
        self._frames_before = 0
        self._last_frame_s: float | None = None
        self._size: tuple[int, int] | None = None
        self._error: str | None = None
        self._retry_at_s: float | None = None

    def __repr__(self) -> str:
        return f"LiveStream({str(self.address)!r}, {self._phase})"

    def start(self) -> None:
        """Begin to connect, in a thread; returns at once."""
        self._supervisor.start()

    def take(self) -> Frame | None:
        """Take out the oldest frame that waits; None where none does."""
        return self._queue.take()

    @property
    def newest(self) -> Frame | None:
        """The last frame that came, also once it was taken; None before the first."""
        return self._queue.newest

    @property
    def is_over(self) -> bool:
        """Whether the camera was stopped and every frame was taken."""
        return self._phase is Phase.ENDED and not len(self._queue)

    def state(self) -> StreamStatus:
        """Report the camera's phase, its counts and its last error."""
        now_s, connection, last_s, retry_s = (
            self.now_s(),
            self._connection,
            self._last_frame_s,
            self._retry_at_s,
        )
        return StreamStatus(
            name=self.name,
            phase=self._phase,
            frames=self._frames,
            dropped=self._queue.dropped,
            damaged=self._damaged_before
            + self.clock.left_out
            + (connection.damaged if connection else 0),
            reconnects=self._reconnects,
            jumps=self.clock.jumps,
            rate_fps=self._rate.per_second(now_s),
            silent_s=None if last_s is None else now_s - last_s,
            size=self._size,
            error=self._error,
            retry_s=None if retry_s is None else max(0.0, retry_s - now_s),
        )

    def stop(self) -> None:
        """Give no more frames; returns within a second, whatever the network does.

        A connection that hangs in FFmpeg is left to end by its own time-outs, on a thread that
        keeps no program alive.
        """
        self._stopping.set()
        self._wake.set()
        self._queue.close()
        if self._supervisor.ident is not None:
            self._supervisor.join(2 * _STOP_WAIT_S)
        self._phase = Phase.ENDED
        self.notify()

    # The two methods of `CameraFeed`, called by a connection's thread.

    def begin(self, timing: FrameTiming) -> None:
        """Learn the rate and the gap of the stream, before its first frame and when they change."""
        self._known_fps = timing.rate_fps
        self.rate_fps = min(timing.rate_fps, self.keep_fps or timing.rate_fps)
        self.gap_s = timing.gap_s

    def put(self, frame: Frame) -> None:
        """Queue the next frame; where the queue is full the oldest goes."""
        now_s = self.now_s()
        # Only a connection that brings a frame counts as a reconnect, and the first one does not.
        if self._frames and self._frames == self._frames_before:
            self._reconnects += 1
        self._phase = Phase.LIVE
        self._last_frame_s, self._size = now_s, frame.shown_size
        self._rate.add(now_s)
        self._frames += 1
        self._queue.put(frame)

    # The thread that checks on the connections.

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            error, hopeless = self._follow_connection()
            if self._stopping.is_set():
                break
            self._error = error
            self._wait_to_retry(hopeless=hopeless)
        self._phase = Phase.ENDED

    def _follow_connection(self) -> tuple[str | None, bool]:
        """Connect and stay until the connection ends, hangs or is not wanted any more.

        Returns:
            Why the connection is over, and whether trying again soon is pointless.
        """
        self._frames_before = self._frames
        self._phase = Phase.CONNECTING
        connection = self._connection = Connection(self, self._wake.set, self._known_fps)
        connection.thread.start()
        started_s = self.now_s()
        error: str | None = None
        while not (connection.ended.is_set() or self._stopping.is_set() or error):
            self._wake.wait(_CHECK_EVERY_S)
            self._wake.clear()
            error = self._check(connection, started_s)
        # Whatever ended the loop, nothing of this connection may come after the next one's frames.
        connection.abandon()
        if self._stopping.is_set():
            connection.thread.join(_STOP_WAIT_S)
        elif not connection.ended.is_set():
            self._hung.append(connection)
        return connection.error or error, connection.refused or connection.crashed

    def _check(self, connection: Connection, started_s: float) -> str | None:
        """Notice when no frames come.

        Returns:
            Why the connection is to be given up; None where it may go on.
        """
        now_s, settings, address = self.now_s(), self.settings, self.address
        if connection.opened_s is None:
            # FFmpeg's own time-outs end most attempts sooner: one to connect, one to read.
            hangs_after_s = 2 * settings.open_timeout_s + settings.quiet_s
            if now_s - started_s > hangs_after_s:
                return (
                    f"{address} cannot be read: connecting hangs for more than "
                    f"{hangs_after_s:.3g} s"
                )
            return None
        has_frames = self._frames > self._frames_before
        last_s = (
            self._last_frame_s
            if has_frames and self._last_frame_s is not None
            else connection.opened_s
        )
        silent_s = now_s - last_s
        # A camera that sends a picture a minute has not stalled after 20 s.
        stall_s = max(settings.stall_s, self.gap_s)
        if silent_s > stall_s:
            self._phase = Phase.STALLED
            return f"{address} is connected, but sent no picture for {stall_s:.3g} s"
        if silent_s > max(settings.quiet_s, self.gap_s):
            self._phase = Phase.STALLED
        return None

    def _wait_to_retry(self, *, hopeless: bool) -> None:
        """Wait before the next connection, longer after every failure in a row."""
        connection, now_s = self._connection, self.now_s()
        assert connection is not None
        lasted_s = 0.0
        if (
            connection.opened_s is not None
            and self._frames > self._frames_before
            and self._last_frame_s is not None
        ):
            lasted_s = self._last_frame_s - connection.opened_s
        self._damaged_before += connection.damaged
        self._connection = None
        wait_s = self._backoff.next_s(lasted_s, hopeless=hopeless)
        self._retry_at_s = now_s + wait_s
        self._phase = Phase.FAILED if connection.crashed else Phase.WAITING
        self._stopping.wait(wait_s)
        # Threads that hang in FFmpeg cannot be ended, so they must not become more and more.
        while not self._stopping.is_set() and len(self._still_hung()) >= MOST_HUNG:
            self._stopping.wait(_CHECK_EVERY_S)
        self._retry_at_s = None

    def _still_hung(self) -> list[Connection]:
        self._hung = [connection for connection in self._hung if not connection.ended.is_set()]
        return self._hung
