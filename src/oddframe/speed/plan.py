"""Plans the rows of `oddframe bench`, and holds the records of what was measured.

`plan_rows` says which rows a machine can have, and why it lacks the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from oddframe.bundle.bundle import INT8, ONNX, Bundle
from oddframe.errors import MissingExtraError, SettingsError
from oddframe.inference import BackendName, Precision
from oddframe.inference.backends import Backend, installed

Numbers = Precision | Literal["tf32"]
"""What a row computes in.

"tf32" is float32 with shorter products, which NVIDIA's GPUs have.
"""

CAMERA_RATES_FPS = (10, 15, 25)
"""Frame rates for which it is said how many cameras a machine can watch."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The setup of a row that is to be measured.

    Attributes:
        preset: Name of the preset or model.
        bundle: Folder of its bundle.
        backend: What runs it.
        precision: What the backend computes in.
        device: "cpu" or a GPU such as "cuda:0".
        batch_size: Clips at a time.
        compiled: Whether torch compiles the network.
    """

    preset: str
    bundle: Path
    backend: BackendName
    precision: Numbers = "float32"
    device: str = "cpu"
    batch_size: int = 8
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1, got {self.batch_size}")
        if self.backend != "torch" and (
            self.compiled or self.device != "cpu" or self.precision == "tf32"
        ):
            raise SettingsError(f"only torch compiles, runs on a GPU or knows tf32, got {self}")

    def __str__(self) -> str:
        where = "" if self.device == "cpu" else f" on {self.device}"
        compiled = " compiled" if self.compiled else ""
        what = f"{self.preset} {self.backend} {self.precision}{compiled}{where}"
        return f"{what}, batches of {self.batch_size}"


@dataclass(frozen=True, kw_only=True)
class SpeedRow:
    """Speed of one preset in one backend and one precision; rates are medians.

    Attributes:
        preset: Name of the preset or model.
        backend: What runs it.
        precision: What the backend computes in.
        device: Where it ran.
        batch_size: Clips at a time.
        compiled: Whether torch compiled the network.
        fps_end_to_end: Frames per second from an H.264 file to scores and maps.
        fps_inference: Frames per second of the network alone, on clips that lie in memory.
        ms_median: Milliseconds per frame of the network alone, in batches.
        ms_p95: The same, 95th percentile.
        latency_ms_median: Milliseconds from a decoder that is asked for a frame to that frame's
            score and map, one clip at a time, as a single live camera has it.
        latency_ms_p95: The same, 95th percentile.
        rss_mb: Most memory that its process had resident, in megabytes of 10^6 bytes; without what
            latency took.
        gpu_mb: Most that it had on the GPU, likewise; None without one.
        ready_s: Seconds from the start of its process until the first batch was scored: imports,
            loading, compiling.
        cameras: Cameras that it keeps up with, by their rate in frames per second.
        share_of_bound: ``fps_end_to_end`` as a share of what its slower half does alone, be that
            decoding with conversion or inference; None where decoding was not measured.
        tflop_s: Floating-point operations per second of inference alone, in 10^12, a multiplication
            and an addition counted as two; None where they were not counted.
    """

    preset: str
    backend: BackendName
    precision: Numbers
    device: str
    batch_size: int
    compiled: bool
    fps_end_to_end: float
    fps_inference: float
    ms_median: float
    ms_p95: float
    latency_ms_median: float
    latency_ms_p95: float
    rss_mb: float
    gpu_mb: float | None
    ready_s: float
    cameras: Mapping[str, int]
    share_of_bound: float | None = None
    tflop_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Bounds that no backend can beat, since frames must reach the network first.

    Attributes:
        preset: Name of the preset or model, whose frames they are.
        fps_decode: Frames per second of decoding alone.
        fps_decode_convert: Of decoding and conversion to the network's size and colours.
        gflop_per_frame: Floating-point operations of the network for one clip, in 10^9; None
            without torch.
    """

    preset: str
    fps_decode: float
    fps_decode_convert: float
    gflop_per_frame: float | None


@dataclass(frozen=True, kw_only=True)
class TrainingRow:
    """Speed of the training's joint phase, without reading frames.

    Attributes:
        preset: Name of the preset.
        device: Where it ran.
        precision: What the network's inside computes in.
        batch_size: Clips in a step.
        size: Height and width of what it trains on, in pixels.
        clips_per_s: Clips per second, by the median step.
        rss_mb: Most memory that its process had resident.
        gpu_mb: Most that it had on the GPU; None without one.
    """

    preset: str
    device: str
    precision: Numbers
    batch_size: int
    size: tuple[int, int]
    clips_per_s: float
    rss_mb: float
    gpu_mb: float | None


def cameras(fps: float) -> dict[str, int]:
    """How many cameras a speed in frames per second is enough for, by their rate."""
    # Rounded down: a camera that is only kept up with in part loses frames.
    return {str(rate): int(fps // rate) for rate in CAMERA_RATES_FPS}


class Plan(NamedTuple):
    """The rows that are measured of a bundle, and why others are not.

    Attributes:
        setups: The setups of the rows.
        notices: What is left out and why, a sentence each.
    """

    setups: tuple[Setup, ...]
    notices: tuple[str, ...]


def plan_rows(
    preset: str,
    folder: Path,
    bundle: Bundle,
    *,
    lacking: str | None = None,
    backends: Sequence[BackendName] = get_args(BackendName),
    device: str = "cpu",
    torch_precisions: Sequence[Numbers] = ("float32",),
    batch_sizes: Sequence[int] = (8,),
    compiled: bool = False,
) -> Plan:
    """Plan the rows of one bundle, the most exact first.

    Args:
        preset: Name of the preset or model.
        folder: The folder of the bundle.
        bundle: The bundle.
        lacking: Why it lacks graphs, a sentence; None says that they were not exported.
        backends: The backends that may have rows.
        device: "cpu", or a GPU, which only torch knows.
        torch_precisions: What torch computes in on that device.
        batch_sizes: Clips at a time; a row for each.
        compiled: Whether torch has rows with a compiled network, too.
    """
    setups: list[Setup] = []
    notices: list[str] = []
    for name in backends:
        # ONNX Runtime and OpenVINO are used on the processor alone.
        if name != "torch" and device != "cpu":
            notices.append(
                f"{name} is left out: it runs on the processor; measure it with --device cpu"
            )
            continue
        if not installed(name):
            notices.append(f"{name} is left out: {_missing(name)}")
            continue
        if name == "torch":
            ways: list[tuple[Numbers, bool]] = [
                (precision, False) for precision in torch_precisions
            ]
            # Compiled rows after all others, since compiling takes the longest.
            ways += [(precision, True) for precision in torch_precisions if compiled]
        else:
            ways = []
            for precision, why in _of_graphs(name, bundle, lacking):
                if why is None:
                    ways.append((precision, False))
                else:
                    notices.append(f"{preset} {name} {precision} is left out: {why}")
        setups += [
            Setup(
                preset=preset,
                bundle=folder,
                backend=name,
                precision=precision,
                device=device,
                batch_size=size,
                compiled=in_one,
            )
            for precision, in_one in ways
            for size in batch_sizes
        ]
    return Plan(tuple(setups), tuple(notices))


# The extra that installs a backend; ONNX Runtime is in every install.
_EXTRAS: dict[BackendName, str] = {"torch": "train", "openvino": "openvino"}


def _missing(name: BackendName) -> str:
    """Why a backend cannot run, and what installs it."""
    if name not in _EXTRAS:
        return "ONNX Runtime is not installed; pip install onnxruntime"
    return str(MissingExtraError(f"scoring with {name}", _EXTRAS[name]))


def _of_graphs(
    name: BackendName, bundle: Bundle, lacking: str | None
) -> Iterator[tuple[Precision, str | None]]:
    """Each precision of ONNX Runtime or OpenVINO, with a reason where it has no row."""
    lacks = lacking or "the model has no graph for it; oddframe export MODEL --to {} adds it"
    yield "float32", None if ONNX in bundle.graphs else lacks.format("onnx")
    if name == "onnx":
        return
    from oddframe.inference.openvino_backend import openvino_precisions

    for half in openvino_precisions() if ONNX in bundle.graphs else ():
        # A graph whose gate was never tried is measured all the same: speed does not depend on it.
        passed = bundle.parity.get(str(Backend(name, half)), {}).get("passed")
        yield half, "it did not pass the model's parity gate" if passed is False else None
    yield (
        "int8",
        None if all(file in bundle.graphs for file in INT8) else lacks.format("openvino --int8"),
    )
