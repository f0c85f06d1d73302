"""Worker pools: they score recordings side by side, and a worker that dies costs no recording.

`run_all` works with the pool of any engine; `LocalPool` has processes on this machine.
"""

import os
import signal
import subprocess
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, Protocol

from oddframe._types import Progress, silent
from oddframe.batch.tasks import Task
from oddframe.batch.worker import Outcome
from oddframe.errors import RunError
from oddframe.isolation import own_program

ATTEMPTS = 3
"""A recording over which so many workers died is reported and left."""


class WorkerDied(NamedTuple):
    """A worker died over a recording.

    Attributes:
        task: The recording.
        reason: What is known of it, a sentence.
    """

    task: Task
    reason: str


class WorkerPool(Protocol):
    """Workers of an engine, each with at most one recording at a time; dead ones are replaced.

    Attributes:
        size: How many there are.
    """

    size: int

    def submit(self, slot: int, task: Task) -> None:
        """Have an idle worker score a recording.

        Args:
            slot: The worker's place, from 0 to size - 1; one is started where there is none.
            task: The recording.
        """
        ...

    def wait(self) -> tuple[int, Outcome | WorkerDied]:
        """Wait until any worker has finished or died.

        Returns:
            The worker's place, and what came of its recording.
        """
        ...

    def close(self) -> None:
        """End all workers at once, also those that are busy."""
        ...


def run_all(
    pool: WorkerPool, tasks: Iterable[Task], attempts: int = ATTEMPTS
) -> Iterator[Outcome | WorkerDied]:
    """Give every recording to a worker, and those of dead workers to others.

    A recording over which ``attempts`` workers died has failed; one that was lost is tried again
    after all others.

    Args:
        pool: The workers.
        tasks: The recordings.
        attempts: Most workers that a recording may cost.

    Yields:
        An outcome for each recording, and a `WorkerDied` for each worker that died.

    Raises:
        RunError: If workers only die and nothing is ever scored.
    """
    waiting, running = deque(tasks), dict[int, Task]()
    idle, deaths = deque(range(pool.size)), Counter[str]()
    any_outcome = False
    while waiting or running:
        while idle and waiting:
            slot, task = idle.popleft(), waiting.popleft()
            running[slot] = task
            pool.submit(slot, task)
        slot, result = pool.wait()
        task = running.pop(slot)
        idle.append(slot)
        yield result
        if isinstance(result, Outcome):
            any_outcome = True
            continue
        deaths[task.name] += 1
        if deaths[task.name] < attempts:
            # Last in the queue: if the recording is what kills workers, all others come first.
            waiting.append(task)
        else:
            any_outcome = True
            reason = (
                f"{task.path} cost {attempts} workers, "
                f"the last of which ended thus: {result.reason}"
            )
            yield Outcome(task=task, error=reason)
        # Not every worker can have met a bad recording by now: something is wrong with all of them.
        if not any_outcome and deaths.total() >= attempts * (pool.size + 1):
            raise RunError(
                "workers must live long enough to score something, "
                f"but all of them ended: {result.reason}"
            )


class TaskScorer(Protocol):
    """Scores recordings in a worker's process; `oddframe.batch.worker.Worker` is one."""

    def score(self, task: Any, on_progress: Progress = silent) -> Outcome:
        """Score a recording and say what came of it.

        Args:
            task: The recording, a `Task` or what a room above makes of one.
            on_progress: Told the frames done.
        """
        ...


class _Progressed(NamedTuple):
    """What a worker sends while it is at a recording: the arguments of a `Progress`."""

    phase: str
    done: int
    total: int


class _WorkerProcess(NamedTuple):
    """A worker's process, and the connection over which tasks go and outcomes come."""

    process: "subprocess.Popen[bytes]"
    connection: "Connection[Any, Any]"


class LocalPool:
    """Processes on this machine, each with a worker in it.

    Args:
        make: Makes a worker, in its process; it must be picklable.
        size: How many.
        threads: Threads that each computes on where its options do not say.
        on_progress: Told the frames done of every recording that is being scored.
    """

    def __init__(
        self,
        make: Callable[[], TaskScorer],
        size: int,
        threads: int,
        on_progress: Progress = silent,
    ) -> None:
        self.size = size
        self._make, self._threads, self._on_progress = make, threads, on_progress
        self._workers: dict[int, _WorkerProcess] = {}
        self._tasks: dict[int, Task] = {}

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that have been started and not been found dead."""
        return tuple(worker.process.pid for worker in self._workers.values())

    def submit(self, slot: int, task: Task) -> None:
        """Have an idle worker score a recording; see `WorkerPool.submit`."""
        if slot not in self._workers:
            self._workers[slot] = self._start()
        self._tasks[slot] = task
        with suppress(OSError):  # it died while idle, which `wait` finds out
            self._workers[slot].connection.send(task)

    def wait(self) -> tuple[int, Outcome | WorkerDied]:
        """Wait until any worker has finished or died; see `WorkerPool.wait`."""
        while True:
            busy = {self._workers[slot].connection: slot for slot in self._tasks}
            # The connection of a dead process is ready too: it has come to its end.
            slot = next(busy[ready] for ready in wait(list(busy)) if ready in busy)
            worker = self._workers[slot]
            try:
                # An outcome that was sent before the process died counts.
                message: Outcome | _Progressed = worker.connection.recv()
            except (EOFError, OSError):
                code = worker.process.wait()
                worker.connection.close()
                del self._workers[slot]
                return slot, WorkerDied(self._tasks.pop(slot), _how_it_ended(code))
            if isinstance(message, Outcome):
                del self._tasks[slot]
                return slot, message
            self._on_progress(*message, {})

    def close(self) -> None:
        """End all workers at once; see `WorkerPool.close`."""
        # All are killed before any is waited for, so that they end side by side.
        for worker in self._workers.values():
            worker.process.kill()
        for worker in self._workers.values():
            worker.process.wait()
            worker.connection.close()
        self._workers.clear()

    def _start(self) -> _WorkerProcess:
        # Not forked: a fork copies the locks of libraries that have threads, but not the threads.
        ours, theirs = Pipe()
        process = subprocess.Popen(
            own_program("oddframe.batch.pool.serve_pool", str(theirs.fileno())),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "OMP_NUM_THREADS": str(self._threads)},
        )
        # While this end is open here too, the death of the worker would not end the pipe.
        theirs.close()
        with suppress(OSError):  # it died at once, which `wait` finds out
            ours.send((self._make, self._on_progress is not silent))
        return _WorkerProcess(process, ours)


def serve_pool(descriptor: str) -> None:
    """Score one recording after the other, until the other end of the connection is closed.

    Args:
        descriptor: The number of the open connection to the pool.
    """
    # Ctrl-C goes to all processes of a terminal: the parent process ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a worker starts must not hold the connection open when the worker dies.
    os.set_inheritable(int(descriptor), False)
    connection: Connection[Any, Any] = Connection(int(descriptor))

    def report(phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
        connection.send(_Progressed(phase, done, total))

    try:
        make, wants_progress = connection.recv()
        worker: TaskScorer = make()
        while True:
            connection.send(worker.score(connection.recv(), report if wants_progress else silent))
    except (EOFError, OSError):
        return


def _how_it_ended(code: int) -> str:
    """How a process ended, as a sentence."""
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
