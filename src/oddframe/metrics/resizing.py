"""Anomaly maps at the size of the true masks: maps are as large as the network's input, masks as the frame."""

import numpy as np
import numpy.typing as npt

from oddframe.errors import InputError

__all__ = ["resized_map"]


def resized_map(values: npt.ArrayLike, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """A map resized bilinearly, the same bits on every machine.

    Pixels are squares and sampled at their centres (not aligned corners); beyond the outermost centres the edge
    goes on. Nothing is averaged where the map is the larger one. A map of the right size stays as it is.

    Args:
        values: h x w, finite; taken as float32.
        size: (height, width) wanted, in pixels.

    Raises:
        InputError: The map is not h x w with at least one pixel.
    """
    given: npt.NDArray[np.float32] = np.asarray(values, dtype=np.float32)
    if given.ndim != 2 or given.size == 0:
        raise InputError(f"an anomaly map must be H x W with at least one pixel, got shape {given.shape}")
    if given.shape == size:
        return given
    above, below, down = _neighbours(given.shape[0], size[0])
    left, right, across = _neighbours(given.shape[1], size[1])
    rows: npt.NDArray[np.float32] = given[above] * (1 - down)[:, None] + given[below] * down[:, None]
    resized: npt.NDArray[np.float32] = rows[:, left] * (1 - across) + rows[:, right] * across
    return resized


def _neighbours(given: int, wanted: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """For each wanted place the two given ones it lies between, and how far towards the second."""
    places = np.clip((np.arange(wanted) + 0.5) * (given / wanted) - 0.5, 0, given - 1)
    first = np.floor(places).astype(np.intp)
    return first, np.minimum(first + 1, given - 1), (places - first).astype(np.float32)
