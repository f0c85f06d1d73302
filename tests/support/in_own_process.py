"""Functions that tests run in another process, which can import this file but no test file."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy.typing as npt

from oddframe.isolation import limit_memory
from oddframe.speed.instruments import peak_rss_mb


def fill(megabytes: int) -> tuple[int, float]:
    """Use some memory; returns how much, and the peak of the process in MB."""
    filled = bytearray(b"x" * (megabytes * 10**6))
    return len(filled), peak_rss_mb()


def refuse(error: Exception) -> None:
    """Fail with an error."""
    raise error


def end_at_once(code: int) -> None:
    """End the process without an answer."""
    os._exit(code)


def modules_of_measuring() -> set[str]:
    """Names of the modules that measuring imports."""
    import oddframe.speed.measure  # noqa: F401

    return set(sys.modules)


def fill_within(megabytes: int, allowed: int) -> tuple[int, float]:
    """Use some memory where only so much more is allowed."""
    limit_memory(allowed * 10**6)
    return fill(megabytes)


def print_and_count(text: str) -> int:
    """Print a text; returns its length."""
    print(text, flush=True)
    return len(text)


def describe(path: Path, value: npt.NDArray[Any], more: int) -> tuple[str, Any, int]:
    """Return what a file was read as, in values that can be pickled."""
    return path.name, value.tolist(), more


def crash(path: Path, value: npt.NDArray[Any]) -> None:
    """Stand for a file that crashes its reader."""
    os.abort()
