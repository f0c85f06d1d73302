"""What tells those who listen: every phase of an event, and once a second how the cameras are doing."""

import threading

from oddframe._background import BackgroundQueue
from oddframe.core.alerts import Alert
from oddframe.web.live_updates import EventHub
from oddframe.web.serializers import event_record, status_record
from oddframe.web.supervisor import Supervisor

MOST_ALERTS = 10_000
"""Phases of events that may wait to be told: many more than come while a disk hangs."""

_STATUS_S = 1.0
_FLUSH_S = 2.0


class Broadcaster:
    """Two threads between the watcher, which must not wait, and the listeners.

    Args:
        hub: Who listens.
    """

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self._alerts = BackgroundQueue("tell", self._tell_events, most=MOST_ALERTS)
        self._stopping = threading.Event()
        self._supervisor: Supervisor | None = None

    def take(self, alert: Alert) -> None:
        """Have a phase of an event told; never waits."""
        self._alerts.put(alert)

    def watch(self, supervisor: Supervisor) -> None:
        """Whose cameras these are; before `start`."""
        self._supervisor = supervisor

    def start(self) -> None:
        """Start both threads."""
        self._alerts.start()
        threading.Thread(target=self._tell_states, name="tell", daemon=True).start()

    def stop(self) -> None:
        """Have both threads end; this does not wait for them."""
        self._stopping.set()
        self._alerts.stop()

    def _tell_events(self, alerts: list[Alert]) -> None:
        assert self._supervisor is not None, "watch comes before start"
        for alert in alerts:
            store, event = self._supervisor.store, alert.event
            # Its row is written by another thread.
            store.flush(_FLUSH_S)
            found = [
                one
                for one in store.reader.events(camera=event.source, kind=event.kind, limit=20)
                if (one.alert.event.id, one.alert.start_us) == (event.id, alert.start_us)
            ]
            if found:
                before_s = self._supervisor.plan.settings.clip_before_s
                record = event_record(found[0], before_s, event.phase)
                self._hub.publish("event", record.model_dump(mode="json"))

    def _tell_states(self) -> None:
        assert self._supervisor is not None, "watch comes before start"
        while not self._stopping.wait(_STATUS_S):
            views = self._supervisor.watcher.views()
            cameras = [status_record(view) for view in views]
            self._hub.publish("status", {"cameras": cameras}, latest_only=True)
