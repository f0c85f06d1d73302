"""How many false alarms a user agrees to: a number per unit of time, for each camera."""

import math
import re
from dataclasses import dataclass

from oddframe.errors import SettingsError

__all__ = ["DEFAULT_BUDGET", "Budget"]

_HOURS = {"hour": 1.0, "day": 24.0, "week": 168.0, "month": 720.0}
"""Length of each unit in hours; a month has 30 days."""


@dataclass(frozen=True, slots=True)
class Budget:
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
        if not 0 < self.count < math.inf or self.unit not in _HOURS:
            raise SettingsError(f"a false-alarm budget must be above 0 per {_units()}, got {self.count:g}/{self.unit}")

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Read "1/day", "6/hour" or "0.5/week".

        Raises:
            SettingsError: If it is none.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:/|per)\s*([a-z]+)\s*", text)
        if match is None:
            raise SettingsError(f"a false-alarm budget must read like 1/day, 6/hour or 2/week, got {text!r}")
        return cls(float(match[1]), match[2])

    @property
    def per_hour(self) -> float:
        """False alarms per hour."""
        return self.count / _HOURS[self.unit]

    def in_units(self, per_hour: float) -> str:
        """A rate in this budget's own unit, as text."""
        # Two digits are what such an estimate is worth; "2.3e+02" is not how people write 230.
        rounded = float(f"{per_hour * _HOURS[self.unit]:.2g}")
        return f"{rounded:,.12g}/{self.unit}"

    def __str__(self) -> str:
        return f"{self.count:g}/{self.unit}"


DEFAULT_BUDGET = "1/day"
"""What a user agrees to who says nothing."""


def _units() -> str:
    *first, last = _HOURS
    return f"{', '.join(first)} or {last}"
