"""What tests have done in a process of its own: there this file can be imported, and a test file cannot."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy.typing as npt

from oddframe.isolation import limit_memory
from oddframe.speed.instruments import peak_rss_mb


def fill(megabytes: int) -> tuple[int, float]:
    """Use some memory; how much of it, and the process's peak in MB."""
    filled = bytearray(b"x" * (megabytes * 10**6))
    return len(filled), peak_rss_mb()


def refuse(error: Exception) -> None:
    """Fail with an error."""
    raise error


def modules_of_measuring() -> set[str]:
    """What is imported for measuring."""
    import oddframe.speed.measure  # noqa: F401

    return set(sys.modules)


def fill_within(megabytes: int, allowed: int) -> tuple[int, float]:
    """Use some memory where only so much more is allowed."""
    limit_memory(allowed * 10**6)
    return fill(megabytes)


def print_and_count(text: str) -> int:
    """Print something; how long it is."""
    print(text, flush=True)
    return len(text)


def describe(path: Path, value: npt.NDArray[Any], more: int) -> tuple[str, Any, int]:
    """Say what was read."""
    return path.name, value.tolist(), more


def crash(path: Path, value: npt.NDArray[Any]) -> None:
    """Stand for a file that crashes its reader."""
    os.abort()
