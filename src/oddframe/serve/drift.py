"""Whether a camera's normal scores have moved over the days."""

import time
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

__all__ = ["Day", "days_of", "drift_sentence"]

LEAST_SECONDS = 600
"""A day with fewer scores says nothing."""

_RATIO = 1.5
"""So many times the raw score of before is a rise."""


@dataclass(frozen=True, slots=True)
class Day:
    """The scores of a day outside of alarms.

    Attributes:
        day: The day, where the machine is.
        median: Median of its seconds' peaks, raw and in shares of today's threshold: 1 is the threshold.
        p95: What one in twenty of them reaches.
        hours: How much of the day was scored.
    """

    day: date
    median: float
    p95: float
    hours: float


def days_of(seconds: npt.NDArray[np.int64], raw: npt.NDArray[np.float64], threshold: float) -> list[Day]:
    """The days of a camera, in order; those with little in them are left out.

    Args:
        seconds: Seconds since 1970-01-01 UTC, in order, without those of alarms.
        raw: The highest raw score of each.
        threshold: The raw threshold of today.
    """
    if not len(seconds):
        return []
    found = []
    day = _local_day(int(seconds[0]))
    while (start := _start_of(day)) <= seconds[-1]:
        first, last = np.searchsorted(seconds, [start, _start_of(day + timedelta(days=1))])
        if last - first >= LEAST_SECONDS:
            median, p95 = np.quantile(raw[first:last] / threshold, [0.5, 0.95])
            found.append(Day(day, float(median), float(p95), (last - first) / 3600))
        day += timedelta(days=1)
    return found


def drift_sentence(days: list[Day]) -> str:
    """What to make of it, for people.

    The level of each day is its median and its upper twentieth together, on a logarithmic scale. The days are cut in
    two where that leaves the least unevenness in both parts, with two days behind, unless there are only two.
    """
    if len(days) < 2:
        return "There are not enough days yet to see drift."
    levels = np.log([max(day.median * day.p95, 1e-12) for day in days]) / 2
    least_behind = 2 if len(days) > 2 else 1
    place = min(
        range(1, len(days) - least_behind + 1),
        key=lambda place: _unevenness(levels[:place]) + _unevenness(levels[place:]),
    )
    step = float(np.median(levels[place:]) - np.median(levels[:place]))
    if abs(step) < np.log(_RATIO):
        return "Scores have not changed."
    since = _called(days[place].day, days[-1].day)
    if step > 0:
        return (
            f"Scores have risen since {since}: the scene or the camera has changed. "
            "Check the camera. If it is as it should be, train a new model with newer footage."
        )
    return (
        f"Scores have fallen since {since}: there is less activity, or the camera sees less. "
        "Check the camera. If it is as it should be, recalibrate it."
    )


def _unevenness(levels: npt.NDArray[np.float64]) -> float:
    return float(np.abs(levels - np.median(levels)).sum())


def _called(day: date, last: date) -> str:
    return f"{day:%A}" if (last - day).days < 7 else f"{day.day} {day:%B}"


def _local_day(second: int) -> date:
    return date(*time.localtime(second)[:3])


def _start_of(day: date) -> int:
    return int(time.mktime((day.year, day.month, day.day, 0, 0, 0, 0, 0, -1)))
