"""Examples of what a model knows as normal: the nearest of them to what it does not.

They come from the frames that a run folder keeps of its training footage. A bundle that was copied
elsewhere holds no pictures of that footage, and so has no examples.

The codes of clips, in the space in which their distances are taken (method section 5).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from oddframe._types import AnomalyMap, Pixels
from oddframe.core.clips import clip_span
from oddframe.core.records import Clip
from oddframe.datasets.clip_dataset import ClipDataset
from oddframe.datasets.frame_cache import FrameCache, FrameRun
from oddframe.errors import RunError, SourceError
from oddframe.model.clusters import join_codes
from oddframe.model.network import Network
from oddframe.training.run_folder import RunFolder


@torch.inference_mode()
def clip_codes(network: Network, clips: Pixels) -> npt.NDArray[np.float32]:
    """Joint codes of norm 1, float32 B x h x w x D, of clips, uint8 B x 5 x H x W x C."""
    device = next(network.parameters()).device
    codes = network(torch.from_numpy(clips).to(device)).codes
    joint: npt.NDArray[np.float32] = join_codes(codes).float().cpu().numpy()
    return joint.reshape(len(clips), *codes[0].shape[-2:], joint.shape[-1])


CLIPS = 96
"""Clips that examples are taken from, evenly over the footage; each gives hundreds of places."""
_MOST_BYTES = 64e6
"""Of a large network fewer clips are taken."""
_TYPICAL = 400
"""Places whose own distance to the nearest one of another clip says what is usual."""


@dataclass(frozen=True, slots=True)
class NormalExample:
    """A place in the normal footage.

    Attributes:
        source: The recording.
        time_s: When, in seconds.
        distance: Distance of its code from that of the place it resembles, 0 to 2.
        picture: The frame, uint8 H x W x C at the network's size.
        place: (x, y) of its middle in shares of width and height.
        here: (x, y) of the middle of the place that it resembles.
    """

    source: str
    time_s: float
    distance: float
    picture: Pixels = field(repr=False)
    place: tuple[float, float]
    here: tuple[float, float]


def training_clips(run: RunFolder, network: Network) -> ClipDataset:
    """The normal footage that a run keeps, without what was found unusable or was left out.

    Raises:
        RunError: If its frames are gone.
    """
    try:
        index = json.loads((run.cache / "index.json").read_text())
        cache = FrameCache(run.cache, index)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{run.cache} must hold the training's frames, but they are gone: {error}"
        ) from error
    used = run.read_footage()
    stretches = cache.stretches if used is None else [FrameRun(**one) for one in used["stretches"]]
    try:
        return ClipDataset(cache, list(stretches), network.config.interval, network.rebuilt_index)
    except SourceError as error:
        raise RunError(f"{run.cache} must hold clips of the training, but {error}") from error


class NormalExamples:
    """Codes of normal clips, to find the one nearest to a clip's hottest place.

    Args:
        clips: Normal footage.
        network: The trained network.
    """

    def __init__(self, clips: ClipDataset, network: Network) -> None:
        self._clips, self._network = clips, network
        config = network.config
        clip_bytes = 4 * config.code_width * config.height * config.width / config.code_stride**2
        self._numbers = clips.evenly(max(8, min(CLIPS, int(_MOST_BYTES / clip_bytes))))
        codes = [clip_codes(network, batch) for batch in clips.in_order(self._numbers, 8)]
        self._codes = np.concatenate(codes)
        self.typical = self._typical()

    @classmethod
    def of(cls, model: Path, network: Network) -> "NormalExamples":
        """Those of the run folder that a bundle lies in.

        Raises:
            RunError: If it does not lie in one, or its frames are gone.
        """
        return cls(training_clips(RunFolder(model.parent), network), network)

    def nearest(
        self, clip: Clip, anomaly_map: AnomalyMap, box: Sequence[float] | None
    ) -> NormalExample:
        """The normal place whose code is nearest to that of a clip's hottest place.

        Args:
            clip: The clip.
            anomaly_map: Its anomaly map, float32 H x W.
            box: (x_min, y_min, x_max, y_max) of the region to look in, in shares; all of the
                picture when None.
        """
        codes = clip_codes(
            self._network, np.stack([np.stack([frame.pixels for frame in clip.frames])])
        )[0]
        rows, columns = codes.shape[:2]
        row, column = _hottest(anomaly_map, (rows, columns), box)
        flat = self._codes.reshape(-1, self._codes.shape[-1])
        distances = _distances(flat, codes[row, column])
        best = int(np.argmin(distances))
        number, place = divmod(best, rows * columns)
        position = (
            int(self._clips.starts[self._numbers[number]]) + clip_span(self._clips.interval) - 1
        )
        cache = self._clips.cache
        return NormalExample(
            source=cache.stretch_of(position).source,
            time_s=cache.time_s(position),
            distance=float(distances[best]),
            picture=cache.take(np.array([position]))[0],
            place=((place % columns + 0.5) / columns, (place // columns + 0.5) / rows),
            here=((column + 0.5) / columns, (row + 0.5) / rows),
        )

    def _typical(self) -> float:
        """The median distance from a normal place to the nearest one of another clip."""
        count, rows, columns, width = self._codes.shape
        if count < 2:
            return float("nan")
        flat = self._codes.reshape(-1, width)
        places = np.linspace(0, len(flat) - 1, min(_TYPICAL, len(flat))).astype(np.int64)
        likeness = (self._codes.reshape(count, rows * columns, width) @ flat[places].T).max(axis=1)
        likeness[places // (rows * columns), np.arange(len(places))] = -1.0
        return float(np.median(np.sqrt(np.maximum(2.0 - 2.0 * likeness.max(axis=0), 0.0))))


def _hottest(
    anomaly_map: AnomalyMap, cells: tuple[int, int], box: Sequence[float] | None
) -> tuple[int, int]:
    """The hottest cell of a grid of (rows, columns) over a map, within a box."""
    rows, columns = cells
    height, width = anomaly_map.shape
    heat = anomaly_map.reshape(rows, height // rows, columns, width // columns).mean(axis=(1, 3))
    if box is not None:
        x, y = (np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows
        inside = ((x >= box[0]) & (x <= box[2]))[None] & ((y >= box[1]) & (y <= box[3]))[:, None]
        heat = np.where(inside, heat, -1.0) if inside.any() else heat
    row, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
    return int(row), int(column)


def _distances(
    codes: npt.NDArray[np.float32], code: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Euclidean distances of N codes of norm 1 from one such code."""
    distances: npt.NDArray[np.float32] = np.sqrt(np.maximum(2.0 - 2.0 * (codes @ code), 0.0))
    return distances
