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
from types import TracebackType
from typing import Self

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


class AppServer:
    """`oddframe serve` as a child process; use it in a `with` block, which begins with it running.

    Args:
        data: The data folder.
        token: The token that browsers have to know; None for none.

    Attributes:
        address: Where it is, the same after every start.
    """

    def __init__(self, data: Path, token: str | None = None) -> None:
        self._data, self._token = data, token
        self._port = 0
        self.address = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(30)
        self._close()
        assert code == 0, "".join(self._lines)

    def start(self) -> None:
        """Start it, on the port that it had before, and wait until it serves."""
        command = [sys.executable, "-m", "oddframe", "serve", "--data", str(self._data)]
        command += ["--port", str(self._port), "--device", "cpu"]
        # Wide, so that the line with the address is not wrapped.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"}
        if self._token:
            environment["ODDFRAME_TOKEN"] = self._token
        self._process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stderr is not None
        self._lines: deque[str] = deque(maxlen=50)
        found = None
        for line in self._process.stderr:
            self._lines.append(line)
            if found := re.search(r"http://\S+:(\d+)/", line):
                break
        # Read on: a full pipe would stop the server.
        self._reading = threading.Thread(
            target=self._lines.extend, args=(self._process.stderr,), daemon=True
        )
        self._reading.start()
        if found is None:
            self.kill()
        assert found is not None, "".join(self._lines)
        self.address, self._port = found[0], int(found[1])

    def kill(self) -> None:
        """Kill it, as a power cut would; what it has started works on."""
        self._process.kill()
        self._process.wait(30)
        self._close()

    def _close(self) -> None:
        self._reading.join(5)
        assert self._process.stderr is not None
        self._process.stderr.close()


@contextmanager
def server(data: Path, token: str | None = None) -> Iterator[str]:
    """Run `oddframe serve` on a folder and a free port; yields its address."""
    with AppServer(data, token) as app:
        yield app.address
