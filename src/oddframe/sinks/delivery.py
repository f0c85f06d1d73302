"""Alerts to all sinks: handed over at once, put on disk, delivered by a thread for each sink.

A sink that hangs or fails delays neither the caller nor another sink. Every message is delivered at least once, in
order; ``key`` tells a receiver that it has one already.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from oddframe.core.alerts import Alert, CameraStatus, plain_name
from oddframe.errors import InputError
from oddframe.sinks.alert_sink import AlertSink, Message, message_of
from oddframe.sinks.route import Route, SinkCounts
from oddframe.sinks.spool import Spool

__all__ = ["Delivery"]

MOST_HANDED_OVER = 10_000
"""Alerts that wait in memory for a disk that hangs."""

_SAVE_S = 1.0


class Delivery:
    """Tells every sink; ``offer`` and ``report`` return at once and may be called by any thread."""

    def __init__(self, sinks: Mapping[str, AlertSink], folder: Path | None, *, most_waiting: int = 10_000) -> None:
        """Start, with what the last one left undelivered first.

        Args:
            sinks: By name, which also names the folder of its queue: a sink that keeps its name keeps its queue.
            folder: Where queues are kept; one process at a time may use it. None keeps them in memory: for tests,
                and where a kill may lose alerts.
            most_waiting: Messages that wait for one sink; beyond it the oldest goes and is counted.

        Raises:
            InputError: If two names would share a folder.
            OutputError: If a folder cannot be made.
        """
        if len({plain_name(name) for name in sinks}) < len(sinks) or most_waiting < 1:
            raise InputError(f"sinks must have different names and room for a message, got {list(sinks)}")
        spools = {
            name: Spool(folder / plain_name(name) if folder is not None and sink.durable else None, most_waiting)
            for name, sink in sinks.items()
        }
        self._ready = threading.Condition()
        self._handed: deque[Message] = deque()
        self._lost = 0
        self._busy = self._closing = False
        self._routes = [Route(name, sink, spools[name]) for name, sink in sinks.items()]
        self._thread = threading.Thread(target=self._run, name="sinks", daemon=True)
        self._thread.start()

    def offer(self, alert: Alert) -> None:
        """Have an alert delivered to every sink."""
        message = message_of(alert)
        with self._ready:
            self._handed.append(message)
            if len(self._handed) > MOST_HANDED_OVER:
                self._handed.popleft()
                self._lost += 1
            self._ready.notify_all()

    def offer_all(self, alerts: Iterable[Alert]) -> None:
        """Have several delivered, in order."""
        for alert in alerts:
            self.offer(alert)

    def report(self, status: CameraStatus) -> None:
        """Tell every sink how a camera is doing; of several in a row a slow sink learns the last."""
        for route in self._routes:
            route.report(status)

    @property
    def lost(self) -> int:
        """Alerts given up before they reached a queue: the disk hung for too long."""
        return self._lost

    def counts(self) -> dict[str, SinkCounts]:
        """How each sink is doing."""
        return {route.name: route.counts() for route in self._routes}

    def flush(self, timeout_s: float) -> bool:
        """Wait until every sink has everything, or the time runs out; whether the former."""
        deadline = time.monotonic() + timeout_s
        with self._ready:
            done = self._ready.wait_for(lambda: not self._handed and not self._busy, timeout_s)
        return done and all(route.flush(max(0.0, deadline - time.monotonic())) for route in self._routes)

    def close(self, timeout_s: float = 1.5) -> bool:
        """Put everything on disk and end the threads; what is not delivered by then waits for the next start.

        Returns:
            Whether all threads ended within the time; those that hang are left behind.
        """
        deadline = time.monotonic() + timeout_s
        self.flush(timeout_s / 3)
        with self._ready:
            self._closing = True
            self._ready.notify_all()
        self._thread.join(max(0.0, deadline - time.monotonic()))
        for route in self._routes:
            route.stop()
        ended = [route.join(deadline - time.monotonic()) for route in self._routes]
        return all(ended) and not self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        """Move what was handed over to the queues; what the disk did not take, again every second."""
        while True:
            with self._ready:
                self._busy = False
                self._ready.notify_all()
                self._ready.wait_for(lambda: self._handed or self._closing, _SAVE_S)
                if self._closing and not self._handed:
                    return
                message = self._handed.popleft() if self._handed else None
                self._busy = message is not None
            for route in self._routes:
                if message is None:
                    route.save()
                else:
                    route.put(message)
