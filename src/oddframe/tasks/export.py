"""Add an exported network to a model, for use without torch: the verb `oddframe export`."""

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
from oddframe.inference.loading import load
from oddframe.media.discovery import find_sources
from oddframe.media.source import FrameFormat
from oddframe.training.run_folder import RunFolder

MOST_BLOCKS = 16
"""So many blocks of frames, spread evenly, are taken of given footage."""


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What an export did.

    Example:
        >>> report = oddframe.export("runs/door", "onnx", normal="normal")
        >>> report.backend
        'onnx float32'

    Attributes:
        bundle: The bundle that now has the graph.
        backend: What runs it, such as "openvino int8".
        files: Sizes in bytes of the written files by name; empty where OpenVINO reads a graph
            that was there.
        parity: How close the results of each compared graph are to the trained network's; see
            `oddframe.inference.export_gate.check_parity`.
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

    Example:
        >>> report = oddframe.export("runs/door", "onnx", normal="normal")
        >>> len(report.files) > 0
        True

    Args:
        model: A run folder or a model bundle.
        to: "onnx", the graph that ONNX Runtime and OpenVINO run in float32, or "openvino", which
            looks at what OpenVINO makes of it, in half precision too where the processor has that.
        int8: Whole numbers, for OpenVINO.
        normal: Normal footage of the same camera.
        clips: Footage with something odd in it, compared as well.
        labelled: A labelled benchmark or test set, on which the AUC must stay the same.
        fps: Frames per second of folders of images. When None, the times in their names count, or
            else the bundle's rate.
        on_progress: Called with the phases "read" and "eval".

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
            "int8 must be exported to openvino, since ONNX Runtime is slower in int8 than in "
            "float32; use --to openvino --int8"
        )
    if not installed("torch"):
        raise MissingExtraError("exporting", "train")
    if to == "openvino" and not installed("openvino"):
        raise MissingExtraError("exporting to OpenVINO", "openvino")
    folder = find_bundle(model)
    bundle = read_bundle(folder)
    # Decoded frames lie in temporary folders until the footage is taken out of them.
    with ExitStack() as closing:
        footage = _footage(bundle, folder, normal, clips, fps, closing, on_progress)
    if footage is None:
        if int8:
            raise InputError(
                "int8 needs normal footage of the camera; give some with --normal FOLDER"
            )
        footage = synthetic_footage(bundle)
    # OpenVINO reads the ONNX graph, so one that has passed the gate before is not made again.
    made = bundle if ONNX in bundle.graphs and to == "openvino" else add_onnx(bundle, footage)
    backend = Backend(to, "int8" if int8 else "float32")
    if int8:
        made = _add_int8(made, footage, labelled, fps, on_progress)
    else:
        comparison = compare_labelled(made, backend, labelled, fps, on_progress)
        made = check_parity(made, backend, footage, comparison)
    notices: list[str] = []
    if backend == Backend("openvino"):
        made, notices = _check_half_precisions(made, footage)
    # Only what is new is written; graphs that were there keep their time of change.
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


def _add_int8(
    bundle: Bundle,
    footage: Footage,
    labelled: str | Path | None,
    fps: float | None,
    on_progress: Progress,
) -> Bundle:
    """Add a graph in int8, by the first way of finding value ranges that passes the gate.

    Raises:
        ParityError: If none passes; it says what is wrong with the first.
    """
    from oddframe.inference.onnx_export import Ranges, int8_graph

    # The first way is the usual one, so its complaints are the ones worth reading.
    backend = Backend("openvino", "int8")
    refused: list[ParityError] = []
    for ranges in get_args(Ranges):
        try:
            graph = int8_graph(bundle.graphs[ONNX], footage.ranging, ranges)
            made = replace(bundle, graphs={**bundle.graphs, **graph})
            comparison = compare_labelled(made, backend, labelled, fps, on_progress)
            return check_parity(made, backend, footage, comparison)
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
    """Take the given footage, otherwise what the training left; None where there is none."""

    def decode(what: str | Path | Sequence[str | Path]) -> FrameCache:
        place = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        limit = MOST_BLOCKS * BLOCK_FRAMES * wanted.height * wanted.width * network.colours
        sources = find_sources(what, fps, bundle.rate_fps).sources
        return build_cache(place, sources, wanted, bundle.rate_fps, limit, on_progress)

    network = bundle.network.config
    wanted = FrameFormat(network.width, network.height, network.colour)
    if normal is None:
        cache, origin = reopen_cache(RunFolder(folder.parent).cache, wanted), TRAINED_ON
    else:
        cache, origin = decode(normal), "given normal footage"
    if cache is None:
        if clips is not None:
            raise InputError(
                "--clips must come with normal footage of the camera; "
                "give some with --normal FOLDER"
            )
        return None
    return footage_from_cache(
        cache, network.interval, origin, None if clips is None else decode(clips)
    )


def compare_labelled(
    bundle: Bundle,
    backend: Backend,
    dataset: str | Path | None,
    fps: float | None,
    on_progress: Progress,
) -> LabelledComparison | None:
    """Take the AUCs of the trained network and of the graph, where there is a labelled set."""
    if dataset is None:
        return None
    from oddframe.tasks.evaluate import evaluate

    aucs = []
    for runner in (Backend("torch"), backend):
        model = load(bundle, device="cpu", backend=runner.name, precision=runner.precision)
        pooled = evaluate(dataset, model, fps=fps, on_progress=on_progress).metrics.auc.micro
        if pooled.raw is None or pooled.per_video is None:
            raise InputError(
                f"{dataset} must have normal and abnormal frames for an AUC, but has not"
            )
        # Both ways to take the scores: one threshold for all videos, and one for each.
        aucs.append({"raw": pooled.raw, "per_video": pooled.per_video})
    return LabelledComparison(str(dataset), *aucs)


def _check_half_precisions(bundle: Bundle, footage: Footage) -> tuple[Bundle, list[str]]:
    """Compare the graph in this processor's half precisions too, so that "auto" may select them.

    One that is too far off is no reason to refuse the export: it gets a notice and is not used.
    """
    from oddframe.inference.openvino_backend import openvino_precisions

    notices = []
    for precision in openvino_precisions():
        half = Backend("openvino", precision)
        bundle = check_parity(bundle, half, footage, refuse=False)
        if complaints := bundle.parity[str(half)]["complaints"]:
            notices.append(f"{half} will not be used: {'; '.join(complaints)}")
    return bundle, notices
