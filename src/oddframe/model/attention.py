"""Variance attention (method section 4)."""

import torch
from torch import Tensor, nn

__all__ = ["VarianceAttention"]


class VarianceAttention(nn.Module):
    """Strengthens the places whose channels disagree most.

    g = average-pool(conv1x1(z)); v = spread of g over channels; a = softmax of v over all places; out = exp(a) z.

    Args:
        channels: Channels C of the features.
        pool: Side of a pooling window, so that a cell of the map covers 16 x 16 pixels of the frame.
        spread: "sum" of the squared deviations (the research code) or their mean, the "variance" of the published
            text: C times smaller inside the softmax.
    """

    def __init__(self, channels: int, pool: int, spread: str) -> None:
        super().__init__()
        self.embed = nn.Conv2d(channels, channels, 1)
        self.pool = nn.AvgPool2d(pool)
        self.spread = spread

    def weights(self, z: Tensor) -> Tensor:
        """The attention map a, B x 1 x h x w, which sums to 1 over its places."""
        g = self.pool(self.embed(z))
        squares = (g - g.mean(dim=1, keepdim=True)).square()
        v = squares.sum(dim=1) if self.spread == "sum" else squares.mean(dim=1)
        a = torch.softmax(v.flatten(1), dim=1)
        return a.reshape(v.shape).unsqueeze(1)

    def forward(self, z: Tensor) -> Tensor:
        """Weigh features ``z`` (B x C x H x W) by exp(a), a upsampled to H x W by repetition."""
        a = nn.functional.interpolate(self.weights(z), size=z.shape[-2:], mode="nearest")
        return torch.exp(a) * z
