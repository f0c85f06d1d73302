"""From scores to events: stretches in which the score lies above the threshold."""

import hashlib
from collections.abc import Iterable, Iterator

from oddframe.core.records import Event, Score

__all__ = ["THRESHOLD", "events"]

THRESHOLD = 0.5
"""A score above this is unusual; where it lies in raw scores is the calibration's business."""


def events(scores: Iterable[Score], source: str) -> Iterator[Event]:
    """Yield each plain stretch of scores above the threshold, as soon as it has ended.

    A frame without a score neither starts nor ends a stretch: nothing is known of it.

    Args:
        scores: Scores of one source in order of time.
        source: The source's name, which goes into the events and their ids.
    """
    stretch: list[Score] = []
    for score in scores:
        if score.score is None:
            continue
        if score.score > THRESHOLD:
            stretch = _widened(stretch, score)
        elif stretch:
            yield _event(stretch, source)
            stretch = []
    if stretch:
        yield _event(stretch, source)


def _widened(stretch: list[Score], score: Score) -> list[Score]:
    """First, highest and last score of a stretch: three however long it is."""
    if not stretch:
        return [score, score, score]
    first, peak, _ = stretch
    return [first, score if (score.score or 0.0) > (peak.score or 0.0) else peak, score]


def _event(stretch: list[Score], source: str) -> Event:
    first, peak, last = stretch
    identity = hashlib.sha256(f"{source}\n{first.time_s:.6f}".encode()).hexdigest()[:16]
    return Event(identity, source, first.time_s, last.time_s, peak.time_s, peak.score or 0.0)
