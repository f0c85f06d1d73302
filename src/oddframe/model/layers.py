"""Residual blocks that halve and double the resolution (method section 2).

Both are three 3x3 convolutions without biases: two in a row on the main path and one on the
shortcut, LeakyReLU (slope 0.01) between and after. The down block strides; the up block puts a
pixel shuffle in front of the strided convolution's two stand-ins.

Variance attention (method section 4).
"""

import torch
from torch import Tensor, nn

SLOPE = 0.01


def conv3x3(
    channels_in: int, channels_out: int, *, stride: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A padded 3x3 convolution."""
    return nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=bias)


class DownBlock(nn.Module):
    """Residual block of stride 2: B x channels_in x H x W -> B x channels_out x H/2 x W/2."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = conv3x3(channels_in, channels_out, stride=2)
        self.second = conv3x3(channels_out, channels_out)
        self.shortcut = conv3x3(channels_in, channels_out, stride=2)
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """Halve the resolution of ``x``."""
        main = self.second(self.activation(self.first(x)))
        out: Tensor = self.activation(main + self.shortcut(x))
        return out


class UpBlock(nn.Module):
    """Residual block after a pixel shuffle: B x channels_in x H x W -> B x channels_out x 2H x 2W."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.shuffle = nn.PixelShuffle(2)
        self.first = conv3x3(channels_in // 4, channels_out)
        self.second = conv3x3(channels_out, channels_out)
        self.shortcut = conv3x3(channels_in // 4, channels_out)
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """Double the resolution of ``x``."""
        x = self.shuffle(x)
        main = self.second(self.activation(self.first(x)))
        out: Tensor = self.activation(main + self.shortcut(x))
        return out


class Head(nn.Sequential):
    """Last convolution of a decoder, to pictures; shuffles up where the stem went down.

    B x channels_in x H/s x W/s -> B x channels_out x H x W with s the stem's stride.
    """

    def __init__(self, channels_in: int, channels_out: int, stem_stride: int) -> None:
        layers: list[nn.Module] = [conv3x3(channels_in, channels_out * stem_stride**2, bias=True)]
        if stem_stride > 1:
            layers.append(nn.PixelShuffle(stem_stride))
        super().__init__(*layers)


def normalise_code(code: Tensor, norm: str) -> Tensor:
    """Normalise a code over its channels at each place.

    Args:
        code: B x C x H x W.
        norm: "l1" divides by the sum of magnitudes (method section 2); "l2" divides by the
            Euclidean norm and multiplies by sqrt(C), so that entries stay near 1 and the decoder is
            not starved (our deviation).
    """
    if norm == "l1":
        return code / code.abs().sum(dim=1, keepdim=True).clamp_min(1e-12)
    scale: float = code.shape[1] ** 0.5
    return torch.nn.functional.normalize(code, p=2.0, dim=1, eps=1e-6) * scale


class VarianceAttention(nn.Module):
    """Strengthens the places whose channels disagree most.

    g = average-pool(conv1x1(z)); v = spread of g over channels; a = softmax of v over all places;
    out = exp(a) z.

    Args:
        channels: Channels C of the features.
        pool: Side of a pooling window, so that a cell of the map covers 16 x 16 pixels of the
            frame.
        spread: "sum" of the squared deviations (the research code) or their mean, the "variance" of
            the published text: C times smaller inside the softmax.
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
