"""The examples in the docstrings of every public name, and on the page about Python, run."""

import asyncio
import doctest
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import oddframe
from oddframe.training import settings as config
from tests.conftest import write_video
from tests.support.stream_server import StreamServer
from tests.support.stream_server import video as served
from tests.support.tiny import tiny_settings, walk

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
SLOW = {
    *("ArchiveReport", "BenchReport", "ExportReport", "TrainReport", "bench", "export"),
    "score_archive",
}
"""Names whose examples start processes or measure speed: seconds each."""

CAMERAS = """
[[camera]]
name = "door"
source = "rtsp://10.0.0.7/stream"
model = "runs/door"
false_alarms = "2/day"
"""
ZONES = """
cool_down_s = 30

[[watch]]
polygon = [[0.1, 0.2], [0.9, 0.2], [0.9, 0.9]]
"""


@pytest.fixture(scope="module")
def place(tiny_run, tmp_path_factory):
    """A folder with all that the examples name."""
    folder = tmp_path_factory.mktemp("doctests")
    shutil.copytree(tiny_run, folder / "runs" / "door")
    write_video(folder / "monday.mp4", 20, draw=walk)
    for name in ("normal", "labelled"):
        (folder / name).mkdir()
    write_video(folder / "normal" / "sunday.mp4", 60, draw=walk)
    shutil.copy(folder / "monday.mp4", folder / "labelled")
    (folder / "labelled" / "labels.csv").write_text("video,start_s,end_s\nmonday.mp4,1,1.5\n")
    (folder / "cameras.toml").write_text(CAMERAS)
    (folder / "zones.toml").write_text(ZONES)
    return folder


@pytest.fixture(scope="module")
def address(place):
    """The address of a camera that shows the same seconds again and again."""
    with StreamServer(served(write_video(place / "live.ts", 40, draw=walk))) as server:
        yield server.url()


@pytest.fixture
def names(place, address, monkeypatch):
    """The names that examples may use beside their own, in the folder of `place`."""
    monkeypatch.chdir(place)
    quick = tiny_settings(pretrain_steps=2, joint_steps=2)
    # It takes seconds.
    monkeypatch.setattr("oddframe.training.ending.make_graph", lambda bundle: (b"", ()))
    monkeypatch.setattr("oddframe.tasks.train.PRESETS", dict.fromkeys(config.PRESETS, quick))
    return {
        "address": address,
        "asyncio": asyncio,
        "model": oddframe.load("runs/door", device="cpu"),
        "numpy": np,
        "oddframe": oddframe,
        "Path": Path,
    }


def examples_of(name):
    """The examples of a public name and, of a class, of its methods."""
    thing = getattr(oddframe, name)
    finder = doctest.DocTestFinder(recurse=isinstance(thing, type), exclude_empty=True)
    return [test for test in finder.find(thing, name) if test.examples]


def run(test, names):
    lines = []
    test.globs = dict(names)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.DocTestRunner(optionflags=flags).run(test, out=lines.append)
    assert result.failed == 0, "".join(lines)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in oddframe.__all__
        if name != "PRESETS"  # a table has no docstring of its own
    ],
)
def test_every_public_name_has_an_example_that_runs(name, names):
    tests = examples_of(name)
    assert tests, f"{name} has no example in its docstring"
    for test in tests:
        run(test, names)


def test_the_page_about_python(names):
    """One block after another, as one reads them."""
    blocks = re.findall(r"^```pycon\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    run(test, names)
