"""Motion autoencoder: predicts the RGB difference from the first frame to the last (method section 3)."""

import torch
from torch import Tensor, nn

from oddframe.model.attention import VarianceAttention
from oddframe.model.blocks import DownBlock, Head, UpBlock, conv3x3, normalise_code

__all__ = ["MotionAutoencoder"]


class MotionAutoencoder(nn.Module):
    """U-Net over the first four frames, with variance attention after each encoder block.

    Args:
        colours: Channels of a frame, 1 or 3.
        channels: Width of the stem; encoder blocks have 2, 4 and 8 times as many.
        stem_stride: 1 as published, or 2 to work at half resolution.
        code_norm: Normalisation of the code, see `normalise_code`.
        attention: "sum", "variance" or "none", see `VarianceAttention`.
        skips: Whether the outputs of blocks 2 and 1 reach the decoder.
        decoder_channels: What the decoder's widths follow instead of ``channels``; None is the published network.
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
        self.stem = nn.Sequential(conv3x3(4 * colours, c1, stride=stem_stride, bias=True), nn.ReLU())
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
