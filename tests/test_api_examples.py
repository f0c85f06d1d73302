"""The Python that our pages show runs as it stands there, on footage of our own."""

import doctest
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import oddframe
from oddframe.training import settings as config
from tests.support.stream_server import StreamServer
from tests.support.stream_server import video as served
from tests.support.tiny import tiny_settings, walk

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def code_blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def footage_as_shown(video, tmp_path, monkeypatch):
    """The folder and the recording that the examples name, and a tiny network for their preset."""
    video("normal/sunday.mp4", frames=60, draw=walk)
    video("monday.mp4", frames=20, draw=walk)
    monkeypatch.chdir(tmp_path)
    quick = tiny_settings(pretrain_steps=2, joint_steps=2)
    # It takes seconds.
    monkeypatch.setattr("oddframe.training.ending.make_graph", lambda bundle: (b"", ()))
    monkeypatch.setattr("oddframe.tasks.train.PRESETS", dict.fromkeys(config.PRESETS, quick))


@pytest.fixture
def camera(video):
    """The address of a camera, which sends nothing before somebody asks."""
    with StreamServer(served(video("live.ts", frames=30, draw=walk), holds=True)) as server:
        yield server.url()


@pytest.mark.parametrize(
    ("page", "code"), [(page.name, code) for page in PAGES for code in code_blocks(page)]
)
def test_what_a_page_shows(page, code, footage_as_shown, capsys, camera, tiny_run, tmp_path):
    """Either a line for each frame of monday.mp4, or one for the camera that is there."""
    # Seconds of the camera instead of hours.
    code = code.replace("rtsp://10.0.0.7/stream1", camera).replace("8 * 3600", "2")
    if "oddframe.train" not in code:
        (tmp_path / "runs").mkdir()
        (tmp_path / "runs/door").symlink_to(tiny_run)
    exec(compile(code, page, "exec"), {"frames": np.zeros((20, 48, 64, 3), np.uint8)})
    is_camera = "oddframe.watch" in code or "oddframe.record" in code
    assert len(capsys.readouterr().out.splitlines()) == (1 if is_camera else 20)


def test_the_readme_shows_some():
    assert code_blocks(ROOT / "README.md")


def test_what_the_package_shows(footage_as_shown, capsys):
    code = "".join(
        example.source for example in doctest.DocTestParser().get_examples(oddframe.__doc__)
    )
    assert "oddframe.train" in code
    # Where nothing is unusual nothing is printed: everything is.
    exec(compile(code.replace("> 0.5", "> 0.0"), "package", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 16
    assert re.fullmatch(r"0\.4 s: 0\.\d\d", lines[0])


def test_the_flat_interface(footage_as_shown, tmp_path):
    """What README describes in words: files from `score`, and errors that are also builtins."""
    report = oddframe.train(
        "normal/",
        "run",
        settings=replace(tiny_settings(pretrain_steps=1, joint_steps=1)),
        export=False,
    )
    assert isinstance(report, oddframe.TrainReport)
    # What a notebook shows of it.
    assert "<th>threshold</th>" in report.to_html()
    assert report.plot().png == (tmp_path / "run" / "curves.png").read_bytes()
    found = oddframe.score("monday.mp4", "run", "out", extras=oddframe.Extras(maps=True))
    assert isinstance(found, oddframe.ScoreReport)
    assert len(list((tmp_path / "out").iterdir())) == 5
    with pytest.raises(oddframe.OddframeError):
        oddframe.load("none")
    with pytest.raises(FileNotFoundError):
        oddframe.load("none")
    with pytest.raises(ValueError, match="must be a benchmark"):
        oddframe.evaluate("normal", "run")
