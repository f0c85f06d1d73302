"""Pixel masks of a test video, a frame at a time: image folders, `.npy` arrays, `.mat` volumes."""

import struct
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from oddframe._types import BoolMask
from oddframe.datasets.label_files import MatArray, is_numeric, map_npy, read_variable
from oddframe.datasets.labels import Labels
from oddframe.errors import LayoutError

# Pillow knows many more formats; fewer readers are fewer places for a damaged file to crash.
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF")
# What Pillow has been seen to raise on truncated and altered files.
_IMAGE_ERRORS = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


class Masks(Protocol):
    """Pixel masks of one video, as often as asked for.

    Attributes:
        path: The file or folder; named in errors.
    """

    @property
    def path(self) -> Path: ...  # noqa: D102

    def frames(self) -> Iterator[BoolMask]:
        """Start a fresh pass: one mask for each frame of the video, in order, bool H x W.

        Raises:
            LayoutError: A mask cannot be read, or has another size than the first.
        """
        ...


@dataclass(frozen=True)
class MaskImages:
    """A folder with one image a frame; whatever is not black is abnormal.

    In a JPEG, whose black is never quite black, it is whatever is nearer to white.

    Attributes:
        path: The folder.
        files: The images, in the order of the frames.
    """

    path: Path
    files: tuple[Path, ...] = field(repr=False)

    def frames(self) -> Iterator[BoolMask]:
        """See `Masks.frames`; one image is read at a time."""
        yield from _of_one_size(self.path, (read_mask(path) for path in self.files))


@dataclass(frozen=True)
class NumberedMasks:
    """Images of the abnormal frames only, named after the frame's number; the rest is normal.

    Attributes:
        path: The folder, which need not be there where no frame is abnormal.
        files: Image of each frame that has one, by the frame's number, counted from 0.
        video: Something as long as the video has frames; counting them may take a pass over it.
        size: (width, height) in pixels.
    """

    path: Path
    files: Mapping[int, Path] = field(repr=False)
    video: Sized = field(repr=False)
    size: tuple[int, int]

    def frames(self) -> Iterator[BoolMask]:
        """See `Masks.frames`; one image is read at a time."""
        empty = np.zeros(self.size[::-1], np.bool_)
        each = (
            read_mask(self.files[number]) if number in self.files else empty.copy()
            for number in range(len(self.video))
        )
        yield from _of_one_size(self.path, each)


@dataclass(frozen=True)
class MaskArray:
    """A `.npy` file of T x H x W numbers, of which those other than 0 are abnormal.

    Attributes:
        path: The file.
    """

    path: Path

    def __len__(self) -> int:
        return len(self._values())

    def frames(self) -> Iterator[BoolMask]:
        """See `Masks.frames`; the file is mapped, a frame is read at a time."""
        for values in self._values():
            yield np.asarray(values) != 0

    def _values(self) -> npt.NDArray[Any]:
        values = map_npy(self.path)
        if values.ndim != 3 or values.dtype.kind not in "biuf":
            raise LayoutError(
                f"{self.path}: masks must be numbers of shape T x H x W, "
                f"found shape {values.shape} of {values.dtype}"
            )
        return values


@dataclass(frozen=True)
class MaskVolume:
    """A `.mat` file with `volLabel`, a cell array of one H x W matrix a frame, as Avenue has them.

    Attributes:
        path: The file.
    """

    path: Path

    def frames(self) -> Iterator[BoolMask]:
        """See `Masks.frames`; another process unpacks the file, and its masks are mapped here."""
        with tempfile.TemporaryDirectory(prefix="oddframe-") as folder:
            place = Path(folder) / "masks.npy"
            read_variable(self.path, "volLabel", _save_masks, place)
            masks = map_npy(place)
        # The file has lost its name, but the system keeps what is mapped until nobody needs it.
        for mask in masks:
            yield np.array(mask)


def labels_of_masks(masks: Masks) -> Labels:
    """Make one label a frame: 1 where the mask is not empty; read-only.

    Raises:
        LayoutError: As `Masks.frames`.
    """
    labels = np.fromiter((mask.any() for mask in masks.frames()), dtype=np.uint8)
    labels.setflags(write=False)
    return labels


def read_mask(path: Path) -> BoolMask:
    """Read one mask image as bool H x W, true where it is abnormal.

    Raises:
        LayoutError: It cannot be read.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of a picture of a hundred megapixels and of an unknown tag in a TIFF.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                # Colours, those of a palette among them, are looked at one by one: 0 in a palette
                # need not be black. Grey of 16 bits would lose its faint values as RGB.
                grey = image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16")
                values = np.asarray(image if grey else image.convert("RGB"))
                lossy = image.format == "JPEG"
    except _IMAGE_ERRORS as error:
        raise LayoutError(f"{path}: a mask image that can be read is needed ({error})") from error
    except Image.DecompressionBombError as error:
        raise LayoutError(
            f"{path}: a mask must have the size of a video's frame ({error})"
        ) from error
    mask: BoolMask = values >= 128 if lossy else values != 0
    # H x W x 3: abnormal where any colour is.
    return np.any(mask, axis=2) if mask.ndim == 3 else mask


def mask_size(path: Path) -> tuple[int, int]:
    """Read the width and the height of a mask image in pixels.

    Raises:
        LayoutError: As `read_mask`.
    """
    height, width = read_mask(path).shape
    return width, height


def _save_masks(path: Path, cells: MatArray, place: Path) -> None:
    """Write the matrices of a cell array as one array, T x H x W; runs in the other process.

    Raises:
        LayoutError: It is no cell array of matrices of one size.
    """
    if cells.dtype != object:
        raise LayoutError(f"{path}: volLabel must be a cell array with one matrix a frame")
    masks = list(_of_one_size(path, _masks_in_cells(path, cells)))
    np.save(place, np.array(masks, dtype=np.bool_))


def _masks_in_cells(path: Path, cells: MatArray) -> Iterator[BoolMask]:
    """Turn each cell into a mask.

    Raises:
        LayoutError: A cell holds something else than numbers.
    """
    # MATLAB numbers its cells column by column.
    for number, values in enumerate(cells.ravel(order="F"), start=1):
        if not is_numeric(values):
            raise LayoutError(
                f"{path}: cell {number} of volLabel must be a matrix of numbers, "
                "it is something else"
            )
        yield values != 0


def _of_one_size(path: Path, masks: Iterator[BoolMask]) -> Iterator[BoolMask]:
    """Pass masks on as long as they are of the size of the first.

    Raises:
        LayoutError: One has another size, or is no picture at all.
    """
    first: tuple[int, ...] | None = None
    for number, mask in enumerate(masks):
        if mask.ndim != 2 or mask.size == 0:
            raise LayoutError(
                f"{path}: a mask must be H x W pixels, found shape {mask.shape} at frame {number}"
            )
        if first is not None and mask.shape != first:
            raise LayoutError(
                f"{path}: masks must have one size, found {mask.shape} after {first} "
                f"at frame {number}"
            )
        first = mask.shape
        yield mask
