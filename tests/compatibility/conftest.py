"""What version 0.1.0 left, copied: for all tests to read, or for one to write in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.old_version import copy_stored


@pytest.fixture(scope="session")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that 0.1.0 left; read only."""
    return copy_stored(tmp_path_factory.mktemp("left") / "v0_1_0")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The same for one test, which may write in it."""
    return copy_stored(tmp_path / "v0_1_0")


@pytest.fixture(scope="session")
def told(left: Path) -> Callable[[str], Any]:
    """Gives what the program printed as JSON: `told("eval")`."""

    def read(name: str) -> Any:
        return json.loads((left / "json" / f"{name}.json").read_text())

    return read
