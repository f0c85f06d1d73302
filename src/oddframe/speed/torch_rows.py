"""Rows and figures that only torch gives, and the bundles of untrained networks.

They are those of a GPU, of other numbers and of a compiled network, of training, and the count of
operations.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from oddframe.bundle.bundle import ONNX, Bundle, write_bundle
from oddframe.core.calibration import placeholder_calibration
from oddframe.core.clips import clip_span
from oddframe.datasets.clip_dataset import Batch
from oddframe.errors import MissingExtraError
from oddframe.inference.backends import installed
from oddframe.inference.onnx_export import LEAST_CLIPS, int8_graph, onnx_graph
from oddframe.inference.parity import clips_of, drawn_frames
from oddframe.inference.scorer import Scorer
from oddframe.inference.torch_backend import GpuScorer, TorchScorer, pick_device
from oddframe.model.config import NetworkConfig
from oddframe.model.fusion import AnomalyScorer
from oddframe.model.network import Network
from oddframe.model.state import NetworkState
from oddframe.speed.fixtures import SCENE
from oddframe.speed.instruments import peak_rss_mb, rate, repeated
from oddframe.speed.plan import Numbers, Setup, TrainingRow
from oddframe.training.settings import Settings
from oddframe.training.trainer import Trainer, computes_bfloat16


class Ability(NamedTuple):
    """What torch can do on a device.

    Attributes:
        device: "cpu" or a GPU such as "cuda".
        precisions: The precisions that the device has instructions for.
        gpu: Name of the GPU; None for the processor.
    """

    device: str
    precisions: tuple[Numbers, ...]
    gpu: str | None


def torch_ability(name: str) -> Ability:
    """Find what torch can do on the device that "auto", "cpu" or "cuda:0" names.

    Raises:
        SettingsError: If there is no such device.
    """
    device = pick_device(name)
    if device.type != "cpu":
        gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return Ability(str(device), ("float32", "tf32", "bfloat16", "float16"), gpu)
    return Ability(
        "cpu", ("float32", "bfloat16") if computes_bfloat16(device) else ("float32",), None
    )


def torch_scorer(bundle: Bundle, setup: Setup, batch_size: int) -> Scorer:
    """Make the torch scorer of a row.

    It sets the whole process to the row's kind of float32, since torch has one setting for all.
    """
    _set_float32(short=setup.precision == "tf32")
    network, device = Network.of(bundle.network), torch.device(setup.device)
    precision = "float32" if setup.precision == "tf32" else setup.precision
    if setup.compiled:
        return GpuScorer(network, device, batch_size, precision).compiled()
    return TorchScorer(network, device, batch_size, precision)


def peak_gpu_mb(device: str) -> float:
    """The most memory that tensors of this process had on a GPU, in megabytes of 10^6 bytes."""
    return torch.cuda.max_memory_allocated(device) / 1e6


def gflop_per_clip(trained: NetworkState) -> float:
    """Count the floating-point operations for one clip, in 10^9.

    A multiplication and an addition are two operations.
    """
    config = trained.config
    clip = torch.zeros((1, 5, config.height, config.width, config.colours), dtype=torch.uint8)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        AnomalyScorer(Network.of(trained)).eval()(clip)
    return float(counter.get_total_flops()) / 1e9


def measure_training(
    preset: str, settings: Settings, device: str, precision: Numbers, seconds: float
) -> TrainingRow:
    """Measure steps of the training's joint phase, on noise, in this process.

    Args:
        preset: Name of the preset.
        settings: The network and its training.
        device: "cpu" or a GPU such as "cuda:0".
        precision: "float32", "tf32" or "bfloat16".
        seconds: About how long.
    """
    _set_float32(short=precision == "tf32")
    training = replace(
        settings.training, precision="bfloat16" if precision == "bfloat16" else "float32"
    )
    network, place = Network(settings.network), torch.device(device)
    trainer = Trainer(network, training, place)
    # As if the warm-up were over and the clusters had their first centres.
    trainer.step, trainer.centred = training.pretrain_steps, True
    height, width = settings.data.crop or (settings.network.height, settings.network.width)
    count = training.batch_size
    random = np.random.default_rng(0)
    clips = random.integers(
        0, 256, (count, 5, height, width, settings.network.colours), dtype=np.uint8
    )
    batch = Batch(
        clips,
        first=clips[:, 0],
        last=clips[:, 4],
        rebuilt=clips[:, network.rebuilt_index],
        abnormal=np.zeros((count, height, width), np.bool_),
    )

    def step() -> None:
        losses = trainer.train_step(batch)
        # Asking for a number waits for the GPU.
        next(iter(losses.values())).item()

    step()
    took = repeated(step, seconds)
    return TrainingRow(
        preset=preset,
        device=device,
        precision=precision,
        batch_size=count,
        size=(height, width),
        clips_per_s=rate(count, took),
        rss_mb=peak_rss_mb(),
        gpu_mb=None if device == "cpu" else peak_gpu_mb(device),
    )


def _set_float32(*, short: bool) -> None:
    """Set whether a GPU may shorten products of float32 numbers.

    Both kinds are set, since by itself torch shortens those of convolutions only.
    """
    kind = "tf32" if short else "ieee"
    torch.backends.cuda.matmul.fp32_precision = kind
    torch.backends.cudnn.conv.fp32_precision = kind  # type: ignore[attr-defined]


def write_untrained(
    folder: Path, config: NetworkConfig, graphs: Sequence[str] = ("onnx", "int8")
) -> str | None:
    """Write the bundle of a randomly initialised network, which is as fast as a trained one.

    Args:
        folder: The folder of the bundle.
        config: The network's settings.
        graphs: The graphs that it gets: "onnx", and with it "int8".

    Returns:
        Why the bundle lacks the int8 graph, a sentence; None where it lacks nothing.

    Raises:
        MissingExtraError: If a graph is wanted and its exporter is not installed.
        OutputError: If the bundle cannot be written.
    """
    # The same weights each time, so that two machines measure the same network.
    torch.manual_seed(0)
    trained = Network(config).trained()
    made: dict[str, bytes] = {}
    lacking = None
    if graphs:
        made[ONNX] = onnx_graph(trained)
    if "int8" in graphs and installed("openvino"):
        frames = drawn_frames(trained, clip_span(config.interval) - 1 + LEAST_CLIPS)
        try:
            made |= int8_graph(made[ONNX], clips_of(frames, config.interval))
        except MissingExtraError as error:
            lacking = str(error)
    bundle = Bundle(
        network=trained,
        rate_fps=SCENE.rate_fps,
        calibration=placeholder_calibration(),
        card=(
            "A randomly initialised network of `oddframe bench`: "
            "it scores nothing that means anything.\n"
        ),
        graphs=made,
    )
    write_bundle(folder, bundle)
    return lacking
