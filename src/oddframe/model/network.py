"""The whole network: two streams and their clusters (method sections 2 to 5), and its configuration."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn

from oddframe.core.part import WHOLE, Part
from oddframe.errors import SettingsError
from oddframe.model.appearance import AppearanceAutoencoder
from oddframe.model.clusters import Clusters, join_codes
from oddframe.model.motion import MotionAutoencoder

__all__ = ["Network", "NetworkConfig", "Outputs"]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What the network is; the defaults are the paper's.

    Attributes:
        height: Height of the frames in pixels, a multiple of 16 times the stem's stride.
        width: Width of the frames in pixels, likewise.
        colour: "rgb" or "grey".
        interval: Frames from one frame of a clip to the next; a clip spans 4 x interval + 1 frames.
        channels: Width of the stem; the three blocks have 2, 4 and 8 times as many channels.
        decoder_channels: What the decoders' widths follow instead of ``channels``, where 70 % of the work lies; None is
            the published network.
        stem_stride: 1, or 2 for a quarter of the work.
        appearance: Whether the spatial stream is there.
        motion: Whether the motion stream is there.
        empty_scene: Whether the spatial stream has a learned picture of the empty scene to add to (our addition, for
            fixed cameras).
        skips: Whether the motion stream has its two skip connections.
        attention: Variance attention in the motion stream: "sum" (research code), "variance" (published text) or
            "none".
        code_norm: "l1" (research code) or "l2" (times sqrt(C); the decoders learn faster).
        clusters: Number of centres K; 0 leaves the clusters out.
        kmeans_space: Where the first centres are fitted: "normalised", in which distances are taken, or "raw", as
            the research code does (a mistake, kept for comparison).
        rebuilt_frame: Frame of the clip that the spatial stream rebuilds: "first" or "last".
        fusion: Anomaly map: "product" of prediction error and cluster distance per pixel, "error" alone, or
            "frame" (the error times the frame's mean cluster distance, as in the conference paper).
        appearance_weight: None for the published prediction error, that of x̂0 + Δ̂ against x4. A number, 0 or more,
            takes the motion stream's own error plus that many times the spatial stream's in its place.
        cluster_power: Exponent of the cluster distance in the map, at least 1: e (K w)^power / K. Above 1, dark clothes
            on pale ground do not drown the cluster distance; 1 is the published product.
        score_windows: Sides in pixels of the windows over which the map is averaged before the statistic is taken;
            1 is the map itself. The frame score is the mean over these scales.
        score_share: Share of the windows, the highest ones, whose mean is the score; 1.0 is the published mean.
    """

    height: int = 256
    width: int = 256
    colour: Literal["rgb", "grey"] = "rgb"
    interval: int = 1
    channels: int = 32
    decoder_channels: int | None = None
    stem_stride: Literal[1, 2] = 1
    appearance: bool = True
    motion: bool = True
    empty_scene: bool = False
    skips: bool = True
    attention: Literal["sum", "variance", "none"] = "sum"
    code_norm: Literal["l1", "l2"] = "l1"
    clusters: int = 32
    kmeans_space: Literal["normalised", "raw"] = "normalised"
    rebuilt_frame: Literal["first", "last"] = "first"
    fusion: Literal["product", "error", "frame"] = "product"
    appearance_weight: float | None = None
    cluster_power: float = 1.0
    score_windows: tuple[int, ...] = (1,)
    score_share: float = 1.0

    def __post_init__(self) -> None:
        check_choices(self, "network")
        step = 16 * self.stem_stride
        for name in ("height", "width"):
            if getattr(self, name) < step or getattr(self, name) % step:
                raise SettingsError(f"network.{name} must be a positive multiple of {step}, got {getattr(self, name)}")
        for name in ("interval", "channels"):
            if getattr(self, name) < 1:
                raise SettingsError(f"network.{name} must be at least 1, got {getattr(self, name)}")
        if self.decoder_channels is not None and self.decoder_channels < 1:
            raise SettingsError(f"network.decoder_channels must be at least 1, got {self.decoder_channels}")
        decoder_channels = self.channels if self.decoder_channels is None else self.decoder_channels
        if self.motion and (decoder_channels + self.channels * self.skips) % 2:
            # The last pixel shuffle deals out twice as many channels in fours.
            rule = "network.decoder_channels (network.channels where it is not set)"
            found = f"{decoder_channels}"
            if self.skips:
                rule, found = f"{rule} plus network.channels", f"{decoder_channels} + {self.channels}"
            raise SettingsError(f"{rule} must be even for the motion stream, got {found}")
        if not (self.appearance or self.motion):
            raise SettingsError("at least one of network.appearance and network.motion must be true")
        if self.clusters < 0:
            raise SettingsError(f"network.clusters must be 0 (none) or more, got {self.clusters}")
        if not self.clusters and self.fusion != "error":
            raise SettingsError(
                f'without clusters network.fusion must be "error", got "{self.fusion}"; set one or the other'
            )
        if not self.score_windows or any(
            side < 1 or side > min(self.height, self.width) for side in self.score_windows
        ):
            raise SettingsError(
                "network.score_windows must be sides from 1 to the frame's shorter side, "
                f"got {list(self.score_windows)}"
            )
        if self.appearance_weight is not None and not 0.0 <= self.appearance_weight < float("inf"):
            raise SettingsError(f"network.appearance_weight must be 0 or more and finite, got {self.appearance_weight}")
        if not 1.0 <= self.cluster_power <= 16.0:
            raise SettingsError(f"network.cluster_power must be from 1 to 16, got {self.cluster_power}")
        if not 0.0 < self.score_share <= 1.0:
            raise SettingsError(f"network.score_share must be above 0 and at most 1, got {self.score_share}")

    @property
    def colours(self) -> int:
        """Channels of a frame."""
        return 1 if self.colour == "grey" else 3

    @property
    def code_stride(self) -> int:
        """Pixels from one place of a code to the next."""
        return 8 * self.stem_stride


def check_choices(config: object, table: str) -> None:
    """Refuse what is none of a setting's choices, which the type checker alone would not stop at run time.

    Args:
        config: A dataclass with settings of kind Literal.
        table: Name of its table in the settings, for the sentence.

    Raises:
        SettingsError: If a value is not among them.
    """
    for name, kind in get_type_hints(type(config)).items():
        if get_origin(kind) is Literal and getattr(config, name) not in get_args(kind):
            choices = ", ".join(map(repr, get_args(kind)))
            raise SettingsError(f"{table}.{name} must be one of {choices}, got {getattr(config, name)!r}")


class Outputs(NamedTuple):
    """What the streams say of a batch of clips; what a configuration leaves out is None.

    Attributes:
        frames: The clips as the network sees them, B x 5 x C x H x W in [0, 1].
        rebuilt: x̂, B x C x H x W.
        difference: Δ̂, B x C x H x W.
        codes: Codes of the streams in use, each B x 8c x h x w.
    """

    frames: Tensor
    rebuilt: Tensor | None
    difference: Tensor | None
    codes: list[Tensor]


class Network(nn.Module):
    """Appearance and motion streams, and the clusters over their joint code.

    Args:
        config: What to build.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.colours, config.channels, config.stem_stride, config.code_norm)
        narrow = config.decoder_channels
        empty_shape = (config.height, config.width) if config.empty_scene else None
        self.appearance = AppearanceAutoencoder(*shape, narrow, empty_shape) if config.appearance else None
        self.motion = MotionAutoencoder(*shape, config.attention, config.skips, narrow) if config.motion else None
        width = 8 * config.channels * (config.appearance + config.motion)
        self.clusters = Clusters(config.clusters, width) if config.clusters else None

    def frames(self, clips: Tensor) -> Tensor:
        """Scale clips to [0, 1]: uint8 B x T x H x W x C -> float B x T x C x H x W. The only place that does."""
        dtype = next(self.parameters()).dtype
        return clips.permute(0, 1, 4, 2, 3).to(dtype) / 255.0

    @property
    def rebuilt_index(self) -> int:
        """Position in the clip of the frame that the spatial stream rebuilds."""
        return 0 if self.config.rebuilt_frame == "first" else 4

    def forward(self, clips: Tensor, part: Part = WHOLE) -> Outputs:
        """Run both streams on clips, uint8 B x 5 x H x W x C in 0..255.

        Where the clips show a part of the frame, ``part`` says which.
        """
        frames = self.frames(clips)
        rebuilt = difference = None
        codes = []
        if self.appearance is not None:
            rebuilt, code = self.appearance(frames[:, self.rebuilt_index], part)
            codes.append(code)
        if self.motion is not None:
            difference, code = self.motion(frames[:, :4].flatten(1, 2))
            codes.append(code)
        return Outputs(frames, rebuilt, difference, codes)

    def cluster_map(self, codes: list[Tensor]) -> Tensor | None:
        """w_p, B x h x w at the codes' resolution; None without clusters."""
        if self.clusters is None:
            return None
        w: Tensor = self.clusters(join_codes(codes))
        return w.reshape(w.shape[0], *codes[0].shape[-2:])

    def last_convolutions(self) -> list[nn.Parameter]:
        """Weights of the last convolution of each encoder, which the cluster loss trains (method section 6)."""
        streams = [stream for stream in (self.appearance, self.motion) if stream is not None]
        return [weight for stream in streams for weight in stream.to_code.parameters()]

    @torch.no_grad()
    def place_empty_scene(self, frame: Tensor) -> None:
        """Start the picture of the empty scene, where there is one, from a frame H x W x C in 0..255."""
        if self.appearance is not None and self.appearance.empty is not None:
            self.appearance.empty.copy_(self.frames(frame[None, None])[0, 0])

    @torch.no_grad()
    def place_centres(self, centres: Tensor) -> None:
        """Set the centres, K x D, for instance those of k-means."""
        if self.clusters is None:
            raise SettingsError("network.clusters must be above 0 to place centres, got 0")
        self.clusters.centres.copy_(centres)
