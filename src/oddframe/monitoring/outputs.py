"""Where the results of watching are kept and sent: the database and the sinks.

They are opened and closed together, and both take what they get without making the loop wait.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from oddframe.core.alerts import Alert, CameraStatus, safe_name
from oddframe.errors import MissingExtraError
from oddframe.monitoring.config import WatchPlan, WatchSettings
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.factory import make_sink, rules_of
from oddframe.sinks.jsonl import EventFiles
from oddframe.sinks.links import Links, read_secret
from oddframe.sinks.prometheus import CameraMetrics
from oddframe.sinks.sink import AlertSink, utc

if TYPE_CHECKING:
    from oddframe.store.retention import Retention
    from oddframe.store.store import Store

EVENT_FILES = "events"
"""Name of the sink that writes ``<camera>.events.jsonl``."""

DATABASE, PICTURES = "database", "pictures"
"""Names of the two parts of what is kept, beside those of the sinks."""

QUEUE = "queue"
"""Name of the folder with the outboxes of the sinks."""

HANGS_S = 5.0
"""A sink that is at one message for longer hangs, in seconds."""

_JOIN_S = 0.2
"""How much longer than they may take the closing threads are waited for, in seconds."""


class WatchOutputs:
    """The database, if any, and all sinks of a watcher.

    Args:
        plan: What is watched, what is kept, and which sinks there are.
        out: Folder for the database, its pictures, the lines and the outboxes of the sinks.
        now_us: Reads the wall clock, in microseconds since 1970-01-01 UTC.
        more: Sinks that the plan does not have, by name.
        on_notice: Called with a sentence about each picture and clip that could not be kept, by any
            thread; it must not wait.

    Attributes:
        store: The database; None where none is kept.
        delivery: Delivers alerts and states to the sinks.
        notices: What is not kept, and why, a sentence each.

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
        on_notice: Callable[[str], None] = lambda notice: None,
    ) -> None:
        self._on_notice = on_notice
        self.notices: list[str] = []
        self._out = out
        self._event_files: EventFiles | None = None
        self.store = self._open_store(plan.settings, out, now_us)
        # A store that was opened holds a lock on the folder, which must not outlive a failure here.
        try:
            self.delivery = self._open_sinks(plan, out, more or {})
        except BaseException:
            if self.store is not None:
                self.store.close()
            raise
        # Whoever was told of the starts of these events must learn of their ends.
        if self.store is not None:
            self.delivery.offer_all(self.store.closed)

    def follow(self, plan: WatchPlan) -> None:
        """Write the event files of the cameras of another plan from now on."""
        if self._event_files is not None:
            self._event_files.cameras = _live(plan)

    def report(self, status: CameraStatus) -> None:
        """Report to the sinks and the database how a camera is doing."""
        self.delivery.report(status)
        if self.store is not None:
            self.store.put_status(status)

    def troubles(self) -> dict[str, str]:
        """Return what is wrong now with each sink, the database and the pictures, by name.

        What is not in it works; a text is the same as long as the trouble is.
        """
        found = {
            name: counts.error
            or (f"no answer for {HANGS_S:g} s" if counts.busy_s > HANGS_S else "")
            or (f"refused a message: {counts.refusal}" if counts.refusal else "")
            for name, counts in self.delivery.counts().items()
        }
        if self.store is not None:
            written, files = self.store.counts()
            found |= {DATABASE: written.error, PICTURES: files.error}
        return {name: why for name, why in found.items() if why}

    def lagging(self) -> dict[str, str]:
        """Return what has trouble or has not delivered everything, by name, and why."""
        # One message that waits is on its way and no sign of trouble.
        found = {
            name: f"{counts.waiting} waiting"
            for name, counts in self.delivery.counts().items()
            if counts.waiting > 1 or counts.error
        }
        for name, why in self.troubles().items():
            found[name] = f"{found[name]}: {why}" if name in found else why
        return found

    def left(self) -> tuple[str, ...]:
        """Say what was not delivered or kept, a sentence each; to be asked after `close`."""
        sentences = []
        for name, counts in self.delivery.counts().items():
            # Those are results in the folder, of which `unkept` speaks.
            if name == EVENT_FILES:
                continue
            kept = counts.waiting - counts.unsaved
            why = f": {counts.error}" if counts.error else ""
            if kept:
                sentences.append(
                    f"sink {name} has {_count(kept, 'message')} waiting{why}; kept in "
                    f"{self._out / QUEUE / safe_name(name)}, and sent when it is watched again"
                )
            if lost := counts.unsaved + counts.dropped:
                sentences.append(f"sink {name} has lost {_count(lost, 'message')}{why}")
            if counts.refused:
                sentences.append(
                    f"sink {name} had {_count(counts.refused, 'message')} refused: {counts.refusal}"
                )
            if counts.error not in ("", counts.refusal) and not counts.waiting:
                sentences.append(f"sink {name}{why}")
        files = None if self.store is None else self.store.counts()[1]
        if files is not None and files.lost:
            sentences.append(
                f"{_count(files.lost, 'picture or clip', 'pictures or clips')} could not be "
                f"kept: {files.error}"
            )
        return (*sentences, *self.unkept())

    def unkept(self) -> tuple[str, ...]:
        """Say which events, scores and states could not be kept in the folder, a sentence each."""
        sentences = []
        if lost := self.delivery.lost:
            sentences.append(f"{_count(lost, 'alert')} reached no sink: the disk took nothing")
        events = self.delivery.counts().get(EVENT_FILES)
        if events is not None and events.waiting:
            sentences.append(
                f"{_count(events.waiting, 'line')} of events could not be written: {events.error}"
            )
        if self.store is None:
            return tuple(sentences)
        written, _ = self.store.counts()
        if missing := written.waiting + written.lost:
            why = f": {written.error}" if written.error else ""
            sentences.append(
                f"{_count(missing, 'change')} could not be written to the database{why}"
            )
        return tuple(sentences)

    def close(self, timeout_s: float) -> None:
        """Write and deliver what is left; what takes longer is left for the next start.

        Args:
            timeout_s: How long to wait for the disk and the network, in seconds.
        """
        # At the same time, so that a sink that hangs costs the database no time.
        closing = [threading.Thread(target=self.delivery.close, args=(timeout_s,), daemon=True)]
        if self.store is not None:
            closing.append(
                threading.Thread(target=self.store.close, args=(timeout_s,), daemon=True)
            )
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(timeout_s + _JOIN_S)

    def _open_store(
        self, settings: WatchSettings, out: Path, now_us: Callable[[], int]
    ) -> "Store | None":
        """Open the database; None where none is wanted, or SQLAlchemy is not installed."""
        if not settings.store:
            return None
        try:
            from oddframe.store.store import Store, StoreConfig
        except MissingExtraError as error:
            self.notices.append(f"events are kept as JSON lines only: {error}")
            return None
        config = StoreConfig(pictures=settings.pictures, retention=retention_of(settings))
        return Store(out, config, clock=now_us, on_lost=self._note_lost_file)

    def _note_lost_file(self, alert: Alert, kind: str, reason: str) -> None:
        event = alert.event
        what = "picture" if kind == "snapshot" else kind
        self._on_notice(
            f"{event.source}: no {what} of the event at {event.start_s:.1f} s "
            f"({utc(alert.start_us)}): {reason}"
        )

    def _open_sinks(self, plan: WatchPlan, out: Path, more: Mapping[str, AlertSink]) -> Delivery:
        """Make all sinks, and start to deliver to them."""
        sinks: dict[str, AlertSink] = dict(more)
        live = _live(plan)
        if live or plan.stays:
            sinks[EVENT_FILES] = self._event_files = EventFiles(out, live)
        try:
            for name, config in plan.settings.sinks.items():
                sinks[name] = make_sink(config, out)
            rules = {name: rules_of(config) for name, config in plan.settings.sinks.items()}
            delivery = Delivery(
                sinks,
                out / QUEUE,
                rules={name: rule for name, rule in rules.items() if rule is not None},
                links=_links(plan.settings.public_url, out),
            )
        except BaseException:
            # A sink may hold a port or a connection.
            for sink in sinks.values():
                sink.close()
            raise
        for sink in sinks.values():
            if isinstance(sink, CameraMetrics):
                sink.sinks = delivery.counts
        return delivery


def retention_of(settings: WatchSettings) -> "Retention":
    """Return how long and how much is kept.

    Raises:
        SettingsError: If nothing would be kept.
        MissingExtraError: If there can be no database.
    """
    from oddframe.store.retention import Retention

    return Retention(
        keep_days=settings.keep_days,
        pictures_gb=settings.pictures_gb,
        keep_free_gb=settings.keep_free_gb,
    )


def _live(plan: WatchPlan) -> frozenset[str]:
    """Return the names of the cameras whose events are written as they come."""
    # Those of a file are written by the recorder: they appear whole at the end.
    return frozenset(camera.name for camera in plan.cameras if not camera.is_file)


def _links(public_url: str | None, out: Path) -> Links | None:
    """Make what makes the links in alerts; None where nobody said where they should lead."""
    return None if public_url is None else Links(read_secret(out), public_url)


def _count(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
