"""How many false alarms a user agrees to, and what normal footage of a length can say of that.

`FalseAlarmBudget` is the agreement. `standing` tells whether footage is long enough for it, and
`rate_bounds` what a count of events shows of their rate, whatever the scores are like.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from oddframe.errors import SettingsError, did_you_mean

Standing: TypeAlias = Literal["watched", "extrapolated", "not promised"]
"""What a budget rests on: see `standing`."""

DEFAULT_BUDGET = "1/day"
"""What a user agrees to who says nothing."""
PROMISED_SHARE = 1 / 24
"""A budget is promised from this share of the time on in which it allows one alarm.

For 1/day that is an hour. In the simulations of docs/calibration.md such a threshold keeps its
budget within a factor of two; of less footage nothing is known to hold.
"""
NOTHING_SEEN = 3.0
"""-ln 0.05: a rate at which as many events are expected shows none of them in 5 % of cases."""
_HOURS = {"hour": 1.0, "day": 24.0, "week": 168.0, "month": 720.0}
"""Length of each unit in hours; a month has 30 days."""
_BESIDE: dict[Standing, str] = {
    "watched": "",
    "extrapolated": " (extrapolated)",
    "not promised": " (aimed at, not promised)",
}
"""What is written beside a budget."""
_Z_95 = 1.96
"""Standard deviations of a Gaussian that hold its middle 95 %."""


@dataclass(frozen=True, slots=True)
class FalseAlarmBudget:
    """At most so many false alarms per unit of time.

    Attributes:
        count: How many, above 0.
        unit: "hour", "day", "week" or "month".

    Raises:
        SettingsError: If the count is not above 0 or the unit is unknown.
    """

    count: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in _HOURS:
            raise SettingsError(
                "a false-alarm budget must be per hour, day, week or month, "
                f"got {self.unit!r}; write it like 6/hour{did_you_mean(self.unit, _HOURS)}"
            )
        if not 0 < self.count < math.inf:
            raise SettingsError(f"a false-alarm budget must be above 0, got {self.count:g}")

    @classmethod
    def parse(cls, text: str) -> "FalseAlarmBudget":
        """Read "1/day", "6/hour" or "0.5/week".

        Raises:
            SettingsError: If the text is not a budget.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:/|per)\s*([a-z]+)\s*", text)
        if match is None:
            raise SettingsError(
                f"a false-alarm budget must read like 1/day, 6/hour or 2/week, got {text!r}"
            )
        return cls(float(match[1]), match[2])

    def resting_on(self, hours: float) -> str:
        """Write the budget with what it rests on, such as "1/day (aimed at, not promised)".

        Args:
            hours: As for `standing`.
        """
        return f"{self}{_BESIDE[standing(self, hours)]}"

    @property
    def per_hour(self) -> float:
        """The budget as false alarms per hour."""
        return self.count / _HOURS[self.unit]

    def in_units(self, per_hour: float) -> str:
        """Write a rate per hour in this budget's own unit, such as "3.5/week"."""
        # Two digits are what such an estimate is worth; "2.3e+02" is not how people write 230.
        rounded = float(f"{per_hour * _HOURS[self.unit]:.2g}")
        return f"{rounded:,.12g}/{self.unit}"

    def __str__(self) -> str:
        return f"{self.count:g}/{self.unit}"


def standing(budget: FalseAlarmBudget, hours: float) -> Standing:
    """Say what a budget rests on.

    Args:
        budget: The false alarms agreed to.
        hours: Length of the normal footage that its threshold comes from.

    Returns:
        "watched" where the footage is long enough for one alarm of the budget, "extrapolated" where
        its threshold lies further out than that, and "not promised" where the footage is shorter
        than `PROMISED_SHARE` of it.
    """
    allowed = budget.per_hour * hours
    if allowed >= 1.0:
        return "watched"
    return "extrapolated" if allowed >= PROMISED_SHARE else "not promised"


def rate_bounds(events: int, hours: float) -> tuple[float, float]:
    """Give the rates per hour between which the true one lies with 95 %, from a count alone.

    Nothing is assumed of scores: it is the interval of a Poisson count. The upper end is within 1 %
    of the exact one, the lower end never above it.

    Args:
        events: How many were seen.
        hours: How long was watched, above 0.
    """
    if events == 0:
        return 0.0, NOTHING_SEEN / hours
    # The quantiles of chi squared that bound such a count, as Wilson and Hilferty approximate them.
    low, high = (
        count * (1 - 1 / (9 * count) + sign * _Z_95 / (3 * count**0.5)) ** 3
        for count, sign in ((events, -1), (events + 1, 1))
    )
    return low / hours, high / hours
