"""Which parts of the picture are watched, and what an alarm there is worth: zones of one camera."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oddframe.core.arming import ArmedHours
from oddframe.errors import SettingsError

__all__ = ["Polygon", "Zones"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Polygon:
    """An outline in shares of the picture's width and height, filled by the even-odd rule.

    Attributes:
        points: (x, y) of three or more corners, each from 0 to 1; the last is joined to the first.
        name: What people call it.

    Raises:
        SettingsError: If there are fewer corners or one lies outside the picture.
    """

    points: tuple[tuple[float, float], ...]
    name: str = ""

    def __post_init__(self) -> None:
        if len(self.points) < 3:
            raise SettingsError(f"a zone must have at least 3 corners, {self._called} has {len(self.points)}")
        for x, y in self.points:
            if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
                raise SettingsError(
                    f"corners of zones must be shares of width and height, 0 to 1, {self._called} has ({x:g}, {y:g})"
                )

    @property
    def _called(self) -> str:
        return repr(self.name) if self.name else "one without a name"

    def mask(self, height: int, width: int) -> Mask:
        """The places whose centre lies inside, bool H x W."""
        x = (np.arange(width) + 0.5) / width
        y = ((np.arange(height) + 0.5) / height)[:, None]
        inside = np.zeros((height, width), np.bool_)
        for (x0, y0), (x1, y1) in zip(self.points, (*self.points[1:], self.points[0]), strict=True):
            if y0 == y1:
                continue
            crosses = (y0 > y) != (y1 > y)
            # An edge that is nearly level overflows only in rows that it does not cross.
            with np.errstate(over="ignore", invalid="ignore"):
                left = x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
            inside ^= crosses & left
        return inside


@dataclass(frozen=True, kw_only=True)
class Zones:
    """What counts in the picture of one camera, and when.

    Attributes:
        watch: Only what lies in one of these counts; all of the picture where there are none.
        ignore: What lies in one of these does not count, whatever else it lies in.
        armed: When alarms are wanted; always when None. Only a live camera knows what time it is.
        cool_down_s: After an event's end none starts for this time; the calibration's own when None.
    """

    watch: tuple[Polygon, ...] = ()
    ignore: tuple[Polygon, ...] = ()
    armed: ArmedHours | None = None
    cool_down_s: float | None = None

    def __post_init__(self) -> None:
        if self.cool_down_s is not None and not 0 <= self.cool_down_s < float("inf"):
            raise SettingsError(f"cool_down_s must be 0 s or more, got {self.cool_down_s}")

    def mask(self, height: int, width: int) -> Mask | None:
        """What counts, bool H x W; None where all of the picture does.

        Raises:
            SettingsError: If nothing does.
        """
        if not self.watch and not self.ignore:
            return None
        mask = np.zeros((height, width), np.bool_) if self.watch else np.ones((height, width), np.bool_)
        for polygon in self.watch:
            mask |= polygon.mask(height, width)
        for polygon in self.ignore:
            mask &= ~polygon.mask(height, width)
        if not mask.any():
            raise SettingsError(
                f"zones must leave a part of the picture to watch, but at {width} x {height} places nothing is left; "
                "widen a watch zone or take an ignore zone away"
            )
        return mask
