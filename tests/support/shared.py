"""Folders that all workers of a test run share: the first that needs one makes it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def shared_folder(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """Give the folder of a name, which ``make`` fills once in the whole run; read only."""
    base = factory.getbasetemp()
    # pytest-xdist gives each worker a folder of its own in that of the run.
    run = base.parent if base.name.startswith("popen-") else base
    folder = run / "shared" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            making = folder.with_suffix(".making")
            making.mkdir()
            make(making)
            making.rename(folder)
    return folder
