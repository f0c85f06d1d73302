"""From raw scores to a threshold and a score between 0 and 1, without labels and without the future."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oddframe.errors import InputError

__all__ = ["QUANTILE", "Calibration", "calibrate"]

QUANTILE = 0.999
"""Share of normal frames that lie at or below the threshold."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is known of the scores of normal video.

    Attributes:
        threshold: Raw score t above which a frame is called unusual, above 0.
        clips: How many normal clips it comes from.
        in_sample: Whether the model was trained on those very clips; the threshold is then too low.
        map_level: Height of the anomaly map that normal clips hardly ever reach; overlays scale their colours by it.
    """

    threshold: float
    clips: int
    in_sample: bool
    map_level: float

    def __post_init__(self) -> None:
        for name in ("threshold", "map_level"):
            if not 0.0 < getattr(self, name) < float("inf"):
                raise InputError(f"calibration {name} must be above 0 and finite, got {getattr(self, name)}")

    def score(self, raw: float) -> float:
        """The score r / (r + t): strictly increasing, in (0, 1), 0.5 at the threshold."""
        return raw / (raw + self.threshold)


def calibrate(raw: npt.NDArray[np.float64], map_peaks: npt.NDArray[np.float64], *, in_sample: bool) -> Calibration:
    """Calibrate on normal clips.

    Args:
        raw: Raw scores r > 0 of N clips.
        map_peaks: Height of the hottest place of each clip's anomaly map, N.
        in_sample: Whether the model was trained on these clips.

    Raises:
        InputError: If there are no clips or a score is not a positive number.
    """
    if not len(raw) or not np.all(np.isfinite(raw)) or not np.all(raw > 0):
        wrong = raw[~(np.isfinite(raw) & (raw > 0))]
        found = f"{len(wrong)} of {len(raw)} that are not, such as {wrong[0]}" if len(wrong) else "none"
        raise InputError(f"calibration needs at least one raw score, all finite and above 0, got {found}")
    return Calibration(
        threshold=float(np.quantile(raw, QUANTILE)),
        clips=len(raw),
        in_sample=in_sample,
        map_level=max(float(np.quantile(map_peaks, QUANTILE)), float(np.finfo(np.float32).tiny)),
    )
