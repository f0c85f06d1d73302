"""Call a function in a process of its own, with memory and settings of its own.

A library that crashes, leaks or sets something for the whole process does so there only.
"""

import atexit
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from oddframe.errors import InputError, OddframeError

T = TypeVar("T")

_LENGTH = struct.Struct("!iQ")
"""Before each answer: the exit code of the process that did the work, and the answer's bytes."""


class _Failure(NamedTuple):
    """What the other process sends in place of a result: a sentence about what went wrong."""

    why: str


def own_program(function: str, argument: str) -> list[str]:
    """Return the command of a Python process that calls one function of this package.

    It never runs the program that started it, as `multiprocessing` would: that fails where a
    program does not protect what it does with ``if __name__ == "__main__"``.

    Args:
        function: The function with its module, such as "oddframe.isolation.serve_parent".
        argument: What it is called with.
    """
    module, _, name = function.rpartition(".")
    program = f"import sys; sys.path[:] = sys.argv[2:]; from {module} import {name}; "
    # The path as it is now: a program may have changed it since it started.
    return [sys.executable, "-c", f"{program}{name}(sys.argv[1])", argument, *sys.path]


class ProcessServer:
    """A process that waits for calls and forks itself for each of them.

    What it has imported is there for every call, so a call takes milliseconds where a new process
    takes seconds, and yet each call has a process of its own to crash in. It ends with this one.

    Args:
        preload: Modules to import before the first call. They must start no threads, which do not
            survive a fork; NumPy's and OpenMP's are kept from starting.
    """

    def __init__(self, *preload: str) -> None:
        self._command = own_program("oddframe.isolation.serve_parent", ",".join(preload))
        one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._variables = one_thread if preload else {}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def call(self, work: Callable[..., T], *arguments: Any, timeout_s: float | None = None) -> T:
        """Call a function in a process of its own and return its result; for any thread.

        Args:
            work: A function of a module.
            arguments: Its arguments; like the result they must be picklable.
            timeout_s: How long it may take in seconds; there is no limit when None.

        Raises:
            InputError: If it fails there, takes too long or the process dies; the sentence says
                why.
        """
        # Pickles go between this process and its own child only; no file of anybody is read so.
        request = pickle.dumps((_working_directory(), work, arguments))
        with self._lock:
            code, answer = self._exchange(request, timeout_s)
        if code != 0 or not answer:
            raise InputError(
                f"its process must finish, but died with exit code {code}; perhaps memory ran out"
            )
        result = pickle.loads(answer)
        if isinstance(result, _Failure):
            raise InputError(result.why)
        outcome: T = result
        return outcome

    def close(self) -> None:
        """End the process; the next call starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.close)
        # One that was forked from this one has copies of the pipes; the server is not its own.
        if self._owner == os.getpid():
            # It is the leader of a group that the process of a call belongs to.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def _exchange(self, request: bytes, timeout_s: float | None) -> tuple[int, bytes]:
        """Send a request and wait for the exit code and the answer."""
        if self._owner != os.getpid() or (self._process and self._process.poll() is not None):
            self.close()
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **self._variables},
                start_new_session=True,
            )
            self._owner = os.getpid()
            atexit.register(self.close)
        server = self._process
        assert server.stdin is not None
        assert server.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            os.killpg(server.pid, signal.SIGKILL)

        timer = threading.Timer(timeout_s, end) if timeout_s is not None else None
        if timer is not None:
            timer.start()
        head = b""
        try:
            with suppress(BrokenPipeError):
                server.stdin.write(len(request).to_bytes(8) + request)
                server.stdin.flush()
                head = server.stdout.read(_LENGTH.size)
            code, length = _LENGTH.unpack(head) if len(head) == _LENGTH.size else (None, 0)
            answer = server.stdout.read(length)
        except BaseException:
            # Interrupted, as by Ctrl-C: the next call must not take this one's answer for its own.
            self.close()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if code is None or len(answer) < length:
            # The server itself is gone; the next call starts another.
            code = server.wait()
            self.close()
        if late.is_set():
            raise InputError(
                f"its process must come to an end, but was not done after {timeout_s:.0f} seconds"
            )
        return code, answer


def run_in_process(work: Callable[..., T], *arguments: Any, timeout_s: float | None = None) -> T:
    """Call a function in a new process and return its result; see `ProcessServer.call`."""
    server = ProcessServer()
    try:
        return server.call(work, *arguments, timeout_s=timeout_s)
    finally:
        server.close()


def _working_directory() -> str | None:
    """Find the working directory; None where it has been removed."""
    with suppress(FileNotFoundError):
        return str(Path.cwd())
    return None


def limit_memory(more_bytes: int) -> None:
    """Limit the memory that this process may take in addition to what it has, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # A process that dies within its limits is expected to: it leaves no copy of its memory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve_parent(preload: str) -> None:
    """Answer calls from the standard input on the standard output until the input ends."""
    # Ctrl-C is for the other process, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What the work itself prints must not come between the answers.
    os.dup2(2, 1)
    for module in filter(None, preload.split(",")):
        import_module(module)
    while len(head := requests.read(8)) == 8:
        request = requests.read(int.from_bytes(head))
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            with os.fdopen(writer, "wb") as result:
                result.write(_answer(request))
            # Nothing of this process is the child's to clean up.
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as result:
            answer = result.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        try:
            answers.write(_LENGTH.pack(code, len(answer)) + answer)
            answers.flush()
        except BrokenPipeError:
            # The process that asked has died meanwhile. Its pipe must not be tried again at exit.
            os._exit(0)


def _answer(request: bytes) -> bytes:
    """Do what a request asks for, and return the result or a `_Failure`, pickled."""
    place, work, arguments = pickle.loads(request)
    # What torch and OpenVINO cannot do is a RuntimeError of many kinds, most of which cannot
    # be sent.
    try:
        # The other process may have gone elsewhere since this one began; a relative path must mean
        # the same to both.
        if place is not None:
            os.chdir(place)
        result = work(*arguments)
    except OddframeError as error:
        result = _Failure(str(error))
    except (RuntimeError, MemoryError, OSError) as error:
        result = _Failure(f"{type(error).__name__}: {error}")
    return pickle.dumps(result)
