"""Worker processes on this machine that train together: one for each core, with one thread each.

Threads of one process wait for the slowest of them many times in a step, so that anything else on
the machine brings them to a crawl. Processes of one thread wait a few times in a step, and compute
on their rows of the batch in between. They are what torchrun would start, see
`oddframe.training.distributed`; the first of them is the process that was asked to train.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from oddframe.datasets.clip_dataset import DataConfig
from oddframe.errors import InputError, RunError, SettingsError
from oddframe.inference.cores import usable_cores
from oddframe.isolation import ProcessServer
from oddframe.model.config import NetworkConfig
from oddframe.training.distributed import ProcessGroup, WorkerPlace, open_store
from oddframe.training.settings import Settings

LEAST_CLIPS = 2
"""Clips of a batch for which a worker is started by itself."""
WORTH_PIXELS = 300 * 8 * 128 * 192
"""Pixels that a training must look at before workers pay for their start, which takes seconds."""
BASE_BYTES = 560_000_000
"""Memory of a worker before it has a batch: Python, torch, the network and its optimisers."""
BYTES_PER_VALUE = 190
"""Memory for each value of the widest layer of a clip: what the backward pass needs of all layers.

In float32; bfloat16 takes about 110. `benchmarks/worker_memory.py` measures both.
"""
_JOIN_S = 0.05
"""Seconds from one look for workers that have joined to the next."""


def choose_workers(asked: int | None, settings: Settings, device: str) -> int:
    """Choose how many processes train together.

    By default that is one for each core, but not more than the batch has clips for or the memory
    that is free has room for, and one alone on a GPU or where a training is too short to pay for
    more.

    Args:
        asked: How many were asked for; None leaves it to this function.
        settings: Settings of the training, with its final number of steps.
        device: The device that was asked for.

    Raises:
        SettingsError: If fewer than 1 or more than the clips of a batch were asked for, or several
            on one GPU.
    """
    training = settings.training
    on_cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    if asked is not None:
        if not 1 <= asked <= training.batch_size:
            raise SettingsError(
                "workers must be at least 1 and at most the clips of a batch, "
                f"{training.batch_size}, got {asked}"
            )
        if asked > 1 and not on_cpu:
            raise SettingsError(
                f"workers must be 1 on a GPU, got {asked}; for several GPUs see docs/scale.md"
            )
        return asked
    pixels = training.steps * training.batch_size * _pixels(settings.network, settings.data)
    if not on_cpu or pixels < WORTH_PIXELS:
        return 1
    workers = min(usable_cores(), max(1, training.batch_size // LEAST_CLIPS))
    free = free_bytes()
    while workers > 1 and free is not None and workers * worker_bytes(settings, workers) > free:
        workers -= 1
    return workers


def worker_bytes(settings: Settings, workers: int) -> int:
    """Estimate the memory that each of some workers takes, in bytes."""
    clips = -(-settings.training.batch_size // workers)
    pixels = _pixels(settings.network, settings.data)
    values = pixels * settings.network.channels // settings.network.stem_stride**2
    return BASE_BYTES + clips * values * BYTES_PER_VALUE


@contextmanager
def start_workers(
    size: int, work: Callable[..., object], *arguments: Any
) -> Iterator[ProcessGroup]:
    """Start the other processes of a group of ``size``, of which this process is the first.

    Args:
        size: How many there are with this one, 2 or more.
        work: What each of the others does: a function of a module, called with a `WorkerPlace` and
            the arguments; it must join the group and take part in all that the first one does.
        arguments: Its further arguments, which must be picklable.

    Yields:
        The group. When the block ends the others end, at once where it failed.

    Raises:
        RunError: If one of them ends before its work is done; the sentence says why.
    """
    store, port = open_store()
    others = _Others(size, port, work, arguments)
    group = None
    try:
        while not store.check([f"joined/{rank}" for rank in range(1, size)]):
            others.check()
            time.sleep(_JOIN_S)
        group = ProcessGroup.join_workers(WorkerPlace(0, size, port), store)
        with one_thread():
            yield group
        others.finish()
    except RuntimeError:
        # What the connections to a dead process say helps nobody; how it ended does.
        others.check(wait=True)
        raise
    finally:
        others.kill()
        if group is not None:
            with suppress(RuntimeError):
                group.close()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread in this process, with torch and with NumPy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # The threads of NumPy's BLAS wait for each other in loops, which takes the others' cores.
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)


class _Others:
    """The processes of a group that this one has started, each called from a thread of its own."""

    def __init__(
        self, size: int, port: int, work: Callable[..., object], arguments: tuple[Any, ...]
    ) -> None:
        self._servers = [ProcessServer() for _ in range(size - 1)]
        self._failures: dict[int, str] = {}
        self._threads = []
        for rank, server in enumerate(self._servers, 1):
            place = WorkerPlace(rank, size, port)
            thread = threading.Thread(
                target=self._call, args=(server, place, work, arguments), daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def _call(
        self,
        server: ProcessServer,
        place: WorkerPlace,
        work: Callable[..., object],
        arguments: tuple[Any, ...],
    ) -> None:
        try:
            server.call(work, place, *arguments)
        except InputError as error:
            self._failures[place.rank] = str(error)

    def check(self, *, wait: bool = False) -> None:
        """Raise an error if a process has ended badly.

        Args:
            wait: Whether to wait a little for one of them to end, where one of them must have.

        Raises:
            RunError: If one has.
        """
        if wait:
            for thread in self._threads:
                thread.join(timeout=2.0)
        if self._failures:
            rank, why = min(self._failures.items())
            raise RunError(
                f"all workers of a training must live to its end, but worker {rank + 1} of "
                f"{len(self._servers) + 1} did not: {why}; go on with --resume, or start again "
                "with fewer --workers"
            )

    def finish(self) -> None:
        """Wait until all have done their work.

        Raises:
            RunError: If one of them ended badly.
        """
        for thread in self._threads:
            thread.join()
        self.check()

    def kill(self) -> None:
        """End all processes at once."""
        for server in self._servers:
            server.close()


def _pixels(network: NetworkConfig, data: DataConfig) -> int:
    """Count the pixels of a frame that a training step looks at."""
    height, width = data.crop or (network.height, network.width)
    return int(min(height, network.height) * min(width, network.width))


def free_bytes() -> int | None:
    """Read how much memory is free for this process; None where nobody says."""
    found = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        found.append(1024 * int(line.split()[1]))
    with suppress(OSError, ValueError):
        # A container may have less than the machine.
        limit, used = (
            (Path("/sys/fs/cgroup") / name).read_text().strip()
            for name in ("memory.max", "memory.current")
        )
        found.append(int(limit) - int(used))
    return min(found) if found else None
