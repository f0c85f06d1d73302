"""Live news for browsers: a stream of messages to each that listens, and pictures of the cameras.

A slow browser is sent less and holds up nobody. A picture is encoded when somebody asks for it, and
once for all who do.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

from sse_starlette import EventSourceResponse, JSONServerSentEvent, ServerSentEvent
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from oddframe.media.convert import encode_jpeg
from oddframe.media.overlay import blend_heat
from oddframe.monitoring.camera import CameraSnapshot
from oddframe.monitoring.watcher import Watcher

MOST_LISTENERS = 500
"""Most browsers that may listen at the same time."""

MOST_WAITING = 50
"""Most messages that wait for one browser.

Beyond it the oldest are dropped, and the browser is told to load the events again.
"""

STUCK_S = 20.0
"""A browser that takes nothing for so many seconds is disconnected."""

_ALIVE_S = 15.0
"""Pause between signs of life, in seconds: proxies close connections that are silent for longer."""

_RETRY_MS = 2000
"""How long a browser waits before it opens a lost connection again."""

_QUALITY = 80
"""Quality of the live pictures as JPEG."""

MOST_VIEWERS = 50
"""Most streams of live pictures at the same time: each takes a share of the processor."""

_BOUNDARY = "picture"

_PERIOD_S, _LOOK_S = 0.04, 0.01
"""A stream has at most 25 pictures a second; so often it looks for a new one, in seconds."""

_REPEAT_S = 4.0
"""Where no picture comes the last one is sent again, to see whether somebody still looks."""


class Listener:
    """The messages that wait for one browser: the latest status, and all others in order.

    Args:
        cameras: Names of the cameras that it may be told of; None for all.

    Attributes:
        cameras: As given.
        wake: Set when something waits, or when the listener is closed.
        closed: Whether the stream is to end.
    """

    def __init__(self, cameras: Collection[str] | None = None) -> None:
        self.cameras = cameras
        self.wake = asyncio.Event()
        self.closed = False
        self._status: bytes | None = None
        self._waiting: deque[bytes] = deque()
        self._missed = False

    def put(self, message: bytes, *, latest_only: bool) -> None:
        """Queue a message; this never waits.

        Args:
            message: The message as bytes of the stream.
            latest_only: Whether it takes the place of one like it that still waits.
        """
        if latest_only:
            self._status = message
        else:
            self._waiting.append(message)
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self._missed = True
        self.wake.set()

    def take(self) -> bytes:
        """Return all messages that wait as one piece, and forget them; empty if there are none."""
        self.wake.clear()
        # After a loss the browser cannot know what it has missed, so it loads all events again.
        parts = [_message("changed", {"what": "events"})] if self._missed else []
        parts += self._waiting
        if self._status is not None:
            parts.append(self._status)
        self._waiting.clear()
        self._status, self._missed = None, False
        return b"".join(parts)


class EventHub:
    """Sends messages to all browsers that listen.

    `publish` and `close_soon` may be called by any thread, the other methods only by the event
    loop, so the set of listeners needs no lock.
    """

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def open(self) -> None:
        """Begin to publish; to be called in the event loop that serves."""
        self._loop = asyncio.get_running_loop()

    @property
    def is_closed(self) -> bool:
        """Whether the server is about to stop."""
        return self._closed

    @property
    def listeners(self) -> int:
        """How many browsers listen now."""
        return len(self._listeners)

    def publish(self, kind: str, values: Any, *, latest_only: bool = False) -> None:
        """Send a message to every browser that listens; this never waits.

        Args:
            kind: Name of the message: "status", "event", "changed".
            values: Its contents, which JSON must be able to hold.
            latest_only: Whether it takes the place of one like it that still waits.
        """
        if self._loop is None or self._closed:
            return
        message = _message(kind, values)
        # The loop may be closed between the check and the call; then nobody listens any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._put_to_all, kind, values, message, latest_only)

    def listen(self, cameras: Collection[str] | None = None) -> Listener | None:
        """Add a listener; None where there are too many, or the server is about to stop.

        Args:
            cameras: As for `Listener`.
        """
        if self._closed or len(self._listeners) >= MOST_LISTENERS:
            return None
        listener = Listener(cameras)
        self._listeners.add(listener)
        return listener

    def unsubscribe(self, listener: Listener) -> None:
        """Stop sending to a listener; what was queued for it is dropped."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """End the streams of all listeners and accept no more."""
        self._closed = True
        for listener in self._listeners:
            listener.closed = True
            listener.wake.set()

    def close_soon(self) -> None:
        """Do what `close` does, from any thread; this does not wait for it."""
        # At once, so that no listener is added while the loop has not come to it yet.
        self._closed = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.close)

    def _put_to_all(self, kind: str, values: Any, message: bytes, latest_only: bool) -> None:
        for listener in self._listeners:
            if listener.cameras is None:
                listener.put(message, latest_only=latest_only)
                continue
            seen = _seen_part(values, listener.cameras)
            if seen is not None:
                listener.put(_message(kind, seen), latest_only=latest_only)


class EventStream(EventSourceResponse):
    """An answer that goes on for as long as a browser listens (server-sent events).

    Args:
        hub: The hub of the listener, which is unsubscribed when the answer ends.
        listener: The messages for this browser.
        stuck_s: How long the browser may take nothing, in seconds.
        still_holds: Says whether the person who asked is still let in; asked before each message.
    """

    def __init__(
        self,
        hub: EventHub,
        listener: Listener,
        *,
        stuck_s: float = STUCK_S,
        still_holds: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(
            _messages(listener, still_holds),
            sep="\n",
            ping=_ALIVE_S,
            # The library's own sign of life holds the time, which no browser needs.
            ping_message_factory=_sign_of_life,
            send_timeout=stuck_s,
        )
        self._hub, self._listener = hub, listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send messages until the browser leaves, is stuck, or the hub closes."""
        try:
            # TimeoutError: the browser takes nothing. OSError: it has gone.
            with contextlib.suppress(TimeoutError, OSError):
                await super().__call__(scope, receive, send)
        finally:
            self._hub.unsubscribe(self._listener)


async def _messages(listener: Listener, still_holds: Callable[[], bool]) -> AsyncIterator[bytes]:
    # A first line at once: until then, proxies and browsers do not know that the stream is open.
    yield ServerSentEvent(retry=_RETRY_MS, sep="\n").encode()
    while not listener.closed:
        await listener.wake.wait()
        # A token may have been removed, or may open less than before. A status comes each second.
        if not still_holds():
            return
        if body := listener.take():
            yield body


def _sign_of_life() -> ServerSentEvent:
    return ServerSentEvent(comment="", sep="\n")


def _seen_part(values: Any, cameras: Collection[str]) -> Any:
    """Return what of a message may be told to whoever sees some cameras only; None for nothing."""
    if "camera" in values:
        return values if values["camera"] in cameras else None
    if "cameras" in values:
        return {"cameras": [one for one in values["cameras"] if one["name"] in cameras]}
    # Rows are of events of any camera; without them the browser loads its list again.
    return {key: value for key, value in values.items() if key != "rows"}


def _message(kind: str, values: Any) -> bytes:
    # Encoded once, for all listeners; each line ends with "\n", as in version 0.1.0.
    return JSONServerSentEvent(values, event=kind, sep="\n").encode()


class LivePictures:
    """The newest picture of each camera as JPEG; any thread may ask.

    Args:
        watcher: The watcher whose cameras are shown.

    Attributes:
        viewers: How many streams of pictures there are; for the event loop alone.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()
        self.viewers = 0
        # By camera and whether it is heat: the snapshot that was encoded, and the file.
        self._encoded: dict[tuple[str, bool], tuple[CameraSnapshot, bytes]] = {}

    def picture(self, camera: str, *, heat: bool) -> bytes | None:
        """Return what a camera shows.

        Args:
            camera: Its name.
            heat: Whether unusual places are coloured.

        Returns:
            A JPEG file, the same object until the camera shows something new; None where there is
            no picture.
        """
        snapshot = self._watcher.snapshot(camera, mapped=heat)
        if snapshot is None:
            self._encoded.pop((camera, heat), None)
            return None
        return self.encode(camera, snapshot, heat=heat)

    def encode(self, camera: str, snapshot: CameraSnapshot, *, heat: bool) -> bytes:
        """Return a JPEG file of what a camera shows, the same object for the same snapshot."""
        # Encoded under the lock: of many who ask at the same time, one encodes and all others wait.
        with self._lock:
            before = self._encoded.get((camera, heat))
            if before is not None and _is_same(before[0], snapshot):
                return before[1]
            jpeg = _jpeg(snapshot, heat)
            self._encoded[camera, heat] = (snapshot, jpeg)
            return jpeg

    def newest(
        self, camera: str, but: CameraSnapshot | None, *, heat: bool
    ) -> CameraSnapshot | None:
        """Return what a camera shows; None where that is nothing, or the same as before."""
        snapshot = self._watcher.snapshot(camera, mapped=heat)
        if snapshot is None or (but is not None and _is_same(but, snapshot)):
            return None
        return snapshot


class PictureStream(StreamingResponse):
    """An answer that goes on with each new picture of a camera (``multipart/x-mixed-replace``).

    Browsers show it as one picture that moves. A slow one is sent fewer pictures, the newest each.

    Args:
        pictures: The pictures.
        camera: The camera's name.
        heat: Whether unusual places are coloured.
        is_over: Asked before each picture: whether the answer is to end.
        stuck_s: How long the browser may take nothing, in seconds.
    """

    def __init__(
        self,
        pictures: LivePictures,
        camera: str,
        *,
        heat: bool,
        is_over: Callable[[], bool],
        stuck_s: float = STUCK_S,
    ) -> None:
        super().__init__(
            _parts(pictures, camera, heat, is_over),
            media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}",
            headers={"cache-control": "no-store"},
        )
        self._pictures, self._stuck_s = pictures, stuck_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send pictures until the browser leaves, is stuck, or the answer is over."""

        async def send_in_time(message: Message) -> None:
            await asyncio.wait_for(send(message), self._stuck_s)

        self._pictures.viewers += 1
        try:
            # TimeoutError: the browser takes nothing. OSError: it has gone.
            with contextlib.suppress(TimeoutError, OSError):
                await super().__call__(scope, receive, send_in_time)
        finally:
            self._pictures.viewers -= 1


async def _parts(
    pictures: LivePictures, camera: str, heat: bool, is_over: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield a part for each new picture, and the same one again where none comes for long."""
    shown: CameraSnapshot | None = None
    sent: bytes | None = None
    sent_s = due_s = 0.0
    while not is_over():
        now_s = time.monotonic()
        snapshot = pictures.newest(camera, but=shown, heat=heat) if now_s >= due_s else None
        if snapshot is not None:
            # By a grid, so that what came a little late does not delay all that follow.
            due_s = max(due_s + _PERIOD_S, now_s)
            # Encoded beside the loop, which serves everybody else.
            sent = await asyncio.to_thread(pictures.encode, camera, snapshot, heat=heat)
            shown, sent_s = snapshot, now_s
            yield _part(sent, snapshot.time_s)
        elif sent is not None and shown is not None and now_s - sent_s > _REPEAT_S:
            sent_s = now_s
            yield _part(sent, shown.time_s)
        await asyncio.sleep(_LOOK_S)


def _part(jpeg: bytes, time_s: float) -> bytes:
    # The time tells a new picture from one that is sent again, so that the rate can be counted.
    head = (
        f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
        f"X-Time-S: {time_s:.3f}\r\n\r\n"
    )
    return head.encode() + jpeg + b"\r\n"


def _is_same(before: CameraSnapshot, now: CameraSnapshot) -> bool:
    # A stream that begins anew can repeat a time, and a paused one keep its picture.
    return before.time_s == now.time_s and before.picture is now.picture


def _jpeg(snapshot: CameraSnapshot, heat: bool) -> bytes:
    pixels = snapshot.picture
    if heat and snapshot.map is not None:
        pixels = blend_heat(pixels, snapshot.map, snapshot.map_level)
    return encode_jpeg(pixels, _QUALITY)
