"""What the network is (method sections 2 to 6); apart from the network, so that nobody needs torch to read it."""

from dataclasses import dataclass
from typing import Literal, get_args, get_origin, get_type_hints

from oddframe.core.score_mean import Neighbours
from oddframe.errors import SettingsError

__all__ = ["NetworkConfig", "check_choices"]


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
        error_power: Exponent of the prediction error in the map, above 0 and at most 1, so that e^error_power takes the
            place of e: below 1, one place with a large error does not outweigh a whole thing with a middling one.
        cluster_power: Exponent of the cluster distance in the map, at least 1: e (K w)^power / K. Above 1, dark clothes
            on pale ground do not drown the cluster distance; 1 is the published product.
        score_windows: Sides in pixels of the windows over which the map is averaged before the statistic is taken;
            1 is the map itself. The frame score is the mean over these scales.
        score_share: Share of the windows, the highest ones, whose mean is the score; 1.0 is the published mean.
        score_power: Exponent of that mean, above 0, in the raw score; 1 as published. It changes no order, and so no
            AUC with one threshold; 1 / error_power takes the score back to the error's unit, as a power mean does.
        scored_frame: Frame of the clip that its score is said of: "last" as published, or "middle", which is known two
            intervals later, and does not go on for half a clip when what is abnormal has left.
        score_clips: Clips in a row whose scores' mean is the frame's score, taken before ``score_power``; 1 as
            published. Half of the others come after the clip that scores the frame where that is its middle one, else
            all before it.
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
    error_power: float = 1.0
    cluster_power: float = 1.0
    score_windows: tuple[int, ...] = (1,)
    score_share: float = 1.0
    score_power: float = 1.0
    scored_frame: Literal["last", "middle"] = "last"
    score_clips: int = 1

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
        if not 0.0 < self.error_power <= 1.0:
            raise SettingsError(f"network.error_power must be above 0 and at most 1, got {self.error_power}")
        if not 1.0 <= self.cluster_power <= 16.0:
            raise SettingsError(f"network.cluster_power must be from 1 to 16, got {self.cluster_power}")
        if not 1 <= self.score_clips <= 99:
            raise SettingsError(f"network.score_clips must be from 1 to 99, got {self.score_clips}")
        if not 0.0 < self.score_power <= 16.0:
            raise SettingsError(f"network.score_power must be above 0 and at most 16, got {self.score_power}")
        if not 0.0 < self.score_share <= 1.0:
            raise SettingsError(f"network.score_share must be above 0 and at most 1, got {self.score_share}")

    @property
    def colours(self) -> int:
        """Channels of a frame."""
        return 1 if self.colour == "grey" else 3

    @property
    def lookahead(self) -> int:
        """Frames from the one that a clip scores to the clip's last."""
        return 2 * self.interval if self.scored_frame == "middle" else 0

    @property
    def neighbours(self) -> Neighbours:
        """Whose scores a frame's score is the mean of."""
        others = self.score_clips - 1
        after = others // 2 if self.scored_frame == "middle" else 0
        return Neighbours(others - after, after, self.score_power)

    @property
    def known_after(self) -> int:
        """Frames after a frame until its score is known."""
        return self.lookahead + self.neighbours.after

    @property
    def code_width(self) -> int:
        """Length of a joint code, all streams in use together."""
        return 8 * self.channels * (self.appearance + self.motion)

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
