"""Painting for the drawn scene: rods and slabs with smooth edges, and an owner for each pixel.

A body is a short stack of rods (tapered, round-ended strokes) and slabs (convex four-cornered
faces), which are blended from back to front. A stack is turned into one small patch, so that a
walker costs a dozen numpy calls however many parts it has.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from oddframe._types import Float32

Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = tuple[float, float, float]
"""Red, green, blue, 0 to 255."""

NOBODY = 0
"""Owner of the pixels that belong to no track."""

FLATNESS = 0.45
"""Height of a shadow over its width, since the ground is seen at a slant."""

NEARLY_ZERO = 1e-6
"""Keeps a rod of no length (a disc) from dividing by zero; in square pixels far below one pixel."""


@dataclass(slots=True)
class Stack:
    """The parts of one body, back to front, in pixels.

    Attributes:
        rods: One row a rod: a_x, a_y, b_x, b_y, radius at a, radius at b.
        slabs: The four corners of each slab, in order round its edge.
        order: For each part, whether it is a rod, in painting order.
        colours: One colour a part, in painting order.
    """

    rods: list[tuple[float, float, float, float, float, float]] = field(default_factory=list)
    slabs: list[tuple[Point, Point, Point, Point]] = field(default_factory=list)
    order: list[bool] = field(default_factory=list)
    colours: list[Colour] = field(default_factory=list)

    def rod(
        self, a: Point, b: Point, radius: float, colour: Colour, end_radius: float | None = None
    ) -> None:
        """Add a round-ended stroke from a to b; with a == b it is a disc."""
        self.rods.append((*a, *b, radius, radius if end_radius is None else end_radius))
        self.order.append(True)
        self.colours.append(colour)

    def slab(self, corners: tuple[Point, Point, Point, Point], colour: Colour) -> None:
        """Add a convex face with four corners, named in order round its edge."""
        self.slabs.append(corners)
        self.order.append(False)
        self.colours.append(colour)

    def under(self, other: "Stack") -> "Stack":
        """Give this stack with another one in front of it, as a new stack."""
        return Stack(
            self.rods + other.rods,
            self.slabs + other.slabs,
            self.order + other.order,
            self.colours + other.colours,
        )


@dataclass(frozen=True, slots=True)
class Patch:
    """A rasterised stack.

    Attributes:
        top: First row on the canvas.
        left: First column on the canvas.
        alpha: h x w, how much of each pixel is covered, 0 to 1.
        colour: h x w x 3, already multiplied by alpha.
    """

    top: int
    left: int
    alpha: Float32
    colour: Float32


class Canvas:
    """The picture being painted and, for each pixel, the track that it shows."""

    def __init__(self, height: int, width: int) -> None:
        self.pixels = np.zeros((height, width, 3), np.float32)
        self.owner = np.zeros((height, width), np.int32)

    def clear(self, background: Float32) -> None:
        """Start a frame from the empty scene, float32 H x W x 3."""
        np.copyto(self.pixels, background)
        self.owner.fill(NOBODY)

    def blend(self, patch: Patch, owner: int = NOBODY) -> None:
        """Lay a patch over what is there; pixels that are at least half covered change owner."""
        height, width = patch.alpha.shape
        rows, columns = slice(patch.top, patch.top + height), slice(patch.left, patch.left + width)
        region = self.pixels[rows, columns]
        # The patch's colour is multiplied by its alpha already, so that it is only added here.
        region *= 1.0 - patch.alpha[:, :, None]
        region += patch.colour
        self.owner[rows, columns][patch.alpha >= 0.5] = owner

    def shade(self, a: Point, b: Point, radius: float, strength: float) -> None:
        """Darken a soft, flat blob from a to b: a shadow on the ground."""
        height, width = self.owner.shape
        flat = FLATNESS
        x_min, x_max = min(a[0], b[0]) - radius, max(a[0], b[0]) + radius
        y_min, y_max = min(a[1], b[1]) - radius * flat, max(a[1], b[1]) + radius * flat
        left, right = max(int(x_min), 0), min(int(x_max) + 1, width)
        top, bottom = max(int(y_min), 0), min(int(y_max) + 1, height)
        if left >= right or top >= bottom:
            return
        x = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - a[0])
        y = (
            np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - a[1])
        ) / np.float32(flat)
        dx, dy = b[0] - a[0], (b[1] - a[1]) / flat
        square = dx * dx + dy * dy + NEARLY_ZERO
        along = np.minimum(np.maximum(x * (dx / square) + y * (dy / square), 0.0), 1.0)
        gap_x, gap_y = x - along * dx, y - along * dy
        distance = np.sqrt(gap_x * gap_x + gap_y * gap_y)
        # Soft over the outer 60 % of the radius, and lighter towards the end that is b.
        cover = np.minimum(np.maximum((radius - distance) / (0.6 * radius), 0.0), 1.0)
        self.pixels[top:bottom, left:right] *= (1.0 - strength * cover * (1.0 - 0.5 * along))[
            :, :, None
        ]


def rasterise(stack: Stack, height: int, width: int) -> Patch | None:
    """Turn a stack into one patch, clipped to a canvas of this size.

    Returns:
        The patch; None when nothing of the stack lies inside the canvas.
    """
    rods = np.asarray(stack.rods, np.float32).reshape(-1, 6)
    corners = np.asarray(stack.slabs, np.float32).reshape(-1, 4, 2)
    bounds = _bounds(rods, corners, height, width)
    if bounds is None:
        return None
    left, right, top, bottom = bounds
    # Pixel centres, parts x h x w after broadcasting.
    x = np.arange(left, right, dtype=np.float32)[None, None, :] + np.float32(0.5)
    y = np.arange(top, bottom, dtype=np.float32)[None, :, None] + np.float32(0.5)
    if len(corners) == 0:
        cover = _rod_cover(rods, x, y)
    else:
        is_rod = np.asarray(stack.order)
        cover = np.empty((len(is_rod), bottom - top, right - left), np.float32)
        cover[is_rod] = _rod_cover(rods, x, y)
        cover[~is_rod] = _slab_cover(corners, x, y)
    # A part shows where it covers and no part in front of it does: the product over those.
    clear = np.cumprod(1.0 - cover[::-1], axis=0)[::-1]
    shown = cover
    shown[:-1] *= clear[1:]
    parts, h, w = shown.shape
    # (h * w) x parts times parts x 3: the colour of each pixel in one product.
    colour = shown.reshape(parts, h * w).T @ np.asarray(stack.colours, np.float32)
    return Patch(top, left, 1.0 - clear[0], colour.reshape(h, w, 3))


def _bounds(
    rods: Float32, corners: Float32, height: int, width: int
) -> tuple[int, int, int, int] | None:
    """Left, right, top, bottom of everything that may be painted, clipped to the canvas."""
    # One pixel more than the shapes, for their smooth edges.
    radius = (
        rods[:, 4:].max(axis=1, keepdims=True) + 1.0 if len(rods) else np.zeros((0, 1), np.float32)
    )
    low = np.concatenate(
        [np.minimum(rods[:, 0:2], rods[:, 2:4]) - radius, corners.reshape(-1, 2) - 1.0]
    )
    high = np.concatenate(
        [np.maximum(rods[:, 0:2], rods[:, 2:4]) + radius, corners.reshape(-1, 2) + 1.0]
    )
    x_min, y_min = low.min(axis=0)
    x_max, y_max = high.max(axis=0)
    left, right = max(int(x_min), 0), min(int(x_max) + 1, width)
    top, bottom = max(int(y_min), 0), min(int(y_max) + 1, height)
    return (left, right, top, bottom) if left < right and top < bottom else None


def _rod_cover(rods: Float32, x: Float32, y: Float32) -> Float32:
    """Compute how much each rod covers of each pixel: N x h x w, 0 to 1."""
    # In place throughout: these arrays are the scene's hottest memory.
    ax, ay, bx, by, ra, rb = rods.T[:, :, None, None]
    dx, dy = bx - ax, by - ay
    px, py = x - ax, y - ay
    square = dx * dx + dy * dy + np.float32(NEARLY_ZERO)
    along = px * (dx / square) + py * (dy / square)
    np.clip(along, 0.0, 1.0, out=along)
    gap_x = px - along * dx
    gap_y = py - along * dy
    gap_x *= gap_x
    gap_y *= gap_y
    gap_x += gap_y
    np.sqrt(gap_x, out=gap_x)
    # From here on `along` is the radius there, plus half a pixel, less the distance: the cover.
    along *= rb - ra
    along += ra + np.float32(0.5)
    along -= gap_x
    cover: Float32 = np.clip(along, 0.0, 1.0, out=along)
    return cover


def _slab_cover(corners: Float32, x: Float32, y: Float32) -> Float32:
    """Compute how much each slab covers of each pixel: N x h x w, 0 to 1."""
    following = np.roll(corners, -1, axis=1)
    edge = following - corners
    # The sign of the area tells which way round the corners are named, so that normals point out.
    turn = np.sign(
        (corners[..., 0] * following[..., 1] - following[..., 0] * corners[..., 1]).sum(axis=1)
    )
    length = np.hypot(edge[..., 0], edge[..., 1]) + np.float32(NEARLY_ZERO)
    normal_x = (turn[:, None] * edge[..., 1] / length)[:, :, None, None]
    normal_y = (-turn[:, None] * edge[..., 0] / length)[:, :, None, None]
    vertex_x, vertex_y = corners[..., 0][:, :, None, None], corners[..., 1][:, :, None, None]
    outside = (x[None] - vertex_x) * normal_x + (y[None] - vertex_y) * normal_y
    cover: Float32 = np.clip(0.5 - outside.max(axis=1), 0.0, 1.0)
    return cover
