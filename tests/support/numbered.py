"""Pictures that show their number in blocks, which any encoder keeps, and how to read it again."""

from pathlib import Path

import av
import numpy as np

from oddframe._types import Pixels

_COLUMNS, _ROWS = 4, 2
"""Blocks across and down; each is a binary digit, the lowest first."""


def draw_number(number: int, width: int = 64, height: int = 48) -> Pixels:
    """Draw a picture that shows a number below 256, uint8 H x W x 3."""
    digits = np.array([number >> place & 1 for place in range(_COLUMNS * _ROWS)])
    blocks = np.where(digits, 220, 40).reshape(_ROWS, _COLUMNS)
    grey = blocks.repeat(height // _ROWS, axis=0).repeat(width // _COLUMNS, axis=1)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def read_number(grey: Pixels) -> int:
    """Read the number that a grey picture shows, uint8 H x W."""
    height, width = grey.shape
    middles = grey[height // 4 :: height // _ROWS, width // 8 :: width // _COLUMNS]
    return sum(1 << place for place, level in enumerate(middles.ravel()) if level > 128)


def times_and_numbers(path: Path) -> list[tuple[float, int]]:
    """Read the time in seconds and the number of every frame that a video shows, upright."""
    with av.open(str(path)) as container:
        return [
            (
                float(frame.time),
                read_number(np.rot90(frame.to_ndarray(format="gray"), frame.rotation // 90)),
            )
            for frame in container.decode(video=0)
        ]
