"""Statistics of anomaly maps: the frame score, the height of the peak, the region around it.

The network computes the frame score itself (`oddframe.model.fusion.frame_score`); the one here is
in numpy and serves zones, where only a part of the map counts.
"""

import numpy as np

from oddframe._types import AnomalyMap, BoolMask, Float32, Float64

Box = tuple[float, float, float, float]
"""A region's box, (x_min, y_min, x_max, y_max) in shares of width and height."""

SMALLEST = 1e-12
"""Raw scores are above 0 by definition; a perfect prediction gets this."""

_SMOOTHING = 16
"""The map is averaged over windows of this part of its shorter side before a region is sought.

So single pixels make no region.
"""

_MOVING = 0.05
"""The hottest places of normal footage, as a share of all: where something moves."""
_NOISE = 0.05
"""Places colder than this part of the very hottest show no movement, where little moves at all."""

_EDGE = 0.25
"""A region reaches as far as the map stays above this part of the level.

A thing is seldom hot all over: at the level itself the region of a cyclist is a wheel. Chosen on
drawn scenes, by the overlap of boxes with true ones (docs/benchmarks.md).
"""


_FAINT = 0.1
"""It does not reach where the map is below this part of its hottest place.

What is a thousand times as hot as usual warms places far around it. Chosen on drawn scenes, too.
"""


def frame_score(
    anomaly_map: AnomalyMap,
    windows: tuple[int, ...],
    share: float,
    power: float = 1.0,
    mean_power: float = 1.0,
) -> float:
    """Give the frame score of a map (method section 6).

    For each window side the map, to the ``mean_power``, is averaged over windows of that side, half
    overlapping, and the highest ``share`` of them (at least one) is averaged; the score is the mean
    over the sides to the ``power``, at least `SMALLEST`.

    Args:
        anomaly_map: float32 H x W.
        windows: Sides in pixels, each at most H and W.
        share: In (0, 1].
        power: Above 0.
        mean_power: Above 0.
    """
    heat = anomaly_map if mean_power == 1.0 else anomaly_map**mean_power
    scores = []
    for side in windows:
        step = max(1, side // 2)
        # rows x columns x side x side, a view: nothing is copied.
        placed = np.lib.stride_tricks.sliding_window_view(heat, (side, side))[::step, ::step]
        means = placed.mean(axis=(2, 3), dtype=np.float64).ravel()
        highest = max(1, round(means.size * share))
        # A partition finds the highest in linear time; sorting all of them is not needed.
        scores.append(np.partition(means, -highest)[-highest:].mean())
    score: float = float(np.mean(scores)) ** power
    return max(score, SMALLEST)


def map_peaks(maps: Float32) -> Float32:
    """Give the height of each map's peak: the mean of its highest hundredth, B of B x H x W."""
    flat = maps.reshape(len(maps), -1)
    top = max(1, flat.shape[1] // 100)
    means: Float32 = np.partition(flat, -top, axis=1)[:, -top:].mean(axis=1)
    return means


def perspective_of(rows: Float32) -> float:
    """Find how much hotter maps of what moves are at the bottom of the picture than at its top.

    A line is fitted to the logarithm of the mean heat of the hottest places of each row, by the
    square of its deviation, weighted with how many such places the row has. Its slope counts as far
    as the line explains the differences between rows (times R²): where there is no perspective it
    is next to nothing. Rows in which nothing is hot do not count, so that an empty sky does not
    look like a place where all is far away.

    Args:
        rows: Maps, B x h x w, w places in each of h rows from the top.

    Returns:
        The natural logarithm of the heat at the bottom edge by that at the top edge, 0 for maps
        that are 0.
    """
    hottest, high = np.quantile(rows, (1 - _MOVING, 1 - _MOVING / 10))
    hot = rows > max(hottest, _NOISE * high)
    counts = hot.sum(axis=(0, 2))
    seen = counts > 0
    if seen.sum() < 3:
        return 0.0
    means = np.where(hot, rows, 0.0).sum(axis=(0, 2), dtype=np.float64)[seen] / counts[seen]
    heights = ((np.arange(len(counts)) + 0.5) / len(counts))[seen]
    weights = counts[seen] / counts.sum()
    logs = np.log(means)
    heights, logs = heights - weights @ heights, logs - weights @ logs
    covariance, spread, variance = (
        float(weights @ product) for product in (heights * logs, heights**2, logs**2)
    )
    if not spread or not variance:
        return 0.0
    # Slope times R squared.
    return covariance / spread * covariance**2 / (spread * variance)


def find_region(anomaly_map: AnomalyMap, level: float) -> tuple[BoolMask, Box]:
    """Find the connected region around the hottest place, a whole thing where only a part is hot.

    Args:
        anomaly_map: float32 H x W, at least 0.
        level: Height that normal maps hardly reach; the region lies above a quarter of it, and
            above a tenth of the height of the hottest place. Where half of that height is less, it
            serves. Where three quarters of the map reach half of that, the region lies above the
            middle between their height and that of the hottest place.

    Returns:
        The region, bool H x W, never empty, and its box.
    """
    smooth = _box_means(
        anomaly_map.astype(np.float64), max(1, min(anomaly_map.shape) // _SMOOTHING)
    )
    # The average spreads over the border of a zone; what is not watched stays 0.
    smooth *= anomaly_map > 0
    hottest = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    edge = min(max(_EDGE * level, _FAINT * smooth[hottest]), smooth[hottest] / 2)
    # A model that has hardly learnt its camera is wrong everywhere: its whole map lies above that.
    everywhere = float(np.quantile(smooth[smooth > 0], 0.25)) if smooth.any() else 0.0
    if edge < 2 * everywhere:
        edge = (everywhere + smooth[hottest]) / 2
    hot = smooth >= edge
    mask = np.zeros_like(hot)
    mask[hottest] = True
    # Grow along rows and columns in turn until nothing is added. Each step fills whole runs, so a
    # region takes as many rounds as it has bends.
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
    """Fill the hot runs of every row that touch the region or a place beside it.

    Args:
        mask: The region so far, bool H x W.
        hot: The places that may belong to it; W x H when ``turned``.
        turned: Whether to fill the runs of columns instead.
    """
    if turned:
        mask = mask.T
    near = mask.copy()
    near[1:] |= mask[:-1]
    near[:-1] |= mask[1:]
    near &= hot
    # Runs of a row are numbered by the changes from cold to hot before them.
    edges = hot & ~np.pad(hot, ((0, 0), (1, 0)))[:, :-1]
    label = np.cumsum(edges.ravel()).reshape(hot.shape)
    chosen = np.zeros(int(label[-1, -1]) + 1, np.bool_)
    chosen[label[near]] = True
    filled: BoolMask = chosen[label] & hot
    return filled.T if turned else filled


def _box_means(values: Float64, side: int) -> Float64:
    """Average over a window of ``side`` x ``side`` around each place; at the border over less."""
    total = _box_sums(_box_sums(values, side).T, side).T
    ones = np.ones_like(values)
    mean: Float64 = total / _box_sums(_box_sums(ones, side).T, side).T
    return mean


def _box_sums(values: Float64, side: int) -> Float64:
    """Sum along the first axis over the ``side`` places around each."""
    count = len(values)
    # Differences of running sums: the cost does not depend on the side.
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    begin = np.clip(np.arange(count) - side // 2, 0, count)
    end = np.clip(np.arange(count) - side // 2 + side, 0, count)
    box_sums: Float64 = sums[end] - sums[begin]
    return box_sums
