"""Scores of normal video as a calibration takes and keeps them."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from oddframe.errors import InputError

__all__ = ["NormalScores"]


@dataclass(frozen=True, kw_only=True, eq=False)
class NormalScores:
    """Scores of N normal frames in order, recording after recording.

    Attributes:
        recording: Number of the unbroken piece of footage that each comes from, int32, not decreasing.
        time_s: Time in that piece in seconds, float64, increasing.
        raw: Raw scores r > 0, float32.
        appearance: As in `oddframe.core.records.Score`, float32.
        motion: Likewise.
        cluster: Likewise.
        map_peak: Height of the hottest place of each frame's anomaly map, float32.
        rate_fps: Frames per second at which they were scored.
        in_sample: Whether the model was trained on these frames.
    """

    recording: npt.NDArray[np.int32]
    time_s: npt.NDArray[np.float64]
    raw: npt.NDArray[np.float32]
    appearance: npt.NDArray[np.float32]
    motion: npt.NDArray[np.float32]
    cluster: npt.NDArray[np.float32]
    map_peak: npt.NDArray[np.float32]
    rate_fps: float
    in_sample: bool

    def __post_init__(self) -> None:
        shapes = {item.name: getattr(self, item.name).shape for item in fields(self) if item.name in ARRAYS}
        if len(set(shapes.values())) != 1 or self.raw.ndim != 1:
            raise InputError(f"normal scores must be arrays of one length, got {shapes}")
        raw = self.raw
        if not len(raw) or not np.all(np.isfinite(raw)) or not np.all(raw > 0):
            wrong = raw[~(np.isfinite(raw) & (raw > 0))]
            found = f"{len(wrong)} of {len(raw)} that are not, such as {wrong[0]}" if len(wrong) else "none"
            raise InputError(f"calibration needs at least one raw score, all finite and above 0, got {found}")
        if not self.rate_fps > 0:
            raise InputError(f"rate_fps must be above 0, got {self.rate_fps}")
        same = np.diff(self.recording) == 0
        if np.any(np.diff(self.recording) < 0) or np.any(np.diff(self.time_s)[same] <= 0):
            raise InputError("normal scores must be in order of recording and time, but some go back")

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def hours(self) -> float:
        """How much footage this is."""
        return len(self) / self.rate_fps / 3600.0

    def pieces(self) -> Iterator[slice]:
        """The frames of each recording."""
        borders = [0, *(np.flatnonzero(np.diff(self.recording)) + 1).tolist(), len(self)]
        return (slice(begin, end) for begin, end in pairwise(borders))


ARRAYS = ("recording", "time_s", "raw", "appearance", "motion", "cluster", "map_peak")
"""The arrays of `NormalScores`."""
