"""From scores of normal video to a threshold that keeps a false-alarm budget.

No labels are needed, and nothing that comes later. Two records come first: the scores of normal
footage (`NormalScores`) and what is found in them (`Calibration`); then `calibrate`, which finds
it. docs/calibration.md tells why the threshold is sought this way.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from oddframe._types import Float32, Float64
from oddframe.core.budget import (
    DEFAULT_BUDGET,
    NOTHING_SEEN,
    PROMISED_SHARE,
    FalseAlarmBudget,
    Standing,
    rate_bounds,
    standing,
)
from oddframe.core.clocks import hours_text
from oddframe.core.event_rules import EventRules, Span, spans
from oddframe.core.extreme_value import TailFit, fit_tail
from oddframe.core.rarity import REASONS, NormalTail
from oddframe.errors import InputError

ARRAYS = ("recording", "time_s", "raw", "appearance", "motion", "cluster", "map_peak")
"""The arrays of `NormalScores`."""
MAP_QUANTILE = 0.999
"""Share of normal frames whose map lies at or below the calibration's map level."""
ENOUGH_EVENTS = 30
"""With so many events the threshold is read off the footage; with fewer a tail is fitted."""
TAIL_EVENTS = 200
"""The tail is fitted to so many of the highest separate events, where there are as many."""
DEEPEST_BASE = 0.1
"""The tail begins no lower than where this share of frames lies above it."""

_GRID_STEPS = 8
"""Thresholds tried per power of ten of the share of frames above them."""
_TINY = float(np.finfo(np.float32).tiny)
"""The smallest normal float32: stands in for 0 where a value must be above it."""
_Z_95 = 1.96
"""Standard deviations of a Gaussian that hold its middle 95 %."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NormalScores:
    """Scores of N normal frames in order, recording after recording.

    Attributes:
        recording: Number of the unbroken piece of footage that each comes from, int32, not
            decreasing.
        time_s: Time in that piece in seconds, float64, increasing.
        raw: Raw scores r > 0, float32.
        appearance: As in `oddframe.core.records.Score`, float32.
        motion: Likewise.
        cluster: Likewise.
        map_peak: Height of the hottest place of each frame's anomaly map, float32.
        rate_fps: Frames per second at which they were scored.
        in_sample: Whether the model was trained on these frames.
    """

    recording: npt.NDArray[np.int32]
    time_s: Float64
    raw: Float32
    appearance: Float32
    motion: Float32
    cluster: Float32
    map_peak: Float32
    rate_fps: float
    in_sample: bool

    def __post_init__(self) -> None:
        shapes = {name: getattr(self, name).shape for name in ARRAYS}
        if len(set(shapes.values())) != 1 or self.raw.ndim != 1:
            raise InputError(f"normal scores must be arrays of one length, got {shapes}")
        raw = self.raw
        if not len(raw) or not np.all(np.isfinite(raw)) or not np.all(raw > 0):
            wrong = raw[~(np.isfinite(raw) & (raw > 0))]
            found = (
                f"{len(wrong)} of {len(raw)} that are not, such as {wrong[0]}"
                if len(wrong)
                else "none"
            )
            raise InputError(
                f"calibration needs at least one raw score, all finite and above 0, got {found}"
            )
        if not self.rate_fps > 0:
            raise InputError(f"rate_fps must be above 0, got {self.rate_fps}")
        # Time starts anew with each recording; within one it only rises.
        same = np.diff(self.recording) == 0
        if np.any(np.diff(self.recording) < 0) or np.any(np.diff(self.time_s)[same] <= 0):
            raise InputError(
                "normal scores must be in order of recording and time, but some go back"
            )

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def hours(self) -> float:
        """The length of the footage in hours."""
        return len(self) / self.rate_fps / 3600.0

    def pieces(self) -> Iterator[slice]:
        """Yield the slice of frames of each recording, in order."""
        borders = [0, *(np.flatnonzero(np.diff(self.recording)) + 1).tolist(), len(self)]
        return (slice(begin, end) for begin, end in pairwise(borders))


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is known of the scores of normal video.

    Attributes:
        threshold: Raw score t above which a frame is called unusual, above 0.
        release: Raw score below which it no longer is, at most the threshold.
        threshold_low: Lower end of the threshold's 95 % interval.
        threshold_high: Its upper end.
        rate_low: Between this rate of false alarms per hour and ``rate_high`` the true one lies
            with 95 %, by what was watched and, where a tail was fitted, by that too: the wider.
        rate_high: See ``rate_low``. It is never below three events in the hours watched.
        budget: The false alarms agreed to, such as "1/day".
        method: "empirical" where there were enough events, "tail" where a tail was fitted.
        hours: Length of the normal footage.
        clips: How many normal clips it comes from.
        in_sample: Whether the model was trained on those very clips; the threshold is then too low.
        map_level: Height of the anomaly map that normal clips hardly ever reach; overlays scale
            their colours by it.
        rules: When scores become an event; the threshold holds for these.
        tails: The normal tail of "appearance", "motion" and "cluster".
    """

    threshold: float
    release: float
    threshold_low: float
    threshold_high: float
    rate_low: float
    rate_high: float
    budget: str
    method: Literal["empirical", "tail"]
    hours: float
    clips: int
    in_sample: bool
    map_level: float
    rules: EventRules
    tails: Mapping[str, NormalTail]

    def __post_init__(self) -> None:
        for name in ("threshold", "release", "map_level"):
            if not 0.0 < getattr(self, name) < float("inf"):
                raise InputError(
                    f"calibration {name} must be above 0 and finite, got {getattr(self, name)}"
                )
        if self.release > self.threshold:
            raise InputError(
                f"calibration release must be at most the threshold {self.threshold}, "
                f"got {self.release}"
            )
        if set(self.tails) != set(REASONS):
            raise InputError(
                f"calibration tails must be those of {', '.join(REASONS)}, "
                f"got {', '.join(self.tails)}"
            )
        FalseAlarmBudget.parse(self.budget)  # Raises where the text is no budget.

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Calibration":
        """Make the calibration again whose `as_dict` this is.

        Raises:
            InputError: If a value cannot be.
            TypeError: If one is missing or unknown.
        """
        # In files rarities have been called surprises from the start; bundles are kept for years.
        tails = {
            name: NormalTail(tuple(tail["values"]), tuple(tail["surprises"]), tail["scale"])
            for name, tail in values["tails"].items()
        }
        return cls(**{**values, "rules": EventRules(**values["rules"]), "tails": tails})

    def as_dict(self) -> dict[str, Any]:
        """Give plain values as a bundle holds them; `from_dict` reads them."""
        tails = {
            name: {"values": tail.values, "surprises": tail.rarities, "scale": tail.scale}
            for name, tail in self.tails.items()
        }
        return {**asdict(self), "tails": tails}

    def score(self, raw: float) -> float:
        """Give the score r / (r + t): strictly increasing, in (0, 1), 0.5 at the threshold."""
        return raw / (raw + self.threshold)

    @property
    def release_score(self) -> float:
        """The score below which a frame no longer belongs to an event."""
        return self.score(self.release)

    @property
    def notices(self) -> tuple[str, ...]:
        """What to tell whoever relies on the budget, a sentence each."""
        wanted = 1 / FalseAlarmBudget.parse(self.budget).per_hour
        return self.shortage(f"calibrate on {hours_text(wanted)} or more")

    def shortage(self, advice: str) -> tuple[str, ...]:
        """Say that the footage was too short for the budget, if it was.

        Args:
            advice: What to do about it, as the end of the sentence.
        """
        budget, standing = FalseAlarmBudget.parse(self.budget), self.standing
        if standing == "watched":
            return ()
        length = hours_text(self.hours)
        if self.in_sample:
            shown = "it was trained on them, so they bound no rate"
        else:
            shown = f"they show only that the true rate is below {self.bound} (95 %)"
        least = hours_text(PROMISED_SHARE / budget.per_hour)
        promise = {
            "extrapolated": "the threshold is extrapolated",
            "not promised": f"the threshold is extrapolated and {self.budget} is not promised, "
            f"which takes {least} at least",
        }[standing]
        return (
            f"{length} of normal footage are too short for {self.budget}: {shown}, {promise}; "
            f"{advice}",
        )

    @property
    def standing(self) -> Standing:
        """What its budget rests on."""
        return standing(FalseAlarmBudget.parse(self.budget), self.hours)

    @property
    def allowance(self) -> str:
        """Its budget, with what that rests on: "1/day (extrapolated)"."""
        return FalseAlarmBudget.parse(self.budget).resting_on(self.hours)

    @property
    def bound(self) -> str:
        """The highest rate that the footage allows for, 95 %, in the budget's unit: "7,400/day"."""
        # Calibrations of version 0.1.0 may have a lower one, which so little footage cannot show.
        highest = max(self.rate_high, NOTHING_SEEN / self.hours)
        return FalseAlarmBudget.parse(self.budget).in_units(highest)


def calibrate(
    normal: NormalScores, budget: FalseAlarmBudget | None = None, rules: EventRules | None = None
) -> Calibration:
    """Find the threshold at which normal footage gives as many events as the budget allows.

    Events are counted by the rules themselves, for each threshold tried. Where the footage holds at
    least `ENOUGH_EVENTS` of them at the budget, that is the threshold. Else a generalised Pareto
    tail is fitted to the levels of the highest separate events and followed as far as it takes; the
    level of an event is the highest threshold at which the rules still make one of it.

    Args:
        normal: Scores of normal footage, best of footage that the model was not trained on.
        budget: False alarms agreed to, per camera; `DEFAULT_BUDGET` when None.
        rules: When scores become an event; the defaults when None.
    """
    budget, rules = budget or FalseAlarmBudget.parse(DEFAULT_BUDGET), rules or EventRules()
    series = _ScoreSeries(normal, rules)
    allowed = budget.per_hour * normal.hours
    fitted = (math.inf, 0.0)
    # Counts scatter by their square root: with three of them on top, the level of the upper end of
    # the interval is among those tried.
    tried = series.try_levels(max(allowed + 3 * allowed**0.5, TAIL_EVENTS))
    if allowed >= ENOUGH_EVENTS:
        level, (low, high) = _count_level(series, tried, allowed)
    else:
        fit = _fit_highest_events(series, tried)
        level, (low, high) = fit.level(budget.per_hour), fit.level_interval(budget.per_hour)
        fitted = fit.rate_interval(level)
    # What was counted bounds the rate whatever scores are like; a fit can only widen that.
    least, most = rate_bounds(series.count(level), normal.hours)
    return Calibration(
        threshold=float(np.exp(level)),
        release=float(np.exp(series.leave(level))),
        threshold_low=float(np.exp(min(low, level))),
        threshold_high=float(np.exp(max(high, level))),
        rate_low=min(least, fitted[0]),
        rate_high=max(most, fitted[1]),
        budget=str(budget),
        method="empirical" if allowed >= ENOUGH_EVENTS else "tail",
        hours=normal.hours,
        clips=len(normal),
        in_sample=normal.in_sample,
        map_level=max(float(np.quantile(normal.map_peak, MAP_QUANTILE)), _TINY),
        rules=rules,
        tails={name: NormalTail.of(getattr(normal, name)) for name in REASONS},
    )


def placeholder_calibration() -> Calibration:
    """Give a calibration whose threshold means nothing, for whoever needs raw scores only."""
    tail = NormalTail((1.0,), (0.0,), 1.0)
    return Calibration(
        threshold=1.0, release=1.0, threshold_low=1.0, threshold_high=1.0,
        rate_low=0.0, rate_high=0.0, budget=DEFAULT_BUDGET, method="tail", hours=0.0, clips=0,
        in_sample=False, map_level=1.0, rules=EventRules(), tails=dict.fromkeys(REASONS, tail),
    )  # fmt: skip


class _ScoreSeries:
    """Normal footage on the scale on which thresholds are sought.

    That scale is the natural logarithm of raw scores, here called level: raw scores are positive
    and spread over powers of ten, and their logarithms have a tail that a fit can follow.
    """

    def __init__(self, normal: NormalScores, rules: EventRules) -> None:
        self.rules, self.hours = rules, normal.hours
        self.values: Float64 = np.log(normal.raw.astype(np.float64))
        self.middle = float(np.median(self.values))
        self.pieces = [(normal.time_s[piece], self.values[piece]) for piece in normal.pieces()]

    def leave(self, level: float) -> float:
        """Give the level at which an event ends whose threshold is ``level`` (hysteresis)."""
        return level - max(level - self.middle, 0.0) * (1.0 - self.rules.hold)

    def events(self, level: float) -> list[list[Span]]:
        """Find the events of each piece of footage at a threshold."""
        return [spans(*piece, self.rules, level, self.leave(level)) for piece in self.pieces]

    def count(self, level: float) -> int:
        """Count the events at a threshold."""
        return sum(map(len, self.events(level)))

    def try_levels(self, wanted: float) -> list[tuple[float, int]]:
        """Count events at levels from the highest score down.

        It stops where there are ``wanted`` events, or where they become fewer: further down
        everything merges, and one endless event is no answer to "one a day".

        Returns:
            Pairs of a level and the number of its events; levels fall.
        """
        deepest = max(np.log10(len(self.values)), 1.0)
        shares = 10.0 ** -np.arange(0.3, deepest, 1 / _GRID_STEPS)[::-1]
        found: list[tuple[float, int]] = [(float(self.values.max()), 0)]
        for level in np.quantile(self.values, 1.0 - shares).tolist():
            found.append((level, self.count(level)))
            most = max(count for _, count in found)
            # Three of slack, so that a merge among a handful of events does not end the search.
            if most >= wanted or found[-1][1] < 0.8 * most - 3:
                break
        return found

    def event_levels(self, base: float) -> Float64:
        """Give the highest level at which each event above ``base`` still is one."""
        levels = []
        for (times_s, values), found in zip(self.pieces, self.events(base), strict=True):
            starts = self._start_levels(times_s, values)
            for span in found:
                # Times are kept to the microsecond, so the last frame is within one of the end.
                inside = slice(
                    *np.searchsorted(times_s, [span.start_s, span.end_s + 1e-6]).tolist()
                )
                levels.append(float(starts[inside].max()))
        return np.maximum(np.asarray(levels, np.float64), base)

    def _start_levels(self, times_s: Float64, values: Float64) -> Float64:
        """Give the level below which an event can start on each frame.

        The frame itself must exceed it, and those of the next ``least_s`` must reach its leave.
        """
        until = np.searchsorted(times_s, times_s + self.rules.least_s - 1e-6)
        lowest = values
        steps = int((until - np.arange(len(values))).max(initial=0))
        # lowest[i] becomes the least value from frame i to until[i]. The loop runs over the few
        # steps of ``least_s`` instead of over millions of frames.
        for step in range(1, steps + 1):
            reached = np.arange(len(values)) + step <= until
            shifted = np.append(values[step:], np.full(min(step, len(values)), -np.inf))
            lowest = np.where(reached, np.minimum(lowest, shifted), lowest)
        hold = self.rules.hold
        if hold == 0.0:
            return np.where(lowest >= self.middle, values, -np.inf)
        # `leave` solved for the level at which it equals the least value.
        held = np.where(lowest > self.middle, self.middle + (lowest - self.middle) / hold, lowest)
        return np.minimum(values, held)


def _count_level(
    series: _ScoreSeries, tried: list[tuple[float, int]], allowed: float
) -> tuple[float, tuple[float, float]]:
    """Find the level at which the footage gives ``allowed`` events, and its 95 % interval."""
    spread = _Z_95 * allowed**0.5
    # One event less: the level of the k-th highest event is on average that of k events in as much
    # other footage.
    level, low, high = (
        _level_of(series, tried, allowed - 1 + more) for more in (0.0, spread, -spread)
    )
    return level, (low, high)


def _level_of(series: _ScoreSeries, tried: list[tuple[float, int]], count: float) -> float:
    """Find the level, coming from above, below which there are more than ``count`` events."""
    beyond = next((place for place, (_, found) in enumerate(tried) if found > count), None)
    if beyond is None:
        return max(tried, key=lambda pair: pair[1])[0]
    low, high = tried[beyond][0], tried[beyond - 1][0]
    # Twenty halvings of a step between two levels tried: exact to a millionth of it.
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if series.count(middle) > count else (low, middle)
    return high


def _fit_highest_events(series: _ScoreSeries, tried: list[tuple[float, int]]) -> TailFit:
    """Fit a tail to the highest separate events."""
    floor = float(np.quantile(series.values, 1.0 - DEEPEST_BASE))
    # Footage that has few frames may have no level above the floor but its highest score.
    usable = [pair for pair in tried if pair[0] >= floor] or tried[:1]
    base = next(
        (level for level, count in usable if count >= TAIL_EVENTS),
        max(usable, key=lambda pair: pair[1])[0],
    )
    above = series.values[series.values > base]
    return fit_tail(
        base, series.event_levels(base), above, series.hours, len(above) / len(series.values)
    )
