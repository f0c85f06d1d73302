"""The way to one sink: its queue, its thread, and what happens when it fails."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError, OddframeError, RefusedError
from oddframe.sinks.alert_sink import AlertSink, Message
from oddframe.sinks.spool import Spool, Waiting

__all__ = ["Route", "SinkCounts"]

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
        self._sink, self._spool, self._chance = sink, spool, chance
        self._ready = threading.Condition()
        self._statuses: dict[str, CameraStatus] = {}
        self._delivered = self._failures = self._refused = self._in_a_row = 0
        self._error, self._not_before, self._busy_since = "", 0.0, 0.0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"sink-{name}", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Take a message; waits for the disk at most."""
        self._spool.put(message)
        with self._ready:
            self._ready.notify_all()

    def save(self) -> None:
        """Move to the disk what it did not take before."""
        self._spool.save()

    def report(self, status: CameraStatus) -> None:
        """Take a status in place of the camera's last one; never waits."""
        with self._ready:
            self._statuses[status.camera] = status
            self._ready.notify_all()

    def counts(self) -> SinkCounts:
        """How it is going."""
        with self._ready:
            return SinkCounts(
                delivered=self._delivered,
                waiting=len(self._spool),
                unsaved=self._spool.unsaved,
                failures=self._failures,
                dropped=self._spool.dropped,
                refused=self._refused,
                error=self._error,
                busy_s=time.monotonic() - self._busy_since if self._busy_since else 0.0,
            )

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is left to deliver or report, or the time runs out; whether the former."""
        with self._ready:
            return self._ready.wait_for(
                lambda: not len(self._spool) and not self._statuses and not self._busy_since, timeout_s
            )

    def stop(self) -> None:
        """Have the thread end after what it is at."""
        with self._ready:
            self._closing = True
            self._ready.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; one that hangs is left behind, and its messages wait on disk."""
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._ready:
                self._busy_since = 0.0
                self._ready.notify_all()
                while not self._closing and not self._statuses and self._wait_s() != 0.0:
                    self._ready.wait(self._wait_s())
                if self._closing:
                    break
                statuses, self._statuses = list(self._statuses.values()), {}
                self._busy_since = time.monotonic()
            for status in statuses:
                self._try(lambda status=status: self._sink.report(status))  # type: ignore[misc]
            if self._wait_s() == 0.0 and (one := self._spool.first()) is not None:
                self._deliver(one)
        self._try(self._sink.close)

    def _wait_s(self) -> float | None:
        """How long until there is a message to try; None where none waits."""
        return max(0.0, self._not_before - time.monotonic()) if len(self._spool) else None

    def _deliver(self, one: Waiting) -> None:
        message = one.message
        assert message is not None
        error = self._try(lambda: self._sink.deliver(message))
        refused = isinstance(error, RefusedError) or (
            error is not None and not isinstance(error, OSError) and self._in_a_row + 1 >= BUG_ATTEMPTS
        )
        if refused:
            self._spool.refuse(one, _said(error))
        elif error is None:
            self._spool.remove(one)
        with self._ready:
            self._error = _said(error)
            self._refused += refused
            self._delivered += error is None
            if error is None or refused:
                self._in_a_row, self._not_before = 0, 0.0
                return
            self._failures += 1
            self._in_a_row += 1
            asked_s = error.wait_s if isinstance(error, DeliveryError) else None
            self._not_before = time.monotonic() + self._sink.retry.pause_s(self._in_a_row, self._chance(), asked_s)

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
