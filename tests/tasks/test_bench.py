"""The verb `oddframe bench`."""

import json
from dataclasses import replace

import pytest

from oddframe.bundle.bundle import ONNX, read_bundle, write_bundle
from oddframe.cli.bench import bench as command
from oddframe.errors import InputError, MissingExtraError, SettingsError, SourceNotFoundError
from oddframe.speed.fixtures import draw_recording
from oddframe.speed.plan import Bounds, SpeedRow, TrainingRow, cameras
from oddframe.tasks import bench as benching
from oddframe.tasks.bench import BenchReport, bench
from tests.support.tiny import tiny_settings

ROW = SpeedRow(
    preset="fast",
    backend="openvino",
    precision="int8",
    device="cpu",
    batch_size=8,
    compiled=False,
    fps_end_to_end=105.25,
    fps_inference=131.5,
    ms_median=7.6,
    ms_p95=9.1,
    latency_ms_median=11.25,
    latency_ms_p95=14.5,
    rss_mb=312.4,
    gpu_mb=None,
    ready_s=1.5,
    cameras=cameras(105.25),
    share_of_bound=0.8004,
)
REPORT = BenchReport(
    machine={"processor": "EPYC", "cores": 2, "gpu": None, "versions": {"oddframe": "0"}},
    rows=(ROW,),
    bounds=(
        Bounds(preset="fast", fps_decode=2_900.0, fps_decode_convert=1_710.0, gflop_per_frame=7.0),
    ),
    training=(
        TrainingRow(
            preset="fast",
            device="cpu",
            precision="bfloat16",
            batch_size=8,
            size=(128, 192),
            clips_per_s=12.34,
            rss_mb=800.0,
            gpu_mb=None,
        ),
    ),
    notices=("torch is left out",),
    seconds=61.0,
)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(
        benching, "draw_recording", lambda path: draw_recording(path, drawn=3, frames=40)
    )


def test_a_model_is_measured_with_what_it_has(exported_run):
    told = []
    report = bench(
        exported_run,
        backend="onnx",
        seconds=0.1,
        training=True,
        on_progress=lambda *one: told.append(one[:3]),
    )
    (row,), (bounds,) = report.rows, report.bounds
    assert (row.preset, row.backend, row.precision) == ("run", "onnx", "float32")
    assert row.share_of_bound == row.fps_end_to_end / min(
        bounds.fps_decode_convert, row.fps_inference
    )
    assert row.tflop_s == row.fps_inference * bounds.gflop_per_frame / 1e3
    assert report.machine["cores"] >= 1
    assert report.machine["versions"]["onnxruntime"]
    # A model was trained by somebody; what a preset's training takes is no answer to it.
    assert report.training == ()
    assert told[0] == ("bench", 0, 2)
    assert told[-1] == ("bench", 2, 2)


@pytest.mark.slow
def test_presets_are_made_and_measured_in_all_that_is_installed():
    report = bench(presets={"tiny": tiny_settings()}, seconds=0.1, training=True)
    found = {(row.preset, row.backend, row.precision) for row in report.rows}
    wanted = {
        ("torch", "float32"),
        ("onnx", "float32"),
        ("openvino", "float32"),
        ("openvino", "int8"),
    }
    assert found >= {("tiny", *one) for one in wanted}
    assert report.training[0].preset == "tiny"
    assert not [text for text in report.notices if "left out" in text]
    memory = {(row.backend, row.precision): row.rss_mb for row in report.rows}
    assert memory["onnx", "float32"] < memory["torch", "float32"]


def test_what_fails_is_left_out_and_named(exported_run, tmp_path, monkeypatch):
    monkeypatch.setattr(benching, "installed", lambda name: name != "torch")
    whole = read_bundle(exported_run / "bundle")
    write_bundle(tmp_path / "broken", replace(whole, graphs={ONNX: b"nonsense"}))
    report = bench(tmp_path / "broken", backend="onnx", seconds=0.1)
    assert report.rows == ()
    assert [one.gflop_per_frame for one in report.bounds] == [None]
    assert any(
        text.startswith("broken onnx float32, batches of 8 is left out: ")
        for text in report.notices
    )


def test_after_the_time_is_up_no_other_row_begins(exported_run, monkeypatch):
    monkeypatch.setattr(benching, "MOST_S", -1.0)
    report = bench(exported_run, backend="onnx", seconds=0.1)
    assert report.rows == report.bounds == ()
    assert "no time left for decoding for run, run onnx float32, batches of 8" in report.notices[-1]


@pytest.mark.parametrize("rows", [10, 24, 40])
def test_rows_on_a_gpu_share_less_than_five_minutes(rows):
    planned = rows * (benching.row_seconds(rows) + benching.GPU_START_S)
    assert planned == pytest.approx(benching.GPU_MOST_S)
    assert benching.GPU_MOST_S + benching.SECONDS < 300


def test_on_a_gpu_rows_are_cut_short_and_end_in_time(monkeypatch, exported_run):
    """The processor stands in for the GPU."""
    asked = []

    def measure(function, *arguments):
        if function.__name__ == "_torch_ability":
            return "cpu", ("float32",), "a GPU"
        asked.append(arguments[-1])
        raise InputError("not measured here")

    monkeypatch.setattr(benching, "run_in_process", measure)
    report = bench(exported_run, seconds=1e6, backend="torch")
    # One row to know the bounds, and batches of 1 and 64.
    assert asked[1:] == [benching.row_seconds(3)] * 2
    assert f"each row is measured for {benching.row_seconds(3):.1f} s" in " ".join(report.notices)
    monkeypatch.setattr(benching, "GPU_MOST_S", -1.0)
    assert "there was no time left for" in bench(exported_run, backend="torch").notices[-1]


def test_a_busy_machine_and_held_threads_are_said(monkeypatch, exported_run):
    monkeypatch.setattr("os.getloadavg", lambda: (999.0, 0.0, 0.0))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(benching, "MOST_S", -1.0)
    busy, held, _ = bench(exported_run, backend="onnx").notices
    assert "load 999.0" in busy
    assert "OMP_NUM_THREADS is 3" in held


def test_what_cannot_be_measured_is_refused(exported_run, tiny_run, monkeypatch, tmp_path):
    for seconds in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SettingsError, match="seconds must be above 0"):
            bench(exported_run, seconds=seconds)
    with pytest.raises(SourceNotFoundError):
        bench(tmp_path, backend="onnx")
    with pytest.raises(SettingsError, match="device must be auto or cpu"):
        bench(exported_run, backend="onnx", device="cuda:7")
    with pytest.raises(InputError, match="oddframe export MODEL --to onnx adds it"):
        bench(tiny_run, backend="onnx")
    monkeypatch.setattr(benching, "installed", lambda name: name != "torch")
    with pytest.raises(MissingExtraError, match=r"oddframe\[train\]"):
        bench()


def test_the_command_prints_one_object_with_the_promised_keys(monkeypatch, capsys):
    monkeypatch.setattr(benching, "bench", lambda *_, **__: REPORT)
    command(as_json=True)
    found = json.loads(capsys.readouterr().out)
    promised = {
        "preset",
        "backend",
        "precision",
        "fps_end_to_end",
        "fps_inference",
        "ms_median",
        "ms_p95",
        "rss_mb",
    }
    assert {"machine", "rows"} <= found.keys()
    assert promised <= found["rows"][0].keys()
    assert found["rows"][0]["cameras"] == {"10": 10, "15": 7, "25": 4}


def test_the_command_shows_the_table(monkeypatch, capsys):
    from rich.console import Console

    from oddframe.cli import output as terminal

    asked = {}
    monkeypatch.setattr(
        benching, "bench", lambda model, **more: asked.update(more, model=model) or REPORT
    )
    monkeypatch.setattr(terminal, "console", Console(width=140))
    command(model="door", seconds=3.0, batch_size=[1, 64], compiled=True)
    assert asked["model"] == "door"
    assert asked["seconds"] == 3.0
    assert asked["batch_sizes"] == [1, 64]
    assert asked["compiled"] is True
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith("fast openvino int8"))
    figures = row.removeprefix("fast openvino int8").split()
    assert figures == [
        "8",
        "105.2",
        "80%",
        "131.5",
        "7.6",
        "9.1",
        "11.2",
        "14.5",
        "312",
        "10",
        "/",
        "7",
        "/",
        "4",
    ]
    for text in ("2900", "1710", "EPYC", "192 x 128", "12.3"):
        assert text in out
