"""Charts of a page: curves, packed or drawn, and the histogram of a calibration.

A chart stands in a page twice: as numbers, which the script draws so that one can zoom, and as SVG,
for paper and for browsers without scripts.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe._types import Float64
from oddframe.core.calibration import Calibration
from oddframe.core.rarity import REASONS
from oddframe.core.recalibration import raw_score_text
from oddframe.core.records import Event

MOST_POINTS = 60_000
"""Most points of a curve in a page; a longer one keeps the extremes of equal stretches of time."""

WIDTH, HEIGHT = 1000, 220
"""The box of the histogram; HTML scales it to the width of the page."""

_NO_SCORE = 65_535
"""The largest number of 16 bits stands for no score; `charts.js` knows it too."""

_FULL_BAR = 6.0
"""Rarity at which a bar is full: one in a million."""

_NOTHING = np.array([], dtype="<u2")
_BINS = 60
_FOOT = 26
"""Height of the axis with its values, below the bars."""


@dataclass(frozen=True, slots=True)
class CurvePath:
    """A curve as SVG draws it.

    Attributes:
        line: Path data of the curve.
        points: Path data of scores that stand alone between gaps, which a line would not show.
    """

    line: str
    points: str


def thin(time_s: Float64, score: Float64, most: int) -> tuple[Float64, Float64]:
    """Return at most about so many points that look the same when drawn.

    Time is divided into stretches of equal length, and the lowest and the highest score of each are
    kept: thinning by every n-th point would lose single high scores.

    Args:
        time_s: Times in seconds, N, increasing.
        score: Scores, N; NaN where there is none, which is kept where a whole stretch has none.
        most: How many points to keep.
    """
    if len(time_s) <= most:
        return time_s, score
    edges = np.linspace(time_s[0], time_s[-1], max(2, most // 2) + 1)
    borders = np.unique(np.searchsorted(time_s, edges[:-1]))
    last = np.append(borders[1:], len(time_s))
    # So that NaN is neither the lowest nor the highest; argmin alone would return it.
    low, high = np.where(np.isnan(score), np.inf, score), np.where(np.isnan(score), -np.inf, score)
    kept: list[int] = []
    for begin, end in zip(borders.tolist(), last.tolist(), strict=True):
        kept += sorted(
            {begin + int(np.argmin(low[begin:end])), begin + int(np.argmax(high[begin:end]))}
        )
    return time_s[kept], score[kept]


def pack_scores(time_s: Float64, score: Float64, gap_s: float) -> dict[str, Any]:
    """Pack a curve for the script of a page: two rows of 16-bit numbers.

    Frames without a score are left out. Where they last longer than a gap, one point without a
    score stands for all of them.

    Args:
        time_s: Times in seconds, N, increasing.
        score: Scores in (0, 1), N; NaN where there is none.
        gap_s: After a longer time between two scores the curve is interrupted.

    Returns:
        ``steps``, base64 of the milliseconds from each point to the next, and ``scores``, base64 of
        65,534 times the score, 65,535 where there is none; ``start_ms``.
    """
    known = np.isfinite(score)
    times, values = thin(time_s[known], score[known], MOST_POINTS)
    ticks = np.round(times * 1000).astype(np.int64)
    levels = np.round(np.clip(values, 0, 1) * (_NO_SCORE - 1)).astype(np.int64)
    pieces, last = [], int(ticks[0]) if len(ticks) else 0
    # Where points were thinned out, two that are kept lie up to two stretches apart.
    stretch_s = (
        float(times[-1] - times[0]) / (MOST_POINTS // 2) if known.sum() > MOST_POINTS else 0.0
    )
    allowed = min(max(1000 * gap_s, 2200 * stretch_s), _NO_SCORE - 1)
    for tick, level in zip(ticks.tolist(), levels.tolist(), strict=True):
        if tick - last > allowed:
            pieces.append((0, _NO_SCORE))
            # A step of more than a minute does not fit into 16 bits: several points share it.
            while tick - last >= _NO_SCORE:
                pieces.append((_NO_SCORE - 1, _NO_SCORE))
                last += _NO_SCORE - 1
        pieces.append((tick - last, level))
        last = tick
    steps, scores = (
        # Little-endian on every machine, as the script reads it.
        (np.array(column, dtype="<u2") for column in zip(*pieces, strict=True))
        if pieces
        else (_NOTHING,) * 2
    )
    return {
        "start_ms": int(ticks[0]) if len(ticks) else 0,
        "steps": _text(steps),
        "scores": _text(scores),
    }


def vector_path(
    time_s: Float64, score: Float64, gap_s: float, duration_s: float, size: tuple[int, int]
) -> CurvePath:
    """Return the curve as SVG in a box of (width, height), with score 1 at its top.

    Args:
        time_s: As in `pack_scores`.
        score: As in `pack_scores`.
        gap_s: As in `pack_scores`.
        duration_s: Time at the right edge.
        size: Of the box, in its own units.
    """
    known = np.isfinite(score)
    times, values = thin(time_s[known], score[known], 2 * size[0])
    # Two kept points of neighbouring stretches lie up to two units apart, which is no gap.
    allowed = max(gap_s, 2.5 * duration_s / size[0])
    before = np.diff(times, prepend=-np.inf) > allowed
    after = np.append(before[1:], True)
    x, y = times / max(duration_s, 1e-9) * size[0], size[1] * (1 - values)
    line, points = [], []
    for place, (across, down) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        if before[place] and after[place]:
            # A line of no length with round ends is a dot.
            points.append(f"M{across:.1f} {down:.1f}h.01")
        else:
            line.append(f"{'M' if before[place] else 'L'}{across:.1f} {down:.1f}")
    return CurvePath("".join(line), "".join(points))


def _text(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()


@dataclass(frozen=True, slots=True)
class Histogram:
    """The histogram of raw scores: bars and lines in a box of `WIDTH` x `HEIGHT`.

    Attributes:
        bars: (left, top, width, height, from, to, count, above the threshold) of each bar; heights
            are logarithmic, so that single frames in the tail are seen.
        threshold: Where the threshold stands.
        interval: (left, width) of the 95 % interval of the threshold.
        ticks: (left, text) of the values along the axis.
    """

    bars: tuple[tuple[float, float, float, float, str, str, int, bool], ...]
    threshold: float
    interval: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]


def histogram(raw: npt.NDArray[np.floating], calibration: Calibration) -> Histogram:
    """Draw the raw scores of normal frames and the threshold among them, on a logarithmic axis.

    Args:
        raw: Raw scores of normal frames, N, above 0.
        calibration: The calibration that was made of them.
    """
    levels = np.log10(raw.astype(np.float64))
    limits = np.log10(
        [calibration.threshold, calibration.threshold_low, calibration.threshold_high]
    )
    # The lowest thousandth is left out: a few almost black frames would squeeze all others.
    low = min(float(np.quantile(levels, 0.001)), float(limits.min()))
    high = max(float(levels.max()), float(limits.max()))
    room = 0.03 * max(high - low, 1e-3)
    edges = np.linspace(low - room, high + room, _BINS + 1)
    counts, _ = np.histogram(np.maximum(levels, edges[0]), edges)
    heights = np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-9) * (HEIGHT - _FOOT - 10)

    def across(level: float) -> float:
        return round((level - float(edges[0])) / float(edges[-1] - edges[0]) * WIDTH, 1)

    bars = tuple(
        (
            across(begin) + 1,
            round(HEIGHT - _FOOT - up, 1),
            round(WIDTH / _BINS - 2, 1),
            round(up, 1),
            raw_score_text(10**begin),
            raw_score_text(10**end),
            int(count),
            # Room for rounding, so that a bar that begins at the threshold counts as above it.
            begin >= float(limits[0]) - 1e-12,
        )
        for begin, end, count, up in zip(
            edges[:-1].tolist(), edges[1:].tolist(), counts, heights.tolist(), strict=True
        )
        if count
    )
    left, right = across(float(limits[1])), across(float(limits[2]))
    return Histogram(
        bars=bars,
        threshold=across(float(limits[0])),
        interval=(left, round(max(2.0, right - left), 1)),
        ticks=_value_ticks(edges, across),
    )


def _value_ticks(edges: Float64, across: Callable[[float], float]) -> tuple[tuple[float, str], ...]:
    """Return (left, text) of round values along an axis of decimal logarithms."""
    powers = range(int(np.floor(edges[0])), int(np.ceil(edges[-1])) + 1)
    decades = float(edges[-1] - edges[0])
    # The fewer decades the axis has, the more values of each are needed to read it.
    digits: tuple[int, ...] = (1, 2, 3, 5, 7)
    if decades > 3:
        digits = (1,)
    elif decades > 1.2:
        digits = (1, 3)
    ticks = []
    for power in powers:
        for digit in digits:
            level = float(np.log10(digit) + power)
            # Values at the very ends would be cut off.
            if edges[0] + 0.02 < level < edges[-1] - 0.02:
                ticks.append((across(level), raw_score_text(digit * 10.0**power)))
    return tuple(ticks)


def part_bars(event: Event) -> list[dict[str, Any]]:
    """Return a bar for each part of an event's score: how rare it is, and if it is the reason."""
    # An event keeps the reason in words; which part that was is found by them.
    main = next((part for part, words in REASONS.items() if words == event.reason), "")
    return [
        {
            "part": part,
            "label": words.capitalize(),
            "rarity": event.parts[part],
            "width": round(min(100.0, max(1.0, 100 * event.parts[part] / _FULL_BAR)), 1),
            "main": part == main,
        }
        for part, words in REASONS.items()
        if part in event.parts
    ]
