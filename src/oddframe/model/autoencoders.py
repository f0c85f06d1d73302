"""Spatial autoencoder: rebuilds one frame of the clip (method section 2).

Motion autoencoder: predicts the RGB difference from the first frame to the last (method section 3).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from oddframe.core.records import NO_CROP, CropOffset
from oddframe.model.layers import (
    DownBlock,
    Head,
    UpBlock,
    VarianceAttention,
    conv3x3,
    normalise_code,
)


class AppearanceAutoencoder(nn.Module):
    """Autoencoder of single frames, without skip connections.

    Args:
        colours: Channels of a frame, 1 or 3.
        channels: Width of the stem; blocks have 2, 4 and 8 times as many.
        stem_stride: 1 as published, or 2 to work at half resolution.
        code_norm: Normalisation of the code, see `normalise_code`.
        decoder_channels: What the decoder's widths follow instead of ``channels``; None is the
            published network.
        empty_shape: H x W of a learned picture of the empty scene that the decoder's output is
            added to (our addition, for fixed cameras: the decoder need not paint every static
            edge); None has none.
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
        self.stem = nn.Sequential(
            conv3x3(colours, channels, stride=stem_stride, bias=True), nn.ReLU()
        )
        self.encoder = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(narrow), DownBlock(narrow, wide))
            for narrow, wide in pairwise(widths)
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
        self.empty = (
            None if empty_shape is None else nn.Parameter(torch.zeros(colours, *empty_shape))
        )

    def encode(self, frame: Tensor) -> Tensor:
        """Code z_a >= 0, B x 8c x H/8s x W/8s, of a frame B x C x H x W in [0, 1]."""
        x = self.stem(frame)
        for block in self.encoder:
            x = block(x)
        return normalise_code(torch.relu(self.to_code(x)), self.code_norm)

    def forward(self, frame: Tensor, part: CropOffset = NO_CROP) -> tuple[Tensor, Tensor]:
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


class MotionAutoencoder(nn.Module):
    """U-Net over the first four frames, with variance attention after each encoder block.

    Args:
        colours: Channels of a frame, 1 or 3.
        channels: Width of the stem; encoder blocks have 2, 4 and 8 times as many.
        stem_stride: 1 as published, or 2 to work at half resolution.
        code_norm: Normalisation of the code, see `normalise_code`.
        attention: "sum", "variance" or "none", see `VarianceAttention`.
        skips: Whether the outputs of blocks 2 and 1 reach the decoder.
        decoder_channels: What the decoder's widths follow instead of ``channels``; None is the
            published network.
    """

    def __init__(
        self,
        colours: int,
        channels: int,
        stem_stride: int,
        code_norm: str,
        attention: str,
        skips: bool,
        decoder_channels: int | None = None,
    ) -> None:
        super().__init__()
        c1, c2, c4, c8 = channels, channels * 2, channels * 4, channels * 8
        self.stem = nn.Sequential(
            conv3x3(4 * colours, c1, stride=stem_stride, bias=True), nn.ReLU()
        )
        self.encoder = nn.ModuleList([DownBlock(c1, c2), DownBlock(c2, c4), DownBlock(c4, c8)])
        pools = [8 // stem_stride, 4 // stem_stride, 2 // stem_stride]
        self.attention = nn.ModuleList(
            nn.Identity() if attention == "none" else VarianceAttention(width, pool, attention)
            for width, pool in zip((c2, c4, c8), pools, strict=True)
        )
        self.to_code = conv3x3(c8, c8)
        narrow = channels if decoder_channels is None else decoder_channels
        self.up3 = UpBlock(c8, narrow * 4)
        self.up2 = UpBlock(narrow * 4 + (c4 if skips else 0), narrow * 2)
        self.up1 = UpBlock(narrow * 2 + (c2 if skips else 0), narrow * 2)
        self.head = Head(narrow * 2, colours, stem_stride)
        self.code_norm = code_norm
        self.skips = skips

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Signed code z_m (B x 8c x H/8s x W/8s) of x0..x3 stacked, and the outputs of blocks 2 and 1."""
        x = self.stem(frames)
        outputs = []
        for block, attention in zip(self.encoder, self.attention, strict=True):
            x = attention(block(x))
            outputs.append(x)
        return normalise_code(self.to_code(x), self.code_norm), outputs[1], outputs[0]

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the difference from x0..x3 stacked (B x 4C x H x W in [0, 1]); returns (Δ̂, z_m)."""
        code, block2, block1 = self.encode(frames)
        x = self.up3(code)
        x = self.up2(torch.cat([x, block2], dim=1) if self.skips else x)
        x = self.up1(torch.cat([x, block1], dim=1) if self.skips else x)
        return self.head(x), code
