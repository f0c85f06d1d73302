"""Samples of what a trained network makes of its footage: clips step by step, cluster centres."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from oddframe._types import AnomalyMap, Float32, Pixels
from oddframe.core.clips import clip_span
from oddframe.datasets.clip_dataset import ClipDataset
from oddframe.model.clusters import join_codes
from oddframe.model.fusion import AnomalyScorer, prediction_error
from oddframe.model.layers import VarianceAttention
from oddframe.model.network import Network, Outputs

CLIPS = 48
"""How many clips are sampled, evenly over the footage: the work of a few seconds."""

PATCHES = 8
"""Most examples of a cluster centre."""

_REACH = 3
"""Side of an example in places of the code: only with its surroundings can one recognise it."""

_RANKS = {"calmest": 0.0, "typical": 0.5, "busier than nine in ten": 0.9, "most unusual": 1.0}
"""The clips to show step by step, by the rank of their raw score: 1 is the highest."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A clip step by step.

    Attributes:
        what: Its rank among the sampled clips in words, such as "typical".
        source: The recording.
        time_s: The time of its last frame, in seconds.
        raw: Its raw score.
        steps: Pictures, H x W x C from 0 to 1, and maps, h x w x 1 of any size, by name:
            "x0", "x̂0", "Δ", "Δ̂", "x4", "predicted", "error",
            "attention", "cluster".
            Parts that the network does not have are missing.
    """

    what: str
    source: str
    time_s: float
    raw: float
    steps: Mapping[str, AnomalyMap] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Centre:
    """A cluster centre, shown by the places of the footage that are nearest to it.

    Attributes:
        number: Its index in the network.
        share: Share of all places to which it is the nearest centre, 0 to 1.
        where: The same for each place of the picture, float32 h x w.
        patches: The places nearest to it, each of another clip, uint8 N x s x s x C.
    """

    number: int
    share: float
    where: AnomalyMap = field(repr=False)
    patches: Pixels = field(repr=False)


@dataclass(frozen=True, slots=True)
class NetworkSamples:
    """The samples of a network.

    Attributes:
        samples: Some clips step by step.
        centres: The cluster centres, the most common first; empty without clusters.
        clips: How many clips were scored for it.
    """

    samples: tuple[Sample, ...]
    centres: tuple[Centre, ...]
    clips: int


@torch.inference_mode()
def sample_network(network: Network, clips: ClipDataset) -> NetworkSamples:
    """Run a network over some of its footage and keep what can be shown.

    Args:
        network: The trained network.
        clips: Its footage.
    """
    scorer = AnomalyScorer(network).eval()
    numbers = clips.evenly(CLIPS)
    raw, nearest, frames = [], [], []
    steps: list[Mapping[str, AnomalyMap]] = []
    for batch in clips.in_order(numbers, 8):
        with _record_forward(network) as record:
            scored = scorer(torch.from_numpy(batch).to(next(network.parameters()).device))
        raw.append(scored.raw.float().cpu().numpy())
        steps += _steps(network, record, batch)
        if network.clusters is not None:
            distances = (
                network.clusters.distances(join_codes(record.outputs.codes)).float().cpu().numpy()
            )
            nearest.append(distances.reshape(len(batch), *record.outputs.codes[0].shape[-2:], -1))
            frames.append(batch[:, network.rebuilt_index])
    scores = np.concatenate(raw)
    order = np.argsort(scores)
    chosen = {what: int(order[round(rank * (len(order) - 1))]) for what, rank in _RANKS.items()}
    samples = []
    for what, place in chosen.items():
        position = int(clips.starts[numbers[place]]) + clip_span(clips.interval) - 1
        source, time_s = clips.cache.stretch_of(position).source, clips.cache.time_s(position)
        samples.append(Sample(what, source, time_s, float(scores[place]), steps[place]))
    centres = cluster_centres(np.concatenate(nearest), np.concatenate(frames)) if nearest else ()
    return NetworkSamples(tuple(samples), centres, len(numbers))


class _ForwardRecord:
    """What passed through a network in its last forward pass."""

    outputs: Outputs
    attention: Tensor | None = None


@contextmanager
def _record_forward(network: Network) -> Iterator[_ForwardRecord]:
    """Record what passes through a network while the block lasts."""
    record = _ForwardRecord()

    def outputs(_module: nn.Module, _given: Any, outputs: Outputs) -> None:
        record.outputs = outputs

    def attention(module: VarianceAttention, given: tuple[Tensor, ...], _out: Tensor) -> None:
        record.attention = module.weights(given[0])

    # Hooks see what the forward pass does not return, and the network stays as it is.
    hooks = [network.register_forward_hook(outputs)]
    layers = [module for module in network.modules() if isinstance(module, VarianceAttention)]
    # The last one weighs the features that the code is made of.
    hooks += [layer.register_forward_hook(attention) for layer in layers[-1:]]
    try:
        yield record
    finally:
        for hook in hooks:
            hook.remove()


def _steps(
    network: Network, record: _ForwardRecord, batch: Pixels
) -> Iterator[Mapping[str, AnomalyMap]]:
    """Yield the steps of each clip of a batch."""
    outputs, config = record.outputs, network.config
    frames = outputs.frames
    rebuilt, difference = outputs.rebuilt, outputs.difference
    # The prediction of the last frame: the rebuilt one, or the first one plus the difference.
    last = rebuilt is not None and config.rebuilt_frame == "last"
    predicted = rebuilt if last else None
    if difference is not None:
        start = frames[:, 0] if rebuilt is None or last else rebuilt
        predicted = start + difference
    cluster = network.cluster_map(outputs.codes)
    parts: dict[str, Tensor | None] = {
        "x0": frames[:, 0],
        "x̂4" if last else "x̂0": rebuilt,
        "Δ": frames[:, 4] - frames[:, 0],
        "Δ̂": difference,
        "x4": frames[:, 4],
        "predicted": predicted,
        "error": prediction_error(outputs, config.rebuilt_frame, config.appearance_weight)[:, None],
        "attention": record.attention,
        "cluster": None if cluster is None else cluster[:, None],
    }
    arrays = {
        # B x C x H x W to B x H x W x C
        name: part.float().permute(0, 2, 3, 1).cpu().numpy()
        for name, part in parts.items()
        if part is not None
    }
    return ({name: part[row] for name, part in arrays.items()} for row in range(len(batch)))


def cluster_centres(distances: Float32, frames: Pixels) -> tuple[Centre, ...]:
    """Find what each cluster centre stands for, the most common centre first.

    Args:
        distances: Distance of each place from each centre, N x h x w x K.
        frames: The frames of the places, uint8 N x H x W x C.
    """
    count, rows, columns, width = distances.shape
    own = distances.argmin(axis=3)
    stride = frames.shape[1] // rows
    centres = []
    for number in range(width):
        mine = own == number
        best = distances[..., number].reshape(count, -1)
        best = np.where(mine.reshape(count, -1), best, np.inf)
        places, least = best.argmin(axis=1), best.min(axis=1)
        # One of each clip: neighbours in a picture are alike, clips are not. Infinite are the clips
        # without a place that is nearest to this centre.
        ranked = np.argsort(least, kind="stable").tolist()
        order = [clip for clip in ranked if np.isfinite(least[clip])][:PATCHES]
        patches = [
            _patch(frames[clip], divmod(int(places[clip]), columns), stride) for clip in order
        ]
        size = _REACH * stride
        empty = np.zeros((0, size, size, frames.shape[3]), np.uint8)
        where = mine.mean(axis=0).astype(np.float32)
        centres.append(
            Centre(number, float(mine.mean()), where, np.stack(patches) if patches else empty)
        )
    return tuple(sorted(centres, key=lambda centre: -centre.share))


def _patch(frame: Pixels, place: tuple[int, int], stride: int) -> Pixels:
    """Cut out the part of a frame around a place of its code, moved inside at the border."""
    size = _REACH * stride
    corner = [
        int(np.clip((at - _REACH // 2) * stride, 0, max(0, full - size)))
        for at, full in zip(place, frame.shape[:2], strict=True)
    ]
    part: Pixels = frame[corner[0] : corner[0] + size, corner[1] : corner[1] + size]
    return part
