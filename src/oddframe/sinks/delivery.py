"""Alerts to all sinks: handed over at once, put on disk, delivered by a thread for each sink.

A sink that hangs or fails delays neither the caller nor another sink. Every message is delivered at
least once, in order; its ``key`` tells a receiver that it has the message already.

`Delivery` hands each alert to one `SinkWorker` a sink. A worker puts it into the sink's outbox, and
takes it out only when the sink has delivered or refused it.
"""

import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from oddframe._background import BackgroundQueue
from oddframe.core.alerts import Alert, CameraStatus, safe_name
from oddframe.core.backoff import Backoff
from oddframe.errors import DeliveryError, DeliveryRefusedError, InputError, OddframeError
from oddframe.sinks.links import Links
from oddframe.sinks.outbox import Outbox, QueuedMessage
from oddframe.sinks.rules import AlertRules, RuleGate
from oddframe.sinks.sink import AlertSink, Message, message_of, trial_message

MOST_HANDED_OVER = 10_000
"""Alerts that wait in memory for a disk that hangs."""

BUG_ATTEMPTS = 5
"""After so many attempts a message is put aside that makes a sink fail in an unforeseen way.

The sink has a bug then, and the messages behind must not wait for ever.
"""

_SAVE_S = 1.0
"""How often messages are moved to a disk that took none before, in seconds."""

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


class Delivery:
    """Delivers to every sink; any thread may call ``offer`` and ``report``, which never wait."""

    def __init__(
        self,
        sinks: Mapping[str, AlertSink],
        folder: Path | None,
        *,
        most_waiting: int = 10_000,
        rules: Mapping[str, AlertRules] | None = None,
        links: Links | None = None,
    ) -> None:
        """Start the threads; what was left undelivered before is delivered first.

        Args:
            sinks: By name, which also names the folder of its outbox: a sink that keeps its name
                keeps its outbox.
            folder: Where outboxes are kept; one process at a time may use it. None keeps them in
                memory: for tests, and where a kill may lose alerts.
            most_waiting: Messages that wait for one sink; beyond it the oldest is dropped and
                counted.
            rules: Which alerts a sink gets, by its name; all where there are none.
            links: Makes the links in the messages; None makes none.

        Raises:
            InputError: If two names would share a folder.
            OutputError: If a folder cannot be made.
        """
        if len({safe_name(name) for name in sinks}) < len(sinks) or most_waiting < 1:
            raise InputError(
                f"sinks must have different names and room for a message, got {list(sinks)}"
            )
        # All outboxes before the first thread: a folder that cannot be made leaves nothing running.
        outboxes = {
            name: Outbox(
                folder / safe_name(name) if folder is not None and sink.durable else None,
                most_waiting,
            )
            for name, sink in sinks.items()
        }
        self._workers = [SinkWorker(name, sink, outboxes[name]) for name, sink in sinks.items()]
        self._gates = {name: RuleGate(rule) for name, rule in (rules or {}).items()}
        self._links = links
        self._is_closing = False
        self._handed_over = BackgroundQueue(
            "sinks", self._put, most=MOST_HANDED_OVER, upkeep=self._keep_up, every_s=_SAVE_S
        )
        self._handed_over.start()

    def offer(self, alert: Alert) -> None:
        """Hand over an alert for every sink."""
        self._handed_over.put(alert)

    def offer_all(self, alerts: Iterable[Alert]) -> None:
        """Hand over several alerts, in order."""
        for alert in alerts:
            self.offer(alert)

    def report(self, status: CameraStatus) -> None:
        """Report to every sink how a camera is doing; a slow sink gets only the latest status."""
        for worker in self._workers:
            worker.report(status)

    @property
    def lost(self) -> int:
        """Alerts given up before they reached an outbox: the disk hung for too long."""
        return self._handed_over.dropped + self._handed_over.failed

    def send_test(self, name: str, timeout_s: float) -> str | None:
        """Send a message by which people see whether alerts arrive, before all that waits.

        Args:
            name: The sink.
            timeout_s: How long to wait for the receiver, in seconds.

        Returns:
            Why it did not arrive; None where it did.

        Raises:
            InputError: If there is no such sink.
        """
        for worker in self._workers:
            if worker.name == name:
                return worker.send_test(trial_message(), timeout_s)
        raise InputError(f"there must be a sink of this name, but there is none: {name!r}")

    def counts(self) -> dict[str, SinkCounts]:
        """Return how each sink is doing, by its name."""
        return {worker.name: worker.counts() for worker in self._workers}

    def flush(self, timeout_s: float) -> bool:
        """Wait until every sink has everything.

        Returns:
            Whether they have; otherwise the time ran out.
        """
        deadline = time.monotonic() + timeout_s
        return self._handed_over.flush(timeout_s) and all(
            worker.flush(deadline - time.monotonic()) for worker in self._workers
        )

    def close(self, timeout_s: float = 1.5) -> bool:
        """Put everything on disk and end the threads; the next start delivers what is left.

        Returns:
            Whether all threads ended within the time; those that hang are left behind.
        """
        deadline = time.monotonic() + timeout_s
        self._is_closing = True
        # A third for the sinks, so that there is time to put on disk what they do not take.
        self._handed_over.flush(timeout_s / 3)
        # Its upkeep sends the digests.
        self._handed_over.wake()
        self._handed_over.stop(drain=True)
        self._handed_over.join(deadline - time.monotonic())
        flush_until = deadline - timeout_s / 3
        for worker in self._workers:
            worker.flush(flush_until - time.monotonic())
        # All are asked to stop before the first is waited for: they end at the same time.
        for worker in self._workers:
            worker.stop()
        ended = [worker.join(deadline - time.monotonic()) for worker in self._workers]
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

    def _put(self, alerts: list[Alert]) -> None:
        """Put what was handed over into the outboxes of the sinks that are to get it."""
        for alert in alerts:
            message = self._message(alert)
            for worker in self._workers:
                gate = self._gates.get(worker.name)
                if gate is None:
                    worker.put(message)
                    continue
                for wanted in gate.take(alert):
                    worker.put(message if wanted is alert else self._message(wanted))

    def _keep_up(self) -> None:
        """Move to the disk what it did not take before, and send the digests that are due."""
        for worker in self._workers:
            worker.save()
            gate = self._gates.get(worker.name)
            digest = None
            if gate is not None:
                digest = gate.flush() if self._is_closing else gate.due()
            if digest is None:
                continue
            message = self._message(digest.shown)
            if digest.count > 1 and self._links is not None:
                message["link"] = self._links.list_link()
            key = f"{message['key']}-digest-{digest.count}"
            worker.put(
                {**message, "key": key, "phase": "digest"}
                | {"text": digest.text, "count": digest.count}
            )

    def _message(self, alert: Alert) -> dict[str, Any]:
        return message_of(alert, None if self._links is None else self._links.of(alert))


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
