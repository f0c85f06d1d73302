"""Call a function in a process of its own, with memory and settings of its own.

A library that crashes, leaks or sets something for the whole process does so there only.
"""

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

_CHILD = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from oddframe import isolation; isolation.answer_parent()"
)
"""The program of the other process. It never runs the program that started it, as `multiprocessing`
would: that fails where a program does not protect what it does with `if __name__ == "__main__"`."""


class _Failure(NamedTuple):
    """What the other process sends in place of a result: a sentence about what went wrong."""

    why: str


def run_in_process(work: Callable[..., T], *arguments: Any, timeout_s: float | None = None) -> T:
    """Call a function in a new process and return its result.

    The process is not forked: libraries with threads do not survive that, and its memory would
    begin with that of this process.

    Args:
        work: A function of a module.
        arguments: Its arguments; like the result they must be picklable.
        timeout_s: How long it may take in seconds; there is no limit when None.

    Raises:
        InputError: If it fails there, takes too long or the process dies; the sentence says why.
    """
    # The path as it is now: a program may have changed it since it started.
    command = [sys.executable, "-c", _CHILD, *sys.path]
    # Pickles go between this process and its own child only; no file of anybody is read so.
    request = pickle.dumps((work, arguments))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            answer, _ = process.communicate(request, timeout_s)
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
    if isinstance(result, _Failure):
        raise InputError(result.why)
    outcome: T = result
    return outcome


def limit_memory(more_bytes: int) -> None:
    """Limit the memory that this process may take in addition to what it has, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # A process that dies within its limits is expected to: it leaves no copy of its memory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer_parent() -> None:
    """Read a function and its arguments from standard input, and write the result to the output.

    This is what the other process does; see `run_in_process`.
    """
    # Ctrl-C reaches both processes; the other one ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Only the result may go to the output: what the work prints goes to standard error.
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)
        work, arguments = pickle.load(sys.stdin.buffer)
        # Torch and OpenVINO fail with many kinds of RuntimeError, most of which cannot be pickled.
        try:
            result = work(*arguments)
        except OddframeError as error:
            result = _Failure(str(error))
        except (RuntimeError, MemoryError, OSError) as error:
            result = _Failure(f"{type(error).__name__}: {error}")
        output.write(pickle.dumps(result))
