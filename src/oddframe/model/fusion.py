"""From the outputs of the streams to an anomaly map and a frame score (method section 6).

e_p is the prediction error at pixel p and w_p the distance from the clusters; their product is the
anomaly map, and its mean the frame score. What a setting adds to the published method is said where
it happens. B is the batch, H x W the frame, h x w the grid of the codes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from oddframe.core.maps import SMALLEST
from oddframe.errors import SettingsError
from oddframe.model.config import NetworkConfig
from oddframe.model.network import Network, Outputs


class FusedScores(NamedTuple):
    """Scores of a batch of clips.

    Attributes:
        raw: Frame scores r > 0, B.
        appearance: The same statistic of the reconstruction error, B; 0 without the spatial stream.
        motion: The same statistic of the motion error, B; 0 without the motion stream.
        cluster: The same statistic of the cluster distance, B; 0 without clusters.
        map: Anomaly map, B x H x W.
    """

    raw: Tensor
    appearance: Tensor
    motion: Tensor
    cluster: Tensor
    map: Tensor


def squared_error(estimate: Tensor, truth: Tensor) -> Tensor:
    """Average the squared difference over channels: B x C x H x W twice -> B x H x W."""
    squares = (estimate - truth).square()
    # The mean of one channel is a pass over the picture in every backend.
    return squares[:, 0] if squares.shape[1] == 1 else squares.mean(dim=1)


def prediction_error(
    outputs: Outputs, rebuilt_frame: str, appearance_weight: float | None = None
) -> Tensor:
    """Compute e_p, B x H x W, the error of the predicted last frame (x̂0 + Δ̂) against x4.

    With one stream it is that stream's own error. When the spatial stream rebuilds the last frame
    there is no such sum; e_p is then the mean of the two streams' errors.

    Args:
        outputs: What the streams computed.
        rebuilt_frame: "first" or "last", the frame that the spatial stream rebuilds.
        appearance_weight: None as published. A number takes the motion stream's own error, of
            x0 + Δ̂ against x4, plus that many times the spatial stream's (our addition): a blurry x̂0
            at every static edge then does not drown the motion.

    Raises:
        SettingsError: If there are outputs of neither stream.
    """
    first, last = outputs.frames[:, 0], outputs.frames[:, 4]
    if outputs.difference is None:
        if outputs.rebuilt is None:
            raise SettingsError("a prediction error needs at least one stream, found none")
        return squared_error(outputs.rebuilt, first if rebuilt_frame == "first" else last)
    if outputs.rebuilt is None:
        return squared_error(first + outputs.difference, last)
    if appearance_weight is not None:
        rebuilt = squared_error(outputs.rebuilt, first if rebuilt_frame == "first" else last)
        return squared_error(first + outputs.difference, last) + appearance_weight * rebuilt
    if rebuilt_frame == "first":
        return squared_error(outputs.rebuilt + outputs.difference, last)
    return (
        squared_error(outputs.rebuilt, last) + squared_error(first + outputs.difference, last)
    ) / 2


def fuse(error: Tensor, distance: Tensor | None, fusion: str) -> Tensor:
    """Join prediction error and cluster distance to an anomaly map, B x H x W.

    Args:
        error: e_p, B x H x W.
        distance: w_p, B x h x w, each place of which covers a square of pixels; None without
            clusters.
        fusion: "product" of both at each pixel (PR), "frame" for e_p times the frame's mean w
            (ECCV), or "error" for e_p alone.
    """
    if distance is None or fusion == "error":
        return error
    if fusion == "frame":
        return error * distance.mean(dim=(1, 2), keepdim=True)
    rows, columns = distance.shape[1:]
    # B H W -> B h (H/h) w (W/w): each place of w meets its own square of pixels, as if w had been
    # enlarged by repetition, without a second picture in memory.
    squares = error.reshape(-1, rows, error.shape[1] // rows, columns, error.shape[2] // columns)
    return (squares * distance[:, :, None, :, None]).reshape(error.shape)


def frame_score(map_: Tensor, windows: tuple[int, ...], share: float, stride: int = 1) -> Tensor:
    """Reduce maps, B x H x W, to one score a frame, B.

    For each window side the map is averaged over windows of that side, half overlapping, and the
    highest ``share`` of them (at least one) is averaged; the score is the mean over the sides. Side
    1 and share 1 is the published mean.

    Args:
        map_: The maps; with a stride B x h x w.
        windows: Sides of the windows in pixels, at least one.
        share: Share of the windows that counts, in (0, 1].
        stride: Side in pixels of the square that each place of the map covers.
    """
    scores = []
    for side in windows:
        means = _window_means(map_, side, stride)
        highest = max(1, round(means.shape[1] * share))
        chosen = means if highest == means.shape[1] else means.topk(highest, dim=1).values
        scores.append(chosen.mean(dim=1))
    return torch.stack(scores).mean(dim=0)


def _window_means(map_: Tensor, side: int, stride: int) -> Tensor:
    """Average maps as in `frame_score` over half overlapping windows: B x H x W -> B x N."""
    step = max(1, side // 2)
    if side > 1 and side % 2:
        pixels = _upsample(map_, stride)
        return nn.functional.avg_pool2d(pixels.unsqueeze(1), side, stride=step).flatten(1)
    # Windows of an even side are two by two cells of half the side, so each pixel is read once:
    # runtimes have no fast way of averaging a single channel over large windows, and spent 8 to
    # 11 % of their time on it.
    if stride % step == 0:
        cells = _upsample(map_, stride // step)
    else:
        cells = _cell_means(_upsample(map_, stride), step)
    if side == 1:
        return cells.flatten(1)
    cells = cells[:, 1:] + cells[:, :-1]
    return (cells[:, :, 1:] + cells[:, :, :-1]).flatten(1) / 4


def _cell_means(map_: Tensor, side: int) -> Tensor:
    """Average squares that lie side by side: B x H x W -> B x H/side x W/side, rounded down."""
    rows, columns = map_.shape[1] // side, map_.shape[2] // side
    whole = map_[:, : rows * side, : columns * side]
    # Rows first, because whole lines are then added to each other: B H W -> B rows side W ->
    # B rows W -> B rows columns side -> B rows columns.
    strips = whole.reshape(-1, rows, side, columns * side).mean(dim=2)
    return strips.reshape(-1, rows, columns, side).mean(dim=3)


class AnomalyScorer(nn.Module):
    """The network and all that turns its outputs into scores, as one module; exports hold it.

    Args:
        network: The trained network.
        reduced: Number format that the streams compute in; None is that of their weights. What
            comes after them stays in float32, because squares of small errors would be lost.
    """

    levels: Tensor

    def __init__(self, network: Network, reduced: torch.dtype | None = None) -> None:
        super().__init__()
        self.network = network
        self.reduced = reduced
        # Registered, so that it goes where the network goes, but no weight of it.
        levels = _row_levels(network.config).to(next(network.parameters()).device)
        self.register_buffer("levels", levels, persistent=False)

    def forward(self, clips: Tensor) -> FusedScores:
        """Score clips, uint8 B x 5 x H x W x C in 0..255.

        The raw score follows the whole anomaly map. The other three are the same statistic of one
        part of it, and say which part is unusual.
        """
        config = self.network.config
        outputs = self._outputs(clips)
        frames = outputs.frames
        error = prediction_error(outputs, config.rebuilt_frame, config.appearance_weight)
        distance = self.network.cluster_map(outputs.codes)
        weight = None
        if distance is not None:
            weight = _cluster_weight(distance, config.clusters, config.cluster_power)
            if config.perspective:
                weight = weight * self.levels
        anomaly_map = fuse(_to_power(error, config.error_power), weight, config.fusion)
        # A part that the network lacks scores 0, so that the outputs are the same five for all.
        appearance = motion = cluster = torch.zeros_like(error[:, 0, 0])
        windows, share = config.score_windows, config.score_share
        if outputs.rebuilt is not None:
            rebuilt = squared_error(outputs.rebuilt, frames[:, self.network.rebuilt_index])
            appearance = frame_score(rebuilt, windows, share)
        if outputs.difference is not None:
            predicted = squared_error(frames[:, 0] + outputs.difference, frames[:, 4])
            motion = frame_score(predicted, windows, share)
        if distance is not None:
            cluster = frame_score(distance, windows, share, config.code_stride)
        heat = _to_power(anomaly_map, config.mean_power)
        raw = _to_power(frame_score(heat, windows, share), config.score_power)
        # r > 0, because thresholds are fitted to its logarithm.
        return FusedScores(raw.clamp_min(SMALLEST), appearance, motion, cluster, anomaly_map)

    def _outputs(self, clips: Tensor) -> Outputs:
        """Run the streams in the reduced format, if any; the outputs come back in float32."""
        if self.reduced is None:
            whole: Outputs = self.network(clips)
            return whole
        with torch.autocast(clips.device.type, dtype=self.reduced):
            frames, rebuilt, difference, codes = self.network(clips)
        return Outputs(
            frames,
            None if rebuilt is None else rebuilt.float(),
            None if difference is None else difference.float(),
            [code.float() for code in codes],
        )


def _row_levels(config: NetworkConfig) -> Tensor:
    """What each row of the codes is multiplied by for the perspective, h x 1; 1 in the middle."""
    rows = config.height // config.code_stride
    heights = (torch.arange(rows) + 0.5) / rows - 0.5
    return torch.exp(-config.error_power * config.perspective * heights)[:, None]


def _to_power(values: Tensor, power: float) -> Tensor:
    """Raise values, 0 or more, to a power."""
    if power == 0.5:
        # A general power takes runtimes many times as long as a root.
        return values.sqrt()
    return values if power == 1.0 else values**power


def _cluster_weight(distance: Tensor, clusters: int, power: float) -> Tensor:
    """Turn the cluster distance w into its weight in the map, (K w)^power / K.

    K w is about the distance from the nearest centre, between 0 and 2; a power of 1 is published.
    """
    return distance if power == 1.0 else (distance * clusters) ** power / clusters


def _upsample(coarse: Tensor, factor: int) -> Tensor:
    """Repeat each place of B x h x w over a square of ``factor`` pixels."""
    if factor == 1:
        return coarse
    return coarse.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)
