"""Residual blocks that halve and double the resolution (method section 2).

Both are three 3x3 convolutions without biases: two in a row on the main path and one on the shortcut, LeakyReLU
(slope 0.01) between and after. The down block strides; the up block puts a pixel shuffle in front of the strided
convolution's two stand-ins.
"""

import torch
from torch import Tensor, nn

__all__ = ["DownBlock", "UpBlock"]

SLOPE = 0.01


def conv3x3(channels_in: int, channels_out: int, *, stride: int = 1, bias: bool = False) -> nn.Conv2d:
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
        norm: "l1" divides by the sum of magnitudes (method section 2); "l2" divides by the Euclidean norm and
            multiplies by sqrt(C), so that entries stay near 1 and the decoder is not starved (our deviation).
    """
    if norm == "l1":
        return code / code.abs().sum(dim=1, keepdim=True).clamp_min(1e-12)
    scale: float = code.shape[1] ** 0.5
    return torch.nn.functional.normalize(code, p=2.0, dim=1, eps=1e-6) * scale
