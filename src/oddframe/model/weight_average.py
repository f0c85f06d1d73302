"""A running average of a network's weights: less noise of the last steps than a longer training would take out."""

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """Exponential moving average of all weights and buffers, the running statistics of normalisation among them.

    Not in the paper. Early steps count for little: at step n the average forgets at least as fast as one over (n + 10)
    / 9 steps.

    Args:
        network: Whose weights; its current ones are the start.
        decay: Part of the average that a step keeps, in (0, 1): it reaches over about 1 / (1 - decay) steps.

    Attributes:
        state: The average, as a state of the network.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after ``step`` steps."""
        keep = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                self.state[name].lerp_(tensor, 1.0 - keep)
            else:
                self.state[name].copy_(tensor)
