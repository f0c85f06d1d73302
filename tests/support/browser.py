"""A page in Debian's Chromium, and the real server as a child process."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

PATIENCE_MS = 60_000
"""Longest wait for something to show: the machine may be busy."""


def chromium() -> str:
    """Where Chromium is; skips the test without it, and fails where CI=true."""
    found = shutil.which("chromium")
    if found:
        return found
    missing = "chromium is missing: scripts/install-services installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def page(width: int = 1280, height: int = 900) -> Iterator[tuple[Page, list[str]]]:
    """A page of an empty browser, and what went wrong in it: errors of scripts, and what its policy refused."""
    where, wrong = chromium(), []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=where, args=["--no-sandbox"])
        opened = browser.new_page(
            viewport={"width": width, "height": height}, reduced_motion="reduce"
        )
        opened.set_default_timeout(PATIENCE_MS)
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on(
            "console",
            lambda said: (
                wrong.append(said.text) if "Content Security Policy" in said.text else None
            ),
        )
        yield opened, wrong
        browser.close()


@contextmanager
def server(data: Path, token: str | None = None) -> Iterator[str]:
    """`oddframe serve` on a folder, at a port of its own; gives its address."""
    command = [
        sys.executable,
        "-m",
        "oddframe",
        "serve",
        "--data",
        str(data),
        "--port",
        "0",
        "--device",
        "cpu",
    ]
    # A line must not be broken where the address is.
    told = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"}
    if token:
        told["ODDFRAME_TOKEN"] = token
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=told)
    assert process.stderr is not None
    said: deque[str] = deque(maxlen=50)
    address = None
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"http://\S+/", line):
            address = found[0]
            break
    reading = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
    reading.start()
    try:
        assert address is not None, "".join(said)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
        reading.join(5)
        process.stderr.close()
    assert code == 0, "".join(said)
