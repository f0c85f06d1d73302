"""The places of the drawn scene: where the ground lies, which way people walk, and what stands there.

Places on the screen are fractions: x of the width, y of the height, (0, 0) top left. Places on the ground are
metres: x to the right of the camera's axis, z away from the camera.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oddframe.data.scene_paint import Colour, Point

__all__ = ["LAYOUTS", "Camera", "Field", "Layout", "Prop", "distance_inside"]

Field: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prop:
    """Something that always stands there: `kind` is bench, planter, lamp or bollard."""

    kind: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Layout:
    """One place.

    Attributes:
        horizon: Height on the screen where the ground would vanish, above the picture.
        camera_height_m: Height of the camera over the ground.
        focal: Focal length in picture heights.
        entry: Two ends of the line on the screen where people come in.
        exit: Two ends of the line where they leave; everybody walks from entry to exit.
        lawns: Polygons that nobody enters in normal footage; the first is where somebody does.
        lawn_entry: Two ends of the line where somebody walks onto the first lawn.
        lawn_exit: Two ends of the line where that person leaves the picture.
        backdrop: Height on the screen above which there is no ground but a hedge and a building.
        paving: Colour of the paving.
        grass: Colour of the lawns.
        wall: Colour of the building.
        tile_m: Length and width of a paving slab.
        stripe: The two ends of a yellow guiding stripe on the screen, if there is one.
        shadow: Direction of shadows on the ground: metres of shadow in x and z a metre of height.
        props: What stands there.
    """

    horizon: float
    camera_height_m: float
    focal: float
    entry: tuple[Point, Point]
    exit: tuple[Point, Point]
    lawns: tuple[tuple[Point, ...], ...]
    lawn_entry: tuple[Point, Point]
    lawn_exit: tuple[Point, Point]
    backdrop: float
    paving: Colour
    grass: Colour
    wall: Colour
    tile_m: tuple[float, float]
    stripe: tuple[Point, Point] | None
    shadow: tuple[float, float]
    props: tuple[Prop, ...]


LAYOUTS: dict[str, Layout] = {
    "plaza": Layout(
        horizon=-0.05,
        camera_height_m=6.6,
        focal=1.6,
        entry=((-0.05, 0.36), (-0.05, 0.58)),
        exit=((1.05, 0.42), (1.05, 0.87)),
        lawns=(
            ((-0.3, 0.640), (0.08, 0.675), (0.36, 0.755), (0.62, 0.855), (0.84, 0.98), (1.12, 1.45), (-0.3, 1.45)),
            ((-0.1, 0.19), (1.1, 0.19), (1.1, 0.345), (0.62, 0.315), (-0.1, 0.30)),
        ),
        lawn_entry=((-0.06, 0.70), (-0.06, 0.80)),
        lawn_exit=((0.76, 1.30), (0.98, 1.30)),
        backdrop=0.19,
        paving=(176.0, 164.0, 148.0),
        grass=(98.0, 134.0, 66.0),
        wall=(150.0, 120.0, 100.0),
        tile_m=(1.2, 1.2),
        stripe=None,
        shadow=(0.55, 0.28),
        props=(
            Prop("planter", 0.30, 0.345),
            Prop("planter", 0.74, 0.365),
            Prop("bench", 0.52, 0.345),
            Prop("lamp", 0.155, 0.675),
            Prop("bollard", 0.46, 0.775),
            Prop("bollard", 0.71, 0.89),
        ),
    ),
    "station": Layout(
        horizon=-0.16,
        camera_height_m=8.0,
        focal=1.9,
        entry=((1.05, 0.30), (1.05, 0.52)),
        exit=((-0.05, 0.55), (-0.05, 1.06)),
        lawns=(
            ((1.3, 0.56), (0.98, 0.62), (0.66, 0.77), (0.37, 0.93), (0.22, 1.06), (-0.02, 1.45), (1.3, 1.45)),
            ((-0.1, 0.22), (0.46, 0.22), (0.30, 0.34), (-0.1, 0.46)),
        ),
        lawn_entry=((1.06, 0.70), (1.06, 0.80)),
        lawn_exit=((0.06, 1.28), (0.28, 1.28)),
        backdrop=0.22,
        paving=(142.0, 148.0, 156.0),
        grass=(84.0, 118.0, 84.0),
        wall=(92.0, 104.0, 122.0),
        tile_m=(2.0, 0.8),
        stripe=((1.05, 0.265), (-0.05, 0.545)),
        shadow=(-0.45, 0.20),
        props=(
            Prop("lamp", 0.60, 0.262),
            Prop("bench", 0.20, 0.455),
            Prop("planter", 0.36, 0.372),
            Prop("bollard", 0.76, 0.70),
            Prop("bollard", 0.50, 0.835),
        ),
    ),
}


class Camera:
    """Where things on the ground of a layout appear on a picture of a given size."""

    def __init__(self, layout: Layout, height: int, width: int) -> None:
        self.layout = layout
        self.height = height
        self.width = width

    def ground(self, place: Point) -> Point:
        """The ground under a place on the screen (fractions), in metres."""
        return self.unproject(place[0] * self.width, place[1] * self.height)

    def unproject(self, x_px: float, y_px: float) -> Point:
        """The ground under a pixel, in metres."""
        layout = self.layout
        z = layout.focal * layout.camera_height_m / (y_px / self.height - layout.horizon)
        return (x_px / self.height - 0.5 * self.width / self.height) * z / layout.focal, z

    def project(self, x_m: float, z_m: float) -> tuple[float, float, float, float]:
        """Pixel x and y of a place on the ground, pixels a metre there, and how flat the ground looks."""
        layout = self.layout
        scale = layout.focal / z_m
        flat = layout.camera_height_m / z_m
        return (
            0.5 * self.width + x_m * scale * self.height,
            (layout.horizon + layout.camera_height_m * scale) * self.height,
            scale * self.height,
            flat,
        )

    def on_lawn(self, x_m: float, z_m: float) -> bool:
        """Whether a place on the ground lies on one of the lawns."""
        x, y, _, _ = self.project(x_m, z_m)
        place = (np.array([x / self.width]), np.array([y / self.height]))
        return any(bool(distance_inside(lawn, *place, 1.0)[0] > 0.0) for lawn in self.layout.lawns)


def distance_inside(polygon: tuple[Point, ...], x: Field, y: Field, aspect: float) -> Field:
    """Distance of screen places to the edge of a polygon, in picture heights; negative outside."""
    x, y = np.broadcast_arrays(x * aspect, y)
    inside = np.zeros(x.shape, bool)
    nearest = np.full(x.shape, np.inf)
    for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        ax, bx = ax * aspect, bx * aspect
        dx, dy = bx - ax, by - ay
        along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
        nearest = np.minimum(nearest, np.hypot(x - ax - along * dx, y - ay - along * dy))
        if dy != 0.0:
            crosses = ((ay > y) != (by > y)) & (x < (y - ay) / dy * dx + ax)
            inside ^= crosses
    signed: Field = np.where(inside, nearest, -nearest)
    return signed
