"""Where what is watched goes: the database and the sinks, opened and closed together."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from oddframe.core.alerts import CameraStatus
from oddframe.errors import MissingExtraError
from oddframe.monitoring.config import WatchPlan, WatchSettings
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.factory import make_sink
from oddframe.sinks.jsonl import EventFiles
from oddframe.sinks.prometheus import CameraMetrics
from oddframe.sinks.sink import AlertSink

if TYPE_CHECKING:
    from oddframe.store.store import Store


EVENT_FILES = "events"
"""The sink that writes ``<camera>.events.jsonl``."""


class WatchOutputs:
    """The database, if any, and all sinks of a watcher.

    Args:
        plan: What is watched, and who is told.
        out: Folder for the database, its pictures, the lines and the queues of the sinks.
        now_us: Microseconds since 1970-01-01 UTC.
        more: Sinks of whoever watches, by name.

    Attributes:
        store: The database; None where none is kept.
        delivery: The sinks.
        notices: What is not kept, and why.

    Raises:
        StoreError: If another watcher uses the folder, or the database is unusable.
        OutputError: If nothing can be written there, or a port is taken.
        MissingExtraError: If a sink needs a library that is not installed.
    """

    def __init__(
        self,
        plan: WatchPlan,
        out: Path,
        now_us: Callable[[], int],
        more: Mapping[str, AlertSink] | None = None,
    ) -> None:
        self.notices: list[str] = []
        self._event_files: EventFiles | None = None
        self.store = self._open_store(plan.settings, out, now_us)
        try:
            self.delivery = self._open_sinks(plan, out, more or {})
        except BaseException:
            if self.store is not None:
                self.store.close()
            raise
        if self.store is not None:
            self.delivery.offer_all(self.store.closed)

    def follow(self, plan: WatchPlan) -> None:
        """Other cameras are watched from now on."""
        if self._event_files is not None:
            self._event_files.cameras = _live(plan)

    def report(self, status: CameraStatus) -> None:
        """Tell everybody how a camera is doing."""
        self.delivery.report(status)
        if self.store is not None:
            self.store.put_status(status)

    def lagging(self) -> dict[str, str]:
        """Sinks that have not told everything, by name, and why."""
        return {
            name: f"{counts.waiting} waiting{': ' * bool(counts.error)}{counts.error}"
            for name, counts in self.delivery.counts().items()
            if counts.waiting > 1 or counts.error
        }

    def close(self, timeout_s: float) -> None:
        """Write and tell what is left, all at the same time; what takes longer is left for the next start."""
        closing = [threading.Thread(target=self.delivery.close, args=(timeout_s,), daemon=True)]
        if self.store is not None:
            closing.append(
                threading.Thread(target=self.store.close, args=(timeout_s,), daemon=True)
            )
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(timeout_s + 0.2)

    def _open_store(
        self, settings: WatchSettings, out: Path, now_us: Callable[[], int]
    ) -> "Store | None":
        if not settings.store:
            return None
        try:
            from oddframe.store.retention import Retention
            from oddframe.store.store import Store, StoreConfig
        except MissingExtraError as error:
            self.notices.append(f"events are kept as JSON lines only: {error}")
            return None
        kept = Retention(
            keep_days=settings.keep_days,
            pictures_gb=settings.pictures_gb,
            keep_free_gb=settings.keep_free_gb,
        )
        return Store(out, StoreConfig(pictures=settings.pictures, retention=kept), clock=now_us)

    def _open_sinks(self, plan: WatchPlan, out: Path, more: Mapping[str, AlertSink]) -> Delivery:
        sinks: dict[str, AlertSink] = dict(more)
        live = _live(plan)
        if live or plan.stays:
            sinks[EVENT_FILES] = self._event_files = EventFiles(out, live)
        try:
            for name, config in plan.settings.sinks.items():
                sinks[name] = make_sink(config)
            delivery = Delivery(sinks, out / "queue")
        except BaseException:
            for sink in sinks.values():
                sink.close()
            raise
        for sink in sinks.values():
            if isinstance(sink, CameraMetrics):
                sink.sinks = delivery.counts
        return delivery


def _live(plan: WatchPlan) -> frozenset[str]:
    """Names of the cameras whose events are written as they come."""
    return frozenset(camera.name for camera in plan.cameras if not camera.is_file)
