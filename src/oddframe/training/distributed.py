"""Several processes that train one network together, through torch.distributed.

torchrun or accelerate starts them and tells each its number (`LaunchInfo`), or a training starts
them itself (`oddframe.training.workers`). Each makes its rows of a batch, and what is summed is
summed over all of them, so that the training is that of one process with the whole batch.

PyTorch's wrapper DistributedDataParallel does not fit: the cluster loss takes gradients of its own
outside of backward(), and its mean is over places whose number differs from process to process. So
the gradients are summed here, in one piece.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from oddframe.errors import RunError, SettingsError

S = TypeVar("S")
T = TypeVar("T")
Kind = TypeVar("Kind", bound=np.generic)

_LAUNCH_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun and accelerate set in the environment of each process that they start."""
_HERE, _INTERFACE = "127.0.0.1", "GLOO_SOCKET_IFNAME"
_PATIENCE = timedelta(days=2)
"""How long a process waits for another one, which may be reading all of the footage.

A dead process is not waited for: whoever started the others ends them.
"""


class ProcessGroup:
    """The processes of a training, and what they exchange.

    A group of one process exchanges nothing, and every sum is what it was. All methods that
    exchange something must be called by all processes, in the same order.

    Args:
        rank: Number of this process, from 0.
        size: Number of processes.
        local_rank: Number of the GPU of this process.
    """

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0) -> None:
        self.rank, self.size, self.local_rank = rank, size, local_rank

    @classmethod
    def join(cls, device: str) -> Self:
        """Join the processes that torchrun or accelerate started; without them, a group of one.

        Args:
            device: The device that was asked for, which decides how the processes exchange data.

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
                "device must be auto or cpu where several processes train together, "
                f"got {device!r}: each of them takes a GPU of its own"
            )
        # Without a GPU "auto" means the CPU, as it does for a single process.
        on_gpu = device != "cpu" and torch.cuda.is_available()
        if on_gpu:
            torch.cuda.set_device(launch.local_rank)
        try:
            # Arrays in ordinary memory go through gloo on machines with GPUs too, since NCCL
            # exchanges GPU memory only.
            backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
            distributed.init_process_group(backend, timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise RunError(
                f"the processes of a training must be able to reach each other: {error}"
            ) from error
        return cls(launch.rank, launch.size, launch.local_rank)

    @classmethod
    def join_workers(cls, place: "WorkerPlace", store: TCPStore | None = None) -> Self:
        """Join the processes that `oddframe.training.workers` started on this machine.

        Args:
            place: Which of them this is.
            store: What the first process opened for them; the others find it by its port.

        Raises:
            RunError: If the others cannot be reached.
        """
        try:
            if store is None:
                store = TCPStore(_HERE, place.port, timeout=_PATIENCE)
                store.set(f"joined/{place.rank}", "")
            with _local_exchange():
                distributed.init_process_group(
                    "gloo", store=store, rank=place.rank, world_size=place.size, timeout=_PATIENCE
                )
        except (RuntimeError, ValueError) as error:
            raise RunError(
                f"the workers of a training must be able to reach each other: {error}"
            ) from error
        return cls(place.rank, place.size)

    def close(self) -> None:
        """End the connections to the other processes."""
        if self.size > 1:
            distributed.destroy_process_group()

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """Name the device of this process, where ``name`` is the one that was asked for."""
        several_gpus = self.size > 1 and name != "cpu" and torch.cuda.is_available()
        return f"cuda:{self.local_rank}" if several_gpus else name

    def rows(self, count: int) -> slice:
        """Find the rows of ``count`` that this process takes; shares differ by one row at most."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of one dtype and device by their sums over all processes, in place."""
        if self.size == 1 or not tensors:
            return
        # One exchange for all tensors: each costs a round trip, however small it is.
        sizes = [tensor.numel() for tensor in tensors]
        joined = tensors[0].new_empty(sum(sizes))
        own = [tensor.detach() for tensor in tensors]
        parts = [part.view_as(o) for part, o in zip(torch.split(joined, sizes), own, strict=True)]
        # As views, since flattening the weights of a convolution would copy them twice.
        torch._foreach_copy_(parts, own)
        distributed.all_reduce(joined)
        # In place: callers go on with these very tensors.
        torch._foreach_copy_(own, parts)

    def counts(self, masks: Sequence[Tensor]) -> tuple[int, ...]:
        """Count the true values of each mask over all processes."""
        totals = torch.stack([mask.sum() for mask in masks])
        self.sum([totals])
        return tuple(map(int, totals.tolist()))

    def stack(self, tensor: Tensor) -> Tensor:
        """Stack the tensors that all processes give, in their order; they have the same shape."""
        if self.size == 1:
            return tensor.unsqueeze(0)
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(parts, tensor.contiguous())
        return torch.stack(parts)

    def mean(self, values: Tensor, count: int) -> Tensor:
        """Compute what this process adds to the mean of ``count`` values, some of them here.

        In a group of one this is the mean.
        """
        return values.mean() if self.size == 1 else values.sum() / count

    def weighted_mean(self, mean: Tensor, rows: int, count: int) -> Tensor:
        """Compute what a mean over ``rows`` of this process adds to that over all ``count``."""
        return mean if self.size == 1 else mean * (rows / count)

    def share(self, numbers: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
        """Choose the numbers of this process: whole batches of ``size`` are dealt out in turn."""
        if self.size == 1:
            return numbers
        return numbers[_dealt(len(numbers), size, self.rank, self.size)]

    def gather(self, rows: npt.NDArray[Kind], count: int, size: int) -> npt.NDArray[Kind] | None:
        """Collect rows in the first process, in the order of the numbers that `share` dealt out.

        Args:
            rows: The rows of this process, the same count for each of its numbers.
            count: How many numbers there were in all.
            size: Size of the batches, as in `share`.

        Returns:
            The rows of all numbers in the first process; None in the others.
        """
        if self.size == 1:
            return rows
        own = [_dealt(count, size, rank, self.size) for rank in range(self.size)]
        # Rows of a number; a process without a number of its own learns it from the others.
        each = torch.tensor([len(rows) // len(own[self.rank]) if len(own[self.rank]) else 0])
        distributed.all_reduce(each, distributed.ReduceOp.MAX)
        shape = (int(each), *rows.shape[1:])
        # gather() wants pieces of one size: all are padded to that of the first process, which
        # never has fewer numbers than another one.
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
        """Collect rows as `gather` does, one for each number, and give them to all processes."""
        whole = self.gather(rows, count, size)
        return self.broadcast(
            np.empty((count, *rows.shape[1:]), rows.dtype) if whole is None else whole
        )

    def broadcast(self, array: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        """Give all processes the array of the first one.

        Args:
            array: The array; the other processes give one of the same shape and dtype.
        """
        if self.size == 1:
            return array
        received = np.ascontiguousarray(array)
        distributed.broadcast(torch.from_numpy(received), 0)
        return received

    def rank_zero_first(self, work: Callable[[S | None], T], shared: Callable[[T], S]) -> T:
        """Do something in the first process, then in the others, which find its files on disk.

        Args:
            work: What is to be done; it gets None in the first process, and in the others what
                that one shares.
            shared: Takes out of the first one's result what the others need not find out again; it
                must be picklable.

        Raises:
            RunError: In the others, if the first one failed.
        """
        if self.size == 1:
            return work(None)
        # Between the processes of one training, and never from a file.
        message: list[S | None] = [None]
        if self.is_first:
            try:
                result = work(None)
                message = [shared(result)]
            finally:
                # If it failed the others must hear of it, or they would wait for days.
                distributed.broadcast_object_list(message, 0, device=torch.device("cpu"))
        else:
            distributed.broadcast_object_list(message, 0, device=torch.device("cpu"))
            if message[0] is None:
                raise RunError("the first process could not go on; its own message says why")
            result = work(message[0])
        self.wait()
        return result

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.size > 1:
            distributed.all_reduce(torch.zeros(1))


SINGLE_PROCESS = ProcessGroup()
"""A group of one process, which exchanges nothing."""


class WorkerPlace(NamedTuple):
    """Which of the workers of one training on this machine this is.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        port: Port of this machine at which the first one is found.
    """

    rank: int
    size: int
    port: int


def open_store() -> tuple[TCPStore, int]:
    """Open the place at which workers on this machine find each other; returns it and its port."""
    store = TCPStore(_HERE, 0, is_master=True, wait_for_workers=False)
    return store, store.port


@contextmanager
def _local_exchange() -> Iterator[None]:
    """Have connections stay on this machine, whatever networks it has."""
    before = os.environ.get(_INTERFACE)
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    if before is None and loopback is not None:
        os.environ[_INTERFACE] = loopback
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_INTERFACE, None)


@dataclass(frozen=True, slots=True)
class LaunchInfo:
    """Which of several processes of one training this is.

    Attributes:
        rank: Number of the process, from 0.
        size: Number of processes, 1 or more.
        local_rank: Its number among those on its machine, which is that of its GPU.

    Raises:
        SettingsError: If the numbers do not fit together.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size or self.local_rank < 0:
            raise SettingsError(
                "RANK must be from 0 to below WORLD_SIZE and LOCAL_RANK 0 or more, "
                f"got {self.rank} of {self.size}, {self.local_rank}; let torchrun set them"
            )

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the variables of torchrun; without all of them this is a single process.

        Raises:
            SettingsError: If one of them is not a whole number, or they do not fit together.
        """
        # Schedulers set some of these variables for jobs that have nothing to do with training.
        if not all(name in environment for name in _LAUNCH_VARIABLES):
            return cls()
        texts = {name: environment.get(name, "0") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
        if odd := [f"{name}={text!r}" for name, text in texts.items() if not text.isdecimal()]:
            raise SettingsError(
                f"what torchrun sets must be whole numbers, got {', '.join(odd)}; "
                "let torchrun set it"
            )
        return cls(*(int(text) for text in texts.values()))

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0


def _dealt(count: int, size: int, rank: int, processes: int) -> npt.NDArray[np.int64]:
    """Find the positions below ``count`` that lie in the batches of ``size`` of a process."""
    positions = np.arange(count)
    own: npt.NDArray[np.int64] = positions[positions // size % processes == rank]
    return own
