"""From what the streams say to an anomaly map and a frame score (method section 6)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from oddframe.core.maps import SMALLEST
from oddframe.errors import SettingsError
from oddframe.model.network import Network, Outputs


class FusedScores(NamedTuple):
    """Scores of a batch of clips.

    Attributes:
        raw: r > 0, B.
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
    """Mean over channels of the squared difference: B x C x H x W twice -> B x H x W."""
    squares = (estimate - truth).square()
    # The mean of one channel is a pass over the picture in every backend.
    return squares[:, 0] if squares.shape[1] == 1 else squares.mean(dim=1)


def prediction_error(
    outputs: Outputs, rebuilt_frame: str, appearance_weight: float | None = None
) -> Tensor:
    """e_p, B x H x W, the error of the predicted last frame (x̂0 + Δ̂) against x4.

    With ``appearance_weight`` and both streams it is instead the motion stream's own error, of x0 +
    Δ̂ against x4, plus that many times the spatial stream's: a blurry x̂0 at every static edge then
    does not drown the motion.

    With one stream it is that stream's own error. When the spatial stream rebuilds the last frame
    there is no such sum; e_p is then the mean of the two streams' errors.
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
    """Anomaly map, B x H x W: "product", "error" or "frame".

    Args:
        error: e_p, B x H x W.
        distance: w_p, B x h x w, each place of which covers a square of pixels; None without
            clusters.
        fusion: How they are joined.
    """
    if distance is None or fusion == "error":
        return error
    if fusion == "frame":
        return error * distance.mean(dim=(1, 2), keepdim=True)
    rows, columns = distance.shape[1:]
    squares = error.reshape(-1, rows, error.shape[1] // rows, columns, error.shape[2] // columns)
    return (squares * distance[:, :, None, :, None]).reshape(error.shape)


def frame_score(map_: Tensor, windows: tuple[int, ...], share: float, stride: int = 1) -> Tensor:
    """Frame scores, B, of maps B x H x W.

    For each window side the map is averaged over windows of that side, half overlapping, and the
    highest ``share`` of them (at least one) is averaged; the score is the mean over the sides. Side
    1 and share 1 is the published mean.

    Args:
        map_: The maps; with a stride B x h x w.
        windows: Sides in pixels.
        share: In (0, 1].
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
    """Means over half overlapping windows, B x N, of maps as in `frame_score`.

    Windows of an even side are two by two cells of half the side, so each pixel is read once:
    runtimes have no fast way of averaging a single channel over large windows, and spent 8 to 11 %
    of their time on it.
    """
    step = max(1, side // 2)
    if side > 1 and side % 2:
        return nn.functional.avg_pool2d(
            _upsample(map_, stride).unsqueeze(1), side, stride=step
        ).flatten(1)
    cells = (
        _upsample(map_, stride // step)
        if stride % step == 0
        else _cells(_upsample(map_, stride), step)
    )
    if side == 1:
        return cells.flatten(1)
    cells = cells[:, 1:] + cells[:, :-1]
    return (cells[:, :, 1:] + cells[:, :, :-1]).flatten(1) / 4


def _cells(map_: Tensor, side: int) -> Tensor:
    """Means over squares side by side, B x H/side x W/side, rounded down, of B x H x W."""
    rows, columns = map_.shape[1] // side, map_.shape[2] // side
    whole = map_[:, : rows * side, : columns * side]
    # Rows first: whole lines are added to each other.
    strips = whole.reshape(-1, rows, side, columns * side).mean(dim=2)
    return strips.reshape(-1, rows, columns, side).mean(dim=3)


class AnomalyScorer(nn.Module):
    """The network with everything behind it that turns clips into scores; what an export holds.

    Args:
        network: The trained network.
        reduced: What the streams compute in, where not in float32; what comes after them does not
            survive it.
    """

    def __init__(self, network: Network, reduced: torch.dtype | None = None) -> None:
        super().__init__()
        self.network = network
        self.reduced = reduced

    def forward(self, clips: Tensor) -> FusedScores:
        """Score clips, uint8 B x 5 x H x W x C in 0..255."""
        config = self.network.config
        outputs = self._outputs(clips)
        frames = outputs.frames
        error = prediction_error(outputs, config.rebuilt_frame, config.appearance_weight)
        distance = self.network.cluster_map(outputs.codes)
        weight = (
            None
            if distance is None
            else _sharpened(distance, config.clusters, config.cluster_power)
        )
        anomaly_map = fuse(_raised(error, config.error_power), weight, config.fusion)
        nothing = torch.zeros_like(error[:, 0, 0])
        appearance = motion = cluster = nothing
        windows, share = config.score_windows, config.score_share
        if outputs.rebuilt is not None:
            rebuilt = squared_error(outputs.rebuilt, frames[:, self.network.rebuilt_index])
            appearance = frame_score(rebuilt, windows, share)
        if outputs.difference is not None:
            motion = frame_score(
                squared_error(frames[:, 0] + outputs.difference, frames[:, 4]), windows, share
            )
        if distance is not None:
            cluster = frame_score(distance, windows, share, config.code_stride)
        raw = _raised(frame_score(anomaly_map, windows, share), config.score_power).clamp_min(
            SMALLEST
        )
        return FusedScores(raw, appearance, motion, cluster, anomaly_map)

    def _outputs(self, clips: Tensor) -> Outputs:
        """What the streams say, in float32."""
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


def _raised(values: Tensor, power: float) -> Tensor:
    """Values to a power."""
    if power == 0.5:
        return values.sqrt()  # a general power takes runtimes many times as long
    return values if power == 1.0 else values**power


def _sharpened(distance: Tensor, clusters: int, power: float) -> Tensor:
    """The cluster distance w as a weight in the map, (K w)^power / K; K w lies between 0 and 2."""
    return distance if power == 1.0 else (distance * clusters) ** power / clusters


def _upsample(coarse: Tensor, factor: int) -> Tensor:
    """Repeat each place of B x h x w over a square of ``factor`` pixels."""
    if factor == 1:
        return coarse
    return coarse.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)
