"""Exports a trained network as one ONNX graph, and that graph in whole numbers for OpenVINO.

Pixel scaling, both streams, clusters, map and statistics are inside the graph: uint8 clips go in,
and out comes what `ClipScores` holds. Whole numbers are by NNCF's static quantisation after
training.
"""

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from oddframe._types import Pixels
from oddframe.bundle.bundle import INT8
from oddframe.errors import InputError, ParityError
from oddframe.extras import require_extra
from oddframe.inference.scorer import CLIPS, PARTS
from oddframe.model.fusion import AnomalyScorer
from oddframe.model.network import Network
from oddframe.model.state import NetworkState

BATCH = "batch"
"""Name of the only dimension that is free: whoever loads the graph sets it."""
LEAST_HALVED = 64
"""Arrays of fewer numbers are not stored in float16: the cast would cost more than they do."""
LEAST_CLIPS, MOST_CLIPS = 16, 128
"""Clips from which the ranges of whole numbers are taken, at least and at most."""

Ranges = Literal["extremes", "histogram"]
"""How ranges of whole numbers are found.

They are the mean of the clips' extremes, or those that lose least over a histogram of all values.
"""


def onnx_graph(trained: NetworkState) -> bytes:
    """Export a trained network as an ONNX graph.

    Weights that lose nothing in float16 are stored so, with a cast behind them, which runtimes do
    once at the start: a shipped model's graph is half as large for it.

    Raises:
        MissingExtraError: If the exporter is not installed.
        BundleError: If the weights are not those of the network's settings.
    """
    with require_extra("exporting"):
        import onnx
        import onnxscript  # noqa: F401 - torch's own error does not say what brings it
    network = AnomalyScorer(Network.of(trained)).eval()
    config = trained.config
    # Two clips, since the exporter takes a dimension of 1 for a constant.
    clips = torch.zeros((2, 5, config.height, config.width, config.colours), dtype=torch.uint8)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            network,
            (clips,),
            input_names=[CLIPS],
            output_names=list(PARTS),
            dynamic_shapes=({0: torch.export.Dim(BATCH)},),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export must give a program")
    proto = program.model_proto
    _remove_sources(proto)
    _store_halves(proto, onnx)
    onnx.checker.check_model(proto)
    content: bytes = proto.SerializeToString()
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which warns of packages that are not needed and of its own future."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _remove_sources(proto: Any) -> None:
    """Remove the lines of source that each node came from: they hold paths of this machine."""
    graph = proto.graph
    for part in (
        proto,
        graph,
        *graph.node,
        *graph.initializer,
        *graph.input,
        *graph.output,
        *graph.value_info,
    ):
        part.doc_string = ""
        del part.metadata_props[:]


def _store_halves(proto: Any, onnx: Any) -> None:
    """Store weights that are exact in float16 as float16, with a cast behind each."""
    graph = proto.graph
    casts = []
    for number, stored in enumerate(graph.initializer):
        if stored.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(stored)
        # A weight beyond float16 becomes infinite, which the comparison below finds.
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if values.size < LEAST_HALVED or not np.array_equal(halves.astype(np.float32), values):
            continue
        name = f"{stored.name}_half"
        casts.append(
            onnx.helper.make_node("Cast", [name], [stored.name], to=onnx.TensorProto.FLOAT)
        )
        graph.initializer[number].CopyFrom(onnx.numpy_helper.from_array(halves, name))
    # ONNX wants the nodes of a graph in the order in which their results are used.
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def int8_graph(graph: bytes, clips: Pixels, ranges: Ranges = "extremes") -> dict[str, bytes]:
    """Make the files of a graph whose convolutions compute in 8-bit whole numbers.

    Args:
        graph: The ONNX graph.
        clips: Clips, uint8 N x 5 x H x W x C, which decide the ranges of what flows through it; of
            more than `MOST_CLIPS` that many, evenly.
        ranges: How those are found.

    Raises:
        MissingExtraError: If NNCF or OpenVINO is not installed.
        InputError: If there are too few clips.
        ParityError: If no ranges can be found.
    """
    if len(clips) < LEAST_CLIPS:
        raise InputError(
            f"int8 needs at least {LEAST_CLIPS} clips, found {len(clips)}; give more with --normal"
        )
    # NNCF sends usage statistics unless this variable is there while it is imported.
    os.environ.setdefault("NNCF_CI", "1")
    with require_extra("int8"):
        import nncf
        import openvino
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    chosen = clips[np.linspace(0, len(clips) - 1, min(len(clips), MOST_CLIPS)).round().astype(int)]
    model = openvino.Core().read_model(graph, b"")
    shape = [1, *chosen.shape[1:]]
    model.reshape({CLIPS: shape})
    logging.getLogger("nncf").setLevel(logging.ERROR)
    names = {
        "extremes": RangeEstimatorParametersSet.MEAN_MINMAX,
        "histogram": RangeEstimatorParametersSet.HISTOGRAM,
    }
    parameters = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=names[ranges]
    )
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            quantised = nncf.quantize(
                model,
                nncf.Dataset(list(chosen), lambda clip: clip[None]),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(chosen),
                advanced_parameters=parameters,
            )
    except ValueError as error:
        # NumPy cannot divide hardly any range into bins, as a network has that was not trained.
        raise ParityError(
            f"int8 must measure the ranges of values in the network, but failed: {error}"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / INT8[0]
        openvino.save_model(quantised, path, compress_to_fp16=False)
        return {name: (Path(folder) / name).read_bytes() for name in INT8}
