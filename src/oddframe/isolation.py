"""Do one thing in a process of its own, so that its memory and its settings are its alone."""

import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from oddframe.errors import InputError, OddframeError

T = TypeVar("T")

_CHILD = "import sys; sys.path[:] = sys.argv[1:]; from oddframe import isolation; isolation.answer_parent()"
"""What the other process runs. It never runs the program that started it, as `multiprocessing`
would: that fails where a program does not protect what it does with `if __name__ == "__main__"`."""


class _Failed(NamedTuple):
    why: str


def run_in_process(work: Callable[..., T], *arguments: Any, timeout_s: float | None = None) -> T:
    """Call a function in a new process and return what it returns.

    The process is not forked: libraries with threads do not survive that, and its memory would
    begin with that of this process.

    Args:
        work: A function of a module.
        arguments: What it is called with; like its result they must be picklable.
        timeout_s: How long it may take; as long as it likes when None.

    Raises:
        InputError: If it fails there, takes too long or the process dies; the sentence says why.
    """
    command = [sys.executable, "-c", _CHILD, *sys.path]
    question = pickle.dumps((work, arguments))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            answer, _ = process.communicate(question, timeout_s)
        except subprocess.TimeoutExpired:
            raise InputError(
                f"its process must come to an end, but was not done after {timeout_s:.0f} seconds"
            ) from None
        finally:
            process.kill()
    if process.returncode != 0 or not answer:
        raise InputError(
            "its process must finish, but died with exit code "
            f"{process.returncode}; perhaps memory ran out"
        )
    result = pickle.loads(answer)
    if isinstance(result, _Failed):
        raise InputError(result.why)
    outcome: T = result
    return outcome


def limit_memory(more_bytes: int) -> None:
    """Let this process take so much more memory than it has; what needs more is a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # A process that dies within its limits is expected to: it leaves no copy of its memory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer_parent() -> None:
    """Read from the standard input what to do, do it, and write the result to the output."""
    # Ctrl-C reaches both processes; the other one ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the work itself prints must not come between.
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)
        work, arguments = pickle.load(sys.stdin.buffer)
        # What torch and OpenVINO cannot do is a RuntimeError of many kinds, most of which cannot
        # be sent.
        try:
            result = work(*arguments)
        except OddframeError as error:
            result = _Failed(str(error))
        except (RuntimeError, MemoryError, OSError) as error:
            result = _Failed(f"{type(error).__name__}: {error}")
        output.write(pickle.dumps(result))
