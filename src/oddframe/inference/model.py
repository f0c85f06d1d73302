"""A trained model: the chain from frames to scores, which recordings and live streams share."""

import math
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack, overload

import numpy as np

from oddframe.bundle.bundle import Bundle
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import Calibration, calibrate
from oddframe.core.events import events
from oddframe.core.health.monitor import HealthMonitor
from oddframe.core.maps import frame_score
from oddframe.core.recalibration import choose_threshold
from oddframe.core.records import Event, FrameTiming, Score
from oddframe.core.zones import Zones
from oddframe.errors import InputError, ReadOnlyError, SettingsError
from oddframe.inference.score_stream import (
    EventOptions,
    ScoreOptions,
    ScoreStream,
    iterate_async,
    open_async,
    score_source,
    tell_sinks,
)
from oddframe.inference.scorer import AsyncScorer, ClipScores, Scorer, begin
from oddframe.inference.selection import InferenceOptions
from oddframe.inference.stream_scorer import ClipResult, PendingFrame, StreamScorer, stack_clips
from oddframe.media.arrays import ArrayConverter, ColourOrder
from oddframe.media.discovery import AnySource, open_source
from oddframe.media.source import FrameFormat
from oddframe.media.stream_set import CameraSource


class Model:
    """A trained model, ready to score.

    Threads may share one. It can be pickled: as its place, its hash and its threshold, without the
    weights, which are read again where it arrives.

    Example:
        >>> model = oddframe.load("runs/door")
        >>> model.with_threshold("6/hour").threshold > 0
        True

    Attributes:
        bundle: The bundle that it was read from.
        scorer: Runs its network.
        backend: The name of what runs it, such as "onnx float32".
        notices: How the backend was selected, where that was done just now, and what was compiled.
        path: Where its bundle is; None where it was not read from a folder.
        options: How it was loaded.
    """

    __slots__ = ("__weakref__", "backend", "bundle", "notices", "options", "path", "scorer")

    def __init__(
        self,
        bundle: Bundle,
        scorer: Scorer,
        backend: str = "",
        notices: tuple[str, ...] = (),
        path: Path | None = None,
        options: InferenceOptions | None = None,
    ) -> None:
        self.bundle = bundle
        self.scorer = scorer
        self.backend = backend
        self.notices = notices
        self.path = path
        self.options = options or InferenceOptions()

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self.__slots__:
            raise ReadOnlyError(
                f"a model has no attribute {name} that could be set: it would have no effect; "
                "model.with_threshold(...) makes a model with another threshold"
            )
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r}, {self.backend or type(self.scorer).__name__})"

    @property
    def threshold(self) -> float:
        """The raw score above which a frame is unusual; its score is 0.5 there."""
        return self.bundle.calibration.threshold

    @property
    def map_level(self) -> float:
        """The level of anomaly maps above which a place is hot; normal video hardly reaches it."""
        return self.bundle.calibration.map_level

    def with_threshold(
        self, false_alarms: str | None = None, *, raw: float | None = None
    ) -> "Model":
        """Make a model with another threshold; this one and its files stay as they are.

        Both run the same network.

        Example:
            >>> strict = model.with_threshold("1/month")
            >>> strict.threshold >= model.with_threshold("6/hour").threshold
            True
            >>> model.with_threshold(raw=0.002).threshold
            0.002

        Args:
            false_alarms: A budget such as "1/day" or "6/hour"; the threshold is the one that keeps
                it, found from the scores of normal footage that the bundle keeps.
            raw: The threshold itself, as a raw score.

        Raises:
            SettingsError: If not exactly one of them is given, or the budget is none.
            InputError: If the bundle keeps no scores, or the raw score is not above 0.
        """
        if (false_alarms is None) == (raw is None):
            found = "neither" if raw is None else "both"
            raise SettingsError(f'give either a budget such as "6/hour" or raw=..., got {found}')
        before, normal = self.bundle.calibration, self.bundle.normal
        if raw is not None:
            return self.with_calibration(choose_threshold(before, raw, normal))
        if normal is None:
            raise InputError(
                "a budget needs the scores of normal footage, but the model keeps none; calibrate "
                "it with footage once: oddframe calibrate MODEL NORMAL"
            )
        budget = FalseAlarmBudget.parse(false_alarms or "")
        return self.with_calibration(calibrate(normal, budget, before.rules))

    def with_calibration(self, calibration: Calibration) -> "Model":
        """Make a model with another calibration, as `with_threshold` does."""
        bundle = replace(self.bundle, calibration=calibration)
        return Model(bundle, self.scorer, self.backend, self.notices, self.path, self.options)

    def with_scorer(self, scorer: Scorer, *notices: str) -> "Model":
        """Make a model whose network is run by another scorer, with more notices."""
        said = (*self.notices, *notices)
        return Model(self.bundle, scorer, self.backend, said, self.path, self.options)

    def scores(
        self,
        source: AnySource,
        *,
        fps: float | None = None,
        every_frame: bool = False,
        health: bool = True,
        zones: Zones | None = None,
        maps: bool = False,
        picture_width: int | None = None,
        colour: ColourOrder = "rgb",
    ) -> Iterator[Score]:
        """Score a source, frame by frame, holding no more than a few frames of it.

        Every frame gets a `Score`; it is empty where no clip scores the frame. A score needs
        nothing that comes after the end of its clip: the frame itself, or with the network's
        ``scored_frame = "middle"`` the frame two intervals later; and where the network has
        ``score_clips``, after the ends of its neighbours' clips. Several threads may score at the
        same time; each gets what it would get alone.

        Example:
            >>> for score in model.scores("monday.mp4"):
            ...     if score.score is not None and score.score > 0.5:
            ...         print(f"{score.time_s:.1f} s: {score.score:.2f}")
            >>> frames = numpy.zeros((20, 48, 64, 3), numpy.uint8)
            >>> len(list(model.scores(frames, fps=10)))
            20

        Args:
            source: A recording or a folder of numbered images, by path; a camera's address as text
                or its number; the bytes of a recording, or a binary file object; an array of
                frames, uint8 T x H x W x C; an iterable of frames, or of pairs of a time in seconds
                and a frame; an opened ``cv2.VideoCapture``; or an opened source.
            fps: Frames per second of what has no times of its own. When None, the times in the
                names of images count, or else the bundle's rate; frames without times need it.
            every_frame: Use every frame whatever the rates, as benchmarks do; else a faster source
                is thinned by time to the rate that the model was trained at.
            health: Whether the camera's health is watched, where the bundle knows what is usual for
                it: frames that show nothing of the scene get no score, and changes of state come
                with the scores.
            zones: Which parts of the picture count; see `Model.stream`.
            maps: Whether scores carry their anomaly map.
            picture_width: Width of the picture that scores carry, for people to look at; None
                carries none.
            colour: The order of the colours in arrays, "rgb" or "bgr"; that of a capture is known.

        Raises:
            SourceError: If the source cannot be read.
            SourceNotFoundError: If nothing is there.
            InputError: If the source or a frame is none of these.
            SettingsError: If frames come without times and without ``fps``.
        """
        opened = open_source(source, fps, self.bundle.rate_fps, colour)
        wanted, live = self.wanted(picture_width), isinstance(opened, CameraSource)

        def begin_stream(timing: FrameTiming) -> ScoreStream:
            return ScoreStream(
                self._chain(timing, every_frame, health, zones),
                self.scored,
                ArrayConverter(wanted),
                # Nobody wants to wait for seven other frames of a camera.
                batch_size=1 if live else self.scorer.batch_size,
                maps=maps,
                ahead=0 if live or not isinstance(self.scorer, AsyncScorer) else 1,
            )

        # Not a generator itself, so that a source that cannot be opened is an error at the call.
        return score_source(opened, wanted, begin_stream, self.bundle.picture_aspect)

    def events(
        self,
        source: AnySource,
        *,
        fps: float | None = None,
        every_frame: bool = False,
        health: bool = True,
        zones: Zones | None = None,
        colour: ColourOrder = "rgb",
        sinks: Sequence[Callable[[Mapping[str, Any]], object]] = (),
    ) -> Iterator[Event]:
        """Find the events of a source, each phase as soon as it is known.

        An event is reported at its start, while it lasts, and at its end; those with the phase
        "end" are each event once. Nothing is written.

        Example:
            >>> for event in model.events("monday.mp4"):
            ...     if event.phase == "end":
            ...         print(f"{event.start_s:.1f} to {event.end_s:.1f} s: {event.reason}")

        Args:
            source: As in `scores`, as are the other arguments.
            fps: As in `scores`.
            every_frame: As in `scores`.
            health: As in `scores`; changes of the camera's health are events of their own.
            zones: Which parts of the picture count, and the cool-down.
            colour: As in `scores`.
            sinks: Called with each phase as plain values (docs/sinks.md), as in `oddframe.watch`,
                but without wall-clock times. What they raise reaches the caller.

        Raises:
            InputError: As in `scores`, with the other errors.
        """
        opened = open_source(source, fps, self.bundle.rate_fps, colour)
        scores = self.scores(opened, every_frame=every_frame, health=health, zones=zones, maps=True)
        cool_down_s = None if zones is None else zones.cool_down_s
        found = events(scores, opened.name, self.bundle.calibration, cool_down_s)
        return tell_sinks(found, scores, sinks)

    def scores_async(
        self, source: AnySource | AsyncIterable[Any], **options: Unpack[ScoreOptions]
    ) -> AsyncIterator[Score]:
        """Score a source as `scores` does, for `async for`; the event loop goes on meanwhile.

        Example:
            >>> async def highest(path):
            ...     return max([score.score or 0 async for score in model.scores_async(path)])
            >>> asyncio.run(highest("monday.mp4")) > 0
            True

        Args:
            source: As in `scores`, or an asynchronous iterable of frames.
            **options: The other arguments of `scores`.
        """
        opened, stop = open_async(source, options, self.bundle.rate_fps)
        return iterate_async(self.scores(opened, **options), stop)

    def events_async(
        self, source: AnySource | AsyncIterable[Any], **options: Unpack[EventOptions]
    ) -> AsyncIterator[Event]:
        """Find the events of a source as `events` does, for `async for`; see `scores_async`.

        Example:
            >>> async def count(path):
            ...     return len([event async for event in model.events_async(path)])
            >>> asyncio.run(count("monday.mp4")) >= 0
            True

        Args:
            source: As in `scores`, or an asynchronous iterable of frames.
            **options: The other arguments of `events`.
        """
        opened, stop = open_async(source, options, self.bundle.rate_fps)
        return iterate_async(self.events(opened, **options), stop)

    def wanted(self, picture_width: int | None = None) -> FrameFormat:
        """Give the format of frames that the network wants, with a picture of a width or none."""
        network = self.bundle.network.config
        return FrameFormat(network.width, network.height, network.colour, picture_width)

    @overload
    def stream(
        self,
        rate_fps: float,
        gap_s: float,
        *,
        every_frame: bool = ...,
        watch_health: bool = ...,
        zones: Zones | None = ...,
    ) -> StreamScorer: ...

    @overload
    def stream(
        self,
        *,
        fps: float | None = ...,
        every_frame: bool = ...,
        watch_health: bool = ...,
        zones: Zones | None = ...,
        maps: bool = ...,
        picture_width: int | None = ...,
        colour: ColourOrder = ...,
    ) -> ScoreStream: ...

    def stream(
        self,
        rate_fps: float | None = None,
        gap_s: float | None = None,
        *,
        every_frame: bool = False,
        watch_health: bool = True,
        zones: Zones | None = None,
        fps: float | None = None,
        maps: bool = False,
        picture_width: int | None = None,
        colour: ColourOrder = "rgb",
    ) -> StreamScorer | ScoreStream:
        """Begin a stream: frames are pushed one by one, and scores come as they are known.

        With ``rate_fps`` and ``gap_s`` it is the inner part of the chain, whose frames are of the
        network's size: many such streams can share the batches of `scored`, and each stream's
        results go through its `resolve`. Without them it takes frames of any size; see
        `ScoreStream`. The network is asked about each frame at once, so load the model with
        ``batch_size=1`` for it: a larger batch would be filled up with copies.

        Args:
            rate_fps: Frames per second of the source.
            gap_s: The longest time between two of its frames that does not break a clip.
            every_frame: As in `scores`.
            watch_health: As ``health`` in `scores`.
            zones: Which parts of the picture count. The anomaly map is 0 elsewhere and the frame
                score is taken of what is left, so that it can only sink; the threshold stays that
                of the whole picture, and so do the parts.
            fps: Frames per second of frames that are pushed without a time.
            maps: As in `scores`.
            picture_width: As in `scores`.
            colour: As in `scores`.

        Raises:
            SettingsError: If the zones leave nothing to watch, or ``fps`` is not above 0.
        """
        if rate_fps is not None and gap_s is not None:
            return self._chain(FrameTiming(rate_fps, gap_s), every_frame, watch_health, zones)
        if fps is not None and not 0 < fps < math.inf:
            raise SettingsError(f"fps must be above 0, got {fps}")
        # Where only times will tell the rate, the model's is as good a guess as any.
        timing = FrameTiming.of_video(fps or self.bundle.rate_fps)
        return ScoreStream(
            self._chain(timing, every_frame, watch_health, zones),
            self.scored,
            ArrayConverter(self.wanted(picture_width), colour),
            fps=fps,
            maps=maps,
        )

    def _chain(
        self, timing: FrameTiming, every_frame: bool, watch_health: bool, zones: Zones | None
    ) -> StreamScorer:
        """Make the part of the chain that belongs to one source."""
        network = self.bundle.network.config
        known = self.bundle.health
        return StreamScorer(
            None if every_frame else self.bundle.rate_fps,
            network,
            self.bundle.calibration.score,
            HealthMonitor(known) if watch_health and known is not None else None,
            None if zones is None else zones.mask(network.height, network.width),
            timing,
        )

    def scored(self, waiting: Sequence[PendingFrame], *, maps: bool) -> Iterator[Score]:
        """Score frames of one stream or of several; the network begins at the call.

        Args:
            waiting: The frames, in order; at most a batch of them may be new to the network.
            maps: Whether scores carry their anomaly map.

        Returns:
            A result for each frame, in the same order; those of several calls are taken in order.
        """
        # Clips that repeat each other share an answer, and the network sees one of them.
        asked: dict[ClipResult, PendingFrame] = {}
        for pending in waiting:
            if pending.clip is not None and not pending.answer.is_asked:
                asked.setdefault(pending.answer, pending)
        finish = None
        if asked:
            clips = stack_clips([one.clip for one in asked.values() if one.clip is not None])
            scored_by_map = any(one.watched is not None for one in asked.values())
            finish = begin(self.scorer, clips, maps=maps or scored_by_map)
            for answer in asked:
                answer.is_asked = True

        def results() -> Iterator[Score]:
            if finish is not None:
                batch = finish()
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

        return results()

    def _score(self, pending: PendingFrame, batch: ClipScores, row: int) -> Score:
        """The score of one clip of a batch, with what the zones leave of its map."""
        raw, anomaly_map = float(batch.raw[row]), batch.maps[row]
        if pending.watched is not None:
            network = self.bundle.network.config
            anomaly_map = np.where(pending.watched, anomaly_map, np.float32(0.0))
            # Parts of the picture that do not count must not raise the frame's score either.
            raw = frame_score(anomaly_map, *network.statistic)
        # Scores of repeated clips share this array; it is empty where nobody wanted it.
        anomaly_map.flags.writeable = False
        return Score(
            frame=pending.frame.index,
            time_s=pending.frame.time_s,
            score=self.bundle.calibration.score(raw),
            raw=raw,
            appearance=float(batch.appearance[row]),
            motion=float(batch.motion[row]),
            cluster=float(batch.cluster[row]),
            map=anomaly_map if anomaly_map.size else None,
            map_level=self.map_level,
        )
