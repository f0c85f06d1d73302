"""The chain from frames to scores; recordings and streams run through the same one."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from oddframe.bundle import Bundle, find_bundle, read_bundle
from oddframe.core.clips import ClipSlider
from oddframe.core.frame_score import frame_score
from oddframe.core.health import HealthWatch
from oddframe.core.records import Clip, Frame, HealthChange, HealthState, Score
from oddframe.core.sampling import Sampler, sampled_gap_s
from oddframe.core.zones import Zones
from oddframe.media.ahead import ahead
from oddframe.media.finding import open_source
from oddframe.media.sources import FrameFormat, Source
from oddframe.runtime.choosing import BackendChoice, PrecisionChoice, choose
from oddframe.runtime.scorer import ClipScores, Scorer

__all__ = ["Model", "Stream", "Waiting", "load"]

DEFAULT_BATCH = 8
MOST_AHEAD = 16
"""Frames decoded while others are scored."""
MOST_WAITING = 64
"""Most frames held before what is known of them is passed on, however few of them end a clip."""


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

        Every decoded frame gets a `Score`; it is empty where no clip ends on the frame. A score needs nothing that
        comes after its frame.

        Args:
            source: A recording, a folder of numbered images, or an opened source.
            fps: Frames per second of a folder of images; the bundle's rate when None.
            every_frame: Use every frame whatever the rates, as benchmarks do; else a faster source is thinned by
                time to the rate that the model was trained at.
            health: Whether the camera's health is watched, where the bundle knows what is usual for it: frames that
                show nothing of the scene get no score, and changes of state come with the scores.
            zones: Which parts of the picture count; see `Model.stream`.
            maps: Whether scores carry their anomaly map.
            picture_width: Width of the picture that scores carry, for people to look at; None carries none.

        Raises:
            SourceError: If the source cannot be read.
        """
        if isinstance(source, str | Path):
            opened = open_source(source, self.bundle.rate_fps if fps is None else fps)
        else:
            opened = source
        stream = self.stream(opened.rate_fps, opened.gap_s, every_frame=every_frame, watch_health=health, zones=zones)
        waiting: list[Waiting] = []
        ready = 0
        with closing(ahead(opened.frames(self.wanted(picture_width)), MOST_AHEAD)) as frames:
            for frame in frames:
                waiting.append(stream.push(frame))
                ready += waiting[-1].clip is not None
                if ready == self.scorer.batch_size or len(waiting) == MOST_WAITING:
                    yield from self.scored(waiting, maps=maps)
                    waiting, ready = [], 0
        yield from self.scored(waiting, maps=maps)

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
    ) -> "Stream":
        """What takes the frames of one source; many streams can share the batches of `scored`.

        Args:
            rate_fps: Frames per second of the source.
            gap_s: The longest time between two of its frames that does not break a clip.
            every_frame: As in `scores`.
            watch_health: As ``health`` in `scores`.
            zones: Which parts of the picture count. The anomaly map is 0 elsewhere and the frame score is taken of what
                is left, so that it can only sink; the threshold stays that of the whole picture, and so do the parts.

        Raises:
            SettingsError: If the zones leave nothing to watch.
        """
        network = self.bundle.network.config
        stream = Stream(
            None if every_frame else self.bundle.rate_fps,
            network.interval,
            HealthWatch(self.bundle.health) if watch_health and self.bundle.health is not None else None,
            None if zones is None else zones.mask(network.height, network.width),
        )
        stream.retime(rate_fps, gap_s)
        return stream

    def scored(self, waiting: "Sequence[Waiting]", *, maps: bool) -> Iterator[Score]:
        """Scores of frames in order, of one stream or of several; at most a batch of them may end a clip."""
        batch = [one.clip for one in waiting if one.clip is not None]
        scored = self.scorer.score(_stacked(batch)) if batch else None
        row = 0
        for one in waiting:
            if one.clip is None or scored is None:
                yield Score(
                    one.frame.index,
                    _time_s(one.frame),
                    picture=one.frame.picture,
                    health=one.health,
                    changes=one.changes,
                )
                continue
            yield self._score(one, scored, row, maps=maps)
            row += 1

    def _score(self, one: "Waiting", scored: ClipScores, row: int, *, maps: bool) -> Score:
        raw, anomaly_map = float(scored.raw[row]), scored.maps[row]
        if one.watched is not None:
            network = self.bundle.network.config
            anomaly_map = np.where(one.watched, anomaly_map, np.float32(0.0))
            raw = frame_score(anomaly_map, network.score_windows, network.score_share)
        return Score(
            frame=one.frame.index,
            time_s=_time_s(one.frame),
            score=self.bundle.calibration.score(raw),
            raw=raw,
            appearance=float(scored.appearance[row]),
            motion=float(scored.motion[row]),
            cluster=float(scored.cluster[row]),
            map=anomaly_map if maps else None,
            picture=one.frame.picture,
            health=one.health,
            changes=one.changes,
        )


class Waiting(NamedTuple):
    """A decoded frame and what is known of it before the network has seen it.

    Attributes:
        frame: The frame.
        clip: The clip that ends on it, if any.
        health: The camera's state, or the fault that is seen in the frame before it is certain.
        changes: Changes of that state that came with it.
        watched: What counts in the picture, bool H x W; None where all of it does.
    """

    frame: Frame
    clip: Clip | None
    health: HealthState = "ok"
    changes: tuple[HealthChange, ...] = ()
    watched: npt.NDArray[np.bool_] | None = None


class Stream:
    """One source's way from frames to clips: thinned by time, watched for the camera's health, never across a gap.

    `Model.stream` makes it.
    """

    def __init__(
        self,
        model_fps: float | None,
        interval: int,
        watch: HealthWatch | None,
        watched: npt.NDArray[np.bool_] | None,
    ) -> None:
        self._model_fps, self._interval, self._watch, self._watched = model_fps, interval, watch, watched
        self._sampler: Sampler
        self._slider: ClipSlider

    def retime(self, rate_fps: float, gap_s: float) -> None:
        """The source runs at a rate, and a camera after a new connection perhaps at another; see `Model.stream`."""
        target_fps = self._model_fps or rate_fps
        self._sampler = Sampler(target_fps, rate_fps, gap_s)
        self._slider = ClipSlider(self._interval, sampled_gap_s(rate_fps, target_fps, gap_s))

    def push(self, frame: Frame) -> Waiting:
        """Take the next frame; no clip reaches across one that shows nothing of the scene."""
        if not self._sampler.keeps(frame):
            return Waiting(frame, None, "ok" if self._watch is None else self._watch.suspected)
        if self._watch is None:
            return Waiting(frame, self._slider.push(frame), watched=self._watched)
        changes = self._watch.push(frame)
        if self._watch.usable:
            return Waiting(frame, self._slider.push(frame), self._watch.suspected, changes, self._watched)
        self._slider.clear()
        return Waiting(frame, None, self._watch.suspected, changes)

    def tick(self, time_s: float) -> tuple[HealthChange, ...]:
        """Say that it is now `time_s` in the source and no frame has come since the last; for live cameras."""
        return () if self._watch is None else self._watch.tick(time_s)


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
        backend: What runs the network: "torch", "onnx", "openvino", or "auto": the fastest on this machine that says
            what the trained network says. What is the fastest is tried once and remembered.
        precision: "float32", "bfloat16", "float16", "int8" or "auto": what the fastest computes in.

    Raises:
        SourceNotFoundError: If there is no model.
        BundleError: If it is truncated, altered or of another format.
        SettingsError: If the device is not there, the batch size is below 1 or the backend has no such precision.
        InputError: If the model has no graph for the backend.
        MissingExtraError: If the backend is not installed.
    """
    path: Path | None = None
    if isinstance(model, Bundle):
        bundle = model
    else:
        path = find_bundle(model)
        bundle = read_bundle(path)
    chosen = choose(bundle, backend, precision, device, batch_size)
    notices = () if chosen.notice is None else (chosen.notice,)
    return Model(bundle, chosen.scorer, str(chosen.backend), notices, path)


def _stacked(batch: list[Clip]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Pixels of a batch."""
    return np.stack([np.stack([frame.pixels for frame in clip.frames]) for clip in batch])


def _time_s(frame: Frame) -> float:
    """A frame's time to the microsecond, so that 1.2000000000000002 reads 1.2."""
    return round(frame.time_s, 6)
