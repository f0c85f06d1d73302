"""One recording from its first frame to its last event: what `score` does with each."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple, Protocol

from oddframe._types import Progress, silent
from oddframe.core.clips import RateFollower, clip_span
from oddframe.core.events import EventDetector
from oddframe.core.records import Event, FrameTiming, HealthState, Score
from oddframe.core.zones import Zones
from oddframe.errors import SourceError
from oddframe.inference.model import Model
from oddframe.media.source import FrameSource


class ScoreSink(Protocol):
    """Takes the scores of one source in order."""

    def write(self, score: Score) -> None:
        """Take the score of the next frame, in order."""
        ...


class EventSink(Protocol):
    """Takes the events of one source in order."""

    def write(self, event: Event) -> None:
        """Take the next phase of an event: its start, an update or its end."""
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
    source: FrameSource,
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
        picture_width: Width of the picture that scores carry, for people to look at; None carries
            none.
        on_progress: Told the frames done, with the recording's name as the phase.

    Raises:
        SourceError: If it cannot be read, or none of its frames can be scored.
    """
    timing = FrameTiming(source.rate_fps, source.gap_s)
    summary = _Summary(RateFollower(model.bundle.rate_fps, timing))
    detector = EventDetector(
        source.name, model.bundle.calibration, None if zones is None else zones.cool_down_s
    )
    # Maps are wanted for the regions of events, whether they are kept or not.
    scores = model.scores(
        source, zones=zones, health=health, maps=True, picture_width=picture_width
    )
    counted = _report_progress(scores, source, on_progress)
    ended = []
    # Where a sink fails, the thread that decodes must not wait for someone to take its frames.
    with closing(scores):  # type: ignore[type-var]
        for event in _write_scores(counted, [summary, *sinks], detector):
            events.write(event)
            if event.phase == "end":
                ended.append(event)
    if not summary.scored:
        raise SourceError(_why_unscored(source, model, summary))
    # A slower source is scored all the same, but its clips last longer than those of the training.
    slower = summary.rates.notice()
    faults = [
        f"from {event.start_s:.1f} to {event.end_s:.1f} s: {event.reason}"
        for event in ended
        if event.kind == "health"
    ]
    return Scored(
        frames=summary.frames,
        scored=summary.scored,
        peak=summary.peak,
        events=tuple(event for event in ended if event.kind == "anomaly"),
        notices=(*source.notices, *([slower] if slower else []), *faults),
    )


class _Summary:
    """A sink that counts frames and scores, and keeps the highest score and the camera's faults."""

    def __init__(self, rates: RateFollower) -> None:
        self.rates = rates
        self.frames = self.scored = 0
        # Below every score, so that the first one is the highest so far.
        self.peak = -math.inf
        self.faults: set[HealthState] = set()

    def write(self, score: Score) -> None:
        self.frames += 1
        self.rates.see(score.time_s)
        if score.score is not None:
            self.scored += 1
            self.peak = max(self.peak, score.score)
        if score.health != "ok":
            self.faults.add(score.health)


def _why_unscored(source: FrameSource, model: Model, summary: _Summary) -> str:
    """Why none of a recording's frames has a score, as a sentence."""
    if summary.faults:
        return (
            f"{source.path} must show what the model's camera shows, but all of it is "
            f"{' or '.join(sorted(summary.faults))}; "
            "if it is of another camera, score it with --no-health"
        )
    span = clip_span(model.bundle.network.config.interval)
    return (
        f"{source.path} must have {span} unbroken frames for a clip to be scored, "
        f"but none of its {summary.frames} frames is the last of so many"
    )


def _write_scores(
    scores: Iterable[Score], sinks: Sequence[ScoreSink], detector: EventDetector
) -> Iterator[Event]:
    """Pass every score on to all sinks, and yield the phases of events that they bring."""
    for score in scores:
        for sink in sinks:
            sink.write(score)
        yield from detector.push(score)
    yield from detector.finish()


def _report_progress(
    scores: Iterable[Score], source: FrameSource, on_progress: Progress
) -> Iterator[Score]:
    """Pass scores through and report every tenth frame and the last one."""
    total = source.count_frames()
    for number, score in enumerate(scores, start=1):
        if number % 10 == 0 or number == total:
            on_progress(source.name, min(number, total), total, {})
        yield score
