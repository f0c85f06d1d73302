"""The empty places of the drawn scene: their ground, how a camera sees it, its light and its noise.

Places on the screen are fractions: x of the width, y of the height, (0, 0) top left. Places on the
ground are metres: x to the right of the camera's axis, z away from the camera.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oddframe._types import Float32
from oddframe.synthetic.raster import Colour, Point

Field: TypeAlias = npt.NDArray[np.float64]
"""One number for each pixel of the painted ground, or something that broadcasts to it."""

GROUND_SEED = 20
"""The ground is the same for every seed of a recording: a camera keeps its place."""

FINE_PIXELS = 400_000
"""Pictures up to this many pixels are painted three times as fine and averaged."""


@dataclass(frozen=True, slots=True)
class Prop:
    """Something that always stands at a place.

    Attributes:
        kind: "bench", "planter", "lamp" or "bollard".
        x: Where it stands on the screen, share of the width.
        y: Where it stands on the screen, share of the height.
    """

    kind: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Place:
    """A place that a camera looks at: its geometry, its colours and its furniture.

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


# The numbers are chosen by eye, so that paths and lawns fit each other at every picture size.
LAYOUTS: dict[str, Place] = {
    "plaza": Place(
        horizon=-0.05,
        camera_height_m=6.6,
        focal=1.6,
        entry=((-0.05, 0.36), (-0.05, 0.58)),
        exit=((1.05, 0.42), (1.05, 0.87)),
        lawns=(
            (
                (-0.3, 0.640),
                (0.08, 0.675),
                (0.36, 0.755),
                (0.62, 0.855),
                (0.84, 0.98),
                (1.12, 1.45),
                (-0.3, 1.45),
            ),
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
    "station": Place(
        horizon=-0.16,
        camera_height_m=8.0,
        focal=1.9,
        entry=((1.05, 0.30), (1.05, 0.52)),
        exit=((-0.05, 0.55), (-0.05, 1.06)),
        lawns=(
            (
                (1.3, 0.56),
                (0.98, 0.62),
                (0.66, 0.77),
                (0.37, 0.93),
                (0.22, 1.06),
                (-0.02, 1.45),
                (1.3, 1.45),
            ),
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


class SceneCamera:
    """Where things on the ground of a layout appear on a picture of a given size."""

    def __init__(self, layout: Place, height: int, width: int) -> None:
        self.layout = layout
        self.height = height
        self.width = width

    def ground(self, place: Point) -> Point:
        """Find the ground under a place on the screen (fractions), in metres."""
        return self.unproject(place[0] * self.width, place[1] * self.height)

    def unproject(self, x_px: float, y_px: float) -> Point:
        """Find the ground under a pixel, in metres: the inverse of `project`."""
        layout = self.layout
        z = layout.focal * layout.camera_height_m / (y_px / self.height - layout.horizon)
        return (x_px / self.height - 0.5 * self.width / self.height) * z / layout.focal, z

    def project(self, x_m: float, z_m: float) -> tuple[float, float, float, float]:
        """Find where a place on the ground appears on the picture.

        Returns:
            Pixel x, pixel y, pixels a metre there, and how flat the ground looks (0 from the side,
            1 from above).
        """
        # A pinhole camera that looks level: height on the screen falls off with 1 / distance.
        layout = self.layout
        scale = layout.focal / z_m
        flat = layout.camera_height_m / z_m
        return (
            0.5 * self.width + x_m * scale * self.height,
            (layout.horizon + layout.camera_height_m * scale) * self.height,
            scale * self.height,
            flat,
        )


def distance_inside(polygon: tuple[Point, ...], x: Field, y: Field, aspect: float) -> Field:
    """Measure how far screen places lie from the edge of a polygon.

    Args:
        polygon: Corners on the screen, in order round the edge.
        x: Share of the width of each place.
        y: Share of the height of each place.
        aspect: Width over height of the picture.

    Returns:
        Distances in picture heights, positive inside and negative outside.
    """
    x, y = np.broadcast_arrays(x * aspect, y)
    inside = np.zeros(x.shape, bool)
    nearest = np.full(x.shape, np.inf)
    for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        ax, bx = ax * aspect, bx * aspect
        dx, dy = bx - ax, by - ay
        along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
        nearest = np.minimum(nearest, np.hypot(x - ax - along * dx, y - ay - along * dy))
        # Even-odd rule: a ray to the right crosses the edge an odd number of times from inside.
        if dy != 0.0:
            crosses = ((ay > y) != (by > y)) & (x < (y - ay) / dy * dx + ax)
            inside ^= crosses
    signed: Field = np.where(inside, nearest, -nearest)
    return signed


def paint_ground(layout: Place, height: int, width: int) -> Float32:
    """Paint the empty place without what stands on it; the same on every call.

    Returns:
        float32 H x W x 3, 0 to 255.
    """
    # Averaged for smooth joints and kerbs; big pictures are fine enough as they are.
    fine = 3 if height * width <= FINE_PIXELS else 1
    rng = np.random.default_rng(GROUND_SEED)
    h, w = height * fine, width * fine
    y = ((np.arange(h) + 0.5) / h)[:, None]
    x = ((np.arange(w) + 0.5) / w)[None, :]
    picture = _paving(layout, x, y, width / height, height, rng)
    for lawn in layout.lawns:
        _lay_lawn(picture, layout, lawn, x, y, width / height, rng)
    if layout.stripe is not None:
        _lay_stripe(picture, layout.stripe, x, y)
    _raise_backdrop(picture, layout, x, y, rng)
    # H x fine x W x fine x 3, averaged over each block of fine x fine.
    ground: Float32 = (
        picture.reshape(height, fine, width, fine, 3).mean(axis=(1, 3)).astype(np.float32)
    )
    return ground


def _patches(rng: np.random.Generator, h: int, w: int, cells: int) -> Field:
    """Make smooth noise, h x w, about -1 to 1, with about `cells` bumps across."""
    grid = rng.uniform(-1.0, 1.0, (cells + 2, cells + 2))
    y, x = np.linspace(0, cells, h), np.linspace(0, cells, w)
    rows, columns = y.astype(int), x.astype(int)
    fy, fx = (y - rows)[:, None], (x - columns)[None, :]
    # Smoothstep weights: no creases show where two cells meet.
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    upper = grid[rows][:, columns] * (1 - fx) + grid[rows][:, columns + 1] * fx
    lower = grid[rows + 1][:, columns] * (1 - fx) + grid[rows + 1][:, columns + 1] * fx
    noise: Field = upper * (1 - fy) + lower * fy
    return noise


def _paving(
    layout: Place, x: Field, y: Field, aspect: float, height: int, rng: np.random.Generator
) -> Field:
    """Paint slabs with joints, each slab a little different, lighter towards the camera."""
    # Towards the horizon the distance would be endless; beyond 0.05 nothing is seen of it.
    z = layout.focal * layout.camera_height_m / np.maximum(y - layout.horizon, 0.05)
    across = (x - 0.5) * aspect * z / layout.focal
    z = np.broadcast_to(z, across.shape)
    column, row = across / layout.tile_m[0] + 100.0, z / layout.tile_m[1]
    # Every other row is shifted by half a slab, as paving is laid.
    column = column + 0.5 * (np.floor(row) % 2)
    tint = rng.uniform(-1.0, 1.0, (64, 256))[
        np.floor(row).astype(int) % 64, np.floor(column).astype(int) % 256
    ]
    scale = layout.focal / z * height
    joint = np.zeros_like(across)
    for position, size, flat in (
        (column, layout.tile_m[0], 1.0),
        (row, layout.tile_m[1], layout.camera_height_m / z),
    ):
        # Joints fade where a slab is a few pixels wide, or the far paving would flicker.
        gap_px = np.abs(position - np.round(position)) * size * scale * flat
        joint = np.maximum(
            joint, np.clip(1.0 - gap_px, 0.0, 1.0) * np.clip(size * scale * flat / 9.0, 0.2, 1.0)
        )
    light = (
        1.0
        + 0.035 * tint
        + 0.05 * _patches(rng, across.shape[0], across.shape[1], 7)
        - 0.16 * joint
        + 0.08 * (y - 0.5)
    )
    light = light + 0.02 * rng.standard_normal(across.shape)
    paving: Field = np.asarray(layout.paving) * light[:, :, None]
    return paving


def _lay_lawn(
    picture: Field,
    layout: Place,
    polygon: tuple[Point, ...],
    x: Field,
    y: Field,
    aspect: float,
    rng: np.random.Generator,
) -> None:
    """Paint grass with mowing stripes, and a light kerb round it."""
    inside = distance_inside(polygon, x, y, aspect)
    h, w = inside.shape
    mowing = 0.06 * np.sign(
        np.sin((x * aspect * 0.8 + y * 1.7) / np.maximum(y - layout.horizon, 0.05) * 16.0)
    )
    light = 1.0 + mowing + 0.10 * _patches(rng, h, w, 12) + 0.07 * _patches(rng, h, w, 60)
    light = light + 0.05 * rng.standard_normal((h, w))
    grass = np.asarray(layout.grass) * light[:, :, None]
    kerb = 0.008 + 0.010 * np.clip(y, 0.0, 1.0)
    np.copyto(picture, grass, where=(inside > kerb)[:, :, None])
    edge = (inside > 0.0) & (inside <= kerb)
    picture[edge] = np.asarray(layout.paving) * 1.14
    picture[(inside > -0.004) & (inside <= 0.0)] *= 0.80


def _lay_stripe(picture: Field, stripe: tuple[Point, Point], x: Field, y: Field) -> None:
    """Paint a yellow guiding stripe that gets wider towards the camera."""
    (ax, ay), (bx, by) = stripe
    centre = ay + (x - ax) / (bx - ax) * (by - ay)
    on = np.abs(y - centre) < 0.006 + 0.006 * y
    picture[on] = 0.45 * picture[on] + 0.55 * np.array([214.0, 184.0, 74.0])


def _raise_backdrop(
    picture: Field, layout: Place, x: Field, y: Field, rng: np.random.Generator
) -> None:
    """Paint a hedge along the far edge and a building with windows behind it."""
    h, w = picture.shape[:2]
    top = layout.backdrop
    hedge_top = top - 0.075 + 0.012 * _patches(rng, 2, w, 26)[:1]
    wall = (
        np.asarray(layout.wall)
        * (1.0 + 0.04 * _patches(rng, h, w, 9) + 0.02 * rng.standard_normal((h, w)))[:, :, None]
    )
    window = (np.abs((x * 11.0) % 1.0 - 0.5) < 0.30) & (
        np.abs((y / top * 1.25) % 1.0 - 0.42) < 0.30
    )
    wall[np.broadcast_to(window, (h, w))] = np.asarray(layout.wall) * 0.52 + np.array(
        [14.0, 22.0, 34.0]
    )
    np.copyto(picture, wall, where=np.broadcast_to(y < top, (h, w))[:, :, None])
    hedge = (y >= hedge_top) & (y < top)
    leaves = (
        0.62
        + 0.16 * _patches(rng, h, w, 70)
        + 0.10 * rng.standard_normal((h, w))
        - 1.6 * (y - hedge_top)
    )
    np.copyto(picture, np.asarray(layout.grass) * leaves[:, :, None], where=hedge[:, :, None])
    # A dark line at the foot, as of a shadow, ties the hedge to the ground.
    foot = (y >= top) & (y < top + 0.012)
    picture[np.broadcast_to(foot, (h, w))] *= 0.78


class Light:
    """Daylight: slow drift of strength and colour, a little flicker, and now and then a cloud."""

    def __init__(self, height: int, width: int, rng: np.random.Generator, strength: float) -> None:
        self.rng = rng
        self.strength = strength
        self.phases = rng.uniform(0.0, math.tau, 4)
        self.flicker = 0.0
        # The edge of a cloud crosses the picture at a slant of its own in every recording.
        angle = float(rng.uniform(-0.6, 0.6))
        x, y = np.linspace(0.0, 1.0, width)[None, :], np.linspace(0.0, 1.0, height)[:, None]
        self.across: Float32 = (x * math.cos(angle) + y * math.sin(angle)).astype(np.float32)
        self.cloud = self._next_cloud(-20.0)

    def _next_cloud(self, after_s: float) -> tuple[float, float, float, float]:
        """Plan the next cloud after a time.

        Returns:
            When it comes and when it goes in seconds, how many seconds its edge takes to cross the
            picture, and the share of the light that it takes.
        """
        rng = self.rng
        comes = after_s + float(rng.uniform(4.0, 22.0))
        return (
            comes,
            comes + float(rng.uniform(5.0, 14.0)),
            float(rng.uniform(5.0, 10.0)),
            float(rng.uniform(0.08, 0.18)),
        )

    def at(self, time_s: float) -> tuple[Float32, Float32 | None, float]:
        """Compute the light at a time; times must not go back.

        Returns:
            Gain of red, green and blue; H x W gains when a cloud is overhead, else None; and how
            strong shadows are, 0 to 1.
        """
        p = self.phases
        drift = 0.045 * math.sin(math.tau * time_s / 41.0 + p[0]) + 0.02 * math.sin(
            math.tau * time_s / 13.0 + p[1]
        )
        # Each frame keeps most of the last one's flicker, as lamps and exposure control do.
        self.flicker = 0.85 * self.flicker + float(self.rng.normal(0.0, 0.0018))
        warm = self.strength * 0.012 * math.sin(math.tau * time_s / 67.0 + p[2])
        level = 1.0 + self.strength * (drift + self.flicker)
        gain = np.array([level + warm, level, level - warm], np.float32)
        while time_s > self.cloud[1] + self.cloud[2]:
            self.cloud = self._next_cloud(self.cloud[1] + self.cloud[2])
        comes, goes, crossing, depth = self.cloud
        if time_s < comes:
            return gain, None, 1.0
        # The edge sweeps from -0.8 to 1.8 of the picture's width, as it comes and as it goes.
        front, back = (
            np.float32(-0.8 + 2.6 * (time_s - when) / crossing) for when in (comes, goes)
        )
        cover = np.clip((front - self.across) / 0.5, 0.0, 1.0) - np.clip(
            (back - self.across) / 0.5, 0.0, 1.0
        )
        cover = cover * cover * (3.0 - 2.0 * cover)
        dark = min(self.strength, 1.0) * float(cover.mean())
        return (
            gain,
            (1.0 - np.float32(self.strength * depth) * cover).astype(np.float32),
            1.0 - 0.7 * dark,
        )


class Noise:
    """Sensor noise: parts of one long random sequence, at a new place for every frame.

    Drawing fresh noise for every frame would take longer than all the rest of the scene.
    """

    def __init__(self, rng: np.random.Generator, sigma: float, size: int) -> None:
        self.rng = rng
        # Half a grey level is added once here, so that cutting to whole numbers rounds.
        self.pool = rng.standard_normal(2 * size + 65_536, np.float32) * np.float32(
            sigma
        ) + np.float32(0.5)

    def add(self, picture: Float32) -> None:
        """Add the noise of one frame to a picture in place."""
        offset = int(self.rng.integers(len(self.pool) - picture.size))
        picture += self.pool[offset : offset + picture.size].reshape(picture.shape)
