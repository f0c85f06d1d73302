"""The tail of the levels of separate events: how rare is one that is higher than any seen.

Excesses over a base level follow a generalised Pareto distribution with shape xi and scale sigma
(peaks over threshold). Both are kept uncertain: a grid over (xi, log sigma) holds their posterior.
A grid needs no optimiser, no random numbers and no SciPy, and stays sound with three excesses,
where moments and likelihood do not.
"""

from dataclasses import dataclass

import numpy as np

from oddframe._types import Float64

DEEP, SHALLOW = 0.01, 0.1
"""Shares of the frames that lie above the base, between which the prior of xi changes."""
DEEP_SHAPE, SHALLOW_SHAPE = (-0.05, 0.12), (-0.18, 0.06)
"""The prior of xi, mean and spread, where at most `DEEP` of the frames lie above the base, and
where `SHALLOW` do; in between it goes by the logarithm of the share.

Levels are logarithms of scores. Those of log-normal scores are Gaussian and look like xi = -0.18
from a tenth of the frames on, like -0.1 from a hundredth on and tend to 0. A base as low as a tenth
is that of a minute of footage, which tells nothing of xi: with a wide prior no score would reach
the threshold.
"""
LEAST_SCALE = 0.01
"""Scale that is taken for footage which never varies: one hundredth of the raw score."""
SCALE_SPREAD = 0.3
"""Spread of the prior of log sigma, whose mean comes from all frames above the base."""

_Z_95 = 1.96
"""Standard deviations of a Gaussian that hold its middle 95 %."""
_LEAST_SHAPE = 1e-9
"""Stands in for xi = 0, by which the formulas would divide; the results hardly differ."""
_SHAPES = np.linspace(-0.5, 0.5, 61)
"""The grid's values of xi; tails beyond them are not met with in logarithms of scores."""
_SCALES = np.linspace(-2.0, 2.0, 81)
"""The grid's values of log sigma, relative to the mean of its prior."""
_LEVEL_STEPS = 60
"""Halvings of the search for a level: more than the 52 bits of a float's mantissa."""


@dataclass(frozen=True, slots=True)
class TailFit:
    """Posterior of the rate of events above a level.

    Attributes:
        base: The level above which the tail begins.
        base_rate: Events above it per hour.
        base_events: How many these were; the count has an uncertainty of its own.
        shape: xi of each cell of the grid, G.
        scale: sigma of each, G.
        weight: Probability of each, G, summing to 1.
    """

    base: float
    base_rate: float
    base_events: int
    shape: Float64
    scale: Float64
    weight: Float64

    def rate(self, level: float) -> float:
        """Give the expected events per hour above a level that is at least the base."""
        return float(self._rates(level) @ self.weight)

    def rate_interval(self, level: float) -> tuple[float, float]:
        """Give the rates per hour between which the true one lies with 95 %."""
        low, high = _quantiles(self._rates(level), self.weight)
        # The count's own error is independent of the shape's: on the logarithmic scale their
        # squares add up.
        count_error = _Z_95 / np.sqrt(self.base_events + 0.5)
        middle = self.rate(level)
        up = np.hypot(np.log(max(high / middle, 1.0)), count_error)
        if low <= 0.0:
            down = np.inf
        elif low < middle:
            down = np.hypot(np.log(middle / low), count_error)
        else:
            down = count_error
        return float(middle * np.exp(-down)), float(middle * np.exp(up))

    def level(self, rate: float) -> float:
        """Find the level above which ``rate`` events per hour are expected.

        It is the base where even that has fewer.
        """
        low = self.base
        high = low + float(self.scale.max())
        while self.rate(high) > rate:
            high = low + 2 * (high - low)
        for _ in range(_LEVEL_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.rate(middle) > rate else (low, middle)
        return high if self.rate(self.base) > rate else self.base

    def level_interval(self, rate: float) -> tuple[float, float]:
        """Give the levels between which the one of ``rate`` events per hour lies with 95 %."""
        depth = np.log(max(self.base_rate / rate, 1.0))
        shape = np.where(np.abs(self.shape) < _LEAST_SHAPE, _LEAST_SHAPE, self.shape)
        # The inverse of `_hazard`: the level at which it equals the depth, for each cell.
        low, high = _quantiles(
            self.base + self.scale * np.expm1(shape * depth) / shape, self.weight
        )
        return low, high

    def _rates(self, level: float) -> Float64:
        """Give the events per hour above a level for each cell of the grid, G."""
        survivors: Float64 = self.base_rate * np.exp(
            -_hazard((level - self.base) / self.scale, self.shape)
        )
        return survivors


def fit_tail(
    base: float, levels: Float64, frames: Float64, hours: float, share: float = DEEP
) -> TailFit:
    """Compute the posterior of a generalised Pareto tail.

    Args:
        base: The level at which the tail begins.
        levels: Levels of the separate events above it, n; none is allowed.
        frames: Levels of the single frames above it, for a first idea of the scale; none is
            allowed.
        hours: Length of the footage.
        share: Share of all frames that lie above the base.
    """
    shallow = float(np.clip(np.log(max(share, DEEP) / DEEP) / np.log(SHALLOW / DEEP), 0.0, 1.0))
    mean, spread = (
        (1 - shallow) * deep + shallow * other
        for deep, other in zip(DEEP_SHAPE, SHALLOW_SHAPE, strict=True)
    )
    # Frames share the tail of the events' peaks, and there are many more of them: the mean of their
    # excesses is a first estimate of the scale. Independent they are not, so it is a prior only.
    known = frames if len(frames) else levels
    first = max(float((known - base).mean()) if len(known) else 0.0, LEAST_SCALE)
    shape, log_scale = (
        grid.ravel() for grid in np.meshgrid(_SHAPES, np.log(first) + _SCALES, indexing="ij")
    )
    scale = np.exp(log_scale)
    likelihood = np.zeros(len(scale))
    for excess in levels - base:
        hazard = _hazard(excess / scale, shape)
        # Past the end of a tail with xi < 0 the hazard is infinite: such a cell is impossible.
        with np.errstate(invalid="ignore"):
            likelihood -= np.where(np.isinf(hazard), np.inf, log_scale + (1.0 + shape) * hazard)
    prior = (
        -0.5 * ((shape - mean) / spread) ** 2
        - 0.5 * ((log_scale - np.log(first)) / SCALE_SPREAD) ** 2
    )
    posterior = likelihood + prior
    weight = np.exp(posterior - posterior.max())
    return TailFit(
        base, (len(levels) + 0.5) / hours, len(levels), shape, scale, weight / weight.sum()
    )


def _hazard(scaled: Float64, shape: Float64) -> Float64:
    """Give -log of the survival function of the generalised Pareto distribution.

    Args:
        scaled: The excess divided by sigma.
        shape: xi.

    Returns:
        log(1 + xi * scaled) / xi, infinite past the distribution's end.
    """
    xi = np.where(np.abs(shape) < _LEAST_SHAPE, _LEAST_SHAPE, shape)
    inside = 1.0 + xi * scaled
    hazard: Float64 = np.where(inside > 0, np.log(np.maximum(inside, 1e-300)) / xi, np.inf)
    return hazard


def _quantiles(values: Float64, weight: Float64) -> tuple[float, float]:
    """Give the 2.5 % and 97.5 % points of weighted values."""
    order = np.argsort(values)
    share = np.cumsum(weight[order])
    low, high = (
        values[order][min(int(np.searchsorted(share, point)), len(values) - 1)]
        for point in (0.025, 0.975)
    )
    return float(low), float(high)
