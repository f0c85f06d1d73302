from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from oddframe.inference.onnx_backend import OnnxScorer
from oddframe.inference.onnx_export import onnx_graph
from oddframe.inference.scorer import PARTS
from oddframe.inference.torch_backend import TorchScorer
from oddframe.model.network import Network
from tests.support.tiny import tiny_settings


def assert_the_same(trained, graph, clips):
    ours = OnnxScorer(graph, len(clips)).score(clips)
    theirs = TorchScorer(Network.of(trained), torch.device("cpu"), len(clips)).score(clips)
    for name in PARTS:
        found, right = getattr(ours, name), getattr(theirs, name)
        assert found.dtype == np.float32
        assert found.shape == right.shape
        np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-5 * right.max())


def test_a_graph_agrees_with_the_network(trained, graph, clips):
    assert_the_same(trained, graph, clips)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {
            "height": 64,
            "width": 96,
            "colour": "rgb",
            "stem_stride": 2,
            "empty_scene": True,
            "score_share": 0.1,
        },
        {"appearance": False, "clusters": 0, "fusion": "error"},
        {"motion": False, "code_norm": "l1", "fusion": "frame"},
        {
            "attention": "variance",
            "rebuilt_frame": "last",
            "score_windows": (1, 4),
            "cluster_power": 2.0,
        },
        {"attention": "none", "skips": False, "appearance_weight": 0.5, "decoder_channels": 4},
    ],
)
def test_a_graph_of_any_settings_agrees_with_the_network(changes):
    torch.manual_seed(1)
    config = replace(tiny_settings().network, **changes)
    trained = Network(config).trained()
    shape = (3, 5, config.height, config.width, config.colours)
    clips = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert_the_same(trained, onnx_graph(trained), clips)


def test_a_graph_does_not_name_the_machine_that_made_it(graph):
    for word in (b"/work", b"oddframe", b".py"):
        assert word not in graph


@pytest.mark.slow
def test_weights_that_are_exact_in_float16_are_stored_so(trained, graph, clips):
    halved = trained.halved()
    smaller = onnx_graph(halved)
    assert len(smaller) < 0.75 * len(graph)
    assert_the_same(halved, smaller, clips)
    kinds = {
        stored.data_type
        for stored in onnx.load_from_string(graph).graph.initializer
        if len(stored.raw_data) > 999
    }
    assert kinds == {onnx.TensorProto.FLOAT}
