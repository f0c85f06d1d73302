"""Workers that may die, and who looks after them, whatever engine they run on."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from oddframe.archive.tasks import Task
from oddframe.archive.worker import Outcome
from oddframe.errors import RunError

__all__ = ["ATTEMPTS", "Crew", "Lost", "supervise"]

ATTEMPTS = 3
"""A recording over which so many workers died is reported and left."""


class Lost(NamedTuple):
    """A worker died over a recording.

    Attributes:
        task: The recording.
        reason: What is known of it, a sentence.
    """

    task: Task
    reason: str


class Crew(Protocol):
    """Workers of an engine, each with at most one recording at a time; the dead are replaced.

    Attributes:
        size: How many there are.
    """

    size: int

    def give(self, slot: int, task: Task) -> None:
        """Have the worker in a place, 0 to size - 1, score a recording; starts one where there is none."""
        ...

    def wait(self) -> tuple[int, Outcome | Lost]:
        """Wait until a worker is done or dead; says which."""
        ...

    def close(self) -> None:
        """End all of them, whatever they are at."""
        ...


def supervise(crew: Crew, tasks: Iterable[Task], attempts: int = ATTEMPTS) -> Iterator[Outcome | Lost]:
    """Give every recording to a worker, and those of dead workers to others.

    A recording over which ``attempts`` workers died has failed; one that was lost is tried again when all others were.

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
            reason = f"{task.path} cost {attempts} workers, the last of which ended thus: {told.reason}"
            yield Outcome(task=task, error=reason)
        if not anything and deaths.total() >= attempts * (crew.size + 1):
            raise RunError(f"workers must live long enough to score something, but all of them ended: {told.reason}")
