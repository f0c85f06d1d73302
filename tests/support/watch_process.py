"""`oddframe watch` as a process of its own, with its settings, its output and its metrics."""

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
"""Settings of the connection with which recovery from a fault is quick."""

RETRY = {"first_s": 0.5, "most_s": 2}
"""Settings of a sink with which it tries again soon."""

_SAMPLE = re.compile(r"(\w+)\{(\w+)=\"(.*)\"\} (\S+)")


def scale_limit(limit_s: float) -> float:
    """Return a limit in seconds, longer where other programs keep the processors busy."""
    return limit_s * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def free_port() -> int:
    """Return a port on loopback at which nothing listens now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class WatchProcess:
    """The command in a folder; use it in a `with` block, at whose end a running process is killed.

    Args:
        folder: For its settings, its results and its output.
        model: The model's path.
        cameras: Tables of the cameras, as in cameras.toml.
        sinks: Tables of the sinks by name; a sink for metrics is added.
        watch: The table ``watch``.
        out: Folder for what is kept; ``out`` in `folder` when None.
        env: Further variables of its environment.
        arguments: Arguments to start it with, in place of the file of cameras.

    Attributes:
        out: Where everything is kept.
        config: The file of settings.
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
        """Start the process, with what is kept of the last run."""
        arguments = self._arguments or ("--config", str(self.config))
        command = [sys.executable, "-m", "oddframe", "watch", *arguments]
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "-o", str(self.out)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **self._env},
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """All that it wrote to standard output and standard error, since the first start."""
        return (self._folder / "output").read_text()

    @property
    def arguments(self) -> str:
        """Its arguments, as `ps` shows them."""
        return Path(f"/proc/{self.process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that was started last."""
        assert self._process is not None, "it was not started"
        return self._process

    def until(self, condition: Callable[[], object], limit_s: float = 60.0) -> float:
        """Wait until a condition holds; returns the seconds that it took.

        The test fails when the process ends before, or when the time runs out.
        """
        began_s = time.monotonic()
        while not condition():
            if self.process.poll() is not None:
                pytest.fail(f"the process ended with {self.process.returncode}:\n{self.output}")
            if time.monotonic() - began_s > limit_s:
                pytest.fail(f"the condition did not hold within {limit_s} s:\n{self.output}")
            time.sleep(0.02)
        return time.monotonic() - began_s

    def metrics(self) -> str:
        """Fetch its metrics, as Prometheus does; empty before it serves any."""
        try:
            with urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def metric(self, name: str, label: str) -> float:
        """Return a metric of a camera or a sink; 0 where there is none."""
        samples = {
            (sample[1], sample[3]): float(sample[4]) for sample in _SAMPLE.finditer(self.metrics())
        }
        return samples.get((name, label), 0.0)

    def until_frames(self, camera: str, more: int = 3) -> float:
        """Wait until further frames of a camera came; returns the seconds that it took.

        They are exact to about a second.
        """
        began_s = time.monotonic()
        before = self.metric("oddframe_frames_total", camera)
        self.until(lambda: self.metric("oddframe_frames_total", camera) >= before + more)
        return time.monotonic() - began_s

    def signal(self, number: signal.Signals) -> tuple[int, float]:
        """Send the process a signal; returns its exit code and the seconds to its end."""
        began_s = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(60)
        return code, time.monotonic() - began_s

    def stop(self) -> None:
        """Stop the process, as a service manager does."""
        assert self.signal(signal.SIGTERM)[0] == 0, self.output

    def kill(self) -> None:
        """Kill the process, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(60)


def until_all(processes: list[WatchProcess], condition: Callable[[WatchProcess], object]) -> None:
    """Wait until a condition holds of every process."""
    for process in processes:
        process.until(lambda process=process: condition(process))  # type: ignore[misc]
