"""Scores with PyTorch, on the processor or a GPU.

A GPU computes by itself: `GpuScorer` starts it on a batch and comes back at once. Pixels and scores
travel through pinned memory, from and to which a GPU copies while it computes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from oddframe._types import Float32, Pixels
from oddframe.errors import SettingsError, did_you_mean
from oddframe.inference import Precision
from oddframe.inference.scorer import ClipScores, pad_batch
from oddframe.model.fusion import AnomalyScorer
from oddframe.model.network import Network

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

    @torch.inference_mode()
    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 B x 5 x H x W x C with B from 1 to batch_size."""
        if self._threads is not None:
            # Here and not once: OpenMP keeps the number for each thread that calls it.
            torch.set_num_threads(self._threads)
        scored = self._network(torch.from_numpy(pad_batch(clips, self.batch_size)).to(self._device))
        return ClipScores(*(part[: len(clips)].float().cpu().numpy() for part in scored))


class GpuScorer(TorchScorer):
    """Runs the network on a GPU, which computes while its caller makes the next batch.

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
        scored = self._network(pixels.to(self._device, non_blocking=True))
        # The four scores of a clip come back in one piece: each copy costs a round trip.
        wanted = [torch.stack([part.float() for part in scored[:4]])]
        if maps:
            wanted.append(scored.map[:count].float())
        here = [self._bring_back(part) for part in wanted]
        done = torch.cuda.Event() if self._pinned else None  # type: ignore[no-untyped-call]
        if done is not None:
            done.record()

        def finish() -> ClipScores:
            if done is not None:
                done.synchronize()
            raw, appearance, motion, cluster = here[0].numpy()[:, :count]
            shown: Float32 = here[1].numpy() if maps else np.empty((count, 0, 0), np.float32)
            return ClipScores(raw, appearance, motion, cluster, shown)

        return finish

    def _bring_back(self, part: Tensor) -> Tensor:
        """Start a copy into this machine's memory."""
        if not self._pinned:
            return part.cpu()
        # Its own memory for each batch: callers keep views of it for as long as they like.
        return torch.empty(part.shape, dtype=part.dtype, pin_memory=True).copy_(
            part, non_blocking=True
        )


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
