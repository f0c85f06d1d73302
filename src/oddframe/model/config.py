"""The settings of the network and of its scores (method sections 2 to 6).

They lie apart from the network, so that a machine without torch can read them.
"""

from typing import Annotated, Literal

from pydantic import Field

from oddframe.core.smoothing import SmoothingWindow
from oddframe.errors import SettingsError
from oddframe.settings import ListOf, settings_dataclass


@settings_dataclass("network")
class NetworkConfig:
    """Settings of the network; the defaults are the paper's.

    Attributes:
        height: Height of the frames in pixels, a multiple of 16 times the stem's stride.
        width: Width of the frames in pixels, likewise.
        colour: "rgb" or "grey".
        interval: Frames from one frame of a clip to the next; a clip spans 4 x interval + 1 frames.
        channels: Width of the stem; the three blocks have 2, 4 and 8 times as many channels.
        decoder_channels: What the decoders' widths follow instead of ``channels``, where 70 % of
            the work lies; None is the published network.
        stem_stride: 1, or 2 for a quarter of the work.
        appearance: Whether the spatial stream is there.
        motion: Whether the motion stream is there.
        empty_scene: Whether the spatial stream has a learned picture of the empty scene to add to
            (our addition, for fixed cameras).
        skips: Whether the motion stream has its two skip connections.
        attention: Variance attention in the motion stream: "sum" (research code), "variance"
            (published text) or "none".
        code_norm: "l1" (research code) or "l2" (times sqrt(C); the decoders learn faster).
        clusters: Number of centres K; 0 leaves the clusters out.
        kmeans_space: Where the first centres are fitted: "normalised", in which distances are
            taken, or "raw", as the research code does (a mistake, kept for comparison).
        rebuilt_frame: Frame of the clip that the spatial stream rebuilds: "first" or "last".
        fusion: Anomaly map: "product" of prediction error and cluster distance per pixel, "error"
            alone, or "frame" (the error times the frame's mean cluster distance, as in the
            conference paper).
        appearance_weight: None for the published prediction error, that of x̂0 + Δ̂ against x4. A
            number, 0 or more, takes the motion stream's own error plus that many times the spatial
            stream's in its place.
        error_power: Exponent of the prediction error in the map, above 0 and at most 1, so that
            e^error_power takes the place of e: below 1, one place with a large error does not
            outweigh a whole thing with a middling one.
        cluster_power: Exponent of the cluster distance in the map, at least 1: e (K w)^power / K.
            Above 1, dark clothes on pale ground do not drown the cluster distance; 1 is the
            published product.
        perspective: How much larger the motion error of what moves is at the bottom of the picture
            than at its top, as a natural logarithm. The error in a "product" map is divided by it,
            so that what is far away, small and slow counts as what is near. 0 divides by nothing; a
            training measures it where ``training.level_perspective`` is true.
        score_windows: Sides in pixels of the windows over which the map is averaged before the
            statistic is taken; 1 is the map itself. The frame score is the mean over these scales.
        score_share: Share of the windows, the highest ones, whose mean is the score; 1.0 is the
            published mean.
        mean_power: Exponent of the map in these means, above 0; 1 as published. Below 1, one place
            that is very hot does not outweigh a whole thing that is middling, while the map itself
            stays as it is.
        score_power: Exponent of that mean, above 0, in the raw score; 1 as published. It changes no
            order, and so no AUC with one threshold; 1 / (error_power mean_power) takes the score
            back to the error's unit, as a power mean does.
        scored_frame: Frame of the clip that gets its score: "last" as published, or "middle",
            whose score is known two intervals later, and does not stay high for half a clip after
            what is abnormal has left.
        score_clips: Clips in a row whose scores' mean is the frame's score, taken before
            ``score_power``; 1 as published. Half of the others come after the clip that scores the
            frame where that is its middle one, else all before it.
    """

    height: int = 256
    width: int = 256
    colour: Literal["rgb", "grey"] = "rgb"
    interval: Annotated[int, Field(ge=1)] = 1
    channels: Annotated[int, Field(ge=1)] = 32
    decoder_channels: Annotated[int, Field(ge=1)] | None = None
    stem_stride: Annotated[int, Field(ge=1, le=2)] = 1
    appearance: bool = True
    motion: bool = True
    empty_scene: bool = False
    skips: bool = True
    attention: Literal["sum", "variance", "none"] = "sum"
    code_norm: Literal["l1", "l2"] = "l1"
    clusters: Annotated[int, Field(ge=0)] = 32
    kmeans_space: Literal["normalised", "raw"] = "normalised"
    rebuilt_frame: Literal["first", "last"] = "first"
    fusion: Literal["product", "error", "frame"] = "product"
    appearance_weight: Annotated[float, Field(ge=0)] | None = None
    error_power: Annotated[float, Field(gt=0, le=1)] = 1.0
    cluster_power: Annotated[float, Field(ge=1, le=16)] = 1.0
    perspective: Annotated[float, Field(ge=-10, le=10)] = 0.0
    score_windows: ListOf[int] = (1,)
    score_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    mean_power: Annotated[float, Field(gt=0, le=16)] = 1.0
    score_power: Annotated[float, Field(gt=0, le=16)] = 1.0
    scored_frame: Literal["last", "middle"] = "last"
    score_clips: Annotated[int, Field(ge=1, le=99)] = 1

    def __post_init__(self) -> None:
        # The code halves the resolution three times after the stem, and a cell of the attention
        # covers two by two places of the code.
        step = 16 * self.stem_stride
        for name, side in (("height", self.height), ("width", self.width)):
            if side < step or side % step:
                raise SettingsError(
                    f"network.{name} must be a positive multiple of {step}, got {side}"
                )
        decoder_channels = self.decoder_channels or self.channels
        if self.motion and (decoder_channels + self.channels * self.skips) % 2:
            # The last up block reads 2 x (decoder channels + skipped channels), and its pixel
            # shuffle needs a multiple of 4.
            rule = "network.decoder_channels (network.channels where it is not set)"
            found = f"{decoder_channels}"
            if self.skips:
                rule += " plus network.channels"
                found += f" + {self.channels}"
            raise SettingsError(f"{rule} must be even for the motion stream, got {found}")
        if not (self.appearance or self.motion):
            raise SettingsError(
                "at least one of network.appearance and network.motion must be true"
            )
        if not self.clusters and self.fusion != "error":
            raise SettingsError(
                f'without clusters network.fusion must be "error", got "{self.fusion}"; '
                "set one or the other"
            )
        longest = min(self.height, self.width)
        if not self.score_windows or not all(1 <= side <= longest for side in self.score_windows):
            raise SettingsError(
                "network.score_windows must be sides from 1 to the frame's shorter side, "
                f"got {list(self.score_windows)}"
            )

    @property
    def colours(self) -> int:
        """Channels of a frame, 1 or 3."""
        return 1 if self.colour == "grey" else 3

    @property
    def statistic(self) -> tuple[tuple[int, ...], float, float, float]:
        """What `oddframe.core.maps.frame_score` makes the score of a map by."""
        return self.score_windows, self.score_share, self.score_power, self.mean_power

    @property
    def lookahead(self) -> int:
        """Frames from the one that a clip scores to the last one of the clip, 0 or more."""
        return 2 * self.interval if self.scored_frame == "middle" else 0

    @property
    def map_offsets(self) -> tuple[int, ...]:
        """Frames from the one that a clip scores to each one that the clip's map lies on.

        The prediction error is that of the clip's last frame, and so is the map. Where the spatial
        stream's own error counts, a thing that moves is hot twice: where it is in the last frame
        and where it was in the first, which that stream rebuilds.
        """
        # Where the last frame is scored nothing waits for a later clip.
        if self.lookahead and self.mapped_index == 0:
            return (-self.lookahead, self.lookahead)
        return (self.lookahead,)

    @property
    def mapped_index(self) -> int:
        """Place in the clip, 0 to 4, of the earliest frame that the clip's map lies on."""
        twice = self.appearance and self.appearance_weight and self.rebuilt_frame == "first"
        return 0 if twice and self.scored_frame == "middle" else 4

    @property
    def neighbours(self) -> SmoothingWindow:
        """The clips around a frame whose scores are averaged to the score of the frame."""
        others = self.score_clips - 1
        # With the last frame scored nothing waits for frames that are yet to come.
        after = others // 2 if self.scored_frame == "middle" else 0
        return SmoothingWindow(others - after, after, self.score_power)

    @property
    def known_after(self) -> int:
        """Frames that must follow a frame before its score and its map are known, 0 or more."""
        return self.lookahead + max(self.neighbours.after, -min(self.map_offsets))

    @property
    def code_width(self) -> int:
        """Length D of a joint code: the codes of all streams in use, one after the other."""
        return 8 * self.channels * (self.appearance + self.motion)

    @property
    def code_stride(self) -> int:
        """Pixels from one place of a code to the next."""
        return 8 * self.stem_stride
