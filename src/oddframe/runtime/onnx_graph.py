"""The network with everything behind it that turns clips into scores, as one ONNX graph.

Pixel scaling, both streams, clusters, map and statistics are inside: uint8 clips go in, and out comes what
`ClipScores` holds.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from oddframe.extras import naming_extras
from oddframe.model.fusion import FusedScorer
from oddframe.model.network import Network
from oddframe.model.trained import TrainedNetwork
from oddframe.runtime.scorer import CLIPS, PARTS

__all__ = ["onnx_graph"]

BATCH = "batch"
"""Name of the only dimension that is free: whoever loads the graph sets it."""
LEAST_HALVED = 64
"""Arrays of fewer numbers are left as they are."""


def onnx_graph(trained: TrainedNetwork) -> bytes:
    """An ONNX graph of a trained network.

    Weights that lose nothing in float16 are stored so, with a cast behind them, which runtimes do once at the start: a
    shipped model's graph is half as large for it.

    Raises:
        MissingExtraError: If the exporter is not installed.
        BundleError: If the weights are not those of the network's settings.
    """
    with naming_extras("exporting"):
        import onnx
        import onnxscript  # noqa: F401 - torch's own error does not say what brings it
    network = FusedScorer(Network.of(trained)).eval()
    config = trained.config
    # Not one clip: the exporter takes a dimension of 1 for a constant.
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
    _forget_origins(proto)
    _halve(proto, onnx)
    onnx.checker.check_model(proto)
    content: bytes = proto.SerializeToString()
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of packages that nobody needs and of its own future."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _forget_origins(proto: Any) -> None:
    """Take out the lines of source that each node came from, with the paths of the machine."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        part.doc_string = ""
        del part.metadata_props[:]


def _halve(proto: Any, onnx: Any) -> None:
    """Store what is exact in float16 as float16."""
    graph = proto.graph
    casts = []
    for number, stored in enumerate(graph.initializer):
        if stored.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(stored)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if values.size < LEAST_HALVED or not np.array_equal(halves.astype(np.float32), values):
            continue
        name = f"{stored.name}_half"
        casts.append(onnx.helper.make_node("Cast", [name], [stored.name], to=onnx.TensorProto.FLOAT))
        graph.initializer[number].CopyFrom(onnx.numpy_helper.from_array(halves, name))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
