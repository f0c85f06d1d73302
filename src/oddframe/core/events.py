"""From scores to events that tell their start, what becomes of them and their end, as soon as each is known."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from oddframe._types import BoolMask
from oddframe.core.calibration import Calibration
from oddframe.core.event_rules import HysteresisDetector, Span
from oddframe.core.health.monitor import HealthEvents
from oddframe.core.maps import Box, find_region
from oddframe.core.rarity import reason, surprises
from oddframe.core.records import Event, Score, event_id

THRESHOLD = 0.5
"""A score above this is unusual; where it lies in raw scores is the calibration's business."""


class _Peak(NamedTuple):
    """The highest score of an event, and what was seen there."""

    time_s: float
    score: float
    parts: Mapping[str, float]
    mask: BoolMask | None
    box: Box | None


class EventDetector:
    """Takes the scores of one source in order of time and says what becomes of events.

    What it says depends on the scores alone, not on when or in what batches they come. Each event
    is told at its start, every ``update_s`` seconds of the stream while the score stays up, and at
    its end; see `EventRules`.

    Args:
        source: The source's name, which goes into the events.
        calibration: Where scores end being normal, and the rules.
        cool_down_s: In place of the rules' own.
        identity: What goes into the events' ids; the source's name when None. See `event_id`.
    """

    def __init__(
        self,
        source: str,
        calibration: Calibration,
        cool_down_s: float | None = None,
        identity: str | None = None,
    ) -> None:
        rules = (
            calibration.rules
            if cool_down_s is None
            else replace(calibration.rules, cool_down_s=cool_down_s)
        )
        self._source, self._calibration, self._rules = source, calibration, rules
        self._alarm = HysteresisDetector(
            rules, THRESHOLD, min(calibration.release_score, THRESHOLD)
        )
        self._identity = source if identity is None else identity
        self._health = HealthEvents(source, self._identity)
        self._peak: _Peak | None = None
        self._told_s = 0.0

    def push(self, score: Score) -> list[Event]:
        """Take the next score; returns what is known now, oldest first. A map makes a region known."""
        told = self._health.push(score.time_s, score.changes)
        step = self._alarm.push(score.time_s, score.score)
        told += [] if step.closed is None else [self._event("end", step.closed)]
        if step.rose and (step.opened or not self._alarm.is_open):
            self._peak = None
        if self._alarm.high:
            self._look(score)
        if step.opened or (
            self._alarm.is_open
            and self._alarm.high
            and score.time_s - self._told_s >= self._rules.update_s - 1e-6
        ):
            self._told_s = score.time_s
            span = Span(self._alarm.start_s, self._alarm.last_s)
            told.append(self._event("start" if step.opened else "update", span))
        return told

    @property
    def peak_s(self) -> float | None:
        """The time of the highest score since it rose above the threshold; None where it never did."""
        return None if self._peak is None else self._peak.time_s

    def finish(self) -> list[Event]:
        """The source has ended: close what is open."""
        closed = self._alarm.finish()
        return [*([] if closed is None else [self._event("end", closed)]), *self._health.finish()]

    def _look(self, score: Score) -> None:
        """Note the score where it is the highest so far."""
        if score.score is None or (self._peak is not None and score.score <= self._peak.score):
            return
        raw = {"appearance": score.appearance, "motion": score.motion, "cluster": score.cluster}
        parts = surprises(
            self._calibration.tails, {name: value or 0.0 for name, value in raw.items()}
        )
        mask = box = None
        if score.map is not None:
            mask, box = find_region(score.map, self._calibration.map_level)
        self._peak = _Peak(score.time_s, score.score, parts, mask, box)

    def _event(self, phase: Literal["start", "update", "end"], span: Span) -> Event:
        assert self._peak is not None, "an event has a frame above the threshold"
        return Event(
            id=event_id(self._identity, span.start_s),
            kind="anomaly",
            phase=phase,
            source=self._source,
            start_s=span.start_s,
            end_s=span.end_s,
            peak_s=self._peak.time_s,
            score=self._peak.score,
            box=self._peak.box,
            reason=reason(self._peak.parts),
            parts=self._peak.parts,
            mask=self._peak.mask,
        )


def events(scores: Iterable[Score], source: str, calibration: Calibration) -> Iterator[Event]:
    """Yield what `EventDetector` says of the scores of one source, as soon as it is known."""
    machine = EventDetector(source, calibration)
    for score in scores:
        yield from machine.push(score)
    yield from machine.finish()
