"""Alerts to all sinks: handed over at once, put on disk, delivered by a thread for each sink.

A sink that hangs or fails delays neither the caller nor another sink. Every message is delivered at least once, in
order; ``key`` tells a receiver that it has one already.
"""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from oddframe._background import BackgroundQueue
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
        self._routes = [Route(name, sink, spools[name]) for name, sink in sinks.items()]
        self._handed_over = BackgroundQueue(
            "sinks", self._put, most=MOST_HANDED_OVER, upkeep=self._save, every_s=_SAVE_S
        )
        self._handed_over.start()

    def offer(self, alert: Alert) -> None:
        """Have an alert delivered to every sink."""
        self._handed_over.put(message_of(alert))

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
        return self._handed_over.dropped + self._handed_over.failed

    def counts(self) -> dict[str, SinkCounts]:
        """Say how each sink is doing, by its name."""
        return {route.name: route.counts() for route in self._routes}

    def flush(self, timeout_s: float) -> bool:
        """Wait until every sink has everything.

        Returns:
            Whether they have; otherwise the time ran out.
        """
        deadline = time.monotonic() + timeout_s
        return self._handed_over.flush(timeout_s) and all(
            route.flush(deadline - time.monotonic()) for route in self._routes
        )

    def close(self, timeout_s: float = 1.5) -> bool:
        """Put everything on disk and end the threads; what is not delivered by then waits for the next start.

        Returns:
            Whether all threads ended within the time; those that hang are left behind.
        """
        deadline = time.monotonic() + timeout_s
        self.flush(timeout_s / 3)
        self._handed_over.stop(drain=True)
        self._handed_over.join(deadline - time.monotonic())
        for route in self._routes:
            route.stop()
        ended = [route.join(deadline - time.monotonic()) for route in self._routes]
        return all(ended) and self._handed_over.join(0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, messages: list[Message]) -> None:
        """Move what was handed over to the queues of the sinks."""
        for message in messages:
            for route in self._routes:
                route.put(message)

    def _save(self) -> None:
        """Try again what the disk did not take."""
        for route in self._routes:
            route.save()
