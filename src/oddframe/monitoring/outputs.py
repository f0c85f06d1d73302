"""Where the results of watching are kept and sent: the database and the sinks.

They are opened and closed together, and both take what they get without making the loop wait.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oddframe.core.alerts import Alert, CameraStatus, safe_name
from oddframe.errors import MissingExtraError
from oddframe.monitoring.config import WatchPlan, WatchSettings
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.description import Describer
from oddframe.sinks.factory import SinkConfig, make_sink, rules_of
from oddframe.sinks.jsonl import EventFiles
from oddframe.sinks.links import Links, read_secret
from oddframe.sinks.prometheus import CameraMetrics
from oddframe.sinks.rules import AlertRules
from oddframe.sinks.sink import AlertSink, utc

if TYPE_CHECKING:
    from oddframe.store.retention import Retention
    from oddframe.store.store import Store

EVENT_FILES = "events"
"""Name of the sink that writes ``<camera>.events.jsonl``."""

DATABASE, PICTURES, DESCRIBE = "database", "pictures", "describe"
"""Names of the parts that can have trouble, beside those of the sinks."""

QUEUE = "queue"
"""Name of the folder with the outboxes of the sinks."""

HANGS_S = 5.0
"""A sink that is at one message for longer hangs, in seconds."""

_LOOK_S = 2.0
"""Longest wait for the database to have written the newest looks, in seconds."""

_MOST_REMINDED = 1_000
"""So many events from before a restart are looked for at most, the newest."""

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
        on_described: Called with an event that a model has described, by any thread; may be set.
        delivery: Delivers alerts and states to the sinks.
        describer: Asks a model about events; None where none is asked.
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
        self._out, self._now_us = out, now_us
        self._sinks = dict(plan.settings.sinks)
        self._event_files: EventFiles | None = None
        self.on_described: Callable[[Alert], object] = lambda alert: None
        self.store = self._open_store(plan.settings, out, now_us)
        # A store that was opened holds a lock on the folder, which must not outlive a failure here.
        try:
            self.delivery = self._open_sinks(plan, out, more or {})
            self.describer = self._open_describer(plan.settings)
        except BaseException:
            if self.store is not None:
                self.store.close()
            raise
        # Whoever was told of the starts of these events must learn of their ends.
        if self.store is not None:
            self.delivery.offer_all(self.store.closed)
        self._remind(plan.settings)

    def offer(self, alert: Alert) -> None:
        """Hand an alert to the sinks, and to the model that describes events; this never waits."""
        self.delivery.offer(alert)
        if self.describer is not None:
            self.describer.put(alert)

    def prepare_sinks(self, plan: WatchPlan) -> "SinkChange":
        """Make the sinks that another plan has and this one has not; nothing is changed yet.

        Raises:
            OddframeError: If one of them cannot be made; none is left open then.
        """
        wanted = plan.settings.sinks
        changed = [name for name, config in wanted.items() if self._sinks.get(name) != config]
        made: dict[str, AlertSink] = {}
        try:
            for name in changed:
                made[name] = make_sink(wanted[name], self._out)
        except BaseException:
            for sink in made.values():
                sink.close()
            raise
        removed = tuple(name for name in self._sinks if name not in wanted)
        return SinkChange(dict(wanted), made, removed)

    def exchange_sinks(self, change: "SinkChange") -> None:
        """Deliver to the sinks that were prepared; this waits for the last message of the others.

        Raises:
            OutputError: If the folder of a new one cannot be made.
        """
        if change.made or change.removed:
            self.delivery.exchange(change.made, change.removed, _rules(change.configs, change.made))
        self._sinks = change.configs

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
        if self.describer is not None:
            found[DESCRIBE] = self.describer.error
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
        if self.describer is not None:
            self.describer.close()
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
            delivery = Delivery(
                sinks,
                out / QUEUE,
                rules={**_own_rules(more), **_rules(plan.settings.sinks, plan.settings.sinks)},
                links=_links(plan.settings.public_url, out),
                is_seen=self._is_seen,
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

    def _open_describer(self, settings: WatchSettings) -> Describer | None:
        """Make what asks the model; None where none is wanted, or there are no pictures."""
        if settings.describe is None:
            return None
        if self.store is None or not settings.pictures:
            self.notices.append("events are not described: that needs their pictures, kept here")
            return None
        if settings.describe.notice is not None:
            self.notices.append(settings.describe.notice)
        return Describer(settings.describe, self._out, self._take_description)

    def _take_description(self, alert: Alert, sentence: str) -> None:
        """Keep what the model says of an event, and tell those who were told of the event."""
        if self.store is not None:
            self.store.put_description(alert, sentence)
        self.delivery.describe(alert, sentence)
        self.on_described(alert)

    def _is_seen(self, alert: Alert) -> bool:
        """Whether somebody has looked at an event in the web app, or judged it."""
        if self.store is None:
            return False
        # The look may have been put a moment ago.
        self.store.flush(_LOOK_S)
        found = self.store.reader.events(id=alert.event.id, start_us=alert.start_us, limit=1)
        return bool(found) and found[0].is_seen

    def _remind(self, settings: WatchSettings) -> None:
        """Take up the events from before a restart that receivers are told of if nobody looks."""
        rules = _rules(settings.sinks, settings.sinks).values()
        most_us = round(60e6 * max((one.unseen_minutes for one in rules), default=0.0))
        if self.store is None or not most_us:
            return
        now_us = self._now_us()
        for stored in self.store.reader.events(from_us=now_us - most_us, limit=_MOST_REMINDED):
            if not stored.is_seen:
                age_s = (now_us - stored.alert.start_us) / 1e6
                self.delivery.remind(stored.alert, max(0.0, age_s))


@dataclass(frozen=True, eq=False)
class SinkChange:
    """Sinks that were made, and are not delivered to yet.

    Attributes:
        configs: The settings of all sinks, by name, once it is done.
        made: The new sinks, also those in place of others.
        removed: Names of those that go.
    """

    configs: dict[str, SinkConfig]
    made: dict[str, AlertSink]
    removed: tuple[str, ...]

    def close(self) -> None:
        """Close the new sinks again: something else could not be changed."""
        for sink in self.made.values():
            sink.close()


def _rules(configs: Mapping[str, SinkConfig], names: Collection[str]) -> dict[str, AlertRules]:
    """Return the rules of those of some sinks that have any."""
    found = {name: rules_of(configs[name]) for name in names}
    return {name: rules for name, rules in found.items() if rules is not None}


def _own_rules(sinks: Mapping[str, AlertSink]) -> dict[str, AlertRules]:
    """Return the rules that sinks have of their own, which nobody can set."""
    found = {name: getattr(sink, "rules", None) for name, sink in sinks.items()}
    return {name: rules for name, rules in found.items() if isinstance(rules, AlertRules)}


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
