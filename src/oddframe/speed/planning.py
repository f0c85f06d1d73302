"""Which rows a machine can have, and why it lacks the others."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from oddframe.bundle import INT8, ONNX, Bundle
from oddframe.errors import MissingExtraError
from oddframe.runtime.backends import Backend, installed
from oddframe.runtime.scorer import BackendName, Precision
from oddframe.speed.records import Numbers, Setup

__all__ = ["Plan", "plan_rows"]

_EXTRAS: dict[BackendName, str] = {"torch": "train", "openvino": "openvino"}


class Plan(NamedTuple):
    """What is measured of a bundle, and what is not.

    Attributes:
        setups: The rows.
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
    """Rows of one bundle, the most exact first.

    Args:
        preset: What it is called.
        folder: Where it is.
        bundle: What is in it.
        lacking: Why it has not all graphs; that nobody exported them when None.
        backends: What may run it.
        device: "cpu", or a GPU, which only torch knows.
        torch_precisions: What torch computes in on that device.
        batch_sizes: Clips at a time; a row for each.
        compiled: Whether torch has rows with a compiled network, too.
    """
    setups: list[Setup] = []
    notices: list[str] = []
    for name in backends:
        if name != "torch" and device != "cpu":
            notices.append(f"{name} is left out: it runs on the processor; measure it with --device cpu")
            continue
        if not installed(name):
            notices.append(f"{name} is left out: {_missing(name)}")
            continue
        if name == "torch":
            ways: list[tuple[Numbers, bool]] = [(precision, False) for precision in torch_precisions]
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


def _missing(name: BackendName) -> str:
    if name not in _EXTRAS:
        return "ONNX Runtime is not installed; pip install onnxruntime"
    return str(MissingExtraError(f"scoring with {name}", _EXTRAS[name]))


def _of_graphs(name: BackendName, bundle: Bundle, lacking: str | None) -> Iterator[tuple[Precision, str | None]]:
    """What ONNX Runtime or OpenVINO computes in, and why not."""
    lacks = lacking or "the model has no graph for it; oddframe export MODEL --to {} adds it"
    yield "float32", None if ONNX in bundle.graphs else lacks.format("onnx")
    if name == "onnx":
        return
    from oddframe.runtime.openvino_scorer import openvino_precisions

    for half in openvino_precisions() if ONNX in bundle.graphs else ():
        passed = bundle.parity.get(str(Backend(name, half)), {}).get("passed")
        yield half, "it did not pass the model's parity gate" if passed is False else None
    yield "int8", None if all(file in bundle.graphs for file in INT8) else lacks.format("openvino --int8")
