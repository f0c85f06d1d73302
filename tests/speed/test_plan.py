from dataclasses import replace
from pathlib import Path

import pytest

from oddframe.bundle.bundle import INT8, ONNX, read_bundle
from oddframe.errors import SettingsError
from oddframe.inference import openvino_backend as openvino_scorer
from oddframe.speed import plan as planning
from oddframe.speed.plan import Setup, cameras, plan_rows

FOLDER = Path("bundle")


@pytest.fixture
def bundle(tiny_run, monkeypatch):
    monkeypatch.setattr(openvino_scorer, "openvino_precisions", lambda: ("bfloat16",))
    return replace(
        read_bundle(tiny_run / "bundle"), graphs=dict.fromkeys((ONNX, *INT8), b""), parity={}
    )


def ways(plan):
    return [(one.backend, one.precision, one.batch_size, one.compiled) for one in plan.setups]


def test_all_that_is_installed_is_measured_in_all_that_it_computes_in(bundle):
    plan = plan_rows("door", FOLDER, bundle, torch_precisions=("float32", "bfloat16"))
    assert ways(plan) == [
        ("torch", "float32", 8, False),
        ("torch", "bfloat16", 8, False),
        ("onnx", "float32", 8, False),
        ("openvino", "float32", 8, False),
        ("openvino", "bfloat16", 8, False),
        ("openvino", "int8", 8, False),
    ]
    assert plan.notices == ()


def test_a_missing_backend_is_left_out_with_its_extra(bundle, monkeypatch):
    monkeypatch.setattr(planning, "installed", lambda name: name == "onnx")
    plan = plan_rows("door", FOLDER, bundle)
    assert [one.backend for one in plan.setups] == ["onnx"]
    torch, openvino = plan.notices
    assert torch.startswith("torch is left out")
    assert 'pip install "oddframe[train]"' in torch
    assert openvino.startswith("openvino is left out")
    assert 'pip install "oddframe[openvino]"' in openvino


def test_a_graph_that_is_not_there_is_left_out_with_the_command_that_adds_it(bundle):
    plan = plan_rows("door", FOLDER, replace(bundle, graphs={ONNX: b""}), backends=("openvino",))
    assert [one.precision for one in plan.setups] == ["float32", "bfloat16"]
    assert plan.notices == (
        "door openvino int8 is left out: the model has no graph for it; "
        "oddframe export MODEL --to openvino --int8 adds it",
    )
    plan = plan_rows(
        "door", FOLDER, replace(bundle, graphs={}), backends=("onnx",), lacking="nobody made it"
    )
    assert plan.setups == ()
    assert plan.notices == ("door onnx float32 is left out: nobody made it",)


def test_what_did_not_pass_the_gate_is_left_out(bundle):
    refused = replace(bundle, parity={"openvino bfloat16": {"passed": False}})
    plan = plan_rows("door", FOLDER, refused, backends=("openvino",))
    assert [one.precision for one in plan.setups] == ["float32", "int8"]
    assert "parity gate" in plan.notices[0]
    passed = replace(bundle, parity={"openvino bfloat16": {"passed": True}})
    assert len(plan_rows("door", FOLDER, passed, backends=("openvino",)).setups) == 3


def test_a_gpu_is_torchs_alone_with_a_row_for_each_batch_and_for_compiling(bundle):
    plan = plan_rows(
        "door",
        FOLDER,
        bundle,
        device="cuda",
        torch_precisions=("tf32", "float16"),
        batch_sizes=(1, 64),
        compiled=True,
    )
    assert ways(plan) == [
        ("torch", precision, size, compiled)
        for compiled in (False, True)
        for precision in ("tf32", "float16")
        for size in (1, 64)
    ]
    assert {one.device for one in plan.setups} == {"cuda"}
    assert [text.split(" ")[0] for text in plan.notices] == ["onnx", "openvino"]


@pytest.mark.parametrize(
    "changes",
    [{"batch_size": 0}, {"compiled": True}, {"device": "cuda"}, {"precision": "tf32"}],
    ids=str,
)
def test_a_setup_that_nothing_can_run_is_refused(changes):
    with pytest.raises(SettingsError):
        Setup(preset="door", bundle=FOLDER, backend="onnx", **changes)


def test_cameras_are_counted_whole():
    assert cameras(49.9) == {"10": 4, "15": 3, "25": 1}
    assert cameras(9.9) == {"10": 0, "15": 0, "25": 0}
