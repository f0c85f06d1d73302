"""What a network has learned, as NumPy arrays: what a bundle holds.

It lies apart from `oddframe.model.network`, which imports torch: who runs a model with ONNX Runtime
or OpenVINO reads its bundle without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from oddframe.model.config import NetworkConfig

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What batch normalisation keeps beside its parameters: measured, not learned."""


@dataclass(frozen=True, eq=False)
class NetworkState:
    """What a network is and what it has learned; `Network.of` makes the torch module of it.

    Attributes:
        config: The settings that it was built with.
        weights: Its parameters and running statistics by name, float32 or float16.
    """

    config: NetworkConfig
    weights: Mapping[str, npt.NDArray[Any]]

    @property
    def parameters(self) -> int:
        """Count the numbers that were learned."""
        return sum(
            value.size for name, value in self.weights.items() if not name.endswith(_STATISTICS)
        )

    def halved(self) -> Self:
        """Round the float32 weights to float16, for half the size on disk."""
        halves = {
            name: value.astype(np.float16) if value.dtype == np.float32 else value
            for name, value in self.weights.items()
        }
        return type(self)(self.config, halves)
