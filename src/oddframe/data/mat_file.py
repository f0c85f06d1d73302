"""MATLAB files up to version 7, read by SciPy in a process of its own.

SciPy trusts the sizes that a file declares and can crash the process on a file that is made to do
so. Here it may: the other process has limits of memory and time, and when it dies the file is
refused as damaged.
"""

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from oddframe.errors import InputError, LayoutError, MissingExtraError
from oddframe.isolation import limit_memory, run_in_process

__all__ = ["MatArray", "is_numeric", "read_variable"]

T = TypeVar("T")

MatArray: TypeAlias = npt.NDArray[Any]
"""An array as SciPy gives it: numbers in the type in which they are stored, a cell array as objects,
structs with their fields as objects."""

MOST_BYTES = 2 << 30
"""Most memory that reading a file may take: Avenue's largest masks, 330 MB, three times over."""
MOST_S = 300.0
"""Longest that reading a file may take; Avenue's largest masks take some seconds."""


def read_variable(path: Path, name: str, take: Callable[..., T], *arguments: Any) -> T:
    """Read a variable of a MATLAB file, and return what a function makes of it.

    Args:
        path: The file.
        name: Name of the variable.
        take: A function of a module, called in the other process with the path, the array and the
            arguments. What it returns is sent here, so it should be small; it may write a file.
        arguments: What else it is called with.

    Raises:
        LayoutError: Not a readable MATLAB file of version 5 to 7, no such variable, one that takes
            too much memory or time, or `take` raised it.
        MissingExtraError: If SciPy is not installed.
    """
    _check_version(path)
    if importlib.util.find_spec("scipy") is None:
        raise MissingExtraError("reading MATLAB files", "eval")
    try:
        result: T | LayoutError = run_in_process(
            _read, path, name, take, arguments, MOST_BYTES, timeout_s=MOST_S
        )
    except InputError as error:
        raise _damaged(path, error) from error
    if isinstance(result, LayoutError):
        raise result
    return result


def is_numeric(value: object) -> bool:
    """Whether something out of a cell is an array of real numbers or booleans."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _read(
    path: Path,
    name: str,
    take: Callable[..., T],
    arguments: tuple[Any, ...],
    most_bytes: int,
) -> T | LayoutError:
    """Do the work of `read_variable`, in the other process."""
    import scipy.io

    limit_memory(most_bytes)
    warnings.simplefilter("ignore")
    try:
        found = scipy.io.loadmat(path, variable_names=[name], appendmat=False)
        value = found.get(name)
        names = None if name in found else [known for known, *_ in scipy.io.whosmat(path)]
    except MemoryError:
        return _damaged(path, f"it takes more than the {most_bytes:,} bytes that labels may take")
    except Exception as error:  # noqa: BLE001 - a damaged file makes SciPy raise anything
        return _damaged(path, error)
    if names is not None:
        shown = ", ".join(names[:8]) or "nothing"
        return LayoutError(f"{path}: must hold {name}, found {shown}")
    # SciPy gives what it could not read as a sentence; text is an array.
    if isinstance(value, str):
        return _damaged(path, value)
    try:
        return take(path, value, *arguments)
    except LayoutError as error:
        return error


def _damaged(path: Path, why: object) -> LayoutError:
    return LayoutError(
        f"{path}: a MATLAB file that is whole is needed, but reading this one failed ({why}); "
        "fetch it again"
    )


def _check_version(path: Path) -> None:
    """Make sure that the head of a file is that of version 5 to 7.

    Raises:
        LayoutError: It is not.
    """
    try:
        with path.open("rb") as file:
            head = file.read(128)
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error
    if head.startswith((b"\x89HDF", b"MATLAB 7.3")):
        raise LayoutError(
            f"{path}: a MATLAB file of version 5 to 7 is needed, this is one of version 7.3 "
            "(HDF5); load it in MATLAB and save it again with save('labels.mat', '-v7')"
        )
    if head[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise LayoutError(
            f"{path}: a MATLAB file of version 5 to 7 is needed, its head is that of none; "
            "fetch it again or save it with MATLAB's save('labels.mat', '-v7')"
        )
