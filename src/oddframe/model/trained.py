"""A trained network as arrays: what a bundle holds, and what nobody needs torch to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from oddframe.model.network_config import NetworkConfig

__all__ = ["TrainedNetwork"]

_COUNTED_ALONG = ("running_mean", "running_var", "num_batches_tracked")
"""What batch normalisation keeps beside its parameters."""


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """What a network is and what it has learned; `oddframe.model.network.Network.of` runs it in torch.

    Attributes:
        config: What it is.
        weights: Its parameters and running statistics by name, float32 or float16.
    """

    config: NetworkConfig
    weights: Mapping[str, npt.NDArray[Any]]

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(value.size for name, value in self.weights.items() if not name.endswith(_COUNTED_ALONG))

    def halved(self) -> Self:
        """The same with its weights rounded to float16, for half the size."""
        halves = {
            name: value.astype(np.float16) if value.dtype == np.float32 else value
            for name, value in self.weights.items()
        }
        return type(self)(self.config, halves)
