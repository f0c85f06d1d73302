"""Scores with PyTorch, on the processor or a GPU.

A GPU computes by itself: `GpuScorer` starts it on a batch and comes back at once. Pixels and scores
travel through pinned memory, from and to which a GPU copies while it computes. A compiled network
has fewer kernels, and Python asks for all of them at once, as a CUDA graph.
"""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Self, TypeAlias

import numpy as np
import torch
from torch import Tensor

from oddframe._types import Float32, Pixels
from oddframe.core.records import FRAMES_PER_CLIP
from oddframe.errors import SettingsError, did_you_mean
from oddframe.inference import Precision
from oddframe.inference.scorer import ClipScores, pad_batch
from oddframe.model.fusion import AnomalyScorer, FusedScores
from oddframe.model.network import Network

RunNetwork: TypeAlias = Callable[[Tensor], FusedScores]
"""Scores clips that lie on the device, uint8 B x 5 x H x W x C."""
Compiler: TypeAlias = Callable[[AnomalyScorer], RunNetwork]
"""Makes a faster function of the network that gives the same scores within rounding."""

WARM_UP = 3
"""Batches that a compiled network scores before its kernels are captured: it is compiled with the
first of them, and libraries set themselves up with the others."""

# AnomalyScorer runs the two streams in half precision; None leaves all of it in float32.
_HALF: dict[Precision, torch.dtype | None] = {
    "float32": None,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def pick_device(name: str) -> torch.device:
    """Find the device that "auto", "cpu" or "cuda:0" names; "auto" is a GPU where there is one.

    Raises:
        SettingsError: If there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        # A name may be well-formed and its GPU not there: only an array on it tells.
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        found = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
        if name.partition(":")[0] == "cuda":
            gpus = f"only {', '.join(found)}" if found else "no GPU"
            raise SettingsError(
                f"device must be a GPU that PyTorch finds, got {name!r}, but it finds {gpus} here; "
                "choose cpu or auto, or run oddframe doctor to see what PyTorch knows"
            ) from error
        raise SettingsError(
            f"device must be auto, cpu or a GPU such as {(found or ['cuda:0'])[0]}, got {name!r}"
            f"{did_you_mean(name, ('auto', 'cpu', *found))}"
        ) from error
    return device


class TorchScorer:
    """Runs the network in eager PyTorch.

    Args:
        network: The trained network; moved to ``device``.
        device: Where it runs.
        batch_size: Clips at a time.
        precision: What the streams compute in; distances, map and statistics are in float32
            whatever it is.
        threads: Threads that torch computes on, in the whole process; None leaves that as it is.

    Raises:
        SettingsError: If the batch size is below 1 or the precision is not one of torch's.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        batch_size: int,
        precision: Precision = "float32",
        threads: int | None = None,
    ) -> None:
        if precision not in _HALF:
            remedy = did_you_mean(precision, _HALF)
            if precision == "int8":
                remedy = "; for int8 run oddframe export MODEL --to openvino --int8, then score "
                remedy += "with --backend openvino"
            raise SettingsError(
                f"precision must be one of {', '.join(_HALF)} for torch, got {precision!r}{remedy}"
            )
        if batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1, got {batch_size}")
        self.batch_size = batch_size
        self._device = device
        self._threads = threads
        self._network = AnomalyScorer(network, _HALF[precision]).to(device).eval()
        self._run: RunNetwork = self._network

    @torch.inference_mode()
    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 B x 5 x H x W x C with B from 1 to batch_size."""
        if self._threads is not None:
            # Here and not once: OpenMP keeps the number for each thread that calls it.
            torch.set_num_threads(self._threads)
        scored = self._run(torch.from_numpy(pad_batch(clips, self.batch_size)).to(self._device))
        return ClipScores(*(part[: len(clips)].float().cpu().numpy() for part in scored))


def compile_kernels(network: AnomalyScorer) -> RunNetwork:
    """Compile the network with `torch.compile`, at the first batch that it scores."""
    # One shape for all batches, since each is filled up. Its own way of capturing kernels is not
    # used: what one thread has captured, another one cannot replay.
    run: RunNetwork = torch.compile(network, dynamic=False)
    return run


class GpuScorer(TorchScorer):
    """Runs the network on a GPU, which computes while its caller makes the next batch.

    Several threads may use one; the GPU takes their batches in the order in which they come.

    Args:
        network: As in `TorchScorer`, as is all that follows.
        device: A GPU; any other device computes the same, without pinned memory.
        batch_size: As in `TorchScorer`.
        precision: As in `TorchScorer`.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        batch_size: int,
        precision: Precision = "float32",
    ) -> None:
        super().__init__(network, device, batch_size, precision)
        self._pinned = device.type == "cuda"
        self._turn = threading.Lock()

    def compiled(self, compiler: Compiler = compile_kernels) -> Self:
        """Make a scorer with compiled kernels of the same network; this one stays as it is.

        Compiling takes about a minute. `oddframe.inference.compiling.compile_scorer` says what else
        has to be looked at.

        Args:
            compiler: Compiles the network.

        Raises:
            Exception: Whatever the compiler raises, which has many kinds of errors.
        """
        config = self._network.network.config
        shape = (self.batch_size, FRAMES_PER_CLIP, config.height, config.width, config.colours)
        other = copy.copy(self)
        other._turn = threading.Lock()
        with self._on_device(), torch.inference_mode():
            run = compiler(self._network)
            blank = torch.zeros(shape, dtype=torch.uint8, device=self._device)
            if self._pinned:
                run = _CapturedNetwork(run, blank)
            else:
                run(blank)
            other._run = run
        return other

    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 B x 5 x H x W x C with B from 1 to batch_size."""
        return self.begin(clips, maps=True)()

    @torch.inference_mode()
    def begin(self, clips: Pixels, *, maps: bool) -> Callable[[], ClipScores]:
        """Start on clips; see `oddframe.inference.scorer.AsyncScorer`."""
        count = len(clips)
        pixels = torch.from_numpy(pad_batch(clips, self.batch_size))
        if self._pinned:
            pixels = pixels.pin_memory()
        done = torch.cuda.Event() if self._pinned else None  # type: ignore[no-untyped-call]
        # What is captured writes every batch to the same place on the GPU: it must be on its way
        # back before another thread asks for the next batch.
        with self._turn, self._on_device():
            scored = self._run(pixels.to(self._device, non_blocking=True))
            # The four scores of a clip come back in one piece: each copy costs a round trip.
            wanted = [torch.stack([part.float() for part in scored[:4]])]
            if maps:
                wanted.append(scored.map[:count].float())
            here = [self._bring_back(part) for part in wanted]
            if done is not None:
                done.record()

        def finish() -> ClipScores:
            if done is not None:
                done.synchronize()
            raw, appearance, motion, cluster = here[0].numpy()[:, :count]
            shown: Float32 = here[1].numpy() if maps else np.empty((count, 0, 0), np.float32)
            return ClipScores(raw, appearance, motion, cluster, shown)

        return finish

    def _on_device(self) -> AbstractContextManager[object]:
        """Let events, streams and graphs be those of this GPU, which may not be the first one."""
        return torch.cuda.device(self._device) if self._pinned else nullcontext()

    def _bring_back(self, part: Tensor) -> Tensor:
        """Start a copy into this machine's memory."""
        if not self._pinned:
            return part.cpu()
        # Its own memory for each batch: callers keep views of it for as long as they like.
        return torch.empty(part.shape, dtype=part.dtype, pin_memory=True).copy_(
            part, non_blocking=True
        )


class _CapturedNetwork:
    """All kernels of a network as one CUDA graph, which reads and writes the same places always.

    Args:
        run: The network.
        clips: A batch on the GPU; its memory is the place that is read.
    """

    def __init__(self, run: RunNetwork, clips: Tensor) -> None:
        self._clips = clips
        before = torch.cuda.current_stream()
        # A capture has a stream of its own, and so has what prepares for it.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(before)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                run(clips)
        before.wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        try:
            # Other threads may use the GPU meanwhile.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._scored = run(clips)
        except RuntimeError:
            # A capture that ends badly does not go back to it.
            torch.cuda.set_stream(before)
            raise

    def __call__(self, clips: Tensor) -> FusedScores:
        self._clips.copy_(clips, non_blocking=True)
        self._graph.replay()
        return self._scored


@contextmanager
def all_digits() -> Iterator[None]:
    """Let a GPU keep all digits of float32 in convolutions meanwhile, which torch shortens."""
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before
