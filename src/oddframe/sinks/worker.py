"""The thread of one sink: takes messages out of its outbox, one after another, and tries again.

A sink that hangs holds up its own thread only. Between two messages it reports how the cameras are
doing, and sends the tests that people ask for.
"""

import queue
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from oddframe._background import BackgroundQueue
from oddframe.core.alerts import CameraStatus
from oddframe.core.backoff import Backoff
from oddframe.errors import DeliveryError, DeliveryRefusedError, OddframeError
from oddframe.sinks.outbox import Outbox, QueuedMessage
from oddframe.sinks.sink import AlertSink, Message

BUG_ATTEMPTS = 5
"""After so many attempts a message is put aside that makes a sink fail in an unforeseen way.

The sink has a bug then, and the messages behind must not wait for ever.
"""

_UNBOUNDED = sys.maxsize


@dataclass(frozen=True, slots=True)
class SinkCounts:
    """How a sink is doing, since the start.

    Attributes:
        delivered: Messages that the receiver has.
        waiting: Messages that it has not.
        unsaved: Those of them that a kill would lose, since the disk takes nothing or the sink
            keeps nothing on disk.
        failures: Attempts that failed; each was or will be made again.
        dropped: Messages that were given up for newer ones because too many waited.
        refused: Messages put aside in ``refused.jsonl``.
        error: What the last attempt, of a message or of a report, said; empty when it went well.
            Never an address, a header or a password.
        busy_s: How long the sink has been at its present message or report, in seconds; 0 when it
            is idle.
        refusal: Why the last message was put aside; empty where none was.
    """

    delivered: int
    waiting: int
    unsaved: int
    failures: int
    dropped: int
    refused: int
    error: str
    busy_s: float
    refusal: str = ""


class SinkWorker:
    """Delivers the messages of one sink, one after another, in a thread of its own."""

    def __init__(
        self,
        name: str,
        sink: AlertSink,
        outbox: Outbox,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Start the thread.

        Args:
            name: The sink's name, also that of the thread.
            sink: Where to deliver.
            outbox: The messages that wait for the sink.
            chance: Draws numbers from 0 to 1, for the pauses.
        """
        self.name = name
        self._sink, self._outbox = sink, outbox
        self._backoff = Backoff(sink.retry.first_s, sink.retry.most_s, chance)
        self._lock = threading.Lock()
        self._statuses: dict[str, CameraStatus] = {}
        self._delivered = self._failures = self._refused = self._in_a_row = 0
        self._error = self._report_error = self._refusal = ""
        self._not_before_s = 0.0
        # Tests that people asked for, each with where the answer goes.
        self._tests: queue.SimpleQueue[tuple[Message, queue.SimpleQueue[str]]]
        self._tests = queue.SimpleQueue()
        # What waits in it are the names of cameras with a status to report; messages wait in the
        # outbox, and delivering them is its upkeep. So reports go on while a message has to wait.
        # It needs no bound: each camera is in it at most once.
        self._queue = BackgroundQueue(
            f"sink-{name}",
            self._report,
            most=_UNBOUNDED,
            batch=_UNBOUNDED,
            upkeep=self._deliver_next,
            every_s=sink.retry.most_s,
            finish=lambda: self._try(sink.close),
        )
        self._queue.start()

    def put(self, message: Message) -> None:
        """Put a message into the outbox; this waits for the disk, but not for the sink."""
        self._outbox.put(message)
        self._queue.wake()

    def forget(self) -> None:
        """Drop what waits for the sink: it was removed, and nobody wants it any more."""
        self._outbox.clear()

    def save(self) -> None:
        """Move to the disk what it did not take before."""
        self._outbox.save()

    def report(self, status: CameraStatus) -> None:
        """Take a status in place of the camera's last one; never waits."""
        with self._lock:
            is_new = status.camera not in self._statuses
            self._statuses[status.camera] = status
        if is_new:
            self._queue.put(status.camera)

    def send_test(self, message: Message, timeout_s: float) -> str | None:
        """Deliver a message once, before all that waits.

        Args:
            message: The message.
            timeout_s: How long to wait for the receiver, in seconds.

        Returns:
            Why it did not arrive; None where it did.
        """
        answer: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._tests.put((message, answer))
        self._queue.wake()
        try:
            # Of a test this is not true.
            return answer.get(timeout=timeout_s).removesuffix("; the alert is sent again") or None
        except queue.Empty:
            return f"no answer within {timeout_s:g} s"

    def counts(self) -> SinkCounts:
        """Return how the sink is doing."""
        return SinkCounts(
            delivered=self._delivered,
            waiting=len(self._outbox),
            unsaved=self._outbox.unsaved,
            failures=self._failures,
            dropped=self._outbox.dropped,
            refused=self._refused,
            error=self._error or self._report_error,
            busy_s=self._queue.busy_s,
            refusal=self._refusal,
        )

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is left to deliver or report.

        Returns:
            Whether that is so; otherwise the time ran out.
        """
        return self._queue.flush(timeout_s, until=lambda: not len(self._outbox))

    def stop(self) -> None:
        """Have the thread end after its present message."""
        self._queue.stop()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; one that hangs is left behind, and its messages stay on disk.

        Returns:
            Whether it has ended.
        """
        return self._queue.join(timeout_s)

    def _report(self, cameras: list[str]) -> None:
        """Report the latest status of each camera; one that fails is not repeated."""
        for camera in cameras:
            with self._lock:
                status = self._statuses.pop(camera)
            error = self._try(lambda status=status: self._sink.report(status))  # type: ignore[misc]
            self._report_error = _shown_text(error)

    def _deliver_next(self) -> None:
        """Deliver the oldest message, unless its pause is not over, and come back for the rest."""
        while not self._tests.empty():
            message, answer = self._tests.get()
            answer.put(_shown_text(self._try(partial(self._sink.deliver, message))))
        if time.monotonic() >= self._not_before_s:
            queued = self._outbox.first()
            if queued is not None:
                self._deliver(queued)
        # One message a call, so that reports get their turn between two of them.
        if len(self._outbox):
            self._queue.wake(self._not_before_s - time.monotonic())

    def _deliver(self, queued: QueuedMessage) -> None:
        """Try to deliver a message; it leaves the outbox only when delivered or refused."""
        message = queued.message
        assert message is not None
        error = self._try(lambda: self._sink.deliver(message))
        self._error = _shown_text(error)
        if error is None:
            self._outbox.remove(queued)
            self._delivered += 1
            self._start_over()
        elif isinstance(error, DeliveryRefusedError) or self._is_stuck(error):
            self._refusal = _shown_text(error)
            self._outbox.refuse(queued, self._refusal)
            self._refused += 1
            self._start_over()
        else:
            self._failures += 1
            self._in_a_row += 1
            asked_s = error.wait_s if isinstance(error, DeliveryError) else None
            self._not_before_s = time.monotonic() + self._backoff.next_s(asked_s=asked_s)

    def _is_stuck(self, error: Exception) -> bool:
        """Return whether a message made the sink fail in an unforeseen way too often."""
        # An OSError is no bug: the network or the disk is gone, and will be back.
        return not isinstance(error, OSError) and self._in_a_row + 1 >= BUG_ATTEMPTS

    def _start_over(self) -> None:
        """Go on with the next message at once, and with short pauses again."""
        self._in_a_row, self._not_before_s = 0, 0.0
        self._backoff.start_over()

    @staticmethod
    def _try(call: Callable[[], None]) -> Exception | None:
        """Call a sink; returns what it raised."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - a sink may raise anything: it is tried again
            return error
        return None


def _shown_text(error: Exception | None) -> str:
    """Say of an error what may be shown; a foreign one may hold an address with a password."""
    if error is None:
        return ""
    if isinstance(error, OddframeError):
        return str(error)
    return f"the sink failed with {type(error).__name__}"
