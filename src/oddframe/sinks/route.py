"""The way to one sink: its queue, its thread, and what happens when it fails."""

import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from oddframe._background import BackgroundQueue
from oddframe.core.alerts import CameraStatus
from oddframe.core.backoff import Backoff
from oddframe.errors import DeliveryError, OddframeError, RefusedError
from oddframe.sinks.alert_sink import AlertSink, Message
from oddframe.sinks.spool import Spool, Waiting

__all__ = ["Route", "SinkCounts"]

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
        unsaved: Those of them that a kill would lose, since the disk takes nothing or the sink keeps nothing on disk.
        failures: Attempts that failed; each was or will be made again.
        dropped: Messages that went for newer ones because too many waited.
        refused: Messages put aside in ``refused.jsonl``.
        error: What the last attempt said; empty when it went well. Never an address, a header or a password.
        busy_s: How long the sink has been at its present message or report, in seconds; 0 when it is idle.
    """

    delivered: int
    waiting: int
    unsaved: int
    failures: int
    dropped: int
    refused: int
    error: str
    busy_s: float


class Route:
    """Delivers the messages of one sink, one after another, in a thread of its own."""

    def __init__(self, name: str, sink: AlertSink, spool: Spool, chance: Callable[[], float] = random.random) -> None:
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

    def _deliver(self, one: Waiting) -> None:
        message = one.message
        assert message is not None
        error = self._try(lambda: self._sink.deliver(message))
        self._error = _said(error)
        if error is None:
            self._spool.remove(one)
            self._delivered += 1
            self._go_on()
        elif isinstance(error, RefusedError) or self._is_stuck(error):
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
    return str(error) if isinstance(error, OddframeError) else f"the sink failed with {type(error).__name__}"
