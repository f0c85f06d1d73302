"""Finds the place of the normal footage that is most like an unusual one: an example to compare.

Examples come from the frames that a run folder keeps of its training footage. A bundle that was
copied elsewhere has no frames beside it, and so no examples.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from oddframe._types import AnomalyMap, Float32, Pixels
from oddframe.core.records import Clip
from oddframe.datasets.clip_dataset import ClipDataset
from oddframe.datasets.frame_cache import FrameCache, FrameRun
from oddframe.errors import RunError, SourceError
from oddframe.model.clusters import join_codes
from oddframe.model.network import Network
from oddframe.training.run_folder import RunFolder

CLIPS = 96
"""How many clips are examples, evenly over the footage; each gives hundreds of places."""

_MOST_BYTES = 64e6
"""Most memory for the codes of all clips; of a large network fewer clips are taken."""

_TYPICAL = 400
"""How many places are compared with all other clips to find the distance that is usual."""


@dataclass(frozen=True, slots=True)
class NormalExample:
    """The place of the normal footage that is most like another one.

    Attributes:
        source: The recording.
        time_s: Its time in the recording, in seconds.
        distance: Euclidean distance between the codes of both places, 0 to 2.
        picture: The frame, uint8 H x W x C at the network's size.
        place: (x, y) of its middle, 0 to 1 of width and height.
        here: (x, y) of the middle of the other place, likewise.
    """

    source: str
    time_s: float
    distance: float
    picture: Pixels = field(repr=False)
    place: tuple[float, float]
    here: tuple[float, float]


def training_clips(run: RunFolder, network: Network) -> ClipDataset:
    """Return the normal footage that a run keeps, without what the training did not use.

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
    # Runs of an earlier version have no record of the footage: all of it was used.
    stretches = list(cache.stretches)
    if used is not None:
        stretches = [FrameRun(**values) for values in used["stretches"]]
    try:
        return ClipDataset(cache, stretches, network.config.interval, network.rebuilt_index)
    except SourceError as error:
        raise RunError(f"{run.cache} must hold clips of the training, but {error}") from error


class NormalExamples:
    """The codes of normal clips, among which the nearest to another place is found.

    Args:
        clips: The normal footage.
        network: The trained network.

    Attributes:
        typical: Median distance from a normal place to the nearest one of another clip; NaN if
            there is only one clip.
    """

    def __init__(self, clips: ClipDataset, network: Network) -> None:
        self._clips, self._network = clips, network
        config = network.config
        # A code has `code_width` numbers of 4 bytes for each place.
        clip_bytes = 4 * config.code_width * config.height * config.width / config.code_stride**2
        self._numbers = clips.evenly(max(8, min(CLIPS, int(_MOST_BYTES / clip_bytes))))
        codes = [_clip_codes(network, batch) for batch in clips.in_order(self._numbers, 8)]
        self._codes = np.concatenate(codes)
        self.typical = self._typical()

    @classmethod
    def of(cls, model: Path, network: Network) -> "NormalExamples":
        """Take the examples from the run folder that a bundle lies in.

        Raises:
            RunError: If it does not lie in one, or its frames are gone.
        """
        return cls(training_clips(RunFolder(model.parent), network), network)

    def nearest(
        self, clip: Clip, anomaly_map: AnomalyMap, box: Sequence[float] | None
    ) -> NormalExample:
        """Find the normal place whose code is nearest to that of a clip's most abnormal place.

        Args:
            clip: The clip.
            anomaly_map: The anomaly map of a frame that its map lies on, float32 H x W.
            box: (x_min, y_min, x_max, y_max) of the region to look in, 0 to 1 of width and height;
                None looks in the whole picture.
        """
        codes = _clip_codes(
            self._network, np.stack([np.stack([frame.pixels for frame in clip.frames])])
        )[0]
        rows, columns = codes.shape[:2]
        row, column = _hottest(anomaly_map, (rows, columns), box)
        flat = self._codes.reshape(-1, self._codes.shape[-1])
        distances = _distances(flat, codes[row, column])
        best = int(np.argmin(distances))
        number, place = divmod(best, rows * columns)
        # The frame of the clip that its map would lie on, as the map given lies on its own.
        shown = self._network.config.mapped_index * self._clips.interval
        position = int(self._clips.starts[self._numbers[number]]) + shown
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
        """Return the median distance from a normal place to the nearest one of another clip."""
        count, rows, columns, width = self._codes.shape
        if count < 2:
            return float("nan")
        flat = self._codes.reshape(-1, width)
        places = np.linspace(0, len(flat) - 1, min(_TYPICAL, len(flat))).astype(np.int64)
        # The cosine of each place with the nearest place of each clip, count x places.
        likeness = (self._codes.reshape(count, rows * columns, width) @ flat[places].T).max(axis=1)
        # Each place is most like itself: its own clip is left out.
        likeness[places // (rows * columns), np.arange(len(places))] = -1.0
        return float(np.median(np.sqrt(np.maximum(2.0 - 2.0 * likeness.max(axis=0), 0.0))))


@torch.inference_mode()
def _clip_codes(network: Network, clips: Pixels) -> Float32:
    """Return joint codes of norm 1, float32 B x h x w x D, of clips, uint8 B x 5 x H x W x C.

    In this space the distances of the clusters are taken (method section 5).
    """
    device = next(network.parameters()).device
    codes = network(torch.from_numpy(clips).to(device)).codes
    joint: Float32 = join_codes(codes).float().cpu().numpy()
    return joint.reshape(len(clips), *codes[0].shape[-2:], joint.shape[-1])


def _hottest(
    anomaly_map: AnomalyMap, cells: tuple[int, int], box: Sequence[float] | None
) -> tuple[int, int]:
    """Return (row, column) of the cell with the highest mean of a map, within a box.

    A box that holds the middle of no cell is ignored.
    """
    rows, columns = cells
    height, width = anomaly_map.shape
    heat = anomaly_map.reshape(rows, height // rows, columns, width // columns).mean(axis=(1, 3))
    if box is not None:
        x, y = (np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows
        inside = ((x >= box[0]) & (x <= box[2]))[None] & ((y >= box[1]) & (y <= box[3]))[:, None]
        heat = np.where(inside, heat, -1.0) if inside.any() else heat
    row, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
    return int(row), int(column)


def _distances(codes: Float32, code: Float32) -> Float32:
    """Return Euclidean distances of N codes of norm 1, N x D, from one such code, D."""
    # For unit vectors |a - b|^2 = 2 - 2ab; rounding can make it slightly negative.
    distances: Float32 = np.sqrt(np.maximum(2.0 - 2.0 * (codes @ code), 0.0))
    return distances
