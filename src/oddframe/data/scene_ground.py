"""How the empty places of the drawn scene look: paving, lawns, hedge and building."""

import numpy as np

from oddframe.data.scene_layouts import Field, Layout, distance_inside
from oddframe.data.scene_paint import Floats, Point

__all__ = ["paint_ground"]


def paint_ground(layout: Layout, height: int, width: int) -> Floats:
    """The empty place without what stands on it, float32 H x W x 3, 0 to 255; the same on every call."""
    # Painted finer and averaged, for smooth joints and kerbs; big pictures are fine enough as they are.
    fine = 3 if height * width <= 400_000 else 1
    rng = np.random.default_rng(20)
    h, w = height * fine, width * fine
    y = ((np.arange(h) + 0.5) / h)[:, None]
    x = ((np.arange(w) + 0.5) / w)[None, :]
    picture = _paving(layout, x, y, width / height, height, rng)
    for lawn in layout.lawns:
        _lay_lawn(picture, layout, lawn, x, y, width / height, rng)
    if layout.stripe is not None:
        _lay_stripe(picture, layout.stripe, x, y)
    _raise_backdrop(picture, layout, x, y, rng)
    ground: Floats = picture.reshape(height, fine, width, fine, 3).mean(axis=(1, 3)).astype(np.float32)
    return ground


def _patches(rng: np.random.Generator, h: int, w: int, cells: int) -> Field:
    """Smooth noise, h x w, about -1 to 1, with about `cells` bumps across."""
    grid = rng.uniform(-1.0, 1.0, (cells + 2, cells + 2))
    y, x = np.linspace(0, cells, h), np.linspace(0, cells, w)
    rows, columns = y.astype(int), x.astype(int)
    fy, fx = (y - rows)[:, None], (x - columns)[None, :]
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    upper = grid[rows][:, columns] * (1 - fx) + grid[rows][:, columns + 1] * fx
    lower = grid[rows + 1][:, columns] * (1 - fx) + grid[rows + 1][:, columns + 1] * fx
    noise: Field = upper * (1 - fy) + lower * fy
    return noise


def _paving(layout: Layout, x: Field, y: Field, aspect: float, height: int, rng: np.random.Generator) -> Field:
    """Slabs with joints, each slab a little different, lighter towards the camera."""
    z = layout.focal * layout.camera_height_m / np.maximum(y - layout.horizon, 0.05)
    across = (x - 0.5) * aspect * z / layout.focal
    z = np.broadcast_to(z, across.shape)
    column, row = across / layout.tile_m[0] + 100.0, z / layout.tile_m[1]
    column = column + 0.5 * (np.floor(row) % 2)
    tint = rng.uniform(-1.0, 1.0, (64, 256))[np.floor(row).astype(int) % 64, np.floor(column).astype(int) % 256]
    scale = layout.focal / z * height
    joint = np.zeros_like(across)
    for position, size, flat in ((column, layout.tile_m[0], 1.0), (row, layout.tile_m[1], layout.camera_height_m / z)):
        gap_px = np.abs(position - np.round(position)) * size * scale * flat
        joint = np.maximum(joint, np.clip(1.0 - gap_px, 0.0, 1.0) * np.clip(size * scale * flat / 9.0, 0.2, 1.0))
    light = (
        1.0 + 0.035 * tint + 0.05 * _patches(rng, across.shape[0], across.shape[1], 7) - 0.16 * joint + 0.08 * (y - 0.5)
    )
    light = light + 0.02 * rng.standard_normal(across.shape)
    paving: Field = np.asarray(layout.paving) * light[:, :, None]
    return paving


def _lay_lawn(
    picture: Field,
    layout: Layout,
    polygon: tuple[Point, ...],
    x: Field,
    y: Field,
    aspect: float,
    rng: np.random.Generator,
) -> None:
    """Grass with mowing stripes and a light kerb round it."""
    inside = distance_inside(polygon, x, y, aspect)
    h, w = inside.shape
    mowing = 0.06 * np.sign(np.sin((x * aspect * 0.8 + y * 1.7) / np.maximum(y - layout.horizon, 0.05) * 16.0))
    light = 1.0 + mowing + 0.10 * _patches(rng, h, w, 12) + 0.07 * _patches(rng, h, w, 60)
    light = light + 0.05 * rng.standard_normal((h, w))
    grass = np.asarray(layout.grass) * light[:, :, None]
    kerb = 0.008 + 0.010 * np.clip(y, 0.0, 1.0)
    np.copyto(picture, grass, where=(inside > kerb)[:, :, None])
    edge = (inside > 0.0) & (inside <= kerb)
    picture[edge] = np.asarray(layout.paving) * 1.14
    picture[(inside > -0.004) & (inside <= 0.0)] *= 0.80


def _lay_stripe(picture: Field, stripe: tuple[Point, Point], x: Field, y: Field) -> None:
    """A yellow guiding stripe that gets wider towards the camera."""
    (ax, ay), (bx, by) = stripe
    centre = ay + (x - ax) / (bx - ax) * (by - ay)
    on = np.abs(y - centre) < 0.006 + 0.006 * y
    picture[on] = 0.45 * picture[on] + 0.55 * np.array([214.0, 184.0, 74.0])


def _raise_backdrop(picture: Field, layout: Layout, x: Field, y: Field, rng: np.random.Generator) -> None:
    """A hedge along the far edge and a building with windows behind it."""
    h, w = picture.shape[:2]
    top = layout.backdrop
    hedge_top = top - 0.075 + 0.012 * _patches(rng, 2, w, 26)[:1]
    wall = (
        np.asarray(layout.wall) * (1.0 + 0.04 * _patches(rng, h, w, 9) + 0.02 * rng.standard_normal((h, w)))[:, :, None]
    )
    window = (np.abs((x * 11.0) % 1.0 - 0.5) < 0.30) & (np.abs((y / top * 1.25) % 1.0 - 0.42) < 0.30)
    wall[np.broadcast_to(window, (h, w))] = np.asarray(layout.wall) * 0.52 + np.array([14.0, 22.0, 34.0])
    np.copyto(picture, wall, where=np.broadcast_to(y < top, (h, w))[:, :, None])
    hedge = (y >= hedge_top) & (y < top)
    leaves = 0.62 + 0.16 * _patches(rng, h, w, 70) + 0.10 * rng.standard_normal((h, w)) - 1.6 * (y - hedge_top)
    np.copyto(picture, np.asarray(layout.grass) * leaves[:, :, None], where=hedge[:, :, None])
    foot = (y >= top) & (y < top + 0.012)
    picture[np.broadcast_to(foot, (h, w))] *= 0.78
