"""The ways of writing one video's scores that are evaluated side by side (method section 9, rule 1)."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

__all__ = [
    "SMOOTHING_SIGMA",
    "Floats",
    "per_video",
    "per_video_reciprocal",
    "smooth",
    "stretches",
    "variants",
]

Floats: TypeAlias = npt.NDArray[np.float64]

SMOOTHING_SIGMA = 3.0
"""Width in frames of the Gaussian behind every `*_smoothed` figure."""


def variants(scores: Floats) -> dict[str, Floats | None]:
    """One video's scores, written in each way that `Variants` names; NaN stays NaN."""
    normalised = per_video(scores)
    reciprocal = per_video_reciprocal(scores)
    return {
        "raw": scores,
        "raw_smoothed": smooth(scores),
        "per_video": normalised,
        "per_video_smoothed": smooth(normalised),
        "per_video_reciprocal": reciprocal,
        "per_video_reciprocal_smoothed": None if reciprocal is None else smooth(reciprocal),
    }


def per_video(scores: Floats) -> Floats:
    """(r - min) / (max - min) over the scored frames of one video; a constant video becomes all 0."""
    scored = scores[~np.isnan(scores)]
    if scored.size == 0:
        return scores.copy()
    low, high = scored.min(), scored.max()
    if low == high:
        return scores * 0.0
    normalised: Floats = (scores - low) / (high - low)
    return normalised


def per_video_reciprocal(scores: Floats) -> Floats | None:
    """The research code's 1 - minmax(1 / r) over one video; a constant video becomes all 0.

    Method section 6. It bends the scale without changing the order within a video, so only figures pooled
    over videos differ from `per_video`. None unless every score is above 0.
    """
    scored = scores[~np.isnan(scores)]
    if (scored <= 0.0).any():
        return None
    if scored.size == 0 or scored.min() == scored.max():
        return scores * 0.0
    # The same as 1 - minmax(1 / r), without the reciprocal of very small scores.
    reciprocal: Floats = per_video(scores) * (scored.max() / scores)
    return reciprocal


def smooth(scores: Floats, sigma: float = SMOOTHING_SIGMA) -> Floats:
    """Centred Gaussian over time, cut off at 4 sigma, within each stretch of scored frames.

    Stretches are smoothed on their own and mirrored at their ends (scipy's `reflect`: d c b a | a b c d), so
    a frame without a score neither receives nor spreads anything.
    """
    smoothed = scores.copy()
    for start, stop in stretches(~np.isnan(scores)):
        smoothed[start:stop] = gaussian_filter1d(scores[start:stop], sigma, mode="reflect", truncate=4.0)
    return smoothed


def stretches(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The runs of True as half-open (start, stop) pairs, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
