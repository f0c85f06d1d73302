"""The seam between the chain and whatever runs the network."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from oddframe.core.records import Pixels

__all__ = ["ClipScores", "Scorer"]


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
    """Scores batches of a fixed size, so that a clip's score does not depend on how many came with it.

    Attributes:
        batch_size: How many clips it takes at a time.
    """

    batch_size: int

    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 batch_size x 5 x H x W x C."""
        ...
