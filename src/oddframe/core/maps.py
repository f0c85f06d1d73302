"""The frame score of an anomaly map in numpy, for maps of which only a part is watched.

The network computes the same statistic itself (`oddframe.model.fusion.frame_score`); this one
serves zones.

Where in the picture: the region around the hottest place of an anomaly map.
"""

import numpy as np
import numpy.typing as npt

from oddframe._types import BoolMask

SMALLEST = 1e-12
"""Raw scores are above 0 by definition; a perfect prediction gets this."""


def frame_score(
    anomaly_map: npt.NDArray[np.float32], windows: tuple[int, ...], share: float, power: float = 1.0
) -> float:
    """Frame score of a map.

    For each window side the map is averaged over windows of that side, half overlapping, and the
    highest ``share`` of them (at least one) is averaged; the score is the mean over the sides to
    the ``power``, at least `SMALLEST`.

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


_SMOOTHING = 16
"""The map is averaged over windows of this part of its shorter side, so that single pixels make no region."""

Box = tuple[float, float, float, float]


def find_region(anomaly_map: npt.NDArray[np.float32], level: float) -> tuple[BoolMask, Box]:
    """The connected region around the hottest place that lies above a level.

    Args:
        anomaly_map: float32 H x W, at least 0.
        level: Height that normal maps hardly reach. Where not even the hottest place does, half its
            height serves.

    Returns:
        The region, bool H x W, never empty, and its box (x_min, y_min, x_max, y_max) in shares of
        width and height.
    """
    smooth = _averaged(anomaly_map.astype(np.float64), max(1, min(anomaly_map.shape) // _SMOOTHING))
    # Where zones leave nothing the average over neighbours puts nothing either.
    smooth *= anomaly_map > 0
    hottest = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    hot = smooth >= min(level, smooth[hottest] / 2)
    mask = np.zeros_like(hot)
    mask[hottest] = True
    grown = 0
    while (size := int(mask.sum())) > grown:
        grown = size
        mask = _spread(_spread(mask, hot), hot.T, turned=True)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    corners = (
        columns[0] / width,
        rows[0] / height,
        (columns[-1] + 1) / width,
        (rows[-1] + 1) / height,
    )
    x_min, y_min, x_max, y_max = (round(float(corner), 4) for corner in corners)
    return mask, (x_min, y_min, x_max, y_max)


def _spread(mask: BoolMask, hot: BoolMask, *, turned: bool = False) -> BoolMask:
    """Fill every row's unbroken hot stretches (columns' when ``turned``) that touch the region or a neighbour of it."""
    if turned:
        mask = mask.T
    near = mask.copy()
    near[1:] |= mask[:-1]
    near[:-1] |= mask[1:]
    near &= hot
    # Stretches of a row are numbered by the changes from cold to hot before them.
    edges = hot & ~np.pad(hot, ((0, 0), (1, 0)))[:, :-1]
    label = np.cumsum(edges.ravel()).reshape(hot.shape)
    chosen = np.zeros(int(label[-1, -1]) + 1, np.bool_)
    chosen[label[near]] = True
    filled: BoolMask = chosen[label] & hot
    return filled.T if turned else filled


def _averaged(values: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Means over windows of ``side`` around each place; at the border over what there is."""
    total = _windowed(_windowed(values, side).T, side).T
    ones = np.ones_like(values)
    mean: npt.NDArray[np.float64] = total / _windowed(_windowed(ones, side).T, side).T
    return mean


def _windowed(values: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Sums along the first axis over ``side`` neighbours."""
    count = len(values)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    begin = np.clip(np.arange(count) - side // 2, 0, count)
    end = np.clip(np.arange(count) - side // 2 + side, 0, count)
    windowed: npt.NDArray[np.float64] = sums[end] - sums[begin]
    return windowed
