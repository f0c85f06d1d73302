import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from oddframe.bundle.bundle import INT8
from oddframe.errors import InputError, MissingExtraError, ParityError
from oddframe.inference.onnx_backend import OnnxScorer
from oddframe.inference.onnx_export import LEAST_CLIPS, MOST_CLIPS, int8_graph, onnx_graph
from oddframe.inference.openvino_backend import OpenvinoScorer
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


def noise(count):
    return np.random.default_rng(1).integers(0, 256, (count, 5, 32, 32, 1), dtype=np.uint8)


def test_a_graph_of_whole_numbers_is_smaller_and_near_the_network(graph, clips):
    files = int8_graph(graph, noise(LEAST_CLIPS))
    assert set(files) == set(INT8)
    xml, weights = (files[name] for name in INT8)
    assert b"FakeQuantize" in xml
    ours = OpenvinoScorer(xml, weights, len(clips), "int8").score(clips)
    theirs = OnnxScorer(graph, len(clips)).score(clips)
    assert len(weights) < len(graph) / 4
    for name in PARTS:
        found, right = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_allclose(found, right, rtol=0, atol=0.2 * right.max())


@pytest.fixture
def nncf_calls(monkeypatch):
    """NNCF finds no ranges, as in a network of nearly the same value everywhere; gives its calls.

    Each is the number of clips and the way of finding ranges.
    """
    import nncf

    found = []

    def quantize(model, dataset, *, subset_size, advanced_parameters, **_):
        clips = list(dataset.get_inference_data())
        assert subset_size == len(clips)
        assert [tuple(one.shape) for one in clips] == [(1, 5, 32, 32, 1)] * len(clips)
        print("Statistics collection: 100 %")
        found.append((len(clips), advanced_parameters.activations_range_estimator_params))
        raise ValueError("Too many bins for data range.")

    monkeypatch.setattr(nncf, "quantize", quantize)
    return found


def test_ranges_are_found_as_asked_over_so_many_clips_at_most(graph, nncf_calls, capsys):
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet as Known

    many = noise(MOST_CLIPS + 5)
    for ranges in ("extremes", "histogram"):
        with pytest.raises(ParityError, match=r"ranges of values.*Too many bins"):
            int8_graph(graph, many, ranges)
    assert nncf_calls == [(MOST_CLIPS, Known.MEAN_MINMAX), (MOST_CLIPS, Known.HISTOGRAM)]
    assert capsys.readouterr().out == ""


def test_whole_numbers_need_some_clips_and_an_extra(graph, monkeypatch):
    with pytest.raises(InputError, match=r"at least 16 clips, found 15.*--normal"):
        int8_graph(graph, noise(LEAST_CLIPS - 1))
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingExtraError, match=r'int8 needs .*"oddframe\[train\]"'):
        int8_graph(graph, noise(LEAST_CLIPS))
