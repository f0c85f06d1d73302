"""The chain from frames to scores; recordings and streams run through the same one."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oddframe.bundle import Bundle, find_bundle, read_bundle
from oddframe.core.calibration import Calibration
from oddframe.core.clips import ClipSlider
from oddframe.core.records import Clip, Frame, Score
from oddframe.core.sampling import Sampler, sampled_gap_s
from oddframe.media.finding import open_source
from oddframe.media.sources import FrameFormat, Source
from oddframe.runtime.scorer import ClipScores, Scorer
from oddframe.runtime.torch_scorer import TorchScorer, pick_device

__all__ = ["Model", "load"]

DEFAULT_BATCH = 8
MOST_WAITING = 64
"""Most frames held before what is known of them is passed on, however few of them end a clip."""


class Model:
    """A trained model, ready to score.

    Attributes:
        bundle: What it was read from.
        scorer: What runs it.
    """

    def __init__(self, bundle: Bundle, scorer: Scorer) -> None:
        self.bundle = bundle
        self.scorer = scorer

    def scores(
        self,
        source: Source | str | Path,
        *,
        fps: float | None = None,
        every_frame: bool = False,
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
            maps: Whether scores carry their anomaly map.
            picture_width: Width of the picture that scores carry, for people to look at; None carries none.

        Raises:
            SourceError: If the source cannot be read.
        """
        if isinstance(source, str | Path):
            opened = open_source(source, self.bundle.rate_fps if fps is None else fps)
        else:
            opened = source
        network = self.bundle.network.config
        wanted = FrameFormat(network.width, network.height, network.colour, picture_width)
        rate_fps = opened.rate_fps if every_frame else self.bundle.rate_fps
        gap_s = sampled_gap_s(opened.rate_fps, rate_fps, opened.gap_s)
        sampler = Sampler(rate_fps, opened.rate_fps, opened.gap_s)
        slider = ClipSlider(network.interval, gap_s)
        waiting: list[_Waiting] = []
        ready = 0
        for frame in opened.frames(wanted):
            clip = slider.push(frame) if sampler.keeps(frame) else None
            waiting.append(_Waiting(frame, clip))
            ready += clip is not None
            if ready == self.scorer.batch_size or len(waiting) == MOST_WAITING:
                yield from self._scored(waiting, maps=maps)
                waiting, ready = [], 0
        yield from self._scored(waiting, maps=maps)

    def _scored(self, waiting: list["_Waiting"], *, maps: bool) -> Iterator[Score]:
        """Scores of frames in order; their clips, at most a batch, run through the network together."""
        batch = [clip for _, clip in waiting if clip is not None]
        scored = self.scorer.score(_stacked(batch, self.scorer.batch_size)) if batch else None
        row = 0
        for frame, clip in waiting:
            if clip is None or scored is None:
                yield Score(frame.index, _time_s(frame), picture=frame.picture)
                continue
            yield _score(frame, scored, row, self.bundle.calibration, maps)
            row += 1


class _Waiting(NamedTuple):
    """A decoded frame, and the clip that ends on it."""

    frame: Frame
    clip: Clip | None


def load(model: str | Path, *, device: str = "auto", batch_size: int = DEFAULT_BATCH) -> Model:
    """Load a trained model.

    Args:
        model: A run folder or a model bundle.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time.

    Raises:
        SourceNotFoundError: If there is no model.
        BundleError: If it is truncated, altered or of another format.
        SettingsError: If the device is not there or the batch size is below 1.
    """
    bundle = read_bundle(find_bundle(model))
    return Model(bundle, TorchScorer(bundle.network, pick_device(device), batch_size))


def _stacked(batch: list[Clip], size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Pixels of a batch, padded with its last clip to the scorer's fixed size."""
    padded = batch + [batch[-1]] * (size - len(batch))
    return np.stack([np.stack([frame.pixels for frame in clip.frames]) for clip in padded])


def _score(frame: Frame, scored: ClipScores, row: int, calibration: Calibration, maps: bool) -> Score:
    raw = float(scored.raw[row])
    return Score(
        frame=frame.index,
        time_s=_time_s(frame),
        score=calibration.score(raw),
        raw=raw,
        appearance=float(scored.appearance[row]),
        motion=float(scored.motion[row]),
        cluster=float(scored.cluster[row]),
        map=scored.maps[row] if maps else None,
        picture=frame.picture,
    )


def _time_s(frame: Frame) -> float:
    """A frame's time to the microsecond, so that 1.2000000000000002 reads 1.2."""
    return round(frame.time_s, 6)
