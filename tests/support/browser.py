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
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

PATIENCE_MS = 60_000
"""Longest wait for something to show: the machine may be busy."""


def chromium() -> str:
    """Return the path of Chromium; without it the test is skipped, or fails where CI=true."""
    found = shutil.which("chromium")
    if found:
        return found
    missing = "chromium is missing: scripts/install-services installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def page(
    width: int = 1280, height: int = 900, zone: str | None = None
) -> Iterator[tuple[Page, list[str]]]:
    """Open a page in a new browser.

    Args:
        width: Of the window, in pixels.
        height: Of the window, in pixels.
        zone: Time zone of the browser; that of the machine when None.

    Yields:
        The page, and a list of what went wrong in it: errors of scripts, and what its content
        security policy refused.
    """
    where, wrong = chromium(), []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=where, args=["--no-sandbox"])
        opened = browser.new_page(
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            timezone_id=zone,
        )
        opened.set_default_timeout(PATIENCE_MS)
        opened.on("pageerror", lambda error: wrong.append(str(error)))

        def note(message: ConsoleMessage) -> None:
            if "Content Security Policy" in message.text:
                wrong.append(message.text)

        opened.on("console", note)
        yield opened, wrong
        browser.close()


@contextmanager
def server(data: Path, token: str | None = None) -> Iterator[str]:
    """Run `oddframe serve` on a folder and a free port; yields its address."""
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
    # Wide, so that the line with the address is not wrapped.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"}
    if token:
        environment["ODDFRAME_TOKEN"] = token
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    lines: deque[str] = deque(maxlen=50)
    address = None
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"http://\S+/", line):
            address = found[0]
            break
    # Read on: a full pipe would stop the server.
    reading = threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True)
    reading.start()
    try:
        assert address is not None, "".join(lines)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
        reading.join(5)
        process.stderr.close()
    assert code == 0, "".join(lines)
