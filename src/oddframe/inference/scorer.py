"""The seam between the chain and whatever runs the network."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from oddframe._types import Pixels
from oddframe.errors import InputError

BackendName = Literal["torch", "onnx", "openvino"]
"""What runs a network."""
Precision = Literal["float32", "bfloat16", "float16", "int8"]
"""In which numbers it computes."""

CLIPS = "clips"
"""Name of a graph's input."""
PARTS = ("raw", "appearance", "motion", "cluster", "maps")
"""Names of a graph's outputs, in the order of `ClipScores`."""


@dataclass(frozen=True, slots=True)
class ClipScores:
    """Scores of a batch of clips; the parts are as in `oddframe.core.records.Score`.

    Attributes:
        raw: r > 0, float32 B.
        appearance: float32 B.
        motion: float32 B.
        cluster: float32 B.
        maps: Anomaly maps, float32 B x H x W.
    """

    raw: npt.NDArray[np.float32]
    appearance: npt.NDArray[np.float32]
    motion: npt.NDArray[np.float32]
    cluster: npt.NDArray[np.float32]
    maps: npt.NDArray[np.float32]


class Scorer(Protocol):
    """Scores batches; what a clip scores does not depend on how many came with it, nor on which, to the bit.

    Attributes:
        batch_size: How many clips it takes at a time, at most.
    """

    batch_size: int

    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 B x 5 x H x W x C with B from 1 to batch_size."""
        ...


def pad_batch(clips: Pixels, batch_size: int) -> Pixels:
    """Clips with the last one repeated up to a fixed size: kernels differ by batch size in the last bits."""
    if not 1 <= len(clips) <= batch_size:
        raise InputError(f"a batch must hold 1 to {batch_size} clips, got {len(clips)}")
    if len(clips) == batch_size:
        return np.ascontiguousarray(clips)
    return np.concatenate([clips, np.repeat(clips[-1:], batch_size - len(clips), axis=0)])
