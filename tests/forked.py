"""Trains in processes that can be killed: run as a program it reads orders, a JSON object a line, and forks for each.

An order names the arguments of `oddframe.train` and the moment of death: a phase and how much of it is done, or the
number of a file operation under a folder. The answer is the status that the process left with, below 0 for a signal.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self


class Trainings:
    """Starts the program and gives it orders; torch is imported once for all of them."""

    def __enter__(self) -> Self:
        self._program = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._program.communicate()

    def train(self, normal: Path, out: Path, *, die: Mapping[str, Any] | None = None, **arguments: Any) -> int:
        """Train in a process of its own; returns how it left."""
        order = {"normal": str(normal), "out": str(out), "die": die, **arguments}
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps(order) + "\n")
        self._program.stdin.flush()
        return int(self._program.stdout.readline())


def _main() -> None:
    # All that a training imports, once.
    import sklearn.cluster  # noqa: F401

    import oddframe.training  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if not child:
            _obey(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _obey(order: dict[str, Any]) -> None:
    from dying import kill_at
    from tiny import tiny_settings

    from oddframe.training import train

    die = order.pop("die") or {}

    def on_progress(phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
        if phase == die.get("phase") and done >= die["done"]:
            os.kill(os.getpid(), signal.SIGKILL)

    if "operation" in die:
        kill_at(die["operation"], Path(die["folder"]))
    try:
        settings = None if order.get("resume") else tiny_settings()
        train(order.pop("normal"), order.pop("out"), settings=settings, on_progress=on_progress, **order)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    _main()
