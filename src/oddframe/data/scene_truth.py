"""What is true of drawn footage: boxes, masks and labels, and the files that hold them."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from oddframe.core.records import Pixels
from oddframe.files import write_bytes

__all__ = ["Box", "DrawnFrame", "write_truth"]


@dataclass(frozen=True, slots=True)
class Box:
    """The visible part of one anomaly in one frame.

    Attributes:
        track_id: The same for the same person or thing throughout a recording, from 1.
        kind: One of KINDS.
        x_min: Left column, in pixels.
        y_min: Top row.
        x_max: One past the right column.
        y_max: One past the bottom row.
    """

    track_id: int
    kind: str
    x_min: int
    y_min: int
    x_max: int
    y_max: int


@dataclass(frozen=True, slots=True)
class DrawnFrame:
    """One frame with its truth.

    Attributes:
        pixels: uint8, H x W x 3, RGB.
        mask: bool, H x W: where an anomaly is visible. Shadows do not count.
        boxes: One for each visible anomaly.
        label: 1 when any is visible, else 0.
    """

    pixels: Pixels
    mask: npt.NDArray[np.bool_]
    boxes: tuple[Box, ...]
    label: int

    def __repr__(self) -> str:
        height, width, _ = self.pixels.shape
        return f"DrawnFrame({width}x{height}, label={self.label}, kinds={[box.kind for box in self.boxes]})"


def write_truth(folder: Path, name: str, frames: Iterable[DrawnFrame]) -> None:
    """Write what is true of a recording: labels, masks and tracks.

    Writes `<name>.npy` (one label a frame, uint8), `<name>.masks.npz` (`masks`, bool T x H x W) and
    `<name>.tracks.txt` (`track_id,frame,x_min,y_min,x_max,y_max`, frames from 0, one line a box). Each is
    complete or absent.

    Raises:
        OutputError: When one cannot be written.
    """
    labels, masks, lines = [], [], []
    for number, frame in enumerate(frames):
        labels.append(frame.label)
        masks.append(frame.mask)
        lines += [f"{b.track_id},{number},{b.x_min},{b.y_min},{b.x_max},{b.y_max}\n" for b in frame.boxes]
    write_bytes(folder / f"{name}.npy", _packed(np.asarray(labels, np.uint8)))
    archive = io.BytesIO()
    np.savez_compressed(archive, masks=np.asarray(masks))
    write_bytes(folder / f"{name}.masks.npz", archive.getvalue())
    write_bytes(folder / f"{name}.tracks.txt", "".join(lines).encode())


def _packed(array: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
