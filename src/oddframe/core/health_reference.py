"""What is usual for a camera, as learned from its normal footage and stored in a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe.core.records import Pixels
from oddframe.errors import InputError

__all__ = ["CHECK_S", "NO_DETAIL", "HealthReference"]

CHECK_S = 1.0
"""Seconds from one check of the picture to the next."""
NO_DETAIL = 0.35
"""Contrast of lost tiles below which they show nothing (covered) rather than something else (moved)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HealthReference:
    """What is usual for a camera.

    Attributes:
        scene: The empty scene in grey, uint8 H x W, at most 65,536 pixels.
        still_change: Most `change` between a frame and its repeat, in grey levels.
        frozen_after_s: Seconds of repeats from which the picture is frozen.
        least_brightness: Below this, and below the least contrast, a picture is black where the scene has no structure
            that could be missed; 0 switches that off.
        least_contrast: As above.
        most_lost: Share of the scene's tiles that may be lost; 1 switches cover and loss of view off.
        least_sharpness: Below it the picture is out of focus; 0 switches that off.
        most_shift_px: From it on the view has moved; infinite switches that off.
        jump: Mean change in grey levels at which the picture has changed as a whole.
    """

    scene: Pixels
    still_change: float
    frozen_after_s: float
    least_brightness: float
    least_contrast: float
    most_lost: float
    least_sharpness: float
    most_shift_px: float
    jump: float

    def __post_init__(self) -> None:
        if self.scene.dtype != np.uint8 or self.scene.ndim != 2 or not self.scene.size:
            raise InputError(
                f"health scene must be uint8 of shape H x W, got {self.scene.dtype} of shape {self.scene.shape}"
            )
        for name, value in self._limits().items():
            if not value >= 0:
                raise InputError(f"health {name} must be 0 or more, got {value}")

    def _limits(self) -> dict[str, float]:
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "scene"}

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it as plain arrays by name: the scene, and a float64 of no dimension for each limit."""
        return {"scene": self.scene, **{name: np.array(value) for name, value in self._limits().items()}}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "HealthReference":
        """What `as_arrays` gave.

        Raises:
            InputError: If an array is missing, not known or not what it should be.
        """
        names = {item.name for item in fields(cls)}
        if set(arrays) != names:
            raise InputError(
                f"a health reference must have {', '.join(sorted(names))}, got {', '.join(sorted(arrays))}"
            )
        if odd := [name for name in names - {"scene"} if arrays[name].size != 1]:
            raise InputError(f"health {odd[0]} must be one number, got {arrays[odd[0]].size}")
        return cls(scene=arrays["scene"], **{name: float(arrays[name].item()) for name in names - {"scene"}})
