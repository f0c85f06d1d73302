"""Sends news of the watcher to browsers: phases of events, and each second all states."""

import threading
from dataclasses import replace

from oddframe._background import BackgroundQueue
from oddframe.core.alerts import Alert
from oddframe.store.events import StoredEvent
from oddframe.web.live_updates import EventHub
from oddframe.web.serializers import event_record, status_record
from oddframe.web.supervisor import Supervisor

MOST_ALERTS = 10_000
"""Most phases of events that may wait to be sent: many more than come while a disk hangs."""

_STATUS_S = 1.0
_FLUSH_S = 2.0
"""Longest wait for the database to have written what came before an alert."""

_LATEST = 20
"""How many of the newest events are searched for the one of an alert."""


class Broadcaster:
    """Two threads between the watcher, which must not wait, and the browsers.

    Args:
        hub: Where the messages are published.
    """

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self._alerts = BackgroundQueue("broadcast", self._send_events, most=MOST_ALERTS)
        self._stopping = threading.Event()
        self._supervisor: Supervisor | None = None

    def take(self, alert: Alert) -> None:
        """Queue a phase of an event to be sent; this never waits."""
        self._alerts.put(alert)

    def watch(self, supervisor: Supervisor) -> None:
        """Set whose cameras are reported; to be called before `start`."""
        # Not in the constructor: the supervisor is made with `take`, so it comes second.
        self._supervisor = supervisor
        # An event that has got its sentence is shown with it at once.
        supervisor.watcher.outputs.on_described = lambda alert: self.take(
            replace(alert, event=replace(alert.event, phase="update"))
        )

    def start(self) -> None:
        """Start the threads that send alerts and statuses."""
        self._alerts.start()
        threading.Thread(target=self._send_states, name="broadcast", daemon=True).start()

    def stop(self) -> None:
        """Ask both threads to end; this does not wait for them."""
        self._stopping.set()
        self._alerts.stop()

    def _send_events(self, alerts: list[Alert]) -> None:
        assert self._supervisor is not None, "watch comes before start"
        for alert in alerts:
            # The row is written by another thread; without it the browser could not ask for more.
            self._supervisor.store.flush(_FLUSH_S)
            stored = self._find(alert)
            if stored is not None:
                before_s = self._supervisor.plan.settings.clip_before_s
                record = event_record(stored, before_s, alert.event.phase)
                self._hub.publish("event", record.model_dump(mode="json"))

    def _find(self, alert: Alert) -> StoredEvent | None:
        """Return the stored event of an alert; None where it was not stored or is deleted."""
        assert self._supervisor is not None, "watch comes before start"
        event = alert.event
        candidates = self._supervisor.store.reader.events(
            camera=event.source, kind=event.kind, limit=_LATEST
        )
        # The id is a hash of the start in stream time, which begins anew with each run of the
        # server; the start by the calendar tells the runs apart.
        wanted = (event.id, alert.start_us)
        for stored in candidates:
            if (stored.alert.event.id, stored.alert.start_us) == wanted:
                return stored
        return None

    def _send_states(self) -> None:
        assert self._supervisor is not None, "watch comes before start"
        while not self._stopping.wait(_STATUS_S):
            views = self._supervisor.watcher.views()
            cameras = [status_record(view) for view in views]
            self._hub.publish("status", {"cameras": cameras}, latest_only=True)
