"""The base install as an edge box has it: the wheel in an empty environment, without torch."""

import csv
import json
import subprocess
import sys

import pytest

from oddframe.bundle.bundle import read_bundle
from oddframe.inference.loading import load
from tests.support.built import OWN_ENVIRONMENT, build_package, install, run
from tests.support.tiny import walk

MOST_BYTES = 300e6
UNWANTED = {
    "torch",
    "scipy",
    "sklearn",
    "matplotlib",
    "PIL",
    "pyarrow",
    "openvino",
    "onnx",
    "sqlalchemy",
    "pip",
}


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    """An environment with nothing but the wheel; needs a package index or pip's cache."""
    place = tmp_path_factory.mktemp("edge")
    run(sys.executable, "-m", "venv", "--without-pip", place / "env")
    python = place / "env" / "bin" / "python"
    install(python, build_package(place).wheel)
    return python


@pytest.mark.slow
def test_it_is_small_and_has_no_torch(edge, capsys):
    packages = next((edge.parents[1] / "lib").glob("python*/site-packages"))
    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file())
    with capsys.disabled():
        print(f"\nsite-packages of the base install: {size / 1e6:.0f} MB")
    assert size < MOST_BYTES
    assert {path.name for path in packages.iterdir()}.isdisjoint(UNWANTED)


@pytest.mark.slow
def test_it_scores_and_watches_a_video(edge, video, tmp_path):
    """With the model that comes with the package, as the trained network scores it."""
    path = video("door.mp4", frames=30, draw=walk, size=(360, 240))
    program = edge.parent / "oddframe"
    elsewhere = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    options = ("--model", "ped2", "--no-health", "--json")
    report = json.loads(
        run(program, "score", path, *options, "-o", tmp_path / "out", environment=elsewhere)
    )
    assert report["backend"] == "onnx float32"
    assert any("oddframe[pictures]" in notice for notice in report["notices"])
    with (tmp_path / "out" / "door.scores.csv").open() as file:
        ours = [float(row["raw"]) for row in csv.DictReader(file) if row["raw"]]
    scores = load("ped2", backend="torch").scores(path, health=False)
    assert ours == pytest.approx([one.raw for one in scores if one.raw is not None], rel=1e-3)
    run(
        program, "watch", path, "--model", "ped2", "-o", tmp_path / "watched", environment=elsewhere
    )
    for line in (tmp_path / "watched" / "door.events.jsonl").read_text().splitlines():
        assert json.loads(line)["source"] == "door"


@pytest.mark.slow
def test_it_measures_its_speed(edge):
    report = json.loads(
        run(edge.parent / "oddframe", "bench", "--model", "ped2", "--seconds", "0.5", "--json")
    )
    assert [(row["backend"], row["precision"]) for row in report["rows"]] == [("onnx", "float32")]
    for extra in ("train", "openvino"):
        assert any(f'pip install "oddframe[{extra}]"' in notice for notice in report["notices"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("train", "normal", "-o", "run"), "train"),
        (("demo",), "train"),
        (("bench",), "train"),
        (("eval", "normal", "--model", "ped2"), "eval"),
        (("export", "ped2", "--to", "onnx"), "train"),
        (("score", "a.mp4", "--model", "ped2", "-o", "out", "--backend", "torch"), "train"),
        (("score", "a.mp4", "--model", "ped2", "-o", "out", "--backend", "openvino"), "openvino"),
    ],
)
def test_what_it_lacks_is_named_with_the_command_that_adds_it(command, extra, edge, tmp_path):
    done = subprocess.run(
        [edge.parent / "oddframe", *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=OWN_ENVIRONMENT,
    )
    assert done.returncode == 2
    assert f'pip install "oddframe[{extra}]"' in " ".join(done.stderr.split())


def test_the_shipped_model_needs_no_torch():
    from oddframe.bundle.bundle import ONNX, SHIPPED

    for folder in SHIPPED.iterdir():
        if folder.is_dir():
            bundle = read_bundle(folder)
            assert ONNX in bundle.graphs
            assert bundle.parity["onnx float32"]["passed"]
