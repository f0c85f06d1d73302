"""Frames per second over the last seconds."""

import threading
from collections import deque

__all__ = ["RecentRate"]

_WINDOW_S = 5.0


class RecentRate:
    """Counts what happened lately; give it times that do not decrease. Safe between threads."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._since_s: float | None = None
        self._lock = threading.Lock()

    def add(self, now_s: float) -> None:
        """Something happened now."""
        with self._lock:
            if self._since_s is None:
                self._since_s = now_s
            self._times.append(now_s)
            self._forget(now_s)

    def per_second(self, now_s: float) -> float:
        """How often it happened a second, over the last five, or since it first did where that is less."""
        with self._lock:
            if self._since_s is None:
                return 0.0
            self._forget(now_s)
            return len(self._times) / max(min(now_s - self._since_s, _WINDOW_S), 1.0)

    def _forget(self, now_s: float) -> None:
        while self._times and self._times[0] <= now_s - _WINDOW_S:
            self._times.popleft()
