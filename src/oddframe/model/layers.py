"""The parts of both streams: residual blocks, the head and attention (method sections 2 and 4).

A residual block is three 3x3 convolutions without biases: two in a row on the main path and one on
the shortcut, with LeakyReLU between and after. Where the down block strides, the up block shuffles
pixels before both paths. Axes are B T C H W: batch, time, channels, height, width.
"""

import torch
from torch import Tensor, nn

SLOPE = 0.01
"""What LeakyReLU multiplies negative values with, as published."""


def conv3x3(
    channels_in: int, channels_out: int, *, stride: int = 1, bias: bool = False
) -> nn.Conv2d:
    """Build a 3x3 convolution, padded so that only the stride changes the resolution."""
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
        """Halve the resolution of ``x``, B x channels_in x H x W."""
        main = self.second(self.activation(self.first(x)))
        out: Tensor = self.activation(main + self.shortcut(x))
        return out


class UpBlock(nn.Module):
    """Residual block after a pixel shuffle: B x channels_in x H x W -> B x channels_out x 2H x 2W.

    ``channels_in`` is a multiple of 4.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        # The shuffle turns every four channels into one of twice the height and width.
        self.shuffle = nn.PixelShuffle(2)
        self.first = conv3x3(channels_in // 4, channels_out)
        self.second = conv3x3(channels_out, channels_out)
        self.shortcut = conv3x3(channels_in // 4, channels_out)
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """Double the resolution of ``x``, B x channels_in x H x W."""
        x = self.shuffle(x)
        main = self.second(self.activation(self.first(x)))
        out: Tensor = self.activation(main + self.shortcut(x))
        return out


class Head(nn.Sequential):
    """Last convolution of a decoder, which gives the picture; it has no activation, as published.

    It maps B x channels_in x H/s x W/s -> B x channels_out x H x W, where s is the stem's stride:
    what a stem of stride 2 took away, a pixel shuffle restores (our addition).
    """

    def __init__(self, channels_in: int, channels_out: int, stem_stride: int) -> None:
        layers: list[nn.Module] = [conv3x3(channels_in, channels_out * stem_stride**2, bias=True)]
        if stem_stride > 1:
            layers.append(nn.PixelShuffle(stem_stride))
        super().__init__(*layers)


class VarianceAttention(nn.Module):
    """Strengthen the places whose channels disagree most (method section 4).

    g = average-pool(conv1x1(z)); v = spread of g over channels; a = softmax of v over all places;
    out = exp(a) z. At the start of a training exp(a) is about 1.004 everywhere.

    Args:
        channels: Channels C of the features.
        pool: Side of a pooling window. It is chosen so that a cell of the attention map covers
            16 x 16 pixels of the frame, whatever the block's resolution.
        spread: "sum" of the squared deviations (the research code) or their mean, the "variance" of
            the published text: C times smaller inside the softmax.
    """

    def __init__(self, channels: int, pool: int, spread: str) -> None:
        super().__init__()
        self.embed = nn.Conv2d(channels, channels, 1)
        self.pool = nn.AvgPool2d(pool)
        self.spread = spread

    def weights(self, z: Tensor) -> Tensor:
        """Compute the attention map a, B x 1 x h x w, which sums to 1 over its places."""
        g = self.pool(self.embed(z))  # B C h w
        squares = (g - g.mean(dim=1, keepdim=True)).square()
        v = squares.sum(dim=1) if self.spread == "sum" else squares.mean(dim=1)
        a = torch.softmax(v.flatten(1), dim=1)  # B h w -> B (h w)
        return a.reshape(v.shape).unsqueeze(1)  # B (h w) -> B 1 h w

    def forward(self, z: Tensor) -> Tensor:
        """Weigh features ``z``, B x C x H x W, by exp(a), where a is repeated up to H x W."""
        a = nn.functional.interpolate(self.weights(z), size=z.shape[-2:], mode="nearest")
        return torch.exp(a) * z


def normalise_code(code: Tensor, norm: str) -> Tensor:
    """Normalise a code over its channels at each place.

    Args:
        code: B x C x H x W.
        norm: "l1" divides by the sum of magnitudes (method section 2); "l2" divides by the
            Euclidean norm and multiplies by sqrt(C), so that entries stay near 1 and the decoder is
            not starved (our deviation).
    """
    if norm == "l1":
        # A code of zeros stays zero; dividing by 0 would make it NaN.
        return code / code.abs().sum(dim=1, keepdim=True).clamp_min(1e-12)
    scale: float = code.shape[1] ** 0.5
    return torch.nn.functional.normalize(code, p=2.0, dim=1, eps=1e-6) * scale
