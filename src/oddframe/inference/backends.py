"""Lists the backends that can run a bundle's network on this machine, and makes them."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, cast, get_args

from oddframe.bundle.bundle import INT8, ONNX, Bundle
from oddframe.errors import InputError, MissingExtraError, SettingsError, did_you_mean
from oddframe.extras import require_extra
from oddframe.inference import BackendName, Precision
from oddframe.inference.cores import check_threads, default_threads
from oddframe.inference.onnx_backend import OnnxScorer, gpu_providers
from oddframe.inference.openvino_backend import OpenvinoScorer, openvino_precisions
from oddframe.inference.scorer import Scorer

_MODULES: dict[BackendName, str] = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}


class Backend(NamedTuple):
    """What runs a network, and in which numbers.

    Attributes:
        name: The program that runs it.
        precision: The numbers that it computes in.
    """

    name: BackendName
    precision: Precision = "float32"

    def __str__(self) -> str:
        return f"{self.name} {self.precision}"

    @classmethod
    def parse(cls, text: str) -> "Backend":
        """Read what `str` makes of a backend, such as "onnx float32"."""
        name, precision = text.split()
        return cls(cast(BackendName, name), cast(Precision, precision))


_HALVES = (Backend("openvino", "bfloat16"), Backend("openvino", "float16"))
GPU_HALF = Backend("torch", "bfloat16")
"""The half precision that is tried on a GPU."""


def installed(name: BackendName) -> bool:
    """Whether a backend is installed; nothing heavy is imported to know."""
    return find_spec(_MODULES[name]) is not None


def sees_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU, as far as one can tell without torch."""
    # The second is the GPU's device in the Linux subsystem of Windows.
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()


def names_gpu(device: str) -> bool:
    """Whether the name of a device is that of a GPU."""
    return device not in ("auto", "cpu")


def failed(bundle: Bundle, backend: Backend) -> bool:
    """Whether a bundle says that a backend did not pass its parity gate."""
    return bundle.parity.get(str(backend), {}).get("passed") is False


def available(bundle: Bundle, device: str = "auto") -> tuple[Backend, ...]:
    """List what can run a bundle here, the most exact first.

    Half precisions of a processor are among them only where the bundle says that they passed its
    parity gate; that of a GPU unless the bundle says that it did not. Whoever selects compares it
    with the network in float32 on that very GPU.

    Args:
        bundle: The bundle.
        device: "auto", "cpu" or a GPU, which torch knows, and ONNX Runtime if it was built for one.
    """
    return tuple(_available(bundle, on_gpu=names_gpu(device)))


def _available(bundle: Bundle, *, on_gpu: bool) -> Iterator[Backend]:
    # From the most exact to the coarsest: who selects takes the first one as the reference.
    if installed("torch"):
        yield Backend("torch")
    if on_gpu:
        if ONNX in bundle.graphs and installed("onnx") and gpu_providers():
            yield Backend("onnx")
        if installed("torch") and not failed(bundle, GPU_HALF):
            yield GPU_HALF
        return
    if ONNX in bundle.graphs:
        if installed("onnx"):
            yield Backend("onnx")
        if installed("openvino"):
            yield Backend("openvino")
            passed = [
                half for half in _HALVES if bundle.parity.get(str(half), {}).get("passed") is True
            ]
            # Only a list that is not empty is worth the import of OpenVINO.
            if passed:
                able = openvino_precisions()
                yield from (half for half in passed if half.precision in able)
    if all(name in bundle.graphs for name in INT8) and installed("openvino"):
        yield Backend("openvino", "int8")


def make_scorer(
    bundle: Bundle,
    name: BackendName,
    precision: Precision = "float32",
    device: str = "auto",
    batch_size: int = 8,
    threads: int | None = None,
) -> Scorer:
    """Make what scores clips with a bundle's network.

    Args:
        bundle: The bundle.
        name: What runs it.
        precision: What it computes in.
        device: "auto", "cpu" or a GPU such as "cuda:0", which torch knows, and ONNX Runtime if it
            was built for one.
        batch_size: Clips that it takes at a time.
        threads: Threads that it computes on; None for `default_threads`.

    Raises:
        MissingExtraError: If the backend is not installed.
        InputError: If the bundle lacks the graph for it.
        SettingsError: If the backend has no such device or precision, or threads are below 1.
        BundleError: If the graph or the weights cannot be loaded.
    """
    if name not in _MODULES:
        raise SettingsError(
            f"backend must be auto or one of {', '.join(_MODULES)}, got {name!r}"
            f"{did_you_mean(name, _MODULES)}"
        )
    if precision not in (formats := get_args(Precision)):
        raise SettingsError(
            f"precision must be auto or one of {', '.join(formats)}, got {precision!r}"
            f"{did_you_mean(precision, formats)}"
        )
    check_threads(threads)
    count = threads or default_threads()
    if name == "torch":
        # Imported here, since an edge install has no torch.
        with require_extra("scoring with torch"):
            from oddframe.inference.torch_backend import GpuScorer, TorchScorer, pick_device
            from oddframe.model.network import Network

        network, place = Network.of(bundle.network), pick_device(device)
        if place.type != "cpu":
            return GpuScorer(network, place, batch_size, precision)
        return TorchScorer(network, place, batch_size, precision, count)
    if name == "onnx":
        if precision != "float32":
            raise SettingsError(
                f"precision must be float32 for onnx, got {precision!r}; "
                "choose --backend openvino or torch for another"
            )
        gpu = _onnx_gpu(device) if names_gpu(device) else None
        return OnnxScorer(_graph(bundle, ONNX, "onnx"), batch_size, count, gpu)
    if names_gpu(device):
        raise SettingsError(
            f"device must be auto or cpu for {name}, got {device!r}; torch runs on a GPU"
        )
    if not installed("openvino"):
        raise MissingExtraError("scoring with OpenVINO", "openvino")
    # Whole numbers have a graph of their own; half precision is made of the ONNX graph.
    if precision == "int8":
        graph, weights = (_graph(bundle, file, "openvino --int8") for file in INT8)
        return OpenvinoScorer(graph, weights, batch_size, precision, count)
    return OpenvinoScorer(_graph(bundle, ONNX, "openvino"), b"", batch_size, precision, count)


def _onnx_gpu(device: str) -> int:
    """Give the number of the GPU that "cuda" or "cuda:1" names to ONNX Runtime.

    Raises:
        SettingsError: If it is the name of no NVIDIA GPU, or ONNX Runtime is built for none.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number or "0").isdecimal() or not gpu_providers():
        raise SettingsError(
            f"device must be auto or cpu for onnx here, got {device!r}; torch runs on a GPU, and "
            "so does the package onnxruntime-gpu, in the place of onnxruntime, on one like cuda:0"
        )
    return int(number or "0")


def _graph(bundle: Bundle, name: str, option: str) -> bytes:
    """One graph of a bundle; `option` is what `oddframe export --to` calls it."""
    if name not in bundle.graphs:
        raise InputError(
            f"the model must have {name} for this backend, but does not; "
            f"make it with: oddframe export MODEL --to {option}"
        )
    return bundle.graphs[name]
