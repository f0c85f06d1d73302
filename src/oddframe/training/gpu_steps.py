"""Training steps on a GPU that do not wait for the launches of their kernels.

A step of small batches takes a GPU less time than Python needs to ask for it. So the step is
captured once as a CUDA graph and then replayed: Python asks for one thing a step. Nothing in a
captured step may depend on values on the GPU, and all it reads and writes stays at one place in
memory. Where that fails, steps are taken one kernel at a time as on a processor.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor, nn

from oddframe.core.records import NO_CROP, CropOffset
from oddframe.datasets.clip_dataset import Batch
from oddframe.errors import SettingsError
from oddframe.model.network import Network
from oddframe.training import GpuSteps

WARM_UP = 3
"""Steps taken kernel by kernel before one is captured: libraries set themselves up in them."""

PAYS_AFTER = 2_000
"""Steps from which compiling the kernels, about a minute, pays for itself."""

AHEAD = 2
"""Batches on the GPU, or on their way to it: one that is learned from, and the next."""


class DeviceBatch(NamedTuple):
    """A `Batch` on the device; ``part`` is a tensor of row and column where a step is captured."""

    clips: Tensor
    first: Tensor
    last: Tensor
    rebuilt: Tensor
    abnormal: Tensor
    part: CropOffset | Tensor = NO_CROP

    def tensors(self) -> list[Tensor]:
        """List what lies on the device."""
        return [part for part in self if isinstance(part, Tensor)]


def choose_gpu_steps(asked: GpuSteps, device: torch.device, processes: int, steps: int) -> GpuSteps:
    """Choose how steps are taken; "eager" wherever a captured step is not possible.

    Args:
        asked: What the caller asks for.
        device: Where the training runs.
        processes: How many processes train together.
        steps: How many steps are to be taken.

    Raises:
        SettingsError: If there is no such way.
    """
    if asked not in get_args(GpuSteps):
        raise SettingsError(
            f"gpu_steps must be one of {', '.join(get_args(GpuSteps))}, got {asked!r}"
        )
    # The exchange between processes is not part of a captured step.
    if device.type != "cuda" or processes > 1:
        return "eager"
    if asked != "auto":
        return asked
    return "compiled" if steps >= PAYS_AFTER and find_spec("triton") else "graph"


class StepGraph:
    """Takes steps as replays of one CUDA graph.

    Args:
        update: All of a step that happens on the GPU; it returns the losses by name.
        parts: The compiled functions that stand in for methods of modules meanwhile.
        tune: Whether cuDNN tries its ways of each convolution and takes the fastest.

    Attributes:
        graph: What is replayed; None before it is captured, and where it cannot be.
        losses: The losses of the last replay by name.
        notices: What did not work and was replaced by something slower, a sentence each.
    """

    def __init__(
        self,
        update: Callable[[DeviceBatch], dict[str, Tensor]],
        parts: "Sequence[CompiledPart]" = (),
        *,
        tune: bool = False,
    ) -> None:
        self.update, self._parts, self.tune = update, parts, tune
        self.notices: list[str] = []
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._kind: object = None
        self._warm = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self._capturable = True
        self._inputs: DeviceBatch | None = None
        self.losses: dict[str, Tensor] = {}

    def take(self, batch: DeviceBatch, phase: str) -> dict[str, Tensor]:
        """Take a step.

        Args:
            batch: What it learns from.
            phase: The phase of the training; each has a graph of its own.

        Returns:
            The losses by name; the next step overwrites them.
        """
        kind = (phase, *(tensor.shape for tensor in batch.tensors()))
        if kind != self._kind or self._inputs is None:
            self._kind, self._warm, self.graph = kind, 0, None
            # Places of its own, which the graph reads for ever.
            self._inputs = DeviceBatch(*(tensor.clone() for tensor in batch.tensors()))
        for place, tensor in zip(self._inputs.tensors(), batch.tensors(), strict=True):
            place.copy_(tensor, non_blocking=True)
        if self.graph is None and self._warm >= WARM_UP and self._capturable:
            self.capture(self._inputs)
        if self.graph is not None:
            self.graph.replay()
            return self.losses
        self._warm += 1
        try:
            return self._run(self._inputs)
        except RuntimeError as error:
            if not self._parts:
                raise
            # A compiler that fails does so before a weight is changed.
            self._parts = ()
            self.notices.append(f"training without compiled kernels: {_reason(error)}")
            return self._run(self._inputs)

    def _run(self, inputs: DeviceBatch) -> dict[str, Tensor]:
        """Take a step kernel by kernel."""
        # On the stream of the capture, where autograd then finds what it remembers.
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream), self.prepared():
            losses = self.update(inputs)
        torch.cuda.current_stream().wait_stream(self._stream)
        return losses

    def capture(self, inputs: DeviceBatch) -> None:
        """Capture a step, which takes none; after a failure it is not tried again."""
        graph = torch.cuda.CUDAGraph()
        before = torch.cuda.current_stream()
        try:
            # Other threads may use the GPU meanwhile.
            with (
                self.prepared(),
                torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"),
            ):
                self.losses = self.update(inputs)
        except RuntimeError as error:
            self._capturable = False
            # A capture that ends badly does not go back to it.
            torch.cuda.set_stream(before)
            self.notices.append(
                f"training kernel by kernel, since no step could be captured: {_reason(error)}"
            )
            return
        self.graph = graph

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Let the compiled functions stand in, and cuDNN try its ways."""
        tuned = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = self.tune
        parts = self._parts
        for part in parts:
            setattr(part.owner, part.name, part.function)
        try:
            yield
        finally:
            for part in parts:
                delattr(part.owner, part.name)
            torch.backends.cudnn.benchmark = tuned


def _reason(error: RuntimeError) -> str:
    """Shorten an error of torch, some of which fill pages."""
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]


class CompiledPart(NamedTuple):
    """A compiled function that stands in for a method of a module while steps are taken.

    Attributes:
        owner: The module.
        name: Name of its method.
        function: The compiled method.
    """

    owner: nn.Module
    name: str
    function: Callable[..., Any]


def compile_parts(network: Network) -> list[CompiledPart]:
    """Compile both streams before and after their codes.

    The last convolution of an encoder stays as it is: the gradient of the cluster loss ends there,
    and would otherwise take a second pass back through all of the encoder.
    """
    return [
        # One shape for all steps; another one is compiled anew.
        CompiledPart(stream, name, torch.compile(getattr(stream, name), dynamic=False))
        for stream in (network.appearance, network.motion)
        if stream is not None
        for name in ("features", "decode")
    ]


class DeviceFeed:
    """Brings batches to the GPU ahead of the steps, through pinned memory and a stream of its own.

    Args:
        make: Makes the batch of a step; it may be called one step early.
        device: The GPU.
    """

    def __init__(self, make: Callable[[int], Batch], device: torch.device) -> None:
        self._make, self._device = make, device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._slots: list[_Slot] = []
        self._ready: tuple[int, _Slot] | None = None

    def prepare(self, step: int) -> None:
        """Make the batch of a step and send it on its way."""
        slot = self._slots.pop(0) if len(self._slots) >= AHEAD else _Slot()
        slot.send(self._make(step), self._stream, self._device)
        self._slots.append(slot)
        self._ready = step, slot

    def take(self, step: int) -> DeviceBatch:
        """Give the batch of a step, which nobody need wait for but the GPU."""
        if self._ready is None or self._ready[0] != step:
            self.prepare(step)
        assert self._ready is not None
        slot = self._ready[1]
        self._ready = None
        # What was learned from the batches before has been asked of the GPU by now.
        for other in self._slots:
            if other is not slot:
                other.used.record()
        return slot.receive()


class _Slot:
    """A place for a batch in pinned memory and on the GPU."""

    def __init__(self) -> None:
        self._pinned: list[Tensor] = []
        self._there: list[Tensor] = []
        self._sent = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self.used = torch.cuda.Event()  # type: ignore[no-untyped-call]
        """Recorded once the GPU has been asked for all that reads this place."""

    def send(self, batch: Batch, stream: torch.cuda.Stream, device: torch.device) -> None:
        """Copy a batch into the place and on to the GPU."""
        arrays = [
            *(torch.from_numpy(array) for array in batch[:5]),
            torch.tensor([batch.part.top, batch.part.left]),
        ]
        if [array.shape for array in arrays] != [place.shape for place in self._pinned]:
            self._pinned = [pinned_like(array) for array in arrays]
            self._there = [torch.empty_like(array, device=device) for array in arrays]
            # Memory that is given again may still be read by what was asked for before.
            stream.wait_stream(torch.cuda.current_stream())
        # The batch before must have left the pinned memory before it is overwritten.
        self._sent.synchronize()
        for place, array in zip(self._pinned, arrays, strict=True):
            place.copy_(array)
        stream.wait_event(self.used)
        with torch.cuda.stream(stream):
            for there, place in zip(self._there, self._pinned, strict=True):
                there.copy_(place, non_blocking=True)
            self._sent.record()

    def receive(self) -> DeviceBatch:
        """Give the batch; what is asked of the GPU from now on waits until it is there."""
        torch.cuda.current_stream().wait_event(self._sent)
        return DeviceBatch(*self._there)


def pinned_like(array: Tensor) -> Tensor:
    """Allocate memory for an array from which a GPU copies by itself."""
    return torch.empty_like(array, pin_memory=True)
