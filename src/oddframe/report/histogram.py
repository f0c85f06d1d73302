"""The scores of normal footage and the threshold among them, as a drawing."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oddframe.core.calibration import Calibration

__all__ = ["Histogram", "histogram"]

WIDTH, HEIGHT = 1000, 220
_BINS = 60
_FOOT = 26


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars and lines in a box of `WIDTH` x `HEIGHT`.

    Attributes:
        bars: (left, top, width, height, from, to, count, above the threshold) of each bar; heights are logarithmic, so
            that single frames in the tail are seen.
        threshold: Where the threshold stands.
        interval: (left, width) of its 95 % interval.
        ticks: (left, text) of the axis.
    """

    bars: tuple[tuple[float, float, float, float, str, str, int, bool], ...]
    threshold: float
    interval: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]


def histogram(raw: npt.NDArray[np.floating], calibration: Calibration) -> Histogram:
    """The drawing.

    Args:
        raw: Raw scores of normal frames, N, above 0.
        calibration: What became of them.
    """
    levels = np.log10(raw.astype(np.float64))
    limits = np.log10([calibration.threshold, calibration.threshold_low, calibration.threshold_high])
    low = min(float(np.quantile(levels, 0.001)), float(limits.min()))
    high = max(float(levels.max()), float(limits.max()))
    room = 0.03 * max(high - low, 1e-3)
    edges = np.linspace(low - room, high + room, _BINS + 1)
    counts, _ = np.histogram(np.maximum(levels, edges[0]), edges)
    tall = np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-9) * (HEIGHT - _FOOT - 10)

    def across(level: float) -> float:
        return round((level - float(edges[0])) / float(edges[-1] - edges[0]) * WIDTH, 1)

    bars = tuple(
        (
            across(begin) + 1,
            round(HEIGHT - _FOOT - up, 1),
            round(WIDTH / _BINS - 2, 1),
            round(up, 1),
            f"{10**begin:.3g}",
            f"{10**end:.3g}",
            int(count),
            begin >= float(limits[0]) - 1e-12,
        )
        for begin, end, count, up in zip(edges[:-1].tolist(), edges[1:].tolist(), counts, tall.tolist(), strict=True)
        if count
    )
    left, right = across(float(limits[1])), across(float(limits[2]))
    return Histogram(bars, across(float(limits[0])), (left, round(max(2.0, right - left), 1)), _ticks(edges, across))


def _ticks(edges: npt.NDArray[np.float64], across: "object") -> tuple[tuple[float, str], ...]:
    """Round values along the axis."""
    assert callable(across)
    powers = range(int(np.floor(edges[0])), int(np.ceil(edges[-1])) + 1)
    digits = (1,) if edges[-1] - edges[0] > 3 else (1, 3) if edges[-1] - edges[0] > 1.2 else (1, 2, 3, 5, 7)
    places = [(float(np.log10(digit) + power), digit * 10.0**power) for power in powers for digit in digits]
    return tuple(
        (across(level), f"{value:.0e}") for level, value in places if edges[0] + 0.02 < level < edges[-1] - 0.02
    )
