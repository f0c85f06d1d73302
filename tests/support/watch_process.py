"""`oddframe watch` as a process of its own, with everybody whom it tells."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

LIVE = {
    "open_timeout_s": 5,
    "read_timeout_s": 3,
    "quiet_s": 1,
    "stall_s": 4,
    "first_wait_s": 0.5,
    "longest_wait_s": 2,
}
"""Knobs of the connection with which faults are over soon."""

RETRY = {"first_s": 0.5, "most_s": 2}

_SAMPLE = re.compile(r"(\w+)\{(\w+)=\"(.*)\"\} (\S+)")


def slowed(limit_s: float) -> float:
    """A limit in seconds, longer where others keep the processors busy too."""
    return limit_s * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def free_port() -> int:
    """A port on loopback that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class WatchProcess:
    """The command in a folder; use it in a `with` block, at whose end it is killed if it still runs.

    Args:
        folder: For its settings, its output and what it says.
        model: The model.
        cameras: Tables of the cameras, as in cameras.toml.
        sinks: Tables of the sinks by name; metrics come on top.
        watch: The table ``watch``.
        out: Folder for what is kept; ``out`` in `folder` when None.
        env: More variables of its environment.
        arguments: To start it with, in place of the file of cameras.

    Attributes:
        out: Where everything is kept.
    """

    def __init__(
        self,
        folder: Path,
        model: Path,
        cameras: list[dict[str, Any]],
        sinks: Mapping[str, dict[str, Any]] | None = None,
        *,
        watch: Mapping[str, Any] | None = None,
        out: Path | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self._folder, self.out, self._env = folder, out or folder / "out", env or {}
        self._arguments = arguments
        self._metrics_port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "cameras.json"
        metrics = {"kind": "prometheus", "port": self._metrics_port}
        settings = {"keep_free_gb": 0, "clip_before_s": 1, "clip_after_s": 1, **(watch or {})}
        table = {
            "watch": settings,
            "camera": cameras,
            "sinks": {**(sinks or {}), "metrics": metrics},
        }
        self.config.write_text(json.dumps({"model": str(model), **table}))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "WatchProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, with what is kept of the last time."""
        arguments = self._arguments or ("--config", str(self.config))
        command = [sys.executable, "-m", "oddframe", "watch", *arguments]
        with (self._folder / "said").open("ab") as said:
            self._process = subprocess.Popen(
                [*command, "-o", str(self.out)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **self._env},
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """All that it wrote to standard output and standard error, since the first start."""
        return (self._folder / "said").read_text()

    @property
    def arguments(self) -> str:
        """What `ps` shows of it."""
        return Path(f"/proc/{self.process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that was started last."""
        assert self._process is not None, "it was not started"
        return self._process

    def until(self, holds: Callable[[], object], limit_s: float = 60.0) -> float:
        """Wait until something holds, as long as it runs; gives the seconds that it took."""
        began_s = time.monotonic()
        while not holds():
            if self.process.poll() is not None:
                pytest.fail(f"it ended with {self.process.returncode}:\n{self.said}")
            if time.monotonic() - began_s > limit_s:
                pytest.fail(f"it did not come true within {limit_s} s:\n{self.said}")
            time.sleep(0.02)
        return time.monotonic() - began_s

    def metrics(self) -> str:
        """Its metrics, as Prometheus reads them; empty before it serves any."""
        try:
            with urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def metric(self, name: str, of: str) -> float:
        """A metric of a camera or a sink; 0 where there is none."""
        samples = {(one[1], one[3]): float(one[4]) for one in _SAMPLE.finditer(self.metrics())}
        return samples.get((name, of), 0.0)

    def until_frames(self, camera: str, more: int = 3) -> float:
        """Wait until further frames of a camera came; gives the seconds that it took, to a second or so."""
        began_s = time.monotonic()
        before = self.metric("oddframe_frames_total", camera)
        self.until(lambda: self.metric("oddframe_frames_total", camera) >= before + more)
        return time.monotonic() - began_s

    def signal(self, number: signal.Signals) -> tuple[int, float]:
        """Send it a signal and wait for its end; gives its exit code and the seconds that it took."""
        began_s = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(60)
        return code, time.monotonic() - began_s

    def stop(self) -> None:
        """Stop it, as a service manager does."""
        assert self.signal(signal.SIGTERM)[0] == 0, self.said

    def kill(self) -> None:
        """Kill it, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(60)


def until_all(processes: list[WatchProcess], holds: Callable[[WatchProcess], object]) -> None:
    """Wait until something holds of every process."""
    for process in processes:
        process.until(lambda process=process: holds(process))  # type: ignore[misc]


__all__ = ["LIVE", "RETRY", "WatchProcess", "free_port", "slowed", "until_all"]
