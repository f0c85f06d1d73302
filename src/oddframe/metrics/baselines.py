"""What any model must beat: how much the picture changes from the first to the last frame of a clip."""

from collections import deque

import numpy as np
import numpy.typing as npt

__all__ = ["BASELINES", "FrameDifference"]

BASELINES = ("mean", "top 1 %")
"""Names of the two baselines: the mean of |x4 - x0| and the mean of its highest hundredth."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_CLIP = 5


class FrameDifference:
    """Takes the frames of one recording in order and gives both baselines of each."""

    def __init__(self) -> None:
        self._held: deque[npt.NDArray[np.float32]] = deque(maxlen=_CLIP)

    def add(self, pixels: npt.NDArray[np.uint8]) -> tuple[float, float]:
        """Both baselines of the clip that ends on this frame, in [0, 1]; NaN for the first four frames.

        Args:
            pixels: uint8 H x W x 3.
        """
        self._held.append(pixels @ _LUMA / np.float32(255.0))
        if len(self._held) < _CLIP:
            return float("nan"), float("nan")
        change = np.abs(self._held[-1] - self._held[0]).ravel()
        top = max(1, change.size // 100)
        return float(change.mean()), float(np.partition(change, -top)[-top:].mean())
