"""Stretches of supposedly normal footage that the model itself finds unlike the rest."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["OddStretch", "odd_stretches"]

ENTER, LEAVE = 3.0, 2.0
"""A stretch starts this many spreads above the middle of the footage, and lasts while scores stay above the second."""
MERGE_S = 2.0
"""Stretches with less than this between them are one."""
FEWEST = 50
"""With fewer scores nothing is called odd."""


class OddStretch(NamedTuple):
    """Scores at places first to last belong together.

    Attributes:
        first: Place of the first.
        last: Place of the last.
        peak: The highest raw score r over the limit t from which a stretch starts, as r / (r + t): in (0.5, 1).
    """

    first: int
    last: int
    peak: float


def odd_stretches(
    raw: npt.NDArray[np.float64], piece: npt.NDArray[np.int64], time_s: npt.NDArray[np.float64]
) -> list[OddStretch]:
    """Find robust outliers on the logarithmic scale.

    The spread is that of the upper side alone, from the median to the 90 % quantile, as multiples of a normal
    distribution's: an empty scene scores orders of magnitude lower than a busy one, and up to a tenth of the footage
    may be odd without hiding itself.

    Args:
        raw: Raw scores r > 0 of N clips in the order of the footage.
        piece: Which unbroken piece of footage each comes from.
        time_s: Time of each in its piece, in seconds.
    """
    if len(raw) < FEWEST:
        return []
    levels = np.log(raw)
    middle, high = np.quantile(levels, (0.5, 0.9))
    spread = (high - middle) / 1.2816
    limit = middle + ENTER * spread
    found: list[OddStretch] = []
    for place in np.flatnonzero(levels > middle + LEAVE * spread).tolist():
        peak = float(1.0 / (1.0 + np.exp(limit - levels[place])))
        before = found[-1] if found else None
        if before and piece[before.last] == piece[place] and time_s[place] - time_s[before.last] < MERGE_S:
            found[-1] = OddStretch(before.first, place, max(before.peak, peak))
        else:
            found.append(OddStretch(place, place, peak))
    return [stretch for stretch in found if stretch.peak > 0.5]
