"""Containers of podman to test with, and what their web app says."""

import os
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

TOKEN = "a-token-of-a-test"
USER = 10001
"""The user of the image."""

HARDENED = (
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--network", "host"),
    *("--security-opt", "no-new-privileges"),
)


def image_of(variable: str) -> str:
    """Return the image that a variable of the environment names; skip the test without one."""
    if not os.environ.get(variable):
        pytest.skip(f"${variable} must name an image: scripts/try-image makes and names it")
    return os.environ[variable]


def try_podman(*command: object) -> subprocess.CompletedProcess[str]:
    """Run podman; returns what became of it."""
    return subprocess.run(["podman", *map(str, command)], capture_output=True, text=True)


def podman(*command: object) -> str:
    """Run podman, which must succeed; returns what it printed."""
    done = try_podman(*command)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def running(image: str, data: Path, *command: object, options: Sequence[str] = ()) -> Iterator[str]:
    """Run a container in the background with a folder as its data; it is removed at the end."""
    give_away(data)
    name = podman("run", "-d", *HARDENED, *options, "-v", f"{data}:/data", image, *command)
    try:
        yield name.strip()
    finally:
        logs = try_podman("logs", name.strip())
        print(logs.stdout, logs.stderr)
        podman("rm", "-f", "-t", "10", name.strip())


def give_away(folder: Path) -> None:
    """Let the user of the image write in a folder; this needs root."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)


def got(url: str, token: str | None = None) -> str | None:
    """Return the JSON or text at an address; None where nothing answers with 200 yet."""
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def is_live(cameras: str | None) -> bool:
    """Whether the only camera is live."""
    return cameras is not None and '"live"' in cameras
