"""What a trained network makes of its footage: some clips step by step, and what each cluster centre stands for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from oddframe._types import AnomalyMap, Pixels
from oddframe.core.clips import clip_span
from oddframe.datasets.clip_dataset import ClipDataset
from oddframe.model.clusters import join_codes
from oddframe.model.fusion import AnomalyScorer, prediction_error
from oddframe.model.layers import VarianceAttention
from oddframe.model.network import Network, Outputs

CLIPS = 48
"""Clips looked at, evenly over the footage: a few seconds' work."""
PATCHES = 8
"""Examples of a cluster centre."""
_REACH = 3
"""Side of an example in places of the code: what lies around it says what it is."""
_RANKS = {"calmest": 0.0, "typical": 0.5, "busier than nine in ten": 0.9, "most unusual": 1.0}
"""The clips shown step by step, by the rank of their raw score among those looked at."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A clip step by step; pictures in [0, 1], H x W x C, maps at any size, None where there is no such part.

    Attributes:
        what: Which one it is among those looked at.
        source: The recording.
        time_s: When its last frame is, in seconds.
        raw: Its raw score.
        steps: Pictures and maps by name: "x0", "x̂0", "Δ", "Δ̂", "x4", "predicted", "error",
            "attention", "cluster".
    """

    what: str
    source: str
    time_s: float
    raw: float
    steps: Mapping[str, AnomalyMap] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Centre:
    """What a cluster centre stands for.

    Attributes:
        number: Which one.
        share: Share of the places that lie nearest to it.
        where: How often each place of the picture does, float32 h x w, 0 to 1.
        patches: Those nearest to it, each from another clip, uint8 N x s x s x C.
    """

    number: int
    share: float
    where: AnomalyMap = field(repr=False)
    patches: Pixels = field(repr=False)


@dataclass(frozen=True, slots=True)
class NetworkSamples:
    """What was looked at.

    Attributes:
        samples: Clips step by step.
        centres: The cluster centres, the most common first.
        clips: How many clips were looked at.
    """

    samples: tuple[Sample, ...]
    centres: tuple[Centre, ...]
    clips: int


@torch.inference_mode()
def sample_network(network: Network, clips: ClipDataset) -> NetworkSamples:
    """Run a network over some of its footage.

    Args:
        network: The trained network.
        clips: Its footage.
    """
    scorer = AnomalyScorer(network).eval()
    numbers = clips.evenly(CLIPS)
    raw, nearest, frames = [], [], []
    steps: list[Mapping[str, AnomalyMap]] = []
    for batch in clips.in_order(numbers, 8):
        with _watched(network) as seen:
            scored = scorer(torch.from_numpy(batch).to(next(network.parameters()).device))
        raw.append(scored.raw.float().cpu().numpy())
        steps += _steps(network, seen, batch)
        if network.clusters is not None:
            distances = (
                network.clusters.distances(join_codes(seen.outputs.codes)).float().cpu().numpy()
            )
            nearest.append(distances.reshape(len(batch), *seen.outputs.codes[0].shape[-2:], -1))
            frames.append(batch[:, network.rebuilt_index])
    scores = np.concatenate(raw)
    order = np.argsort(scores)
    chosen = {what: int(order[round(rank * (len(order) - 1))]) for what, rank in _RANKS.items()}
    samples = []
    for what, place in chosen.items():
        position = int(clips.starts[numbers[place]]) + clip_span(clips.interval) - 1
        source, time_s = clips.cache.stretch_of(position).source, clips.cache.time_s(position)
        samples.append(Sample(what, source, time_s, float(scores[place]), steps[place]))
    centres = _centres(np.concatenate(nearest), np.concatenate(frames)) if nearest else ()
    return NetworkSamples(tuple(samples), centres, len(numbers))


class _Watch:
    """Notes what passes through a network that is being scored."""

    outputs: Outputs
    attention: Tensor | None = None


@contextmanager
def _watched(network: Network) -> Iterator[_Watch]:
    """What passes through a network while the block lasts."""
    watch = _Watch()

    def outputs(_module: nn.Module, _given: Any, outputs: Outputs) -> None:
        watch.outputs = outputs

    def attention(module: VarianceAttention, given: tuple[Tensor, ...], _out: Tensor) -> None:
        watch.attention = module.weights(given[0])

    hooks = [network.register_forward_hook(outputs)]
    # The last of the three sees what the code is made of.
    found = [one for one in network.modules() if isinstance(one, VarianceAttention)]
    hooks += [one.register_forward_hook(attention) for one in found[-1:]]
    try:
        yield watch
    finally:
        for hook in hooks:
            hook.remove()


def _steps(network: Network, seen: _Watch, batch: Pixels) -> Iterator[Mapping[str, AnomalyMap]]:
    """The steps of each clip of a batch."""
    outputs, config = seen.outputs, network.config
    frames = outputs.frames
    rebuilt, difference = outputs.rebuilt, outputs.difference
    last = rebuilt is not None and config.rebuilt_frame == "last"
    predicted = rebuilt if last else None
    if difference is not None:
        start = frames[:, 0] if rebuilt is None or last else rebuilt
        predicted = start + difference
    cluster = network.cluster_map(outputs.codes)
    found: dict[str, Tensor | None] = {
        "x0": frames[:, 0],
        "x̂4" if last else "x̂0": rebuilt,
        "Δ": frames[:, 4] - frames[:, 0],
        "Δ̂": difference,
        "x4": frames[:, 4],
        "predicted": predicted,
        "error": prediction_error(outputs, config.rebuilt_frame, config.appearance_weight)[:, None],
        "attention": seen.attention,
        "cluster": None if cluster is None else cluster[:, None],
    }
    arrays = {
        name: part.float().permute(0, 2, 3, 1).cpu().numpy()
        for name, part in found.items()
        if part is not None
    }
    return ({name: part[row] for name, part in arrays.items()} for row in range(len(batch)))


def _centres(distances: npt.NDArray[np.float32], frames: Pixels) -> tuple[Centre, ...]:
    """What each centre stands for, from distances N x h x w x K and frames N x H x W x C."""
    count, rows, columns, width = distances.shape
    own = distances.argmin(axis=3)
    stride = frames.shape[1] // rows
    found = []
    for number in range(width):
        mine = own == number
        best = distances[..., number].reshape(count, -1)
        best = np.where(mine.reshape(count, -1), best, np.inf)
        places, least = best.argmin(axis=1), best.min(axis=1)
        # One of each clip: neighbours in a picture are alike, clips are not.
        order = [
            clip for clip in np.argsort(least, kind="stable").tolist() if np.isfinite(least[clip])
        ][:PATCHES]
        patches = [
            _patch(frames[clip], divmod(int(places[clip]), columns), stride) for clip in order
        ]
        size = _REACH * stride
        empty = np.zeros((0, size, size, frames.shape[3]), np.uint8)
        where = mine.mean(axis=0).astype(np.float32)
        found.append(
            Centre(number, float(mine.mean()), where, np.stack(patches) if patches else empty)
        )
    return tuple(sorted(found, key=lambda centre: -centre.share))


def _patch(frame: Pixels, place: tuple[int, int], stride: int) -> Pixels:
    """The part of a frame around a place of its code, moved inside at the border."""
    size = _REACH * stride
    corner = [
        int(np.clip((at - _REACH // 2) * stride, 0, max(0, full - size)))
        for at, full in zip(place, frame.shape[:2], strict=True)
    ]
    part: Pixels = frame[corner[0] : corner[0] + size, corner[1] : corner[1] + size]
    return part
