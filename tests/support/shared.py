"""What all workers of a test run share: the first that needs a folder makes it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def run_folder(factory: pytest.TempPathFactory) -> Path:
    """Give the folder that all workers of this run see, for what they share."""
    base = factory.getbasetemp()
    # pytest-xdist gives each worker a folder of its own in that of the run.
    folder = (base.parent if base.name.startswith("popen-") else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def shared_folder(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """Give the folder of a name, which ``make`` fills once in the whole run; read only."""
    folder = run_folder(factory) / name
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            making = folder.with_suffix(".making")
            making.mkdir()
            make(making)
            making.rename(folder)
    return folder
