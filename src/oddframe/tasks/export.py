"""Add graphs to a model for those who have no torch, or no time: the verb `oddframe export`."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from oddframe._types import Progress, silent
from oddframe.bundle.bundle import ONNX, Bundle, find_bundle, read_bundle, write_graphs
from oddframe.datasets.frame_cache import BLOCK_FRAMES, FrameCache, build_cache, reopen_cache
from oddframe.errors import InputError, MissingExtraError, ParityError, SettingsError
from oddframe.inference.backends import Backend, installed
from oddframe.inference.export_gate import (
    TRAINED_ON,
    Footage,
    LabelledComparison,
    add_onnx,
    check_parity,
    footage_from_cache,
    synthetic_footage,
)
from oddframe.inference.model import load
from oddframe.media.discovery import find_sources
from oddframe.media.source import FrameFormat
from oddframe.training.run_folder import RunFolder

MOST_BLOCKS = 16
"""Blocks of frames, evenly over it, that are taken of given footage."""


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What an export did.

    Attributes:
        bundle: The bundle that has the graph now.
        backend: What runs it, such as "openvino int8".
        files: Bytes of the files that were written, by name; none where OpenVINO reads a graph that
            was there.
        parity: How near each graph that was looked at came to the trained network; see
            `oddframe.inference.export_gate.gated`.
        notices: What is worth knowing, a sentence each.
        seconds: Wall-clock time.
    """

    bundle: Path
    backend: str
    files: Mapping[str, int]
    parity: Mapping[str, Any]
    notices: tuple[str, ...]
    seconds: float


def export(
    model: str | Path,
    to: Literal["onnx", "openvino"],
    *,
    int8: bool = False,
    normal: str | Path | Sequence[str | Path] | None = None,
    clips: str | Path | Sequence[str | Path] | None = None,
    labelled: str | Path | None = None,
    fps: float | None = None,
    on_progress: Progress = silent,
) -> ExportReport:
    """Add a graph to a model's bundle, after it passed the parity gate against the trained network.

    The gate compares on normal footage: ``normal``, else the frames that the training left in the
    run folder, else drawn clips, which will not do for int8. Intruders are drawn into some of it.

    Args:
        model: A run folder or a model bundle.
        to: "onnx", the graph that ONNX Runtime and OpenVINO run in float32, or "openvino", which
            looks at what OpenVINO makes of it, in half precision too where the processor has that.
        int8: Whole numbers, for OpenVINO.
        normal: Normal footage of the same camera.
        clips: Footage with something odd in it, compared as well.
        labelled: A labelled benchmark or test set, on which the AUC must stay the same.
        fps: Frames per second of folders of images; the bundle's rate when None.
        on_progress: Told phases "read" and "eval".

    Raises:
        ParityError: If the graph is beyond the gate's limits; the bundle stays as it was.
        MissingExtraError: If torch, its exporter, OpenVINO or NNCF is not installed.
        InputError: If int8 is wanted and there is no normal footage, or a source is unusable.
        BundleError: If the bundle is unusable.
        OutputError: If the bundle cannot be written; it stays as it was.
    """
    began = time.monotonic()
    if int8 and to != "openvino":
        raise SettingsError(
            "int8 must be exported to openvino, since ONNX Runtime is slower in int8 than in float32; "
            "use --to openvino --int8"
        )
    if not installed("torch"):
        raise MissingExtraError("exporting", "train")
    if to == "openvino" and not installed("openvino"):
        raise MissingExtraError("exporting to OpenVINO", "openvino")
    folder = find_bundle(model)
    bundle = read_bundle(folder)
    with ExitStack() as closing:
        footage = _footage(bundle, folder, normal, clips, fps, closing, on_progress)
    if footage is None:
        if int8:
            raise InputError(
                "int8 needs normal footage of the camera; give some with --normal FOLDER"
            )
        footage = synthetic_footage(bundle)
    made = bundle if ONNX in bundle.graphs and to == "openvino" else add_onnx(bundle, footage)
    backend = Backend(to, "int8" if int8 else "float32")
    if int8:
        made = _in_whole_numbers(made, footage, labelled, fps, on_progress)
    else:
        found = None if labelled is None else _labelled(made, backend, labelled, fps, on_progress)
        made = check_parity(made, backend, footage, found)
    notices: list[str] = []
    if backend == Backend("openvino"):
        made, notices = _halves(made, footage)
    written = {
        name: content for name, content in made.graphs.items() if bundle.graphs.get(name) != content
    }
    write_graphs(folder, written, made.parity)
    return ExportReport(
        bundle=folder,
        backend=str(backend),
        files={name: len(content) for name, content in written.items()},
        parity={
            name: value for name, value in made.parity.items() if bundle.parity.get(name) != value
        },
        notices=tuple(notices),
        seconds=time.monotonic() - began,
    )


def _in_whole_numbers(
    bundle: Bundle,
    footage: Footage,
    labelled: str | Path | None,
    fps: float | None,
    on_progress: Progress,
) -> Bundle:
    """The bundle with a graph in int8, by the first way of finding ranges that passes the gate.

    Raises:
        ParityError: What is wrong with the first, if none passes.
    """
    from oddframe.inference.onnx_export import Ranges, int8_graph

    backend = Backend("openvino", "int8")
    refused: list[ParityError] = []
    for ranges in get_args(Ranges):
        try:
            graph = int8_graph(bundle.graphs[ONNX], footage.ranging, ranges)
            made = replace(bundle, graphs={**bundle.graphs, **graph})
            found = (
                None if labelled is None else _labelled(made, backend, labelled, fps, on_progress)
            )
            return check_parity(made, backend, footage, found)
        except ParityError as error:
            refused.append(error)
    raise refused[0]


def _footage(
    bundle: Bundle,
    folder: Path,
    normal: str | Path | Sequence[str | Path] | None,
    clips: str | Path | Sequence[str | Path] | None,
    fps: float | None,
    closing: ExitStack,
    on_progress: Progress,
) -> Footage | None:
    """What was given, else what the training has left; None where that is nothing."""

    def decoded(what: str | Path | Sequence[str | Path]) -> FrameCache:
        place = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        limit = MOST_BLOCKS * BLOCK_FRAMES * wanted.height * wanted.width * network.colours
        sources = find_sources(what, bundle.rate_fps if fps is None else fps).sources
        return build_cache(place, sources, wanted, bundle.rate_fps, limit, on_progress)

    network = bundle.network.config
    wanted = FrameFormat(network.width, network.height, network.colour)
    if normal is None:
        cache, origin = reopen_cache(RunFolder(folder.parent).cache, wanted), TRAINED_ON
    else:
        cache, origin = decoded(normal), "given normal footage"
    if cache is None:
        if clips is not None:
            raise InputError(
                "--clips must come with normal footage of the camera; give some with --normal FOLDER"
            )
        return None
    return footage_from_cache(
        cache, network.interval, origin, None if clips is None else decoded(clips)
    )


def _labelled(
    bundle: Bundle, backend: Backend, dataset: str | Path, fps: float | None, on_progress: Progress
) -> LabelledComparison:
    """AUCs of the trained network and of the graph."""
    from oddframe.tasks.evaluate import evaluate

    aucs = []
    for one in (Backend("torch"), backend):
        model = load(bundle, device="cpu", backend=one.name, precision=one.precision)
        pooled = evaluate(dataset, model, fps=fps, on_progress=on_progress).metrics.auc.micro
        if pooled.raw is None or pooled.per_video is None:
            raise InputError(
                f"{dataset} must have normal and abnormal frames for an AUC, but has not"
            )
        aucs.append({"raw": pooled.raw, "per_video": pooled.per_video})
    return LabelledComparison(str(dataset), *aucs)


def _halves(bundle: Bundle, footage: Footage) -> tuple[Bundle, list[str]]:
    """What OpenVINO makes of the graph in this processor's half precisions, which nobody asked for."""
    from oddframe.inference.openvino_backend import openvino_precisions

    notices = []
    for precision in openvino_precisions():
        half = Backend("openvino", precision)
        bundle = check_parity(bundle, half, footage, refuse=False)
        if complaints := bundle.parity[str(half)]["complaints"]:
            notices.append(f"{half} will not be used: {'; '.join(complaints)}")
    return bundle, notices
