"""What happens, told to every browser that listens; a slow one is told less, and holds up nobody.

The last picture of each camera as JPEG, made when somebody asks and once for all who do.
"""

import asyncio
import contextlib
import io
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from PIL import Image
from sse_starlette import EventSourceResponse, JSONServerSentEvent, ServerSentEvent
from starlette.types import Receive, Scope, Send

from oddframe.media.overlay import blend_heat
from oddframe.monitoring.camera import CameraSnapshot
from oddframe.monitoring.watcher import Watcher

MOST_LISTENERS = 500
MOST_WAITING = 50
"""Messages that wait for one listener; beyond it the oldest go, and it is told to look for itself."""

_ALIVE_S = 15.0
"""So that proxies and clients see that the connection lives."""

_STUCK_S = 20.0
"""A listener that takes nothing for so long is left."""

_RETRY_MS = 2000
"""How long a browser waits before it opens a lost connection again."""


class Listener:
    """What waits for one browser: the latest status, and messages in order."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.closed = False
        self._status: bytes | None = None
        self._waiting: deque[bytes] = deque()
        self._missed = False

    def put(self, message: bytes, *, latest_only: bool) -> None:
        """Have it told; never waits."""
        if latest_only:
            self._status = message
        else:
            self._waiting.append(message)
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self._missed = True
        self.wake.set()

    def take(self) -> bytes:
        """All that waits, as one piece; empty where nothing does."""
        self.wake.clear()
        parts = [_message("changed", {"what": "events"})] if self._missed else []
        parts += self._waiting
        if self._status is not None:
            parts.append(self._status)
        self._waiting.clear()
        self._status, self._missed = None, False
        return b"".join(parts)


class EventHub:
    """Tells all listeners. `publish` may be called by any thread, the other methods belong to the event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def open(self) -> None:
        """Begin, in the event loop that serves."""
        self._loop = asyncio.get_running_loop()

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def publish(self, kind: str, values: Any, *, latest_only: bool = False) -> None:
        """Tell everybody.

        Args:
            kind: Name of the message: "status", "event", "changed".
            values: What JSON has.
            latest_only: Whether a later one takes the place of one that waits.
        """
        if self._loop is None or self._closed:
            return
        message = _message(kind, values)
        with contextlib.suppress(RuntimeError):
            # The loop may end at any moment.
            self._loop.call_soon_threadsafe(self._spread, message, latest_only)

    def listen(self) -> Listener | None:
        """One listener more; None where there are too many."""
        if self._closed or len(self._listeners) >= MOST_LISTENERS:
            return None
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """One less."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """Let all of them go."""
        self._closed = True
        for listener in self._listeners:
            listener.closed = True
            listener.wake.set()

    def close_soon(self) -> None:
        """The same from any thread."""
        self._closed = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.close)

    def _spread(self, message: bytes, latest_only: bool) -> None:
        for listener in self._listeners:
            listener.put(message, latest_only=latest_only)


class EventStream(EventSourceResponse):
    """An answer that goes on for as long as somebody listens (server-sent events).

    Args:
        hub: Where the listener belongs to; it leaves with the end of the answer.
        listener: What waits for this browser.
        stuck_s: How long the browser may take nothing.
    """

    def __init__(self, hub: EventHub, listener: Listener, *, stuck_s: float = _STUCK_S) -> None:
        super().__init__(
            _messages(listener),
            sep="\n",
            ping=_ALIVE_S,
            ping_message_factory=_sign_of_life,
            send_timeout=stuck_s,
        )
        self._hub, self._listener = hub, listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            # It reads nothing, or is gone.
            with contextlib.suppress(TimeoutError, OSError):
                await super().__call__(scope, receive, send)
        finally:
            self._hub.leave(self._listener)


async def _messages(listener: Listener) -> AsyncIterator[bytes]:
    # A first line at once: proxies and browsers then know that it is open.
    yield ServerSentEvent(retry=_RETRY_MS, sep="\n").encode()
    while not listener.closed:
        await listener.wake.wait()
        if body := listener.take():
            yield body


def _sign_of_life() -> ServerSentEvent:
    return ServerSentEvent(comment="", sep="\n")


def _message(kind: str, values: Any) -> bytes:
    # Put into words once, for all listeners.
    return JSONServerSentEvent(values, event=kind, sep="\n").encode()


_QUALITY = 80


class LivePictures:
    """Makes pictures for people; may be asked by any thread.

    Args:
        watcher: Where they come from.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()
        self._made: dict[tuple[str, bool], tuple[CameraSnapshot, bytes]] = {}

    def picture(self, camera: str, *, heat: bool) -> bytes | None:
        """What a camera shows, as JPEG.

        Args:
            camera: Its name.
            heat: Whether its unusual places glow.

        Returns:
            The file; None where there is no picture.
        """
        glimpse = self._watcher.snapshot(camera)
        if glimpse is None:
            self._made.pop((camera, heat), None)
            return None
        with self._lock:
            before = self._made.get((camera, heat))
            if (
                before is None
                or before[0].time_s != glimpse.time_s
                or before[0].picture is not glimpse.picture
            ):
                before = (glimpse, _jpeg(glimpse, heat))
                self._made[camera, heat] = before
        return before[1]


def _jpeg(glimpse: CameraSnapshot, heat: bool) -> bytes:
    pixels = glimpse.picture
    if heat and glimpse.map is not None:
        pixels = blend_heat(pixels, glimpse.map, glimpse.map_level)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
