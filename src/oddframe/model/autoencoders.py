"""The two streams of the network: what a scene looks like and how it moves (method sections 2, 3).

Both are encoders of three down blocks, whose normalised output is the code, and decoders of three
up blocks. The spatial stream rebuilds one frame from its code alone. The motion stream predicts how
the last frame differs from the first, and has skip connections and attention. s is the stride of
the stem: 1 as published, 2 for a quarter of the work.
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
    """Autoencoder of single frames, without skip connections (method section 2).

    Args:
        colours: Channels of a frame, 1 or 3.
        channels: Width c of the stem; blocks have 2, 4 and 8 times as many.
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
        # BatchNorm stands in front of each block, in this encoder only.
        self.encoder = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(width_in), DownBlock(width_in, width_out))
            for width_in, width_out in pairwise(widths)
        )
        self.to_code = conv3x3(widths[3], widths[3])
        width = channels if decoder_channels is None else decoder_channels
        self.decoder = nn.Sequential(
            UpBlock(widths[3], width * 8),
            UpBlock(width * 8, width * 4),
            UpBlock(width * 4, width * 2),
            Head(width * 2, colours, stem_stride),
        )
        self.code_norm = code_norm
        self.empty = (
            None if empty_shape is None else nn.Parameter(torch.zeros(colours, *empty_shape))
        )

    def features(self, frame: Tensor) -> Tensor:
        """Compute what the code is made of, B x 8c x H/8s x W/8s, of a frame B x C x H x W."""
        x: Tensor = self.stem(frame)  # B c H/s W/s
        for block in self.encoder:
            x = block(x)  # B 2c H/2s W/2s, then 4c H/4s, then 8c H/8s
        return x

    def encode(self, frame: Tensor) -> Tensor:
        """Compute the code z_a >= 0, B x 8c x H/8s x W/8s, of a frame B x C x H x W in [0, 1]."""
        return normalise_code(torch.relu(self.to_code(self.features(frame))), self.code_norm)

    def decode(self, code: Tensor) -> Tensor:
        """Rebuild what is not the empty scene, B x C x H x W, from a code as in `encode`."""
        rebuilt: Tensor = self.decoder(code)
        return rebuilt

    def forward(self, frame: Tensor, crop: CropOffset | Tensor = NO_CROP) -> tuple[Tensor, Tensor]:
        """Rebuild a frame; the decoder sees the normalised code.

        Args:
            frame: B x C x H x W in [0, 1], the whole frame or a crop of it.
            crop: Where the crop begins in the whole frame, in pixels; a tensor of row and column
                where a step is recorded once for crops in any place.

        Returns:
            x̂, B x C x H x W, and z_a as in `encode`.
        """
        code = self.encode(frame)
        rebuilt = self.decode(code)
        if self.empty is None:
            return rebuilt, code
        return rebuilt + _cut(self.empty, crop, *frame.shape[-2:]), code


class MotionAutoencoder(nn.Module):
    """U-Net over the first four frames, with attention after each encoder block (method section 3).

    Args:
        colours: Channels of a frame, 1 or 3.
        channels: Width c of the stem; encoder blocks have 2, 4 and 8 times as many.
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
        # After blocks 1, 2, 3 a pixel of the features covers 2s, 4s, 8s pixels of the frame: these
        # windows make a cell of each attention map cover 16 x 16 of them.
        pools = [8 // stem_stride, 4 // stem_stride, 2 // stem_stride]
        self.attention = nn.ModuleList(
            nn.Identity() if attention == "none" else VarianceAttention(width, pool, attention)
            for width, pool in zip((c2, c4, c8), pools, strict=True)
        )
        self.to_code = conv3x3(c8, c8)
        width = channels if decoder_channels is None else decoder_channels
        self.up3 = UpBlock(c8, width * 4)
        self.up2 = UpBlock(width * 4 + (c4 if skips else 0), width * 2)
        self.up1 = UpBlock(width * 2 + (c2 if skips else 0), width * 2)
        self.head = Head(width * 2, colours, stem_stride)
        self.code_norm = code_norm
        self.skips = skips

    def features(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute what leaves the attention of blocks 3, 2 and 1, of x0..x3 as in `encode`."""
        x = self.stem(frames)  # B c H/s W/s
        outputs = []
        for block, attention in zip(self.encoder, self.attention, strict=True):
            x = attention(block(x))
            outputs.append(x)
        return outputs[2], outputs[1], outputs[0]

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode x0..x3 stacked, B x 4C x H x W in [0, 1].

        Returns:
            The signed code z_m, B x 8c x H/8s x W/8s, and what leaves the attention of block 2,
            B x 4c x H/4s x W/4s, and of block 1, B x 2c x H/2s x W/2s.
        """
        x, block2, block1 = self.features(frames)
        # No ReLU here: the motion code may be negative, unlike that of the appearance.
        return normalise_code(self.to_code(x), self.code_norm), block2, block1

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the difference of the last frame from the first, Δ = x4 - x0.

        Args:
            frames: x0..x3 stacked, B x 4C x H x W in [0, 1].

        Returns:
            Δ̂, B x C x H x W, and z_m as in `encode`.
        """
        code, block2, block1 = self.encode(frames)
        return self.decode(code, block2, block1), code

    def decode(self, code: Tensor, block2: Tensor, block1: Tensor) -> Tensor:
        """Predict the difference, B x C x H x W, from what `encode` returns."""
        # A skip enters in front of the next up block, and so before its pixel shuffle. d is the
        # decoder's width, which is c as published.
        x = self.up3(code)  # B 4d H/4s W/4s
        x = self.up2(torch.cat([x, block2], dim=1) if self.skips else x)  # B 2d H/2s W/2s
        x = self.up1(torch.cat([x, block1], dim=1) if self.skips else x)  # B 2d H/s W/s
        difference: Tensor = self.head(x)
        return difference


def _cut(empty: Tensor, crop: CropOffset | Tensor, height: int, width: int) -> Tensor:
    """Cut the part at a crop out of the picture of the empty scene, C x H x W."""
    if not isinstance(crop, Tensor):
        return empty[:, crop.top : crop.top + height, crop.left : crop.left + width]
    # A slice would ask the GPU for the place, and wait for it.
    rows, columns = (torch.arange(side, device=crop.device) for side in (height, width))
    return empty.index_select(1, crop[0] + rows).index_select(2, crop[1] + columns)
