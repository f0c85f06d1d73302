"""What happens to cameras, drawn onto pictures: for tests and for the figures in `docs/health.md`.

All take and give pictures uint8 H x W x C; lengths are in pixels of the picture.
"""

import math

import numpy as np
import numpy.typing as npt

from oddframe._types import Float32, Pixels

SKIN = (96.0, 62.0, 48.0)
"""Colour of a hand before the lens, in RGB."""


def darken(picture: Pixels, gain: float, noise: float, random: np.random.Generator) -> Pixels:
    """Take the light down to a part of it.

    The sensor's noise, a standard deviation in grey levels, stays as it is.
    """
    return _sense(picture.astype(np.float32) * np.float32(gain), noise, random)


def blacken(picture: Pixels, noise: float, random: np.random.Generator) -> Pixels:
    """Show what a dead sensor or a cap on the lens leaves: nothing but noise."""
    # Sensors do not give 0 in the dark but a small offset.
    return _sense(np.full(picture.shape, 6.0, dtype=np.float32), noise, random)


def cover(picture: Pixels, share: float, noise: float, random: np.random.Generator) -> Pixels:
    """Hold a hand before the lens, far out of focus.

    It comes from the left and hides a share of the picture, 0 to 1.
    """
    height, width, channels = picture.shape
    across = np.arange(width, dtype=np.float32)[None, :] / width
    down = np.arange(height, dtype=np.float32)[:, None] / height
    # A wavy, soft rim; the shade on the hand is as smooth.
    rim = share + np.float32(0.03) * np.sin(down * 5.0) - (0.05 if share < 1 else -0.2)
    hand = np.clip((rim - across) / 0.1 + 0.5, 0.0, 1.0)[:, :, None]
    shade = (0.8 + 0.4 * down * (1.0 - 0.5 * across))[:, :, None]
    colour = np.array(SKIN if channels == 3 else (sum(SKIN) / 3,), dtype=np.float32)
    return _sense(picture * (1.0 - hand) + shade * colour * hand, noise * hand, random)


def defocus(picture: Pixels, sigma_px: float, noise: float, random: np.random.Generator) -> Pixels:
    """Blur the picture with a Gaussian; the sensor's noise comes after the lens."""
    reach = max(1, math.ceil(3 * sigma_px))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma_px, 1e-3)) ** 2).astype(
        np.float32
    )
    weights /= weights.sum()
    blurred = picture.astype(np.float32)
    # A Gaussian blur is separable: down the columns first, then along the rows.
    for axis in (0, 1):
        pad = [(reach, reach) if number == axis else (0, 0) for number in range(3)]
        wide = np.pad(blurred, pad, mode="reflect")
        length = picture.shape[axis]
        parts = (
            weight * wide.take(range(k, k + length), axis=axis) for k, weight in enumerate(weights)
        )
        blurred = np.sum(list(parts), axis=0)
    return _sense(blurred, noise, random)


def turn(picture: Pixels, right_px: int, down_px: int = 0) -> Pixels:
    """Push the camera: the view is shifted; what was outside is filled with a mirror image."""
    pad = [(abs(down_px), abs(down_px)), (abs(right_px), abs(right_px)), (0, 0)]
    wide = np.pad(picture, pad, mode="reflect")
    top, left = abs(down_px) + down_px, abs(right_px) + right_px
    shifted: Pixels = wide[top : top + picture.shape[0], left : left + picture.shape[1]]
    return shifted


def _sense(
    light: npt.NDArray[np.floating], noise: float | Float32, random: np.random.Generator
) -> Pixels:
    """Add the sensor's noise to light of 0 to 255, and round to whole grey levels."""
    sensed = light + noise * random.standard_normal(light.shape, dtype=np.float32)
    return np.clip(np.round(sensed), 0, 255).astype(np.uint8)
