"""The tail of the levels of separate events: how rare is one that is higher than any seen?

Excesses over a base level follow a generalised Pareto distribution with shape xi and scale sigma
(peaks over threshold). Both are kept uncertain: a grid over (xi, log sigma) holds their posterior.
A grid needs no optimiser, no random numbers and no SciPy, and stays sound with three excesses,
where moments and likelihood do not.
"""

from dataclasses import dataclass

import numpy as np

from oddframe._types import Float64

DEEP_SHAPE, SHALLOW_SHAPE = (-0.05, 0.12), (-0.18, 0.06)
"""What is known of xi beforehand, mean and spread, where at most `DEEP` of the frames lie above the base, and where
`SHALLOW` do; in between by the logarithm. Levels are logarithms of scores. Those of log-normal
scores are Gaussian and look like xi = -0.18 from a tenth of the frames on, like -0.1 from a
hundredth on and tend to 0. A base as low as a tenth is that of a minute of footage, which tells
nothing of xi: with a wide guess no score would reach the threshold.
"""
DEEP, SHALLOW = 0.01, 0.1
LEAST_SCALE = 0.01
"""Scale that is taken for footage which never varies: one hundredth of the raw score."""
SCALE_SPREAD = 0.3
"""How well all frames above the base know log sigma beforehand; they share the tail of the events' peaks."""
_SHAPES = np.linspace(-0.5, 0.5, 61)
_SCALES = np.linspace(-2.0, 2.0, 81)
_LEVEL_STEPS = 60


@dataclass(frozen=True, slots=True)
class TailFit:
    """Posterior of the rate of events above a level.

    Attributes:
        base: The level above which the tail begins.
        base_rate: Events above it per hour.
        base_events: How many that were; their own uncertainty is that of a count.
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
        """Expected events per hour above a level, at least the base: the mean over what the tail may be."""
        return float(self._rates(level) @ self.weight)

    def rate_interval(self, level: float) -> tuple[float, float]:
        """Between which rates per hour the true one lies with 95 %."""
        low, high = _quantiles(self._rates(level), self.weight)
        # The count's own error is independent of the shape's: on the logarithmic scale their
        # squares add up.
        apart = 1.96 / np.sqrt(self.base_events + 0.5)
        middle = self.rate(level)
        up = np.hypot(np.log(max(high / middle, 1.0)), apart)
        down = (
            np.hypot(np.log(middle / low), apart)
            if 0.0 < low < middle
            else np.inf
            if low <= 0.0
            else apart
        )
        return float(middle * np.exp(-down)), float(middle * np.exp(up))

    def level(self, rate: float) -> float:
        """The level above which ``rate`` events per hour are expected; the base where even that has fewer."""
        low = self.base
        high = low + float(self.scale.max())
        while self.rate(high) > rate:
            high = low + 2 * (high - low)
        for _ in range(_LEVEL_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.rate(middle) > rate else (low, middle)
        return high if self.rate(self.base) > rate else self.base

    def level_interval(self, rate: float) -> tuple[float, float]:
        """Between which levels the one of exactly ``rate`` events per hour lies with 95 %."""
        depth = np.log(max(self.base_rate / rate, 1.0))
        shape = np.where(np.abs(self.shape) < 1e-9, 1e-9, self.shape)
        low, high = _quantiles(
            self.base + self.scale * np.expm1(shape * depth) / shape, self.weight
        )
        return low, high

    def _rates(self, level: float) -> Float64:
        """Events per hour above a level, for each cell."""
        survivors: Float64 = self.base_rate * np.exp(
            -_hazard((level - self.base) / self.scale, self.shape)
        )
        return survivors


def fit_tail(
    base: float, levels: Float64, frames: Float64, hours: float, share: float = DEEP
) -> TailFit:
    """Fit the tail.

    Args:
        base: Where it begins.
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
    known = frames if len(frames) else levels
    first = max(float((known - base).mean()) if len(known) else 0.0, LEAST_SCALE)
    shape, log_scale = (
        grid.ravel() for grid in np.meshgrid(_SHAPES, np.log(first) + _SCALES, indexing="ij")
    )
    scale = np.exp(log_scale)
    likelihood = np.zeros(len(scale))
    for excess in levels - base:
        hazard = _hazard(excess / scale, shape)
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
    """-log of the survival function of the generalised Pareto distribution at excess / sigma; infinite past its end."""
    bent = np.where(np.abs(shape) < 1e-9, 1e-9, shape)
    inside = 1.0 + bent * scaled
    hazard: Float64 = np.where(inside > 0, np.log(np.maximum(inside, 1e-300)) / bent, np.inf)
    return hazard


def _quantiles(values: Float64, weight: Float64) -> tuple[float, float]:
    """2.5 % and 97.5 % points of weighted values."""
    order = np.argsort(values)
    share = np.cumsum(weight[order])
    low, high = (
        values[order][min(int(np.searchsorted(share, point)), len(values) - 1)]
        for point in (0.025, 0.975)
    )
    return float(low), float(high)
