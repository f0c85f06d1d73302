"""NumPy's array files, of which nothing is ever unpickled."""

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe.errors import LayoutError

__all__ = ["is_pickle", "map_npy"]

# What numpy's reader has been seen to raise on truncated and altered files.
_ERRORS = (ArithmeticError, MemoryError, OSError, SyntaxError, TokenError, TypeError, ValueError)


def map_npy(path: Path) -> npt.NDArray[Any]:
    """The array of a `.npy` file, mapped into memory and read-only.

    Raises:
        LayoutError: Not an array file, a pickle, one that holds pickled objects, or damaged.
    """
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error
    if start != b"\x93NUMPY":
        kind = "a pickle" if start[:1] == b"\x80" else "something else" if start else "empty"
        raise LayoutError(
            f"{path}: must be a numpy array file (.npy), it is {kind}; pickles are never opened, "
            "since opening one runs code: save it again with numpy.save"
        )
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except _ERRORS as error:
        if "bject" in str(error):
            raise LayoutError(
                f"{path}: must hold plain numbers, it holds pickled objects, which are never opened, since "
                "opening them runs code: save one array per video with numpy.save"
            ) from error
        raise LayoutError(f"{path}: damaged numpy array file ({error}); fetch or save it again") from error


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle, by its name or its first byte."""
    if path.suffix.lower() in (".pkl", ".pickle"):
        return True
    try:
        with path.open("rb") as file:
            return file.read(1) == b"\x80"
    except OSError:
        return False
