from dataclasses import replace

import pytest

from oddframe.bundle.bundle import INT8
from oddframe.errors import InputError, MissingExtraError, SettingsError
from oddframe.inference import backends
from oddframe.inference.backends import Backend, available, make_scorer


@pytest.fixture
def has(monkeypatch):
    """Sets which backends are installed, and which half precisions OpenVINO has."""

    def set_installed(*names, halves=()):
        monkeypatch.setattr(backends, "installed", lambda name: name in names)
        monkeypatch.setattr(backends, "openvino_precisions", lambda: halves)

    return set_installed


def test_what_is_installed_and_has_a_graph_is_available(bundle, has):
    has("torch", "onnx", "openvino")
    assert available(bundle) == (Backend("torch"), Backend("onnx"), Backend("openvino"))
    assert available(replace(bundle, graphs={})) == (Backend("torch"),)
    assert available(bundle, "cuda:0") == (Backend("torch"), Backend("torch", "bfloat16"))
    refused = replace(bundle, parity={"torch bfloat16": {"passed": False}})
    assert available(refused, "cuda:0") == (Backend("torch"),)
    has("onnx")
    assert available(bundle) == (Backend("onnx"),)
    assert available(replace(bundle, graphs={})) == ()


def test_onnx_runtime_runs_on_a_gpu_where_it_was_built_for_one(bundle, has, monkeypatch):
    monkeypatch.setattr(backends, "gpu_providers", lambda: ("CUDAExecutionProvider",))
    has("torch", "onnx", "openvino")
    half = Backend("torch", "bfloat16")
    assert available(bundle, "cuda:0") == (Backend("torch"), Backend("onnx"), half)
    assert available(replace(bundle, graphs={}), "cuda:0") == (Backend("torch"), half)
    has("onnx")
    assert available(bundle, "cuda") == (Backend("onnx"),)
    asked = []
    monkeypatch.setattr(backends, "OnnxScorer", lambda *given: asked.append(given[1:]))
    for device in ("cuda", "cuda:2", "cpu", "auto"):
        make_scorer(bundle, "onnx", device=device, batch_size=4, threads=3)
    assert asked == [(4, 3, 0), (4, 3, 2), (4, 3, None), (4, 3, None)]
    for device in ("xpu", "cuda:x"):
        with pytest.raises(SettingsError, match="device must be auto or cpu for onnx here"):
            make_scorer(bundle, "onnx", device=device)


def test_half_precision_and_whole_numbers_must_have_been_exported(bundle, has):
    has("openvino", halves=("bfloat16",))
    half = Backend("openvino", "bfloat16")
    assert half not in available(bundle)
    assert half not in available(replace(bundle, parity={str(half): {"passed": False}}))
    assert half in available(replace(bundle, parity={str(half): {"passed": True}}))
    assert Backend("openvino", "int8") not in available(bundle)
    whole = replace(bundle, graphs={**bundle.graphs, **dict.fromkeys(INT8, b"")})
    assert Backend("openvino", "int8") in available(whole)


@pytest.mark.parametrize(
    ("name", "precision", "device", "error", "message"),
    [
        (
            "tensorrt",
            "float32",
            "cpu",
            SettingsError,
            "backend must be auto or one of torch, onnx, openvino",
        ),
        ("onnx", "float64", "cpu", SettingsError, "precision must be auto or one of float32"),
        ("onnx", "int8", "cpu", SettingsError, "precision must be float32 for onnx"),
        ("onnx", "float32", "cuda:0", SettingsError, "device must be auto or cpu for onnx"),
        (
            "openvino",
            "int8",
            "cpu",
            InputError,
            r"must have int8\.xml .* export MODEL --to openvino --int8",
        ),
        ("torch", "float32", "warp", SettingsError, "device must be auto, cpu or a GPU"),
    ],
)
def test_what_cannot_be_is_refused(name, precision, device, error, message, bundle):
    with pytest.raises(error, match=message):
        make_scorer(bundle, name, precision, device)


def test_a_model_without_a_graph_says_what_makes_one(bundle):
    with pytest.raises(
        InputError, match=r"must have model\.onnx for this backend.*oddframe export MODEL --to onnx"
    ):
        make_scorer(replace(bundle, graphs={}), "onnx")


def test_a_missing_backend_is_named_with_the_command_that_adds_it(bundle, has):
    has("onnx")
    with pytest.raises(MissingExtraError, match=r'OpenVINO .*pip install "oddframe\[openvino\]"'):
        make_scorer(bundle, "openvino")
