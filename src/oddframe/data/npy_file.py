"""NumPy's array files, of which nothing is ever unpickled."""

from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from oddframe.errors import LayoutError

__all__ = ["is_pickle", "map_npy"]

# What numpy's reader has been seen to raise on truncated and altered files.
_ERRORS = (ArithmeticError, MemoryError, SyntaxError, TokenError, TypeError, ValueError)


def map_npy(path: Path) -> npt.NDArray[Any]:
    """Map the array of a `.npy` file into memory, read-only.

    Raises:
        LayoutError: Not an array file, a pickle, one that holds pickled objects, or damaged.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error
    except EOFError as error:
        raise _no_array_file(path, "empty") from error
    except BadZipFile as error:
        raise _no_array_file(path, "something else") from error
    except _ERRORS as error:
        # NumPy takes whatever it does not know for a pickle.
        if "allow_pickle" in str(error):
            kind = "a pickle" if is_pickle(path) else "something else"
            raise _no_array_file(path, kind) from error
        if "objects in dtype" in str(error):
            raise LayoutError(
                f"{path}: must hold plain numbers, it holds pickled objects, which are never "
                "opened, since opening them runs code: save one array per video with numpy.save"
            ) from error
        raise LayoutError(
            f"{path}: damaged numpy array file ({error}); fetch or save it again"
        ) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise _no_array_file(path, "an archive of arrays (.npz)")
    return array


def _no_array_file(path: Path, kind: str) -> LayoutError:
    return LayoutError(
        f"{path}: must be a numpy array file (.npy), it is {kind}; pickles are never opened, "
        "since opening one runs code: save it again with numpy.save"
    )


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle, by its name or its first byte."""
    if path.suffix.lower() in (".pkl", ".pickle"):
        return True
    try:
        with path.open("rb") as file:
            return file.read(1) == b"\x80"
    except OSError:
        return False
