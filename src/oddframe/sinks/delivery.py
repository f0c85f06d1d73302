"""Alerts to all sinks: handed over at once, put on disk, delivered by a thread for each sink.

A sink that hangs or fails delays neither the caller nor another sink. Every message is delivered at
least once, in order; ``key`` tells a receiver that it has one already.

The way to one sink: its queue, its thread, and what happens when it fails.
"""

import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from oddframe._background import BackgroundQueue
from oddframe.core.alerts import Alert, CameraStatus, safe_name
from oddframe.core.backoff import Backoff
from oddframe.errors import DeliveryError, DeliveryRefusedError, InputError, OddframeError
from oddframe.sinks.outbox import Outbox, QueuedMessage
from oddframe.sinks.sink import AlertSink, Message, message_of

_ALL = sys.maxsize
"""States of cameras are not counted: at most one of each waits."""

BUG_ATTEMPTS = 5
"""A message that makes a sink fail in an unforeseen way is put aside after so many attempts: others wait behind it."""


@dataclass(frozen=True, slots=True)
class SinkCounts:
    """How a sink is doing, since the start.

    Attributes:
        delivered: Messages that the receiver has.
        waiting: Messages that it has not.
        unsaved: Those of them that a kill would lose, since the disk takes nothing or the sink
            keeps nothing on disk.
        failures: Attempts that failed; each was or will be made again.
        dropped: Messages that went for newer ones because too many waited.
        refused: Messages put aside in ``refused.jsonl``.
        error: What the last attempt said; empty when it went well. Never an address, a header or a
            password.
        busy_s: How long the sink has been at its present message or report, in seconds; 0 when it
            is idle.
    """

    delivered: int
    waiting: int
    unsaved: int
    failures: int
    dropped: int
    refused: int
    error: str
    busy_s: float


class SinkWorker:
    """Delivers the messages of one sink, one after another, in a thread of its own."""

    def __init__(
        self, name: str, sink: AlertSink, spool: Outbox, chance: Callable[[], float] = random.random
    ) -> None:
        """Start the thread.

        Args:
            name: The sink's, for the thread and the queue.
            sink: Where to deliver.
            spool: Its queue.
            chance: Draws from 0 to 1, for the pauses.
        """
        self.name = name
        self._sink, self._spool = sink, spool
        self._backoff = Backoff(sink.retry.first_s, sink.retry.most_s, chance)
        self._lock = threading.Lock()
        self._statuses: dict[str, CameraStatus] = {}
        self._delivered = self._failures = self._refused = self._in_a_row = 0
        self._error, self._not_before = "", 0.0
        # What waits in it are the names of cameras with a status to report; messages wait in the
        # spool, and delivering them is its upkeep. So reports go on while a message has to wait.
        self._queue = BackgroundQueue(
            f"sink-{name}",
            self._report,
            most=_ALL,
            batch=_ALL,
            upkeep=self._deliver_next,
            every_s=sink.retry.most_s,
            finish=lambda: self._try(sink.close),
        )
        self._queue.start()

    def put(self, message: Message) -> None:
        """Take a message; waits for the disk at most."""
        self._spool.put(message)
        self._queue.wake()

    def save(self) -> None:
        """Move to the disk what it did not take before."""
        self._spool.save()

    def report(self, status: CameraStatus) -> None:
        """Take a status in place of the camera's last one; never waits."""
        with self._lock:
            is_new = status.camera not in self._statuses
            self._statuses[status.camera] = status
        if is_new:
            self._queue.put(status.camera)

    def counts(self) -> SinkCounts:
        """Say how the sink is doing."""
        return SinkCounts(
            delivered=self._delivered,
            waiting=len(self._spool),
            unsaved=self._spool.unsaved,
            failures=self._failures,
            dropped=self._spool.dropped,
            refused=self._refused,
            error=self._error,
            busy_s=self._queue.busy_s,
        )

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is left to deliver or report.

        Returns:
            Whether that is so; otherwise the time ran out.
        """
        return self._queue.flush(timeout_s, until=lambda: not len(self._spool))

    def stop(self) -> None:
        """Have the thread end after what it is at."""
        self._queue.stop()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; one that hangs is left behind, and its messages wait on disk.

        Returns:
            Whether it has ended.
        """
        return self._queue.join(timeout_s)

    def _report(self, cameras: list[str]) -> None:
        """Report the latest status of each camera."""
        for camera in cameras:
            with self._lock:
                status = self._statuses.pop(camera)
            self._try(lambda status=status: self._sink.report(status))  # type: ignore[misc]

    def _deliver_next(self) -> None:
        """Deliver the oldest message, unless its pause is not over, and come back for the rest."""
        if time.monotonic() >= self._not_before and (one := self._spool.first()) is not None:
            self._deliver(one)
        if len(self._spool):
            self._queue.wake(self._not_before - time.monotonic())

    def _deliver(self, one: QueuedMessage) -> None:
        message = one.message
        assert message is not None
        error = self._try(lambda: self._sink.deliver(message))
        self._error = _said(error)
        if error is None:
            self._spool.remove(one)
            self._delivered += 1
            self._go_on()
        elif isinstance(error, DeliveryRefusedError) or self._is_stuck(error):
            self._spool.refuse(one, _said(error))
            self._refused += 1
            self._go_on()
        else:
            self._failures += 1
            self._in_a_row += 1
            asked_s = error.wait_s if isinstance(error, DeliveryError) else None
            self._not_before = time.monotonic() + self._backoff.next_s(asked_s=asked_s)

    def _is_stuck(self, error: Exception) -> bool:
        """Whether a message made the sink fail in an unforeseen way too often."""
        return not isinstance(error, OSError) and self._in_a_row + 1 >= BUG_ATTEMPTS

    def _go_on(self) -> None:
        """Go on with the next message, at once and with short pauses again."""
        self._in_a_row, self._not_before = 0, 0.0
        self._backoff.start_over()

    @staticmethod
    def _try(call: Callable[[], None]) -> Exception | None:
        """Call a sink; gives what it raised."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - anybody's sink may raise anything: it is counted and tried again
            return error
        return None


def _said(error: Exception | None) -> str:
    """What may be shown of an error: that of a stranger could hold an address with a password in it."""
    if error is None:
        return ""
    return (
        str(error)
        if isinstance(error, OddframeError)
        else f"the sink failed with {type(error).__name__}"
    )


MOST_HANDED_OVER = 10_000
"""Alerts that wait in memory for a disk that hangs."""

_SAVE_S = 1.0


class Delivery:
    """Tells every sink; ``offer`` and ``report`` return at once and may be called by any thread."""

    def __init__(
        self, sinks: Mapping[str, AlertSink], folder: Path | None, *, most_waiting: int = 10_000
    ) -> None:
        """Start, with what the last one left undelivered first.

        Args:
            sinks: By name, which also names the folder of its queue: a sink that keeps its name
                keeps its queue.
            folder: Where queues are kept; one process at a time may use it. None keeps them in
                memory: for tests, and where a kill may lose alerts.
            most_waiting: Messages that wait for one sink; beyond it the oldest goes and is counted.

        Raises:
            InputError: If two names would share a folder.
            OutputError: If a folder cannot be made.
        """
        if len({safe_name(name) for name in sinks}) < len(sinks) or most_waiting < 1:
            raise InputError(
                f"sinks must have different names and room for a message, got {list(sinks)}"
            )
        spools = {
            name: Outbox(
                folder / safe_name(name) if folder is not None and sink.durable else None,
                most_waiting,
            )
            for name, sink in sinks.items()
        }
        self._routes = [SinkWorker(name, sink, spools[name]) for name, sink in sinks.items()]
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
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
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
