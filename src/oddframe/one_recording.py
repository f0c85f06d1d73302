"""One recording from its first frame to its last event, into whatever takes its scores and events."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from oddframe.core.clips import clip_span
from oddframe.core.events import EventMachine
from oddframe.core.records import Event, HealthState, Score
from oddframe.core.sampling import rate_notice
from oddframe.core.zones import Zones
from oddframe.errors import SourceError
from oddframe.media.sources import Source
from oddframe.progress import Progress, silent
from oddframe.scoring import Model
from oddframe.sinks.tables import ScoreSink

__all__ = ["EventSink", "Scored", "score_recording"]


class EventSink(Protocol):
    """Takes the events of one source in order."""

    def write(self, event: Event) -> None:
        """Take the next phase of one of them."""
        ...


class Scored(NamedTuple):
    """What came of a recording.

    Attributes:
        frames: Frames decoded.
        scored: Frames with a score.
        peak: Highest score.
        events: Its anomalies, as they were at their end.
        notices: What was wrong with it, a sentence each.
    """

    frames: int
    scored: int
    peak: float
    events: tuple[Event, ...]
    notices: tuple[str, ...]


def score_recording(
    source: Source,
    model: Model,
    sinks: Sequence[ScoreSink],
    events: EventSink,
    *,
    zones: Zones | None,
    health: bool,
    picture_width: int | None = None,
    on_progress: Progress = silent,
) -> Scored:
    """Score a recording.

    Args:
        source: The recording.
        model: What scores it.
        sinks: Get every score as it comes.
        events: Gets every phase of every event.
        zones: Which parts of the picture count, and the cool-down.
        health: Whether the camera's health is watched.
        picture_width: Width of the picture that scores carry, for people to look at; None carries none.
        on_progress: Told the frames done, with the recording's name as the phase.

    Raises:
        SourceError: If it cannot be read, or none of its frames can be scored.
    """
    count = _Count()
    machine = EventMachine(source.name, model.bundle.calibration, None if zones is None else zones.cool_down_s)
    # Maps are wanted for the regions of events, whether they are kept or not.
    scores = model.scores(source, zones=zones, health=health, maps=True, picture_width=picture_width)
    found = []
    for event in _told(_counted(scores, source, on_progress), [count, *sinks], machine):
        events.write(event)
        if event.phase == "end":
            found.append(event)
    if not count.scored and count.faults:
        raise SourceError(
            f"{source.path} must show what the model's camera shows, but all of it is "
            f"{' or '.join(sorted(count.faults))}; if it is of another camera, score it with --no-health"
        )
    if not count.scored:
        span = clip_span(model.bundle.network.config.interval)
        raise SourceError(
            f"{source.path} must have {span} unbroken frames for a clip to be scored, "
            f"but none of its {count.frames} frames is the last of so many"
        )
    slower = rate_notice(source.rate_fps, model.bundle.rate_fps)
    faults = [f"from {one.start_s:.1f} to {one.end_s:.1f} s: {one.reason}" for one in found if one.kind == "health"]
    return Scored(
        frames=count.frames,
        scored=count.scored,
        peak=count.peak,
        events=tuple(one for one in found if one.kind == "anomaly"),
        notices=(*source.notices, *([slower] if slower else []), *faults),
    )


class _Count:
    """How many frames and scores there were, the highest one, and what was wrong with the camera."""

    def __init__(self) -> None:
        self.frames = self.scored = 0
        self.peak = -math.inf
        self.faults: set[HealthState] = set()

    def write(self, score: Score) -> None:
        self.frames += 1
        if score.score is not None:
            self.scored += 1
            self.peak = max(self.peak, score.score)
        if score.health != "ok":
            self.faults.add(score.health)


def _told(scores: Iterable[Score], sinks: Sequence[ScoreSink], machine: EventMachine) -> Iterator[Event]:
    """Pass scores on to every sink, and yield what becomes of events."""
    for one in scores:
        for sink in sinks:
            sink.write(one)
        yield from machine.push(one)
    yield from machine.finish()


def _counted(scores: Iterable[Score], source: Source, on_progress: Progress) -> Iterator[Score]:
    total = source.count_frames()
    for number, one in enumerate(scores, start=1):
        if number % 10 == 0 or number == total:
            on_progress(source.name, min(number, total), total, {})
        yield one
