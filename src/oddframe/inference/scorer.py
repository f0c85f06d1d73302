"""The interface between the chain of frames and whatever runs the network on clips."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from oddframe._types import Float32, Pixels
from oddframe.errors import InputError

CLIPS = "clips"
"""Name of a graph's input."""
# Graphs in bundles carry these names: another name would make them unreadable.
PARTS = ("raw", "appearance", "motion", "cluster", "maps")
"""Names of a graph's outputs, in the order of `ClipScores`."""


@dataclass(frozen=True, slots=True)
class ClipScores:
    """Scores of a batch of clips; the parts are as in `oddframe.core.records.Score`.

    Attributes:
        raw: The raw score of each clip, r > 0, float32 B.
        appearance: The part of the appearance stream, float32 B.
        motion: The part of the motion stream, float32 B.
        cluster: The distance to the clusters, float32 B.
        maps: Anomaly maps, float32 B x H x W.
    """

    raw: Float32
    appearance: Float32
    motion: Float32
    cluster: Float32
    maps: Float32


class Scorer(Protocol):
    """Scores batches of clips.

    What a clip scores does not depend on the other clips of its batch, to the bit.

    Attributes:
        batch_size: How many clips it takes at a time, at most.
    """

    batch_size: int

    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 B x 5 x H x W x C with B from 1 to batch_size."""
        ...


@runtime_checkable
class AsyncScorer(Scorer, Protocol):
    """A scorer that computes on a device of its own, while its caller makes the next batch."""

    def begin(self, clips: Pixels, *, maps: bool) -> Callable[[], ClipScores]:
        """Start on clips as `score` takes them, which must not change until the scores are there.

        Args:
            clips: The clips.
            maps: Whether the anomaly maps are wanted, which are by far the most of what there is
                to bring back. Where they are not, they are B x 0 x 0.

        Returns:
            What waits for the scores and gives them; it is called once.
        """
        ...


def begin(scorer: Scorer, clips: Pixels, *, maps: bool) -> Callable[[], ClipScores]:
    """Start a scorer on clips, as `AsyncScorer.begin`; any other one scores them at once."""
    if isinstance(scorer, AsyncScorer):
        return scorer.begin(clips, maps=maps)
    scored = scorer.score(clips)
    return lambda: scored


def pad_batch(clips: Pixels, batch_size: int) -> Pixels:
    """Repeat the last clip until a batch has its full size.

    Raises:
        InputError: If there is no clip, or more of them than a batch holds.
    """
    if not 1 <= len(clips) <= batch_size:
        raise InputError(f"a batch must hold 1 to {batch_size} clips, got {len(clips)}")
    if len(clips) == batch_size:
        return np.ascontiguousarray(clips)
    # Libraries take other kernels for other batch sizes, and the last bits of a score differ.
    return np.concatenate([clips, np.repeat(clips[-1:], batch_size - len(clips), axis=0)])
