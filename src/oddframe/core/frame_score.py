"""The frame score of an anomaly map in numpy, for maps of which only a part is watched.

The network computes the same statistic itself (`oddframe.model.fusion.frame_score`); this one serves zones.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["SMALLEST", "frame_score", "map_peaks"]

SMALLEST = 1e-12
"""Raw scores are above 0 by definition; a perfect prediction gets this."""


def frame_score(
    anomaly_map: npt.NDArray[np.float32], windows: tuple[int, ...], share: float, power: float = 1.0
) -> float:
    """Frame score of a map.

    For each window side the map is averaged over windows of that side, half overlapping, and the highest ``share`` of
    them (at least one) is averaged; the score is the mean over the sides to the ``power``, at least `SMALLEST`.

    Args:
        anomaly_map: float32 H x W.
        windows: Sides in pixels, each at most H and W.
        share: In (0, 1].
        power: Above 0.
    """
    scores = []
    for side in windows:
        step = max(1, side // 2)
        placed = np.lib.stride_tricks.sliding_window_view(anomaly_map, (side, side))[::step, ::step]
        means = placed.mean(axis=(2, 3), dtype=np.float64).ravel()
        highest = max(1, round(means.size * share))
        scores.append(np.partition(means, -highest)[-highest:].mean())
    score: float = float(np.mean(scores)) ** power
    return max(score, SMALLEST)


def map_peaks(maps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean of the highest hundredth of each map, B of B x H x W: how hot its hottest place is."""
    flat = maps.reshape(len(maps), -1)
    top = max(1, flat.shape[1] // 100)
    means: npt.NDArray[np.float32] = np.partition(flat, -top, axis=1)[:, -top:].mean(axis=1)
    return means
