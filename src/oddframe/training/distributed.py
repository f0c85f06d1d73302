"""Several processes that train one network together (torch.distributed), and what they must tell each other.

Each takes its rows of the same batch, and what is summed is summed over all of them, so that the
training is that of one process with the whole batch. PyTorch's wrapper DistributedDataParallel does
not fit: the cluster loss takes gradients of its own outside of backward(), and its mean is over
places whose number differs from process to process. So the gradients are summed here, in one piece.

Which of several processes of one training this is, as torchrun and accelerate tell each of those
that they start.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed

from oddframe.errors import RunError, SettingsError

_TOLD = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class LaunchInfo:
    """A process among those that were started together.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        local_rank: Its number among those on its machine, which is that of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size or self.local_rank < 0:
            raise SettingsError(
                f"RANK must be from 0 to below WORLD_SIZE and LOCAL_RANK 0 or more, got {self.rank} of {self.size}, "
                f"{self.local_rank}; let torchrun set them"
            )

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """What the environment says; a process of its own where it does not say all of it.

        Raises:
            SettingsError: If what it says is no number, or none that can be.
        """
        if not all(name in environment for name in _TOLD):
            return cls()
        told = {name: environment.get(name, "0") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
        if odd := [f"{name}={text!r}" for name, text in told.items() if not text.isdecimal()]:
            raise SettingsError(
                f"what torchrun sets must be whole numbers, got {', '.join(odd)}; let torchrun set it"
            )
        return cls(*(int(told[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and talks."""
        return self.rank == 0


T = TypeVar("T")
Kind = TypeVar("Kind", bound=np.generic)

_PATIENCE = timedelta(days=2)
"""How long a process waits for another, which may be reading all of the footage; torchrun ends those of a dead one."""


class ProcessGroup:
    """The processes of a training; alone, nothing is told to anybody and every sum is what it was.

    Args:
        rank: Number of this process.
        size: How many there are.
        local_rank: Number of its GPU.
    """

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0) -> None:
        self.rank, self.size, self.local_rank = rank, size, local_rank

    @classmethod
    def join(cls, device: str) -> Self:
        """Join the processes that torchrun or accelerate started; alone where neither did.

        Args:
            device: The device that was asked for, which decides how the processes talk.

        Raises:
            SettingsError: If there are several processes and one and the same GPU was named for all
                of them.
            RunError: If the others cannot be reached.
        """
        launch = LaunchInfo.of()
        if launch.size == 1:
            return cls()
        if device.startswith("cuda:"):
            raise SettingsError(
                f"device must be auto or cpu where several processes train together, got {device!r}: "
                "each of them takes a GPU of its own"
            )
        on_gpu = device != "cpu" and torch.cuda.is_available()
        if on_gpu:
            torch.cuda.set_device(launch.local_rank)
        try:
            # What lies in ordinary memory goes through gloo on machines with GPUs too.
            backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
            distributed.init_process_group(backend, timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise RunError(
                f"the processes of a training must be able to reach each other: {error}"
            ) from error
        return cls(launch.rank, launch.size, launch.local_rank)

    def leave(self) -> None:
        """Let the others go."""
        if self.size > 1:
            distributed.destroy_process_group()

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """The device of this process where ``name`` is what was asked for."""
        several_gpus = self.size > 1 and name != "cpu" and torch.cuda.is_available()
        return f"cuda:{self.local_rank}" if several_gpus else name

    def rows(self, count: int) -> slice:
        """The part of ``count`` rows that this process takes; they differ by one row at most."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Put the sum over all processes in place of tensors of one kind and device, in one exchange."""
        if self.size == 1 or not tensors:
            return
        together = torch.cat([tensor.detach().flatten() for tensor in tensors])
        distributed.all_reduce(together)
        sums = torch.split(together, [tensor.numel() for tensor in tensors])
        for tensor, total in zip(tensors, sums, strict=True):
            tensor.detach().copy_(total.view_as(tensor))

    def count(self, mask: Tensor) -> int:
        """How many are true, in all processes."""
        total = mask.sum()
        self.sum([total])
        return int(total)

    def mean(self, values: Tensor, count: int) -> Tensor:
        """What this process adds to the mean of ``count`` values, some of which are here; alone it is the mean."""
        return values.mean() if self.size == 1 else values.sum() / count

    def weighted_mean(self, mean: Tensor, rows: int, count: int) -> Tensor:
        """What a mean over this process's ``rows`` adds to that over all ``count`` rows."""
        return mean if self.size == 1 else mean * (rows / count)

    def share(self, numbers: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
        """Which of these numbers fall to this process, where batches of ``size`` are dealt out in turn."""
        return (
            numbers if self.size == 1 else numbers[_dealt(len(numbers), size, self.rank, self.size)]
        )

    def gather(self, rows: npt.NDArray[Kind], count: int, size: int) -> npt.NDArray[Kind] | None:
        """In the first process, the rows of all processes in the order of the numbers that `share` dealt out.

        Args:
            rows: This process's, one or as many as there are for each number.
            count: How many numbers there were in all.
            size: As in `share`.

        Returns:
            As many rows as all of the numbers have; None in the other processes.
        """
        if self.size == 1:
            return rows
        own = [_dealt(count, size, rank, self.size) for rank in range(self.size)]
        each = torch.tensor([len(rows) // len(own[self.rank]) if len(own[self.rank]) else 0])
        distributed.all_reduce(each, distributed.ReduceOp.MAX)
        shape = (int(each), *rows.shape[1:])
        mine = torch.zeros((len(own[0]), *shape), dtype=torch.from_numpy(rows).dtype)
        mine[: len(own[self.rank])] = torch.from_numpy(rows).reshape(-1, *shape)
        parts = [torch.empty_like(mine) for _ in own] if self.is_first else None
        distributed.gather(mine, parts)
        if parts is None:
            return None
        whole = np.empty((count, *shape), rows.dtype)
        for numbers, part in zip(own, parts, strict=True):
            whole[numbers] = part[: len(numbers)].numpy()
        return whole.reshape(-1, *rows.shape[1:])

    def gather_for_all(self, rows: npt.NDArray[Kind], count: int, size: int) -> npt.NDArray[Kind]:
        """As `gather`, in all processes, for one row a number."""
        whole = self.gather(rows, count, size)
        return self.broadcast(
            np.empty((count, *rows.shape[1:]), rows.dtype) if whole is None else whole
        )

    def broadcast(self, array: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        """The first process's array, for all; the others give one of the same shape and kind."""
        if self.size == 1:
            return array
        told = np.ascontiguousarray(array)
        distributed.broadcast(torch.from_numpy(told), 0)
        return told

    def rank_zero_first(self, work: Callable[[], T]) -> T:
        """Do something in the first process and then in the others, which find done what it left on disk.

        Raises:
            RunError: In the others, if the first one failed.
        """
        if self.size == 1:
            return work()
        done = torch.zeros(1)
        if self.is_first:
            try:
                result = work()
                done += 1
            finally:
                distributed.broadcast(done, 0)
        else:
            distributed.broadcast(done, 0)
            if not done:
                raise RunError("the first process could not go on; its own message says why")
            result = work()
        self.wait()
        return result

    def wait(self) -> None:
        """Go on when all processes have come so far."""
        if self.size > 1:
            distributed.all_reduce(torch.zeros(1))


SINGLE_PROCESS = ProcessGroup()
"""One process by itself."""


def _dealt(count: int, size: int, rank: int, ranks: int) -> npt.NDArray[np.int64]:
    """Positions below ``count`` in every batch of ``size`` that falls to a process."""
    positions = np.arange(count)
    own: npt.NDArray[np.int64] = positions[positions // size % ranks == rank]
    return own
