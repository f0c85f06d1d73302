"""The chain from frames to scores, which recordings and live streams run through alike.

`load` reads a trained model, `Model.scores` scores a source frame by frame, and `score_recording`
takes one recording from its first frame to its last event.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from oddframe._types import Pixels, Progress, silent
from oddframe.bundle.bundle import Bundle, find_bundle, read_bundle
from oddframe.core.clips import RateFollower, clip_span, shape_notice
from oddframe.core.events import EventDetector
from oddframe.core.health.monitor import HealthMonitor
from oddframe.core.maps import frame_score
from oddframe.core.records import FRAMES_PER_CLIP, Clip, Event, FrameTiming, HealthState, Score
from oddframe.core.zones import Zones
from oddframe.errors import SourceError
from oddframe.inference.scorer import ClipScores, Scorer
from oddframe.inference.selection import (
    DEFAULT_BATCH,
    BackendChoice,
    InferenceOptions,
    PrecisionChoice,
    select_backend,
)
from oddframe.inference.stream_scorer import ClipResult, PendingFrame, StreamScorer
from oddframe.media.convert import prefetch
from oddframe.media.discovery import open_source
from oddframe.media.source import FrameFormat, FrameSource

MOST_AHEAD = 16
"""Frames that are decoded while others are scored."""
MOST_WAITING = 64
"""Frames held at most before their scores are passed on, however few the network must see."""


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


class Model:
    """A trained model, ready to score.

    Attributes:
        bundle: The bundle that it was read from.
        scorer: Runs its network.
        backend: The name of what runs it, such as "onnx float32".
        notices: How the backend was selected, where backends were compared just now.
        path: Where its bundle is; None where it was not read from a folder.
    """

    def __init__(
        self,
        bundle: Bundle,
        scorer: Scorer,
        backend: str = "",
        notices: tuple[str, ...] = (),
        path: Path | None = None,
    ) -> None:
        self.bundle = bundle
        self.scorer = scorer
        self.backend = backend
        self.notices = notices
        self.path = path

    def scores(
        self,
        source: FrameSource | str | Path,
        *,
        fps: float | None = None,
        every_frame: bool = False,
        health: bool = True,
        zones: Zones | None = None,
        maps: bool = False,
        picture_width: int | None = None,
    ) -> Iterator[Score]:
        """Score a source, frame by frame, holding no more than a few frames of it.

        Every decoded frame gets a `Score`; it is empty where no clip scores the frame. A score
        needs nothing that comes after the end of its clip: the frame itself, or with the network's
        ``scored_frame = "middle"`` the frame two intervals later; and where the network has
        ``score_clips``, after the ends of its neighbours' clips.

        Args:
            source: A recording, a folder of numbered images, or an opened source.
            fps: Frames per second of a folder of images. When None, the times in their names count,
                or else the bundle's rate.
            every_frame: Use every frame whatever the rates, as benchmarks do; else a faster source
                is thinned by time to the rate that the model was trained at.
            health: Whether the camera's health is watched, where the bundle knows what is usual for
                it: frames that show nothing of the scene get no score, and changes of state come
                with the scores.
            zones: Which parts of the picture count; see `Model.stream`.
            maps: Whether scores carry their anomaly map.
            picture_width: Width of the picture that scores carry, for people to look at; None
                carries none.

        Raises:
            SourceError: If the source cannot be read.
        """
        if isinstance(source, str | Path):
            opened = open_source(source, fps, self.bundle.rate_fps)
        else:
            opened = source
        stream = self.stream(
            opened.rate_fps, opened.gap_s, every_frame=every_frame, watch_health=health, zones=zones
        )
        pending: list[PendingFrame] = []
        new = 0
        # Closed at once where the caller stops early: the thread that decodes would go on.
        with closing(prefetch(opened.frames(self.wanted(picture_width)), MOST_AHEAD)) as frames:
            for number, frame in enumerate(frames):
                notice = None if number else shape_notice(frame, self.bundle.picture_aspect)
                if notice is not None and notice not in opened.notices:
                    opened.notices.append(notice)
                ready = stream.push(frame)
                pending += ready
                new += sum(waiting.is_new for waiting in ready)
                # Frames without a clip of their own need no network and are not held up by a batch.
                if new in (0, self.scorer.batch_size) or len(pending) >= MOST_WAITING:
                    yield from stream.resolve(self.scored(pending, maps=maps))
                    pending, new = [], 0
        yield from stream.resolve(self.scored([*pending, *stream.finish()], maps=maps))

    def wanted(self, picture_width: int | None = None) -> FrameFormat:
        """The format of frames that the network wants.

        Args:
            picture_width: Width of a picture for people that frames carry too; None carries none.
        """
        network = self.bundle.network.config
        return FrameFormat(network.width, network.height, network.colour, picture_width)

    def stream(
        self,
        rate_fps: float,
        gap_s: float,
        *,
        every_frame: bool = False,
        watch_health: bool = True,
        zones: Zones | None = None,
    ) -> StreamScorer:
        """Begin a stream, which takes the frames of one source to their scores.

        Many streams can share the batches of `scored`; each stream's results go through its
        `resolve`.

        Args:
            rate_fps: Frames per second of the source.
            gap_s: The longest time between two of its frames that does not break a clip.
            every_frame: As in `scores`.
            watch_health: As ``health`` in `scores`.
            zones: Which parts of the picture count. The anomaly map is 0 elsewhere and the frame
                score is taken of what is left, so that it can only sink; the threshold stays that
                of the whole picture, and so do the parts.

        Raises:
            SettingsError: If the zones leave nothing to watch.
        """
        network = self.bundle.network.config
        known = self.bundle.health
        return StreamScorer(
            None if every_frame else self.bundle.rate_fps,
            network,
            self.bundle.calibration.score,
            HealthMonitor(known) if watch_health and known is not None else None,
            None if zones is None else zones.mask(network.height, network.width),
            FrameTiming(rate_fps, gap_s),
        )

    def scored(self, waiting: Sequence[PendingFrame], *, maps: bool) -> Iterator[Score]:
        """Score frames of one stream or of several.

        Args:
            waiting: The frames, in order; at most a batch of them may be new to the network.
            maps: Whether scores carry their anomaly map.

        Yields:
            A result for each frame, in the same order.
        """
        # Clips that repeat each other share an answer, and the network sees one of them.
        asked: dict[ClipResult, PendingFrame] = {}
        for pending in waiting:
            if pending.clip is not None and pending.answer.score is None:
                asked.setdefault(pending.answer, pending)
        if asked:
            clips = [pending.clip for pending in asked.values() if pending.clip is not None]
            batch = self.scorer.score(_stacked(clips))
            for row, (answer, pending) in enumerate(asked.items()):
                answer.score = self._score(pending, batch, row)
        for pending in waiting:
            # A frame that no clip scores has an empty score.
            known = pending.answer.score or Score(pending.frame.index, 0.0)
            yield replace(
                known,
                frame=pending.frame.index,
                time_s=round(pending.frame.time_s, 6),  # so that 1.2000000000000002 reads 1.2
                map=known.map if maps else None,
                picture=pending.frame.picture,
                health=pending.health,
                changes=pending.changes,
            )

    def _score(self, pending: PendingFrame, batch: ClipScores, row: int) -> Score:
        """The score of one clip of a batch, with what the zones leave of its map."""
        raw, anomaly_map = float(batch.raw[row]), batch.maps[row]
        if pending.watched is not None:
            network = self.bundle.network.config
            anomaly_map = np.where(pending.watched, anomaly_map, np.float32(0.0))
            # Parts of the picture that do not count must not raise the frame's score either.
            raw = frame_score(
                anomaly_map, network.score_windows, network.score_share, network.score_power
            )
        # Scores of repeated clips share this array.
        anomaly_map.flags.writeable = False
        return Score(
            frame=pending.frame.index,
            time_s=pending.frame.time_s,
            score=self.bundle.calibration.score(raw),
            raw=raw,
            appearance=float(batch.appearance[row]),
            motion=float(batch.motion[row]),
            cluster=float(batch.cluster[row]),
            map=anomaly_map,
        )


def load(
    model: str | Path | Bundle,
    *,
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    threads: int | None = None,
) -> Model:
    """Load a trained model.

    Args:
        model: A run folder, a model bundle, the name of a shipped model, or what was read of one.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time.
        backend: What runs the network: "torch", "onnx", "openvino", or "auto": the fastest on this
            machine that says what the trained network says. What is the fastest is tried once and
            remembered.
        precision: "float32", "bfloat16", "float16", "int8" or "auto": what the fastest computes in.
        threads: Threads that the network computes on; all cores that this process may use, or
            ``OMP_NUM_THREADS``, when None.

    Raises:
        SourceNotFoundError: If there is no model.
        BundleError: If it is truncated, altered or of another format.
        SettingsError: If the device is not there, the batch size or the number of threads is below
            1 or the backend has no such precision.
        InputError: If the model has no graph for the backend.
        MissingExtraError: If the backend is not installed.
    """
    return load_model(model, InferenceOptions(device, backend, precision, batch_size, threads))


def load_model(model: str | Path | Bundle, options: InferenceOptions) -> Model:
    """Load a trained model, as `load` does, with the options in one record."""
    path: Path | None = None
    if isinstance(model, Bundle):
        bundle = model
    else:
        path = find_bundle(model)
        bundle = read_bundle(path)
    selected = select_backend(bundle, options)
    notices = () if selected.notice is None else (selected.notice,)
    return Model(bundle, selected.scorer, str(selected.backend), notices, path)


def _stacked(clips: list[Clip]) -> Pixels:
    """The pixels of clips as one batch, uint8 B x 5 x H x W x C."""
    stacked = np.empty((len(clips), FRAMES_PER_CLIP, *clips[0].last.pixels.shape), np.uint8)
    # np.stack into the place in the batch copies each frame once; a stack of stacks copies twice.
    for place, clip in zip(stacked, clips, strict=True):
        np.stack([frame.pixels for frame in clip.frames], out=place)
    return stacked


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
