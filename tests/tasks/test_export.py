"""Graphs that are added to a bundle, and the gate before it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest

from oddframe.bundle.bundle import INT8, ONNX, read_bundle
from oddframe.errors import InputError, MissingExtraError, ParityError, SettingsError
from oddframe.inference import onnx_export as int8_graph
from oddframe.inference import onnx_export as onnx_graph
from oddframe.inference.export_gate import LabelledComparison
from oddframe.inference.loading import load
from oddframe.tasks import export as exporting
from oddframe.tasks.export import export
from tests.support.tiny import bytes_of, left_over, walk


@pytest.fixture
def run(exported_run, tmp_path):
    return shutil.copytree(exported_run, tmp_path / "run")


def test_the_graph_is_in_the_bundle_with_its_parity(exported_run, tiny_run):
    bundle = read_bundle(exported_run / "bundle")
    assert ONNX in bundle.graphs
    assert left_over(exported_run) == []
    entry = bundle.parity["onnx float32"]
    assert entry["passed"]
    assert entry["events_same"]
    assert 0 < entry["raw_error"] < 1e-3
    assert entry["footage"] == "normal footage of the training, with drawn intruders"
    assert entry["clips"] > 100
    # The network is the same; what was scored with its graph is so up to rounding.
    before = bytes_of(tiny_run / "bundle")
    for name in ("manifest.json", "README.md", "calibration.json", "normal.safetensors"):
        del before[name]
    assert before.items() <= bytes_of(exported_run / "bundle").items()
    threshold = read_bundle(tiny_run / "bundle").calibration.threshold
    assert bundle.calibration.threshold == pytest.approx(threshold, rel=1e-3)


def test_a_model_scores_the_same_with_its_graph(exported_run, video):
    path = video(frames=12, draw=walk)
    ours = [one.raw for one in load(exported_run, backend="onnx").scores(path)]
    theirs = [one.raw for one in load(exported_run, backend="torch").scores(path)]
    assert ours[:4] == [None] * 4
    assert ours[4:] == pytest.approx(theirs[4:], rel=1e-3)


def test_openvino_reads_the_graph_that_is_there(run):
    before = bytes_of(run / "bundle", [ONNX])
    report = export(run, "openvino")
    assert report.files == {}
    assert bytes_of(run / "bundle", [ONNX]) == before
    parity = read_bundle(run / "bundle").parity
    assert parity["openvino float32"]["passed"]
    assert "onnx float32" in parity
    for name, entry in parity.items():
        assert entry["passed"] or any(name in notice for notice in report.notices)


def test_a_graph_of_another_network_is_refused_and_nothing_changes(run, monkeypatch):
    proto = onnx.load(run / "bundle" / ONNX)
    for stored in proto.graph.initializer:
        if stored.data_type == onnx.TensorProto.FLOAT and "weight" in stored.name:
            stored.CopyFrom(
                onnx.numpy_helper.from_array(
                    onnx.numpy_helper.to_array(stored) * np.float32(1.1), stored.name
                )
            )
    monkeypatch.setattr(onnx_graph, "onnx_graph", lambda trained: proto.SerializeToString())
    before = bytes_of(run)
    with pytest.raises(
        ParityError, match=r"relative error of raw scores .* at most 0\.001.*left as it was"
    ):
        export(run, "onnx")
    assert bytes_of(run) == before


@pytest.mark.slow
def test_whole_numbers_pass_the_gate_or_stay_out(run, monkeypatch):
    before = bytes_of(run)
    # So small and so little trained a network does not survive it.
    with pytest.raises(ParityError, match="openvino int8 must say what the trained network says"):
        export(run, "openvino", int8=True)
    assert bytes_of(run) == before
    same = LabelledComparison("a set", {"raw": 0.9}, {"raw": 0.899})
    monkeypatch.setattr(exporting, "compare_labelled", lambda *_: same)
    report = export(run, "openvino", int8=True, labelled="a set")
    assert set(report.files) == set(INT8)
    assert report.parity["openvino int8"]["auc"] == {
        "dataset": "a set",
        "trained": {"raw": 0.9},
        "exported": {"raw": 0.899},
    }
    scorer = load(run, backend="openvino", precision="int8").scorer
    assert scorer.score(np.zeros((1, 5, 32, 32, 1), np.uint8)).raw.shape == (1,)
    monkeypatch.setattr(
        exporting,
        "compare_labelled",
        lambda *_: LabelledComparison("a set", {"raw": 0.9}, {"raw": 0.8969}),
    )
    with pytest.raises(
        ParityError, match=r"raw AUC on a set 0\.8969, 0\.9000 before; at most 0\.003 less"
    ):
        export(run, "openvino", int8=True, labelled="a set")


@pytest.mark.parametrize(("failing", "taken"), [(None, b"extremes"), ("extremes", b"histogram")])
def test_the_first_way_of_finding_ranges_that_passes_is_taken(failing, taken, run, monkeypatch):
    tried = []

    def graph(_onnx, _clips, ranges):
        tried.append(ranges)
        return dict.fromkeys(INT8, ranges.encode())

    def gate(made, backend, _footage, _comparison):
        if tried[-1] == failing:
            raise ParityError(f"{failing} will not do")
        return replace(made, parity={**made.parity, str(backend): {"passed": True}})

    monkeypatch.setattr(int8_graph, "int8_graph", graph)
    monkeypatch.setattr(exporting, "check_parity", gate)
    export(run, "openvino", int8=True)
    assert bytes_of(run / "bundle", INT8) == dict.fromkeys(INT8, taken)


def test_given_footage_takes_the_place_of_what_the_training_left(run, footage, monkeypatch):
    shutil.rmtree(run / "cache")
    with pytest.raises(InputError, match=r"int8 needs normal footage of the camera.*--normal"):
        export(run, "openvino", int8=True)
    with pytest.raises(InputError, match="--clips must come with normal footage"):
        export(run, "openvino", clips=footage)
    assert export(run, "openvino").parity["openvino float32"]["footage"] == "drawn clips"
    report = export(run, "openvino", normal=footage, clips=footage / "a.mp4")
    assert report.parity["openvino float32"]["footage"] == (
        "given normal footage, with drawn intruders and given odd footage"
    )


def test_what_cannot_be_exported_is_refused(run, monkeypatch):
    with pytest.raises(SettingsError, match="int8 must be exported to openvino"):
        export(run, "onnx", int8=True)
    monkeypatch.setattr(exporting, "installed", lambda name: name == "torch")
    with pytest.raises(MissingExtraError, match=r"oddframe\[openvino\]"):
        export(run, "openvino")
    monkeypatch.setattr(exporting, "installed", lambda name: False)
    with pytest.raises(MissingExtraError, match=r"oddframe\[train\]"):
        export(run, "onnx")


def test_the_command(run, oddframe_command):
    left = oddframe_command("export", run, "--to", "openvino", "--json")
    assert left.code == 0, left
    assert left.json["parity"]["openvino float32"]["passed"]
    told = oddframe_command("doctor", "--model", run, "--json")
    assert told.json["parity"] == json.loads((run / "bundle" / "parity.json").read_text())
    assert "onnx float32" in told.json["bundle"]["runs_with"]
    refused = oddframe_command("export", run, "--to", "onnx", "--int8")
    assert refused.code == 2
    assert "use --to openvino --int8" in refused.error


@pytest.mark.slow
def test_a_training_ends_with_a_graph(footage, tiny_config, oddframe_command, tmp_path):
    left = oddframe_command(
        "train", footage, "-o", tmp_path / "run", "-c", tiny_config, "--json", graph=True
    )
    assert left.code == 0, left
    bundle = read_bundle(tmp_path / "run" / "bundle")
    assert bundle.parity["onnx float32"]["passed"]
    assert ONNX in bundle.graphs
