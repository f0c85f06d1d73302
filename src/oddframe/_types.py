"""Types that every room shares: arrays by what they hold, and how work reports its progress."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

# Shapes cannot be written in these types; docstrings state them where a function expects one.
Float32: TypeAlias = npt.NDArray[np.float32]
"""Any array in single precision."""

Float64: TypeAlias = npt.NDArray[np.float64]
"""Any array in double precision."""

BoolMask: TypeAlias = npt.NDArray[np.bool_]
"""True where something holds: a pixel of a picture, a frame of a recording."""

AnomalyMap: TypeAlias = npt.NDArray[np.float32]
"""An anomaly map, H x W: how abnormal each pixel is, from 0 upwards without a bound."""

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""A picture, H x W x C with 1 or 3 channels, or several of them, each value from 0 to 255."""

Progress: TypeAlias = Callable[[str, int, int, Mapping[str, float]], None]
"""Called as (phase, done, total, values).

These are a phase's name, how many of how many units are done, and figures to show.
"""


def silent(phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
    """Ignore the progress: the default where a caller does not ask for it."""
