"""Rules for one receiver: which alerts it gets, and few messages where many events are alike.

A person who is told of a thousand events reads none of them. With a digest, like events (same
camera and reason) are told once; further ones, and all beyond some messages, are gathered and told
together. A receiver may be told only of what nobody has looked at for some time (escalation). The
store has every event, whatever the rules of the receivers are.
"""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from oddframe.core.alerts import Alert
from oddframe.core.zones import Schedule
from oddframe.errors import SettingsError
from oddframe.settings import ListOf, settings_dataclass

_Like: TypeAlias = tuple[str, str]
"""What like events have in common: camera and reason."""

_MOST_NAMED = 5
"""A digest names so many cameras at most."""

_MOST_HELD = 10_000
"""So many events wait at most for somebody to look at them; beyond it the oldest is told of."""

_MOST_REMEMBERED = 1_000
"""Of so many events that were told last it is known that they were."""


@settings_dataclass("rules")
class AlertRules:
    """Which alerts a receiver gets; without any rule it gets all.

    Attributes:
        cameras: Names of the cameras; empty for all.
        reasons: Reasons of the events, such as "moves wrong"; empty for all.
        kinds: "anomaly" or "health"; empty for both.
        min_score: An anomaly is told once its score is this high.
        hours: When alerts are wanted, such as "mon-fri 18:00-06:00"; empty for always.
        time_zone: IANA name of the time zone of these hours.
        digest_s: Like events within so many seconds are told together; 0 tells each by itself.
        most: So many messages come in these seconds at most; further events come in the digest.
        unseen_minutes: An event is told only once nobody has looked at it, or judged it, in the web
            app for so many minutes; 0 tells it at once.
    """

    cameras: ListOf[str] = ()
    reasons: ListOf[str] = ()
    kinds: ListOf[Literal["anomaly", "health"]] = ()
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.0
    hours: ListOf[str] = ()
    time_zone: str | None = None
    digest_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    most: Annotated[int, Field(ge=1)] = 10
    unseen_minutes: Annotated[float, Field(ge=0, le=10_080)] = 0.0

    def __post_init__(self) -> None:
        if self.hours and self.time_zone is None:
            raise SettingsError(
                'rules with hours must have a time_zone such as "Europe/Berlin", but there is none'
            )
        _ = self.schedule

    @property
    def schedule(self) -> Schedule | None:
        """When alerts are wanted; None for always."""
        return Schedule.parse(self.hours, self.time_zone or "UTC") if self.hours else None


@dataclass(frozen=True, slots=True)
class Digest:
    """Events that are told together.

    Attributes:
        shown: The one with the highest score, as at its start.
        count: How many events there are.
        text: The same as a sentence.
    """

    shown: Alert
    count: int
    text: str


class RuleGate:
    """Applies the rules of a receiver to the alerts of all cameras; one thread may use it.

    Args:
        rules: The rules.
        now_s: Reads a clock that never jumps, in seconds.
    """

    def __init__(self, rules: AlertRules, now_s: Callable[[], float] = time.monotonic) -> None:
        self._rules, self._schedule, self._now_s = rules, rules.schedule, now_s
        # Events whose start was let through or gathered, until they end.
        self._told: set[str] = set()
        self._gathered: set[str] = set()
        # Events that were told, the latest last, also those that have ended.
        self._remembered: OrderedDict[str, None] = OrderedDict()
        # Events that wait for somebody to look at them, the oldest first: when they are told, and
        # what will be.
        self._held: OrderedDict[str, tuple[float, Alert]] = OrderedDict()
        # When like events were told last, and when messages were let through.
        self._told_s: dict[_Like, float] = {}
        self._passed_s: deque[float] = deque()
        # How many like events were gathered, the one of them with the highest score, and when they
        # are told. They are counted and not kept: there may be thousands.
        self._waiting: Counter[_Like] = Counter()
        self._shown: Alert | None = None
        self._due_s = 0.0

    def take(self, alert: Alert) -> list[Alert]:
        """Take an alert; returns what is to be delivered now.

        An event that fits only later, since its score rose, is told as if it began then.
        """
        identity, phase = alert.event.id, alert.event.phase
        if identity in self._told:
            if phase == "end":
                self._told.discard(identity)
            return [alert]
        if identity in self._gathered:
            if phase == "end":
                self._gathered.discard(identity)
            return []
        if identity in self._held or (self._rules.unseen_minutes and self._fits(alert)):
            self.hold(alert)
            return []
        if not self._fits(alert):
            return []
        start = replace(alert, event=replace(alert.event, phase="start"))
        if self._must_wait(alert):
            self._gather(start)
            if phase != "end":
                self._gathered.add(identity)
            return []
        self._note_told(alert)
        # An event that fits at its end only has both phases at once.
        if phase == "end":
            return [start, alert]
        self._told.add(identity)
        return [start]

    def hold(self, alert: Alert, age_s: float = 0.0) -> None:
        """Keep an event until it is known whether somebody looks at it.

        Args:
            alert: A phase of it; the latest takes the place of those before.
            age_s: How long ago it began, in seconds.
        """
        known = self._held.get(alert.event.id)
        due_s = self._now_s() + 60 * self._rules.unseen_minutes - age_s
        self._held[alert.event.id] = (due_s if known is None else known[0], alert)

    def remind(self, alert: Alert, age_s: float) -> None:
        """Take up an event that began before a restart, where it is not too old to be told."""
        is_due_later = age_s < 60 * self._rules.unseen_minutes
        if is_due_later and alert.event.id not in self._held and self._fits(alert):
            self.hold(alert, age_s)

    def unseen(self, is_seen: Callable[[Alert], bool]) -> list[tuple[Alert, str]]:
        """Return the events that nobody has looked at in their time, each with words before it.

        Args:
            is_seen: Says whether somebody has looked at an event, or judged it.
        """
        found = []
        while self._held:
            identity, (due_s, alert) = next(iter(self._held.items()))
            if self._now_s() < due_s and len(self._held) <= _MOST_HELD:
                break
            # Asked before it is let go: where that fails, it is asked again.
            if not is_seen(alert):
                start = replace(alert, event=replace(alert.event, phase="start"))
                if is_gathered := self._must_wait(alert):
                    self._gather(start)
                else:
                    self._note_told(alert)
                    words = f"Nobody has looked for {_minutes(self._rules.unseen_minutes)}: "
                    found.append((start, words))
                if alert.event.phase != "end":
                    (self._gathered if is_gathered else self._told).add(identity)
            del self._held[identity]
        return found

    def has_told(self, alert: Alert) -> bool:
        """Whether an event was told by itself, lately."""
        return alert.event.id in self._remembered

    def due(self) -> Digest | None:
        """Return the digest if its time has come; None otherwise."""
        if self._shown is None or self._now_s() < self._due_s:
            return None
        return self.flush()

    def flush(self) -> Digest | None:
        """Return the digest of what was gathered, whatever the time; None where nothing was."""
        shown, waiting = self._shown, self._waiting
        if shown is None:
            return None
        self._shown, self._waiting = None, Counter()
        self._told_s.update(dict.fromkeys(waiting, self._now_s()))
        return Digest(shown, waiting.total(), self._text(waiting))

    def _fits(self, alert: Alert) -> bool:
        rules, event = self._rules, alert.event
        is_wanted = (
            (not rules.cameras or event.source in rules.cameras)
            and (not rules.reasons or event.reason in rules.reasons)
            and (not rules.kinds or event.kind in rules.kinds)
            # A fault of the camera has no score that could be high enough.
            and (event.kind == "health" or event.score >= rules.min_score)
        )
        schedule = self._schedule
        return is_wanted and (schedule is None or schedule.armed(alert.seen_us / 1e6))

    def _must_wait(self, alert: Alert) -> bool:
        """Whether a new event is gathered for the digest."""
        period_s = self._rules.digest_s
        if not period_s:
            return False
        now_s = self._now_s()
        while self._passed_s and now_s - self._passed_s[0] >= period_s:
            self._passed_s.popleft()
        told_s = self._told_s.get(_like(alert))
        is_like = told_s is not None and now_s - told_s < period_s
        return is_like or len(self._passed_s) >= self._rules.most

    def _gather(self, alert: Alert) -> None:
        if self._shown is None:
            self._due_s = self._now_s() + self._rules.digest_s
        self._waiting[_like(alert)] += 1
        if self._shown is None or alert.event.score > self._shown.event.score:
            self._shown = alert

    def _note_told(self, alert: Alert) -> None:
        self._remembered[alert.event.id] = None
        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        if not self._rules.digest_s:
            return
        now_s = self._now_s()
        # Reasons of camera faults are sentences with numbers in them: old ones are forgotten.
        kept = self._told_s.items()
        self._told_s = {like: at_s for like, at_s in kept if now_s - at_s < self._rules.digest_s}
        self._told_s[_like(alert)] = now_s
        self._passed_s.append(now_s)

    def _text(self, gathered: Counter[_Like]) -> str:
        """Say how many events were gathered, and where."""
        total = gathered.total()
        events = f"{total:,} more event{'s' if total > 1 else ''}"
        period = _period(self._rules.digest_s)
        if len(gathered) == 1:
            ((source, reason),) = gathered
            return f"{events} like this in the last {period} at {source}: {reason.rstrip('.')}."
        counts: Counter[str] = Counter()
        for (source, _), count in gathered.items():
            counts[source] += count
        named = counts.most_common(_MOST_NAMED)
        places = [f"{count:,} at {name}" for name, count in named]
        if others := len(counts) - len(named):
            rest = total - sum(count for _, count in named)
            places.append(f"{rest:,} at {others} other camera{'s' if others > 1 else ''}")
        return f"{events} in the last {period}: {', '.join(places)}."


def _like(alert: Alert) -> _Like:
    return alert.event.source, alert.event.reason


def _minutes(minutes: float) -> str:
    return "a minute" if minutes == 1 else f"{minutes:g} minutes"


def _period(seconds: float) -> str:
    """Write a length of time as people say it behind "in the last"."""
    for unit_s, unit in ((3600, "hour"), (60, "minute")):
        if seconds >= unit_s and seconds % unit_s == 0:
            count = int(seconds // unit_s)
            return unit if count == 1 else f"{count} {unit}s"
    return f"{seconds:g} seconds"
