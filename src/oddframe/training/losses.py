"""Training losses of the two streams (method sections 2 and 3); the cluster loss is `Clusters.loss`.

A linear reading of the joint codes that tells what was made abnormal; training has it, the network
has not.

A running average of a network's weights: less noise of the last steps than a longer training would
take out.
"""

import torch
from torch import Tensor, nn


def appearance_loss(rebuilt: Tensor, frame: Tensor) -> Tensor:
    """L_a = mean (x̂ - x)^2 over B x C x H x W."""
    return (rebuilt - frame).square().mean()


def gradient_loss(predicted: Tensor, frame: Tensor) -> Tensor:
    """Mean absolute difference of the absolute horizontal and vertical steps of two pictures, B x C x H x W.

    The two directions are averaged each over its own pixels, then added.
    """
    horizontal = (predicted.diff(dim=3).abs() - frame.diff(dim=3).abs()).abs().mean()
    vertical = (predicted.diff(dim=2).abs() - frame.diff(dim=2).abs()).abs().mean()
    return horizontal + vertical


def motion_loss(difference: Tensor, first: Tensor, last: Tensor, gradient_weight: float) -> Tensor:
    """L_m = mean (Δ̂ - Δ)^2 + λ_g gradient loss of (x0 + Δ̂) against x4; all B x C x H x W."""
    squares = (difference - (last - first)).square().mean()
    if not gradient_weight:
        return squares
    return squares + gradient_weight * gradient_loss(first + difference, last)


class Discriminator(nn.Module):
    """Logistic regression on joint codes, whose gradient reaches the encoders.

    Not in the paper. Repelling codes from the centres works only where something in a code says
    that its place is abnormal. To learn that from the distance alone takes long, and not every
    training gets there.

    Args:
        width: Length D of a joint code.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reading = nn.Linear(width, 1)
        for parameter in self.reading.parameters():
            nn.init.zeros_(parameter)

    def forward(self, joint: Tensor) -> Tensor:
        """How abnormal every place reads, log-odds of shape B x P, from normalised joint codes B x P x D."""
        logits: Tensor = self.reading(joint * joint.shape[2] ** 0.5).squeeze(2)
        return logits

    def losses(self, joint: Tensor, as_filmed: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each place as filmed, N, and of each place made abnormal, M.

        Args:
            joint: B x P x D.
            as_filmed: Which of the B P places are as filmed, bool B P.
            made: Which of them were made abnormal; those that are neither have no loss.
        """
        logits = self(joint).flatten()
        return nn.functional.softplus(logits[as_filmed]), nn.functional.softplus(-logits[made])


class WeightAverage:
    """Exponential moving average of all weights and buffers, the running statistics of normalisation among them.

    Not in the paper. Early steps count for little: at step n the average forgets at least as fast
    as one over (n + 10) / 9 steps.

    Args:
        network: Whose weights; its current ones are the start.
        decay: Part of the average that a step keeps, in (0, 1): it reaches over about 1 / (1 -
            decay) steps.

    Attributes:
        state: The average, as a state of the network.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {
            name: tensor.clone() for name, tensor in network.state_dict().items()
        }

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after ``step`` steps."""
        keep = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                self.state[name].lerp_(tensor, 1.0 - keep)
            else:
                self.state[name].copy_(tensor)
