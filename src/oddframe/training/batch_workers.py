"""Batches made ahead of need by several processes, for a GPU that learns faster than one of them.

Making a batch is many small steps in Python, which threads would take in turn. A worker is a fork
of this process, so it has the clips without a copy; the batches come back through shared memory. A
batch depends on the seed and the step alone, so who makes it does not matter.
"""

import mmap
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from oddframe.core.records import CropOffset
from oddframe.datasets.clip_dataset import Batch
from oddframe.errors import RunError
from oddframe.inference.cores import usable_cores

SLOTS = 2
"""Batches that a worker may be ahead: one that is being made, and one that waits."""

MOST_WORKERS = 12
"""Most workers; each of them has memory for its slots."""


class _Made(NamedTuple):
    """What a worker says of a batch that it has put into a slot."""

    step: int
    part: CropOffset


class BatchWorkers:
    """Processes that make the batches of a training's steps in order.

    Args:
        make: Makes the batch of a step.
        first: The first step.
        total: Where the steps end.
        count: How many processes.

    Attributes:
        processes: The workers.
    """

    def __init__(self, make: Callable[[int], Batch], first: int, total: int, count: int) -> None:
        self._first, self._next = first, first
        # All batches of a training have one shape.
        example = make(first)
        self._layout = [(array.shape, array.dtype) for array in example[:5]]
        size = sum(array.nbytes for array in example[:5])
        self._slots = [[mmap.mmap(-1, size) for _ in range(SLOTS)] for _ in range(count)]
        self._connections: list[Connection] = []
        self.processes = []
        context = multiprocessing.get_context("fork")
        for number in range(count):
            ours, theirs = context.Pipe()
            self._connections.append(ours)
            process = context.Process(
                target=self._work,
                args=(make, range(first + number, total, count), number, theirs),
                daemon=True,
            )
            process.start()
            theirs.close()
            self.processes.append(process)
        self._taken: int | None = None

    def take(self, step: int) -> Batch:
        """Give the batch of the next step; it is overwritten some time after the next call.

        Raises:
            RunError: If a worker has died.
        """
        if step != self._next:
            raise ValueError(f"step must be {self._next}, the next one, got {step}")
        count = len(self._connections)
        try:
            if self._taken is not None:
                # What was taken before has been copied by now: its slot is free.
                self._connections[self._taken].send(None)
            worker, turn = (step - self._first) % count, (step - self._first) // count
            made = self._connections[worker].recv()
        except (EOFError, OSError) as error:
            raise RunError(
                "the processes that make batches must stay alive, but one of them has ended; "
                "go on with --resume"
            ) from error
        if isinstance(made, BaseException):
            raise made
        self._taken, self._next = worker, step + 1
        clips, first, last, rebuilt, abnormal = self._views(self._slots[worker][turn % SLOTS])
        return Batch(clips, first, last, rebuilt, abnormal, made.part)

    def close(self) -> None:
        """End the workers at once, whatever they are making."""
        for connection in self._connections:
            connection.close()
        for process in self.processes:
            process.terminate()
            process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _views(self, memory: mmap.mmap) -> list[Any]:
        """Lay the arrays of a batch over a slot."""
        views, offset = [], 0
        for shape, dtype in self._layout:
            view: np.ndarray[Any, Any] = np.ndarray(shape, dtype, memory, offset)
            views.append(view)
            offset += view.nbytes
        return views

    def _work(
        self, make: Callable[[int], Batch], steps: range, number: int, connection: Connection
    ) -> None:
        """Make the batches of every so many steps, in the worker."""
        # Ctrl-C is for the training, which ends the workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Ends of other workers' connections, held here, would keep those from seeing the end.
        for other in self._connections:
            other.close()
        free = SLOTS
        with suppress(EOFError, OSError):
            for turn, step in enumerate(steps):
                while not free or connection.poll():
                    connection.recv()
                    free += 1
                try:
                    batch = make(step)
                except Exception as error:  # noqa: BLE001 - the training raises it
                    connection.send(error)
                    break
                for view, array in zip(
                    self._views(self._slots[number][turn % SLOTS]), batch[:5], strict=True
                ):
                    view[...] = array
                free -= 1
                connection.send(_Made(step, batch.part))
            # The last batch must be taken before its memory goes.
            while connection.recv() is None:
                pass
        # No clean-up of what was forked: locks and files are the training's.
        os._exit(0)


def worker_count() -> int:
    """Count the workers for a machine: its cores less two, which feed the GPU and run the loop."""
    return max(1, min(MOST_WORKERS, usable_cores() - 2))
