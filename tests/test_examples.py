"""Every example runs as it stands in `examples/`, on footage of our own."""

import json
import re
import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oddframe.training import settings as config
from tests.conftest import write_video
from tests.support.shared import shared_folder
from tests.support.stream_server import StreamServer
from tests.support.stream_server import video as served
from tests.support.tiny import tiny_settings, walk

EXAMPLES = Path(__file__).parents[1] / "examples"


def intrude(number, width=64, height=48):
    """A white box jumps into the scene at frame 20."""
    picture = walk(number, width, height)
    if 20 <= number < 32:
        picture[10:30, number : number + 20] = 255
    return picture


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Two recordings, of which the second has nothing unusual in it, and a file that is none."""

    def make(place):
        write_video(place / "monday.mp4", 40, draw=intrude)
        write_video(place / "tuesday.mp4", 40, draw=walk)
        (place / "wednesday.mp4").write_bytes(b"cut off")

    return shared_folder(tmp_path_factory, "examples", make)


@pytest.fixture
def monday(folder):
    return folder / "monday.mp4"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run an example in this process and return the lines that it prints: run("a.py", ...)."""

    def run_example(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run_example


def needs(package):
    """Skip a test where a package is missing, and say which."""
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


def test_an_array_of_frames(run, tiny_run, monday):
    lines = run("array_of_frames.py", tiny_run, monday)
    assert lines[0] == "frames: (40, 48, 64, 3), uint8"
    assert len(lines) == 38
    assert re.search(r"is (2\d|3[01]);", lines[-1])


def test_a_generator_of_frames(run, tiny_run, monday):
    assert len(run("generator_of_frames.py", tiny_run, monday)) == 36


@needs("cv2")
def test_a_loop_with_opencv(run, tiny_run, monday):
    first, last = run("opencv_loop.py", tiny_run, monday)
    assert float(first.split()[-1]) > 0.4
    assert last == "36 frames have a score"


def test_frames_pushed_from_a_loop(run, tiny_run, monday):
    assert run("push_from_a_loop.py", tiny_run, monday)[-1] == "40 frames were pushed"


def test_events_in_memory(run, tiny_run, monday):
    assert run("events_in_memory.py", tiny_run, monday)[-1].endswith("event(s)")


def test_a_heat_map(run, tiny_run, monday, tmp_path):
    lines = run("heat_map.py", tiny_run, monday, tmp_path / "heat.png")
    assert "map (32, 32)" in lines[0]
    with Image.open(tmp_path / "heat.png") as picture:
        assert picture.size == (64, 48)


def test_a_custom_sink(run, tiny_run, monday):
    lines = run("custom_sink.py", tiny_run, monday)
    assert lines[-1] == "40 frames were watched"
    # The same alerts both times.
    told = lines[:-1]
    assert told[: len(told) // 2] == told[len(told) // 2 :]


def test_a_budget_in_memory(run, tiny_run, monday):
    lines = run("budget_in_memory.py", tiny_run, monday)
    assert [line.split(":")[0].strip() for line in lines[1:5]] == [
        "60/hour", "6/hour", "1/day", "1/month",
    ]  # fmt: skip
    assert lines[5] == "True"
    assert "with_threshold" in lines[6]


def test_many_files(run, tiny_run, folder):
    lines = run("many_files.py", tiny_run, folder)
    assert [line.split(":")[0] for line in lines[:2]] == ["monday.mp4", "tuesday.mp4"]
    assert "wednesday.mp4 must be a recording" in lines[2]
    assert lines[3] == "2 recording(s)"


@needs("pandas")
def test_a_table_of_pandas(run, tiny_run, monday):
    assert any("appearance" in line for line in run("pandas_table.py", tiny_run, monday))


def test_asyncio(run, tiny_run, folder):
    paths = [folder / "monday.mp4", folder / "tuesday.mp4"]
    threads = run("four_threads.py", tiny_run, *paths)
    assert run("async_scores.py", tiny_run, *paths) == threads
    assert len(threads) == 2


def test_a_camera_s_address(run, tiny_run, tmp_path):
    recording = write_video(tmp_path / "a.ts", 40, draw=walk)
    with StreamServer(served(recording)) as server:
        (line,) = run("camera_address.py", tiny_run, server.url(), 2)
    assert re.fullmatch(r"\d+ frames of the camera have a score", line)


def test_a_method_of_one_s_own(run):
    assert run("evaluate_own_method.py")[0].startswith("AUC over all frames: 0.")


@needs("fastapi")
def test_two_uploads_at_once(tiny_run, monday, monkeypatch):
    from starlette.testclient import TestClient

    monkeypatch.setenv("ODDFRAME_MODEL", str(tiny_run))
    app = runpy.run_path(str(EXAMPLES / "upload_with_fastapi.py"))["app"]
    with TestClient(app) as client, ThreadPoolExecutor(2) as threads:

        def upload(content):
            return client.post("/events", content=content)

        answers = list(threads.map(upload, [monday.read_bytes()] * 2))
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        wrong = upload(b"no video")
        assert wrong.status_code == 422
        assert "the recording in memory must be a recording" in wrong.json()["detail"]


@needs("nbclient")
@needs("ipykernel")
def test_the_notebook(tiny_run, monday, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("ODDFRAME_MODEL", str(tiny_run))
    monkeypatch.setenv("ODDFRAME_RECORDING", str(monday))
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600).execute()
    shown = [output["data"] for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("text/html" in data for data in shown)
    assert any("image/png" in data for data in shown)


def test_the_code_of_the_notebook(tiny_run, monday, monkeypatch):
    """Where there is no Jupyter: its cells run one after another."""
    monkeypatch.setenv("ODDFRAME_MODEL", str(tiny_run))
    monkeypatch.setenv("ODDFRAME_RECORDING", str(monday))
    names = {}
    for cell in json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert len(names["scores"]) == 40
    assert np.nanmax(names["scores"].to_numpy()["score"]) > 0.4


@pytest.mark.slow
def test_processes(tiny_run, folder):
    paths = [folder / "monday.mp4", folder / "tuesday.mp4"]
    command = [sys.executable, EXAMPLES / "processes.py", tiny_run, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.rpartition(":")[0] for line in done.stdout.splitlines()] == [*map(str, paths)]


@pytest.mark.services
@needs("ray")
def test_ray(tiny_run, folder):
    paths = [folder / "monday.mp4", folder / "tuesday.mp4"]
    command = [sys.executable, EXAMPLES / "ray_workers.py", tiny_run, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.rpartition(":")[0] for line in done.stdout.splitlines()] == [*map(str, paths)]


def test_a_training_from_frames(run, video, tmp_path, monkeypatch):
    normal = video("normal.mp4", frames=60, draw=walk)
    quick = tiny_settings(pretrain_steps=2, joint_steps=2)
    # It takes seconds.
    monkeypatch.setattr("oddframe.training.ending.make_graph", lambda bundle: (b"", ()))
    monkeypatch.setattr("oddframe.tasks.train.PRESETS", dict.fromkeys(config.PRESETS, quick))
    lines = run("train_from_frames.py", normal, tmp_path / "run")
    assert lines[0].startswith(str(tmp_path / "run" / "bundle"))
    assert lines[-1].startswith("highest score of the footage itself: 0.")


def test_every_example_is_listed_and_run_here():
    others = {"README.md", "__pycache__", "frigate.toml"}  # the last: tests/sinks/test_frigate.py
    names = {path.name for path in EXAMPLES.iterdir()} - others
    page, tests = (EXAMPLES / "README.md").read_text(), Path(__file__).read_text()
    assert set(re.findall(r"^\| \[(\S+)\]", page, re.MULTILINE)) == names
    assert [name for name in sorted(names) if f'"{name}"' not in tests] == []
