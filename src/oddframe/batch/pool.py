"""Workers that may die, and who looks after them, whatever engine they run on.

Workers as processes of this machine.
"""

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple, Protocol

from oddframe.batch.tasks import Task
from oddframe.batch.worker import Outcome
from oddframe.errors import RunError

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
    """Workers of an engine, each with at most one recording at a time; the dead are replaced.

    Attributes:
        size: How many there are.
    """

    size: int

    def give(self, slot: int, task: Task) -> None:
        """Have the worker in a place, 0 to size - 1, score a recording; starts one where there is none."""
        ...

    def wait(self) -> tuple[int, Outcome | WorkerDied]:
        """Wait until a worker is done or dead; says which."""
        ...

    def close(self) -> None:
        """End all of them, whatever they are at."""
        ...


def run_all(
    crew: WorkerPool, tasks: Iterable[Task], attempts: int = ATTEMPTS
) -> Iterator[Outcome | WorkerDied]:
    """Give every recording to a worker, and those of dead workers to others.

    A recording over which ``attempts`` workers died has failed; one that was lost is tried again
    when all others were.

    Args:
        crew: The workers.
        tasks: The recordings.
        attempts: Most workers that a recording may cost.

    Yields:
        An outcome for each recording, and a `Lost` for each worker that died.

    Raises:
        RunError: If workers only die and nothing is ever scored.
    """
    waiting, running = deque(tasks), dict[int, Task]()
    idle, deaths = deque(range(crew.size)), Counter[str]()
    anything = False
    while waiting or running:
        while idle and waiting:
            slot, task = idle.popleft(), waiting.popleft()
            running[slot] = task
            crew.give(slot, task)
        slot, told = crew.wait()
        task = running.pop(slot)
        idle.append(slot)
        if isinstance(told, Outcome):
            anything = True
            yield told
            continue
        yield told
        deaths[task.name] += 1
        if deaths[task.name] < attempts:
            waiting.append(task)
        else:
            anything = True
            reason = (
                f"{task.path} cost {attempts} workers, the last of which ended thus: {told.reason}"
            )
            yield Outcome(task=task, error=reason)
        if not anything and deaths.total() >= attempts * (crew.size + 1):
            raise RunError(
                f"workers must live long enough to score something, but all of them ended: {told.reason}"
            )


class _Scores(Protocol):
    def score(self, task: Task) -> Outcome: ...


class _WorkerProcess(NamedTuple):
    """A worker's process and the line to it."""

    process: BaseProcess
    line: Connection


class LocalPool:
    """Processes of this machine, each with a worker in it.

    Args:
        make: Makes a worker, in its process.
        size: How many.
        threads: Threads that each computes with.
    """

    def __init__(self, make: Callable[[], _Scores], size: int, threads: int) -> None:
        self.size = size
        self._make, self._threads = make, threads
        self._hands: dict[int, _WorkerProcess] = {}
        self._tasks: dict[int, Task] = {}

    def give(self, slot: int, task: Task) -> None:
        """See `Crew.give`."""
        if slot not in self._hands:
            self._hands[slot] = self._started()
        self._tasks[slot] = task
        with suppress(OSError):  # It died while idle; `wait` hears of it.
            self._hands[slot].line.send(task)

    def wait(self) -> tuple[int, Outcome | WorkerDied]:
        """See `Crew.wait`."""
        busy = {slot: self._hands[slot] for slot in self._tasks}
        ready = wait([one for hand in busy.values() for one in (hand.line, hand.process.sentinel)])
        slot, hand = next(
            (s, h) for s, h in busy.items() if h.line in ready or h.process.sentinel in ready
        )
        task = self._tasks.pop(slot)
        try:
            # What it said before it died counts.
            outcome: Outcome = hand.line.recv()
        except (EOFError, OSError):
            hand.process.join()
            del self._hands[slot]
            return slot, WorkerDied(task, _ended(hand.process.exitcode))
        return slot, outcome

    def close(self) -> None:
        """See `Crew.close`."""
        for hand in self._hands.values():
            hand.process.kill()
        for hand in self._hands.values():
            hand.process.join()
            hand.line.close()
        self._hands.clear()

    def _started(self) -> _WorkerProcess:
        # Not forked: libraries with threads do not survive that.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_work, args=(theirs, self._make, self._threads), daemon=True
        )
        process.start()
        theirs.close()
        return _WorkerProcess(process, ours)


def _work(line: Connection, make: Callable[[], _Scores], threads: int) -> None:
    """Be a worker until nobody gives work any more."""
    # Ctrl-C goes to all processes of a terminal: the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    worker = make()
    try:
        while True:
            line.send(worker.score(line.recv()))
    except (EOFError, OSError):
        return


def _ended(code: int | None) -> str:
    """How a process ended, as people say it."""
    if code is not None and code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
