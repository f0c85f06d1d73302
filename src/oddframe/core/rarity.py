"""How far a part of a score lies in its own normal tail, in one unit for all parts.

The unit is the rarity: -log10 of the share of normal frames that reach a value, so that 3 is one
frame in a thousand. It makes the three parts of a score comparable, which have scales of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from oddframe._types import Float32, Float64
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
"""Stands in for 0, which has no logarithm."""
_LEAST_SCALE = 0.01
"""Least scale of the tail on the logarithmic axis.

Footage that never varies does not tell how much it could vary.
"""


@dataclass(frozen=True, slots=True)
class NormalTail:
    """The upper tail of one part of the scores of normal frames.

    Attributes:
        values: Values of the part, strictly increasing.
        rarities: -log10 of the share of normal frames that reach each of them, from 0, increasing.
        scale: Beyond the last value the tail is taken as exponential in the value's logarithm, with
            this scale.
    """

    values: tuple[float, ...]
    rarities: tuple[float, ...]
    scale: float

    def __post_init__(self) -> None:
        if not self.values or len(self.values) != len(self.rarities) or not self.scale > 0:
            raise InputError(
                "a normal tail must have as many values as rarities, at least one, "
                f"and a scale above 0, got {len(self.values)} values, "
                f"{len(self.rarities)} rarities and scale {self.scale}"
            )

    @classmethod
    def of(cls, values: Float32 | Float64) -> "NormalTail":
        """Describe the tail of N values of a part, each at least 0."""
        ordered = np.sort(np.maximum(values.astype(np.float64), _SMALLEST))
        deepest = max(0.0, np.log10(len(ordered) / _LEAST_BEYOND))
        depths = np.arange(0.0, deepest + _STEP / 2, _STEP)
        # "higher" picks a value that was really seen. Equal quantiles would make steps in the
        # interpolation, so only the first, most frequent depth of each value is kept.
        points, first = np.unique(
            np.quantile(ordered, 1.0 - 10.0**-depths, method="higher"), return_index=True
        )
        rarities = depths[first]
        beyond = ordered[ordered >= points[-1]]
        # The mean of the excesses is the maximum-likelihood scale of an exponential tail.
        scale = max(float(np.log(beyond / points[-1]).mean()), _LEAST_SCALE)
        return cls(tuple(points.tolist()), tuple(rarities.tolist()), scale)

    def rarity(self, value: float) -> float:
        """Give -log10 of the share of normal frames that reach ``value``, at least 0."""
        place, points = np.log(max(value, _SMALLEST)), np.log(self.values)
        if place <= points[-1]:
            return float(np.interp(place, points, self.rarities))
        # An exponential tail loses a factor of e per scale; rarities count factors of ten.
        return self.rarities[-1] + float(place - points[-1]) / (self.scale * float(np.log(10.0)))


def rarities(tails: Mapping[str, NormalTail], parts: Mapping[str, float]) -> dict[str, float]:
    """Give the rarity of each part of a score, rounded to a thousandth."""
    return {name: round(tails[name].rarity(parts[name]), 3) for name in REASONS}


def reason(found: Mapping[str, float]) -> str:
    """Say what the rarest part means; of equal ones the first in the order of `REASONS`."""
    return REASONS[max(REASONS, key=lambda name: found[name])]
