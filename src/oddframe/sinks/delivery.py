"""Alerts to all sinks: handed over at once, put on disk, delivered by a thread for each sink.

A sink that hangs or fails delays neither the caller nor another sink. Every message is delivered at
least once, in order; its ``key`` tells a receiver that it has the message already.

`Delivery` hands each alert to one `SinkWorker` a sink. A worker puts it into the sink's outbox, and
takes it out only when the sink has delivered or refused it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from oddframe._background import BackgroundQueue
from oddframe.core.alerts import Alert, CameraStatus, safe_name
from oddframe.errors import InputError
from oddframe.sinks.links import Links
from oddframe.sinks.outbox import Outbox
from oddframe.sinks.rules import AlertRules, RuleGate
from oddframe.sinks.sink import AlertSink, message_of, trial_message
from oddframe.sinks.worker import SinkCounts, SinkWorker

MOST_HANDED_OVER = 10_000
"""Alerts that wait in memory for a disk that hangs."""

_SAVE_S = 1.0
"""How often messages are moved to a disk that took none before, in seconds."""

_LEAVE_S = 12.0
"""How long a sink may be at its last message before another one takes its place, in seconds."""

_MOST_DESCRIBED = 1_000
"""Of so many events the description is known that comes with their further messages."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a model says of an event.

    Attributes:
        alert: The event, in the phase whose picture the model was shown.
        sentence: What it says.
    """

    alert: Alert
    sentence: str


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
        is_seen: Callable[[Alert], bool] = lambda alert: False,
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
            is_seen: Says whether somebody has looked at an event, for rules that ask for that.

        Raises:
            InputError: If two names would share a folder.
            OutputError: If a folder cannot be made.
        """
        if len({safe_name(name) for name in sinks}) < len(sinks) or most_waiting < 1:
            raise InputError(
                f"sinks must have different names and room for a message, got {list(sinks)}"
            )
        self._folder, self._most_waiting = folder, most_waiting
        # All outboxes before the first thread: a folder that cannot be made leaves nothing running.
        outboxes = {name: self._outbox(name, sink) for name, sink in sinks.items()}
        self._workers = [SinkWorker(name, sink, outboxes[name]) for name, sink in sinks.items()]
        self._gates = {name: RuleGate(rule) for name, rule in (rules or {}).items()}
        self._links, self._is_seen = links, is_seen
        # What was said of events, by id and start, the latest last.
        self._described: OrderedDict[tuple[str, int], str] = OrderedDict()
        self._is_closing = False
        # Held while alerts are put into outboxes, and while sinks are exchanged.
        self._exchanging = threading.Lock()
        self._handed_over: BackgroundQueue[Alert | Description] = BackgroundQueue(
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

    def describe(self, alert: Alert, sentence: str) -> None:
        """Hand over what a model says of an event, for the receivers that were told of it.

        Its further messages have it, too.
        """
        self._handed_over.put(Description(alert, sentence))

    def remind(self, alert: Alert, age_s: float) -> None:
        """Take up an event again that began before a restart, for rules about what nobody sees.

        Args:
            alert: The event.
            age_s: How long ago it began, in seconds.
        """
        with self._exchanging:
            for gate in self._gates.values():
                gate.remind(alert, age_s)

    def exchange(
        self,
        added: Mapping[str, AlertSink],
        removed: Collection[str],
        rules: Mapping[str, AlertRules],
    ) -> None:
        """Deliver to other sinks from now on; those that are not named here go on.

        This waits for the last message of those that go. What waits for a sink is delivered by the
        one that takes its place, and dropped where none does.

        Args:
            added: New sinks by name, also those in place of others of their names.
            removed: Names of sinks that go without another one in their place.
            rules: Rules of the new sinks, by name.

        Raises:
            OutputError: If the folder of a new one cannot be made.
        """
        with self._exchanging:
            leaving = [
                worker for worker in self._workers if worker.name in removed or worker.name in added
            ]
            for worker in leaving:
                worker.stop()
            for worker in leaving:
                # One that hangs may deliver its last message a second time: at least once.
                worker.join(_LEAVE_S)
                if worker.name in removed:
                    worker.forget()
            outboxes = {name: self._outbox(name, sink) for name, sink in added.items()}
            staying = [worker for worker in self._workers if worker not in leaving]
            self._gates = {
                worker.name: self._gates[worker.name]
                for worker in staying
                if worker.name in self._gates
            } | {name: RuleGate(rule) for name, rule in rules.items()}
            new = [SinkWorker(name, sink, outboxes[name]) for name, sink in added.items()]
            self._workers = [*staying, *new]

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

    def _outbox(self, name: str, sink: AlertSink) -> Outbox:
        is_kept = self._folder is not None and sink.durable
        folder = self._folder / safe_name(name) if self._folder is not None and is_kept else None
        return Outbox(folder, self._most_waiting)

    def _put(self, items: list[Alert | Description]) -> None:
        """Put what was handed over into the outboxes of the sinks that are to get it."""
        with self._exchanging:
            for item in items:
                if isinstance(item, Description):
                    self._put_description(item)
                else:
                    self._put_alert(item)

    def _put_alert(self, alert: Alert) -> None:
        message = self._message(alert)
        for worker in self._workers:
            gate = self._gates.get(worker.name)
            if gate is None:
                worker.put(message)
                continue
            for wanted in gate.take(alert):
                worker.put(message if wanted is alert else self._message(wanted))

    def _put_description(self, said: Description) -> None:
        """Put a message of its own for those who were told of the event before."""
        alert = said.alert
        self._described[alert.event.id, alert.start_us] = said.sentence
        if len(self._described) > _MOST_DESCRIBED:
            self._described.popitem(last=False)
        key = f"{alert.event.id}-{alert.start_us}-description"
        text = f"{said.sentence} ({alert.event.source})"
        message = {**self._message(alert), "key": key, "phase": "description", "text": text}
        for worker in self._workers:
            gate = self._gates.get(worker.name)
            # A file, the metrics and other programs have no use for it.
            if gate is not None and gate.has_told(alert):
                worker.put(message)

    def _keep_up(self) -> None:
        """Save what the disk did not take before, and send digests and what nobody looked at."""
        with self._exchanging:
            for worker in self._workers:
                worker.save()
                gate = self._gates.get(worker.name)
                if gate is not None:
                    self._keep_rules(worker, gate)

    def _keep_rules(self, worker: SinkWorker, gate: RuleGate) -> None:
        """Send what the rules of a sink want to be sent now."""
        if not self._is_closing:
            for alert, why in gate.unseen(self._is_seen):
                message = self._message(alert)
                worker.put({**message, "text": why + message["text"]})
        digest = gate.flush() if self._is_closing else gate.due()
        if digest is not None:
            message = self._message(digest.shown)
            if digest.count > 1 and self._links is not None:
                message["link"] = self._links.list_link()
            key = f"{message['key']}-digest-{digest.count}"
            worker.put(
                {**message, "key": key, "phase": "digest"}
                | {"text": digest.text, "count": digest.count}
            )

    def _message(self, alert: Alert) -> dict[str, Any]:
        links = None if self._links is None else self._links.of(alert)
        return message_of(alert, links, self._described.get((alert.event.id, alert.start_us)))
