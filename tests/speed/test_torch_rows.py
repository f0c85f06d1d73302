"""What a row of torch needs; a GPU and what takes long to export or to compile have stand-ins."""

import pytest
import torch

from oddframe.bundle.bundle import INT8, ONNX, read_bundle
from oddframe.errors import MissingExtraError
from oddframe.inference.onnx_export import LEAST_CLIPS
from oddframe.model.network import Network
from oddframe.speed import torch_rows
from oddframe.speed.plan import Setup
from oddframe.speed.torch_rows import (
    Ability,
    gflop_per_clip,
    measure_training,
    peak_gpu_mb,
    torch_ability,
    torch_scorer,
    write_untrained,
)
from tests.support.tiny import tiny_settings

CONFIG = tiny_settings().network


def test_a_processor_computes_bfloat16_where_it_has_the_instructions(monkeypatch):
    monkeypatch.setattr(torch_rows, "computes_bfloat16", lambda device: device.type != "cpu")
    assert torch_ability("cpu") == Ability("cpu", ("float32",), None)
    monkeypatch.setattr(torch_rows, "computes_bfloat16", lambda device: device.type == "cpu")
    assert torch_ability("cpu") == Ability("cpu", ("float32", "bfloat16"), None)


def test_a_gpu_has_a_name_and_every_precision(monkeypatch):
    monkeypatch.setattr(torch_rows, "pick_device", torch.device)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"a card at {device}")
    every = ("float32", "tf32", "bfloat16", "float16")
    assert torch_ability("cuda:1") == Ability("cuda:1", every, "a card at cuda:1")
    assert torch_ability("xpu") == Ability("xpu", every, "xpu")


def test_the_memory_of_a_gpu_is_in_millions_of_bytes(monkeypatch):
    taken = {"cuda:0": 1_500_000, "cuda:1": 7_000_000}
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", taken.get)
    assert peak_gpu_mb("cuda:0") == 1.5


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize(("compiled", "shapes"), [(False, []), (True, [True])])
def test_a_network_is_compiled_only_where_the_row_says_so(compiled, shapes, tmp_path, monkeypatch):
    found = []

    def compile_nothing(network, dynamic):
        found.append(not dynamic)
        return network

    monkeypatch.setattr(torch, "compile", compile_nothing)
    write_untrained(tmp_path / "bundle", CONFIG, ())
    setup = Setup(preset="tiny", bundle=tmp_path / "bundle", backend="torch", compiled=compiled)
    scorer = torch_scorer(read_bundle(setup.bundle), setup, 3)
    assert (scorer.batch_size, found) == (3, shapes)


def test_operations_are_those_of_the_convolutions():
    trained = Network(CONFIG).trained()
    counted = 0
    network = Network.of(trained)

    def count(module, _, output):
        nonlocal counted
        kernel = module.weight[0].numel()
        counted += 2 * kernel * output.numel()

    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    for convolution in convolutions:
        convolution.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros((1, 5, 32, 32, 1), dtype=torch.uint8))
    assert convolutions
    # The rest are transposed convolutions and the distances to the centres.
    assert counted / 1e9 <= gflop_per_clip(trained) < 3 * counted / 1e9


@pytest.mark.usefixtures("float32")
def test_training_is_measured_where_it_trains_on_both_losses():
    row = measure_training("tiny", tiny_settings(), "cpu", "float32", 0.05)
    assert row.size == (32, 32)
    assert row.batch_size == 4
    assert row.clips_per_s > 0
    assert row.gpu_mb is None


@pytest.fixture
def exporters(monkeypatch):
    """Exporters that take no time; gives the clips by which whole numbers were found."""
    found = []

    def int8(graph, clips):
        assert graph == b"a graph"
        found.append(clips)
        return dict.fromkeys(INT8, b"whole numbers")

    monkeypatch.setattr(torch_rows, "onnx_graph", lambda trained: b"a graph")
    monkeypatch.setattr(torch_rows, "int8_graph", int8)
    monkeypatch.setattr(torch_rows, "installed", lambda name: True)
    return found


def test_an_untrained_network_is_the_same_every_time(exporters, tmp_path):
    for name in "ab":
        assert write_untrained(tmp_path / name, CONFIG, ()) is None
    first, second = (read_bundle(tmp_path / name) for name in "ab")
    assert first.graphs == {}
    assert first.network.config == CONFIG
    assert "scores nothing that means anything" in first.card
    for name, weights in first.network.weights.items():
        assert (weights == second.network.weights[name]).all(), name


def test_an_untrained_network_has_the_graphs_that_are_wanted(exporters, tmp_path):
    assert write_untrained(tmp_path / "one", CONFIG, ("onnx",)) is None
    assert set(read_bundle(tmp_path / "one").graphs) == {ONNX}
    assert exporters == []
    assert write_untrained(tmp_path / "both", CONFIG) is None
    assert set(read_bundle(tmp_path / "both").graphs) == {ONNX, *INT8}
    (clips,) = exporters
    assert clips.shape == (LEAST_CLIPS, 5, 32, 32, 1)


def test_a_bundle_that_lacks_whole_numbers_says_why(exporters, tmp_path, monkeypatch):
    def missing(graph, clips):
        raise MissingExtraError("int8", "train")

    monkeypatch.setattr(torch_rows, "int8_graph", missing)
    told = write_untrained(tmp_path / "lacking", CONFIG)
    assert told == 'int8 needs an optional package: pip install "oddframe[train]"'
    assert set(read_bundle(tmp_path / "lacking").graphs) == {ONNX}
    # Where OpenVINO itself is missing there is nothing that could read them.
    monkeypatch.setattr(torch_rows, "installed", lambda name: name != "openvino")
    assert write_untrained(tmp_path / "without", CONFIG) is None
    assert set(read_bundle(tmp_path / "without").graphs) == {ONNX}
