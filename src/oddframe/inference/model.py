"""The chain from frames to scores; recordings and streams run through the same one.

One recording from its first frame to its last event, into whatever takes its scores and events.
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
from oddframe.core.clips import clip_span, rate_notice
from oddframe.core.events import EventDetector
from oddframe.core.health.monitor import HealthMonitor
from oddframe.core.maps import frame_score
from oddframe.core.records import FRAMES_PER_CLIP, Clip, Event, FrameTiming, HealthState, Score
from oddframe.core.zones import Zones
from oddframe.errors import SourceError
from oddframe.inference.scorer import ClipScores, Scorer
from oddframe.inference.selection import BackendChoice, PrecisionChoice, select_backend
from oddframe.inference.stream_scorer import ClipResult, PendingFrame, StreamScorer
from oddframe.media.convert import prefetch
from oddframe.media.discovery import open_source
from oddframe.media.source import FrameFormat, Source


class ScoreSink(Protocol):
    """Takes the scores of one source in order."""

    def write(self, score: Score) -> None:
        """Take the next score."""
        ...


DEFAULT_BATCH = 8
MOST_AHEAD = 16
"""Frames decoded while others are scored."""
MOST_WAITING = 64
"""Most frames held before what is known of them is passed on, however few of them the network must see."""


class Model:
    """A trained model, ready to score.

    Attributes:
        bundle: What it was read from.
        scorer: What runs it.
        backend: What that is, such as "onnx float32".
        notices: How it was chosen, where it was tried just now.
        path: Where its bundle is; None where nobody said.
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
        source: Source | str | Path,
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
            fps: Frames per second of a folder of images; the bundle's rate when None.
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
            opened = open_source(source, self.bundle.rate_fps if fps is None else fps)
        else:
            opened = source
        stream = self.stream(
            opened.rate_fps, opened.gap_s, every_frame=every_frame, watch_health=health, zones=zones
        )
        waiting: list[PendingFrame] = []
        new = 0
        with closing(prefetch(opened.frames(self.wanted(picture_width)), MOST_AHEAD)) as frames:
            for frame in frames:
                settled = stream.push(frame)
                waiting += settled
                new += sum(one.is_new for one in settled)
                if new in (0, self.scorer.batch_size) or len(waiting) >= MOST_WAITING:
                    yield from stream.resolve(self.scored(waiting, maps=maps))
                    waiting, new = [], 0
        yield from stream.resolve(self.scored([*waiting, *stream.finish()], maps=maps))

    def wanted(self, picture_width: int | None = None) -> FrameFormat:
        """The frames that the network wants, with a picture for people of a width where one is asked for."""
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
        """What takes the frames of one source; many streams can share the batches of `scored`.

        What `scored` says of its frames goes through its `resolve`.

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
        return StreamScorer(
            None if every_frame else self.bundle.rate_fps,
            network,
            self.bundle.calibration.score,
            HealthMonitor(self.bundle.health)
            if watch_health and self.bundle.health is not None
            else None,
            None if zones is None else zones.mask(network.height, network.width),
            FrameTiming(rate_fps, gap_s),
        )

    def scored(self, waiting: Sequence[PendingFrame], *, maps: bool) -> Iterator[Score]:
        """Scores of frames in order, of one stream or of several; at most a batch of them may be new to the network."""
        asked: dict[ClipResult, PendingFrame] = {}
        for one in waiting:
            if one.clip is not None and one.answer.score is None:
                asked.setdefault(one.answer, one)
        if asked:
            scored = self.scorer.score(
                _stacked([one.clip for one in asked.values() if one.clip is not None])
            )
            for row, (answer, one) in enumerate(asked.items()):
                answer.score = self._score(one, scored, row)
        for one in waiting:
            known = one.answer.score or Score(one.frame.index, 0.0)
            yield replace(
                known,
                frame=one.frame.index,
                time_s=round(one.frame.time_s, 6),  # so that 1.2000000000000002 reads 1.2
                map=known.map if maps else None,
                picture=one.frame.picture,
                health=one.health,
                changes=one.changes,
            )

    def _score(self, one: PendingFrame, scored: ClipScores, row: int) -> Score:
        """What the network says of a clip, and the zones."""
        raw, anomaly_map = float(scored.raw[row]), scored.maps[row]
        if one.watched is not None:
            network = self.bundle.network.config
            anomaly_map = np.where(one.watched, anomaly_map, np.float32(0.0))
            raw = frame_score(
                anomaly_map, network.score_windows, network.score_share, network.score_power
            )
        anomaly_map.flags.writeable = False
        return Score(
            frame=one.frame.index,
            time_s=one.frame.time_s,
            score=self.bundle.calibration.score(raw),
            raw=raw,
            appearance=float(scored.appearance[row]),
            motion=float(scored.motion[row]),
            cluster=float(scored.cluster[row]),
            map=anomaly_map,
        )


def load(
    model: str | Path | Bundle,
    *,
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
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

    Raises:
        SourceNotFoundError: If there is no model.
        BundleError: If it is truncated, altered or of another format.
        SettingsError: If the device is not there, the batch size is below 1 or the backend has no
            such precision.
        InputError: If the model has no graph for the backend.
        MissingExtraError: If the backend is not installed.
    """
    path: Path | None = None
    if isinstance(model, Bundle):
        bundle = model
    else:
        path = find_bundle(model)
        bundle = read_bundle(path)
    chosen = select_backend(bundle, backend, precision, device, batch_size)
    notices = () if chosen.notice is None else (chosen.notice,)
    return Model(bundle, chosen.scorer, str(chosen.backend), notices, path)


def _stacked(clips: list[Clip]) -> Pixels:
    """Their pixels, uint8 B x 5 x H x W x C; each frame is copied once."""
    stacked = np.empty((len(clips), FRAMES_PER_CLIP, *clips[0].last.pixels.shape), np.uint8)
    for place, clip in zip(stacked, clips, strict=True):
        np.stack([frame.pixels for frame in clip.frames], out=place)
    return stacked


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
        picture_width: Width of the picture that scores carry, for people to look at; None carries
            none.
        on_progress: Told the frames done, with the recording's name as the phase.

    Raises:
        SourceError: If it cannot be read, or none of its frames can be scored.
    """
    count = _Count()
    machine = EventDetector(
        source.name, model.bundle.calibration, None if zones is None else zones.cool_down_s
    )
    # Maps are wanted for the regions of events, whether they are kept or not.
    scores = model.scores(
        source, zones=zones, health=health, maps=True, picture_width=picture_width
    )
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
    faults = [
        f"from {one.start_s:.1f} to {one.end_s:.1f} s: {one.reason}"
        for one in found
        if one.kind == "health"
    ]
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


def _told(
    scores: Iterable[Score], sinks: Sequence[ScoreSink], machine: EventDetector
) -> Iterator[Event]:
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
