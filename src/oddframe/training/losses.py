"""What a training minimises, and the average of weights that it ends with.

The losses of the two streams are the paper's (method sections 2 and 3); the cluster loss is
`oddframe.model.clusters.Clusters.loss`. The discriminator and the average are our additions. Only
training has them: the trained network contains neither.
"""

import torch
from torch import Tensor, nn


def appearance_loss(rebuilt: Tensor, frame: Tensor) -> Tensor:
    """Compute L_a = mean (x̂ - x)^2, a scalar, of pictures B x C x H x W (method section 2)."""
    return (rebuilt - frame).square().mean()


def gradient_loss(predicted: Tensor, frame: Tensor) -> Tensor:
    """Compare the sizes of the steps from pixel to pixel of two pictures, B x C x H x W.

    The mean absolute difference of the absolute steps is taken for each direction over its own
    pixels, then both are added (method section 3). Signs do not count: an edge that is inverted
    costs nothing here.
    """
    horizontal = (predicted.diff(dim=3).abs() - frame.diff(dim=3).abs()).abs().mean()
    vertical = (predicted.diff(dim=2).abs() - frame.diff(dim=2).abs()).abs().mean()
    return horizontal + vertical


def motion_loss(difference: Tensor, first: Tensor, last: Tensor, gradient_weight: float) -> Tensor:
    """Compute L_m = mean (Δ̂ - Δ)^2 + λ_g gradient loss of (x0 + Δ̂) against x4, a scalar.

    Args:
        difference: Δ̂, B x C x H x W.
        first: x0, B x C x H x W.
        last: x4, B x C x H x W; Δ is x4 - x0.
        gradient_weight: λ_g, 0.01 as published.
    """
    squares = (difference - (last - first)).square().mean()
    # Without a weight the gradient loss would cost time for nothing.
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
        # From zero it says nothing at first, and pushes the codes nowhere.
        for parameter in self.reading.parameters():
            nn.init.zeros_(parameter)

    def forward(self, joint: Tensor) -> Tensor:
        """Compute log-odds that each place is abnormal, B x P, from unit codes B x P x D."""
        # Entries of unit vectors are near 1 / sqrt(D): this brings them near 1.
        logits: Tensor = self.reading(joint * joint.shape[2] ** 0.5).squeeze(2)
        return logits

    def losses(self, joint: Tensor, as_filmed: Tensor, abnormal: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the cross-entropy of each place as filmed, N, and of each abnormal one, M.

        Args:
            joint: Normalised joint codes, B x P x D.
            as_filmed: Which of the B P places are as filmed, bool B P.
            abnormal: Which of them were made abnormal; those that are neither have no loss.
        """
        logits = self(joint).flatten()
        # -ln(1 - p) and -ln(p) of p = sigmoid(logit), in the form that keeps its digits.
        return nn.functional.softplus(logits[as_filmed]), nn.functional.softplus(-logits[abnormal])


class WeightAverage:
    """Exponential moving average of all weights and buffers, running statistics among them.

    Not in the paper: it takes out the noise of the last steps without a longer training. Early
    steps count for little: at step n the average forgets at least as fast as one over (n + 10) / 9
    steps.

    Args:
        network: The network whose weights are averaged; its current ones are the start.
        decay: Part of the average that a step keeps, in (0, 1): it reaches over about 1 / (1 -
            decay) steps.

    Attributes:
        state: The average, as a state dict of the network.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {
            name: tensor.clone() for name, tensor in network.state_dict().items()
        }

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights that the network has after ``step`` steps."""
        keep = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                self.state[name].lerp_(tensor, 1.0 - keep)
            else:
                # Whole numbers, such as how many batches BatchNorm has seen, have no average.
                self.state[name].copy_(tensor)
