"""Pieces of pictures: their shape, their look, and how they get into a clip."""

import numpy as np
import numpy.typing as npt

from oddframe.core.records import Pixels

__all__ = ["foreign_look", "paste", "soft_shape"]

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CHANGED = 10.0
"""Grey levels by which a pixel must have been changed to count as abnormal."""


def paste(
    clip: Pixels, content: Floats, alpha: Floats, start: npt.NDArray[np.float64], step: npt.NDArray[np.float64]
) -> tuple[Pixels, Mask]:
    """Blend T pieces, h x w x C with opacity h x w, into the frames of a clip, drifting by ``step`` a frame."""
    _, height, width, _ = clip.shape
    piece_h, piece_w = alpha.shape[1:]
    result = clip.copy()
    changed = np.zeros((height, width), dtype=np.bool_)
    for number in range(len(clip)):
        corner = start + step * number
        top = int(np.clip(corner[0], 0, height - piece_h))
        left = int(np.clip(corner[1], 0, width - piece_w))
        window = (slice(top, top + piece_h), slice(left, left + piece_w))
        before = result[number][window].astype(np.float32)
        opacity = alpha[number][..., None]
        after = opacity * content[number] + (1.0 - opacity) * before
        result[number][window] = after.round().astype(np.uint8)
        changed[window] |= np.abs(after - before).max(axis=2) > CHANGED
    return result, changed


def soft_shape(height: int, width: int, random: np.random.Generator) -> Floats:
    """Opacity, H x W in 0..1, of an ellipse or a rounded box with an edge about a pixel wide."""
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    power = random.choice([2.0, 4.0, 12.0])
    radius = (np.abs(y) ** power + np.abs(x) ** power) ** (1.0 / power)
    alpha: Floats = np.clip((1.0 - radius) * min(height, width) / 2.0 + 0.5, 0.0, 1.0).astype(np.float32)
    return alpha


def foreign_look(other: Pixels, height: int, width: int, random: np.random.Generator) -> Floats:
    """What a foreign object shows, T x height x width x C in 0..255: a tone with grain, or an altered piece."""
    _, full_h, full_w, colours = other.shape
    top, left = random.integers(0, full_h - height + 1), random.integers(0, full_w - width + 1)
    piece: Floats = other[:, top : top + height, left : left + width].astype(np.float32)
    look = random.integers(0, 4)
    if look <= 1:
        tone = random.uniform(0.0, 255.0, colours)
        grain = random.normal(0.0, random.uniform(0.0, 30.0), (height, width, 1))
        if look == 1:
            # Two tones: a body and a part of another colour.
            grain[: int(height * random.uniform(0.2, 0.8))] += random.uniform(-120.0, 120.0)
        return np.broadcast_to(np.clip(tone + grain, 0.0, 255.0), piece.shape).astype(np.float32)
    gain, offset = random.uniform(0.4, 1.6), random.uniform(-80.0, 80.0)
    if look == 2:
        piece = piece[:, ::-1]
    changed: Floats = np.clip((piece - piece.mean()) * gain + piece.mean() + offset, 0.0, 255.0).astype(np.float32)
    return changed
