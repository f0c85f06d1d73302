"""From scores to events: their start, updates while they last, and their end.

Each is reported as soon as it is known, and depends on nothing that comes later.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from oddframe._types import BoolMask
from oddframe.core.calibration import Calibration
from oddframe.core.event_rules import HysteresisDetector, Span
from oddframe.core.health.monitor import HealthEvents
from oddframe.core.maps import Box, find_region
from oddframe.core.rarity import rarities, reason
from oddframe.core.records import Event, Score, event_id

THRESHOLD = 0.5
"""A score above this is unusual; the calibration says which raw score this is."""


class _Peak(NamedTuple):
    """The highest score of an event, and what was seen there."""

    time_s: float
    score: float
    parts: Mapping[str, float]
    mask: BoolMask | None
    box: Box | None


class EventDetector:
    """Takes the scores of one source in order of time and finds its events.

    The events depend on the scores alone, not on when or in what batches these come. Each event is
    reported at its start, every ``update_s`` seconds of the stream while the score stays up, and at
    its end; see `EventRules`. Changes of the camera's health become events of their own.

    Args:
        source: The source's name, which goes into the events.
        calibration: The threshold and the rules.
        cool_down_s: Used in place of the rules' own, unless None.
        identity: What goes into the events' ids; the source's name when None. See `event_id`.
    """

    def __init__(
        self,
        source: str,
        calibration: Calibration,
        cool_down_s: float | None = None,
        identity: str | None = None,
    ) -> None:
        rules = calibration.rules
        if cool_down_s is not None:
            rules = replace(rules, cool_down_s=cool_down_s)
        self._source, self._calibration, self._rules = source, calibration, rules
        # A release at the threshold itself may come out above it by a rounding error.
        leave = min(calibration.release_score, THRESHOLD)
        self._hysteresis = HysteresisDetector(rules, THRESHOLD, leave)
        self._identity = source if identity is None else identity
        self._health = HealthEvents(source, self._identity)
        self._peak: _Peak | None = None
        self._reported_s = 0.0

    def push(self, score: Score) -> list[Event]:
        """Take the next score; where it comes with a map, events get a region.

        Returns:
            The messages that are known now, oldest first.
        """
        found = self._health.push(score.time_s, score.changes)
        hysteresis = self._hysteresis
        step = hysteresis.push(score.time_s, score.score)
        if step.closed is not None:
            found.append(self._event("end", step.closed))
        # A rise within the merge gap belongs to the event that is open and keeps its peak.
        if step.rose and (step.opened or not hysteresis.is_open):
            self._peak = None
        if hysteresis.high:
            self._note_peak(score)
        # Times are compared to the microsecond, as in the rules.
        is_due = score.time_s - self._reported_s >= self._rules.update_s - 1e-6
        if step.opened or (hysteresis.is_open and hysteresis.high and is_due):
            self._reported_s = score.time_s
            span = Span(hysteresis.start_s, hysteresis.last_s)
            found.append(self._event("start" if step.opened else "update", span))
        return found

    @property
    def peak_s(self) -> float | None:
        """The time of the highest score since the threshold was last crossed; None before that."""
        return None if self._peak is None else self._peak.time_s

    def finish(self) -> list[Event]:
        """Close what is open: the source has ended. Returns the last messages."""
        closed = self._hysteresis.finish()
        found = [] if closed is None else [self._event("end", closed)]
        return found + self._health.finish()

    def _note_peak(self, score: Score) -> None:
        """Keep the score, and what was seen there, where it is the highest so far."""
        if score.score is None or (self._peak is not None and score.score <= self._peak.score):
            return
        raw = {"appearance": score.appearance, "motion": score.motion, "cluster": score.cluster}
        parts = rarities(
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


def events(
    scores: Iterable[Score], source: str, calibration: Calibration, cool_down_s: float | None = None
) -> Iterator[Event]:
    """Yield the messages of an `EventDetector` about one source, each as soon as it is known."""
    detector = EventDetector(source, calibration, cool_down_s)
    for score in scores:
        yield from detector.push(score)
    yield from detector.finish()
