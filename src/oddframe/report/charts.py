"""Curves as they travel inside a page: numbers packed into text, and a picture of them that needs no script.

The scores of normal footage and the threshold among them, as a drawing.
"""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe._types import Float64
from oddframe.core.calibration import Calibration

MOST_POINTS = 60_000
"""More points than this are replaced by the lowest and the highest of each of half as many stretches."""
_NONE = 65_535
"""Stands for no score."""


@dataclass(frozen=True, slots=True)
class Path:
    """A curve as SVG draws it.

    Attributes:
        line: Path data of the curve.
        points: Path data of what stands alone between gaps.
    """

    line: str
    points: str


def thinned(time_s: Float64, score: Float64, most: int) -> tuple[Float64, Float64]:
    """At most about ``most`` points that look the same when drawn: the extremes of stretches of equal length in time.

    Args:
        time_s: Times in seconds, N, increasing.
        score: Scores, N; NaN where there is none, which is kept where a whole stretch has none.
        most: How many points.
    """
    if len(time_s) <= most:
        return time_s, score
    edges = np.linspace(time_s[0], time_s[-1], max(2, most // 2) + 1)
    borders = np.unique(np.searchsorted(time_s, edges[:-1]))
    last = np.append(borders[1:], len(time_s))
    low, high = np.where(np.isnan(score), np.inf, score), np.where(np.isnan(score), -np.inf, score)
    kept: list[int] = []
    for begin, end in zip(borders.tolist(), last.tolist(), strict=True):
        kept += sorted(
            {begin + int(np.argmin(low[begin:end])), begin + int(np.argmax(high[begin:end]))}
        )
    return time_s[kept], score[kept]


def packed(time_s: Float64, score: Float64, gap_s: float) -> dict[str, Any]:
    """A curve for the script of a page: two rows of 16-bit numbers.

    Frames without a score are left out unless they are more than a gap; then one stands for all of
    them.

    Args:
        time_s: Times in seconds, N, increasing.
        score: Scores in (0, 1), N; NaN where there is none.
        gap_s: After a longer time between two scores the curve is interrupted.

    Returns:
        ``steps``, base64 of the milliseconds from each point to the next, and ``scores``, base64 of
        65,534 times the score, 65,535 where there is none; ``start_ms``.
    """
    known = np.isfinite(score)
    times, values = thinned(time_s[known], score[known], MOST_POINTS)
    ticks = np.round(times * 1000).astype(np.int64)
    levels = np.round(np.clip(values, 0, 1) * (_NONE - 1)).astype(np.int64)
    pieces, last = [], int(ticks[0]) if len(ticks) else 0
    # Where points were thinned out, two that are kept lie up to two stretches apart.
    stretch_s = (
        float(times[-1] - times[0]) / (MOST_POINTS // 2) if known.sum() > MOST_POINTS else 0.0
    )
    allowed = min(max(1000 * gap_s, 2200 * stretch_s), _NONE - 1)
    for tick, level in zip(ticks.tolist(), levels.tolist(), strict=True):
        if tick - last > allowed:
            pieces.append((0, _NONE))
            while tick - last >= _NONE:
                pieces.append((_NONE - 1, _NONE))
                last += _NONE - 1
        pieces.append((tick - last, level))
        last = tick
    steps, scores = (
        (np.array(column, dtype="<u2") for column in zip(*pieces, strict=True))
        if pieces
        else (_EMPTY,) * 2
    )
    return {
        "start_ms": int(ticks[0]) if len(ticks) else 0,
        "steps": _text(steps),
        "scores": _text(scores),
    }


_EMPTY = np.array([], dtype="<u2")


def vector_path(
    time_s: Float64, score: Float64, gap_s: float, duration_s: float, size: tuple[int, int]
) -> Path:
    """The curve in a box of this (width, height), score 1 at its top.

    Args:
        time_s: As in `packed`.
        score: As in `packed`.
        gap_s: As in `packed`.
        duration_s: Time at the right edge.
        size: Of the box, in its own units.
    """
    known = np.isfinite(score)
    times, values = thinned(time_s[known], score[known], 2 * size[0])
    allowed = max(gap_s, 2.5 * duration_s / size[0])
    before = np.diff(times, prepend=-np.inf) > allowed
    after = np.append(before[1:], True)
    x, y = times / max(duration_s, 1e-9) * size[0], size[1] * (1 - values)
    line, points = [], []
    for place, (across, down) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        if before[place] and after[place]:
            points.append(f"M{across:.1f} {down:.1f}h.01")
        else:
            line.append(f"{'M' if before[place] else 'L'}{across:.1f} {down:.1f}")
    return Path("".join(line), "".join(points))


def _text(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()


WIDTH, HEIGHT = 1000, 220
_BINS = 60
_FOOT = 26


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars and lines in a box of `WIDTH` x `HEIGHT`.

    Attributes:
        bars: (left, top, width, height, from, to, count, above the threshold) of each bar; heights
            are logarithmic, so that single frames in the tail are seen.
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
    limits = np.log10(
        [calibration.threshold, calibration.threshold_low, calibration.threshold_high]
    )
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
        for begin, end, count, up in zip(
            edges[:-1].tolist(), edges[1:].tolist(), counts, tall.tolist(), strict=True
        )
        if count
    )
    left, right = across(float(limits[1])), across(float(limits[2]))
    return Histogram(
        bars,
        across(float(limits[0])),
        (left, round(max(2.0, right - left), 1)),
        _ticks(edges, across),
    )


def _ticks(edges: npt.NDArray[np.float64], across: "object") -> tuple[tuple[float, str], ...]:
    """Round values along the axis."""
    assert callable(across)
    powers = range(int(np.floor(edges[0])), int(np.ceil(edges[-1])) + 1)
    digits = (
        (1,)
        if edges[-1] - edges[0] > 3
        else (1, 3)
        if edges[-1] - edges[0] > 1.2
        else (1, 2, 3, 5, 7)
    )
    places = [
        (float(np.log10(digit) + power), digit * 10.0**power)
        for power in powers
        for digit in digits
    ]
    return tuple(
        (across(level), f"{value:.0e}")
        for level, value in places
        if edges[0] + 0.02 < level < edges[-1] - 0.02
    )
