"""The package as it is given to others: built from a copy, and installed in empty environments."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

OWN_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"
}
"""This process's environment without what would let a program see another installation."""


@dataclass(frozen=True)
class Built:
    """What a release has.

    Attributes:
        sdist: The archive of the source.
        wheel: The wheel, which was built from that archive.
    """

    sdist: Path
    wheel: Path


def build_package(place: Path) -> Built:
    """Build the archive of the source and, from that, the wheel, in a folder.

    The build back end is installed and pinned with the rest: no network is needed.
    """
    tree = place / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    unwanted = shutil.ignore_patterns("*.egg-info", "__pycache__")
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=unwanted)
    dist = place / "dist"
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, tree)
    return Built(*(next(dist.glob(pattern)) for pattern in ("*.tar.gz", "*.whl")))


def install(python: Path, *what: object) -> None:
    """Install into the environment of an interpreter, in the pinned versions, with our own pip.

    It needs a package index or pip's cache.
    """
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q")
    run(*pip, "-c", ROOT / "constraints.txt", *what)


def run(
    *command: object, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program that must succeed; returns what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**OWN_ENVIRONMENT, **(environment or {})},
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
