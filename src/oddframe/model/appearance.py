"""Spatial autoencoder: rebuilds one frame of the clip (method section 2)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from oddframe.core.part import WHOLE, Part
from oddframe.model.blocks import DownBlock, Head, UpBlock, conv3x3, normalise_code

__all__ = ["AppearanceAutoencoder"]


class AppearanceAutoencoder(nn.Module):
    """Autoencoder of single frames, without skip connections.

    Args:
        colours: Channels of a frame, 1 or 3.
        channels: Width of the stem; blocks have 2, 4 and 8 times as many.
        stem_stride: 1 as published, or 2 to work at half resolution.
        code_norm: Normalisation of the code, see `normalise_code`.
        decoder_channels: What the decoder's widths follow instead of ``channels``; None is the published network.
        empty_shape: H x W of a learned picture of the empty scene that the decoder's output is added to (our addition,
            for fixed cameras: the decoder need not paint every static edge); None has none.
    """

    def __init__(
        self,
        colours: int,
        channels: int,
        stem_stride: int,
        code_norm: str,
        decoder_channels: int | None = None,
        empty_shape: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        widths = [channels, channels * 2, channels * 4, channels * 8]
        self.stem = nn.Sequential(conv3x3(colours, channels, stride=stem_stride, bias=True), nn.ReLU())
        self.encoder = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(narrow), DownBlock(narrow, wide)) for narrow, wide in pairwise(widths)
        )
        self.to_code = conv3x3(widths[3], widths[3])
        narrow = channels if decoder_channels is None else decoder_channels
        self.decoder = nn.Sequential(
            UpBlock(widths[3], narrow * 8),
            UpBlock(narrow * 8, narrow * 4),
            UpBlock(narrow * 4, narrow * 2),
            Head(narrow * 2, colours, stem_stride),
        )
        self.code_norm = code_norm
        self.empty = None if empty_shape is None else nn.Parameter(torch.zeros(colours, *empty_shape))

    def encode(self, frame: Tensor) -> Tensor:
        """Code z_a >= 0, B x 8c x H/8s x W/8s, of a frame B x C x H x W in [0, 1]."""
        x = self.stem(frame)
        for block in self.encoder:
            x = block(x)
        return normalise_code(torch.relu(self.to_code(x)), self.code_norm)

    def forward(self, frame: Tensor, part: Part = WHOLE) -> tuple[Tensor, Tensor]:
        """Rebuild ``frame`` (B x C x H x W in [0, 1]), which may be a part of the whole one; returns (x̂, z_a).

        Args:
            frame: What to rebuild.
            part: Which part it is.
        """
        code = self.encode(frame)
        rebuilt: Tensor = self.decoder(code)
        if self.empty is None:
            return rebuilt, code
        height, width = frame.shape[-2:]
        empty = self.empty[:, part.top : part.top + height, part.left : part.left + width]
        return rebuilt + empty, code
