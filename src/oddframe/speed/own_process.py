"""Do one thing in a process of its own, so that its memory and its settings are its alone."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeVar

from oddframe.errors import InputError, OddframeError

__all__ = ["apart"]

T = TypeVar("T")


class _Failed(NamedTuple):
    why: str


def apart(work: Callable[..., T], *arguments: Any) -> T:
    """What ``work`` gives, called in a new process.

    Args:
        work: A function of a module.
        arguments: What it is called with; like its answer they must be picklable.

    Raises:
        InputError: If it fails there or the process dies; the sentence says why.
    """
    # Not forked: libraries with threads do not survive that, and memory would begin with that of this process.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs, work, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        told = ours.recv()
    except EOFError:
        process.join()
        raise InputError(
            f"its process must finish, but died with exit code {process.exitcode}; perhaps memory ran out"
        ) from None
    finally:
        process.kill()
        process.join()
        ours.close()
    if isinstance(told, _Failed):
        raise InputError(told.why)
    answer: T = told
    return answer


def _answer(line: Connection, work: Callable[..., T], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches both processes; the other one ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What torch and OpenVINO cannot do is a RuntimeError of many kinds, most of which cannot be sent.
    try:
        line.send(work(*arguments))
    except (OddframeError, RuntimeError, MemoryError) as error:
        line.send(_Failed(f"{type(error).__name__}: {error}" if not isinstance(error, OddframeError) else str(error)))
