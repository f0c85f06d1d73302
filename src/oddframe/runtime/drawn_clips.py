"""Clips to try a network on where there is no footage: its empty scene with passers-by, and something that is odd."""

import numpy as np
import numpy.typing as npt

from oddframe.core.records import FRAMES_PER_CLIP, Pixels
from oddframe.model.trained import TrainedNetwork

__all__ = ["clips_of", "drawn_frames", "with_intruder"]

NOISE = 3.0
"""Spread of a camera's noise, in grey levels."""


def clips_of(frames: Pixels, interval: int) -> Pixels:
    """Every clip of unbroken frames, uint8 N x 5 x H x W x C, in order; N may be 0."""
    count = len(frames) - (FRAMES_PER_CLIP - 1) * interval
    starts = np.arange(max(0, count))[:, None]
    clips: Pixels = frames[starts + interval * np.arange(FRAMES_PER_CLIP)]
    return clips


def drawn_frames(trained: TrainedNetwork, count: int, seed: int = 0) -> Pixels:
    """Frames of a drawn scene, uint8 count x H x W x C: the same for the same network and seed."""
    config = trained.config
    random = np.random.default_rng([seed, config.height, config.width])
    scene = _empty_scene(trained)
    frames = np.repeat(scene[None], count, axis=0)
    for walker in range(4):
        height, width = max(4, config.height // 8), max(3, config.width // 24)
        top = int(random.integers(0, config.height - height))
        start, pace = random.integers(0, config.width), config.width / 150 * (-1) ** walker
        grey = random.uniform(-90, 90)
        for number, frame in enumerate(frames):
            left = int(start + pace * number) % (config.width - width)
            frame[top : top + height, left : left + width] += grey
    frames += random.normal(0, NOISE, frames.shape)
    drawn: Pixels = np.clip(frames, 0, 255).astype(np.uint8)
    return drawn


def with_intruder(frames: Pixels, seed: int = 0) -> Pixels:
    """The same frames, with something large, patterned and fast in their middle third."""
    count, height, width, _ = frames.shape
    random = np.random.default_rng([seed, 1])
    side = max(4, height // 5)
    pattern = np.kron(random.integers(0, 2, (4, 4)), np.ones((side // 4 + 1, side // 4 + 1)))[:side, :side] * 255
    changed = frames.copy()
    top = int(random.integers(0, height - side))
    first, last = count // 3, 2 * count // 3
    for number in range(first, last):
        left = int((width - side) * (number - first) / max(1, last - first))
        changed[number, top : top + side, left : left + side] = pattern[..., None]
    return changed


def _empty_scene(trained: TrainedNetwork) -> npt.NDArray[np.float32]:
    """What the network has learned of the scene, H x W x C in 0..255; a slope of grey where that is nothing."""
    config = trained.config
    learned = trained.weights.get("appearance.empty")
    if learned is not None:
        return np.clip(learned.astype(np.float32) * 255, 0, 255).transpose(1, 2, 0)
    slope = np.linspace(60, 190, config.width, dtype=np.float32)[None, :, None]
    return np.tile(slope, (config.height, 1, config.colours))
