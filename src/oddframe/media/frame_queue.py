"""Frames between the thread that decodes and whoever takes them."""

import threading
from collections import deque
from collections.abc import Callable

from oddframe.core.records import Frame

__all__ = ["FrameQueue"]


class FrameQueue:
    """A short queue; when it is full the oldest frame goes (a camera) or the giver waits (a file).

    Args:
        length: Most frames in it.
        waits: Whether a full queue makes `put` wait instead of dropping the oldest frame.
        arrived: Called after every frame, from the thread that gives it.
    """

    def __init__(self, length: int, *, waits: bool, arrived: Callable[[], None]) -> None:
        self._length, self._waits, self._arrived = length, waits, arrived
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._dropped = 0

    def put(self, frame: Frame) -> None:
        """Add a frame; does nothing once closed."""
        with self._changed:
            if self._waits:
                self._changed.wait_for(lambda: self._closed or len(self._frames) < self._length)
            if self._closed:
                return
            if len(self._frames) >= self._length:
                self._frames.popleft()
                self._dropped += 1
            self._frames.append(frame)
        self._arrived()

    def take(self) -> Frame | None:
        """The oldest frame, None where there is none; never waits."""
        with self._changed:
            if not self._frames:
                return None
            frame = self._frames.popleft()
            self._changed.notify_all()
            return frame

    def close(self) -> None:
        """Take no more frames; who waits to give one goes on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def dropped(self) -> int:
        """Frames that were dropped so far."""
        return self._dropped

    def __len__(self) -> int:
        return len(self._frames)
