"""How far a part of a score lies in its own normal tail, in one unit for all parts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oddframe.errors import InputError

REASONS: Mapping[str, str] = {
    "appearance": "looks wrong",
    "motion": "moves wrong",
    "cluster": "unlike any known pattern",
}
"""What it means that a part of the score lies farthest in its normal tail."""

_STEP = 0.25
"""Powers of ten from one stored point of a tail to the next."""
_LEAST_BEYOND = 10
"""Fewest normal frames beyond the last stored point."""
_SMALLEST = 1e-30
_LEAST_SCALE = 0.01
"""Least scale of the tail on the logarithmic axis: footage that never varies says nothing of how much it could."""


@dataclass(frozen=True, slots=True)
class NormalTail:
    """The upper tail of one part of the scores of normal frames.

    Attributes:
        values: Values of the part, strictly increasing.
        surprises: -log10 of the share of normal frames that reach each of them, from 0, increasing.
        scale: Beyond the last value the tail is taken as exponential in the value's logarithm, with
            this scale.
    """

    values: tuple[float, ...]
    surprises: tuple[float, ...]
    scale: float

    def __post_init__(self) -> None:
        if not self.values or len(self.values) != len(self.surprises) or not self.scale > 0:
            raise InputError(
                "a normal tail must have as many values as surprises, at least one, and a scale above 0"
            )

    @classmethod
    def of(cls, values: npt.NDArray[np.floating]) -> "NormalTail":
        """The tail of N values of a part, each at least 0."""
        ordered = np.sort(np.maximum(values.astype(np.float64), _SMALLEST))
        deepest = max(0.0, np.log10(len(ordered) / _LEAST_BEYOND))
        depths = np.arange(0.0, deepest + _STEP / 2, _STEP)
        points, first = np.unique(
            np.quantile(ordered, 1.0 - 10.0**-depths, method="higher"), return_index=True
        )
        surprises = depths[first]
        beyond = ordered[ordered >= points[-1]]
        scale = max(float(np.log(beyond / points[-1]).mean()), _LEAST_SCALE)
        return cls(tuple(points.tolist()), tuple(surprises.tolist()), scale)

    def surprise(self, value: float) -> float:
        """-log10 of the share of normal frames that reach ``value``, at least 0: 3 is one in a thousand."""
        place, points = np.log(max(value, _SMALLEST)), np.log(self.values)
        if place <= points[-1]:
            return float(np.interp(place, points, self.surprises))
        return self.surprises[-1] + float(place - points[-1]) / (self.scale * float(np.log(10.0)))


def surprises(tails: Mapping[str, NormalTail], parts: Mapping[str, float]) -> dict[str, float]:
    """The surprise of each part, to a thousandth."""
    return {name: round(tails[name].surprise(parts[name]), 3) for name in REASONS}


def reason(found: Mapping[str, float]) -> str:
    """What the most surprising part means; of equal ones the first in the order of `REASONS`."""
    return REASONS[max(REASONS, key=lambda name: found[name])]
