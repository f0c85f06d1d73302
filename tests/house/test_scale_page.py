"""The examples of docs/scale.md that need nothing but this machine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.archive_runs import film

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()


def block(language, holding):
    """The one code block of a language with a text in it."""
    (found,) = [
        text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if holding in text
    ]
    return found


@pytest.mark.slow
def test_make_scores_a_recording_a_task_and_goes_on(tiny_run, tmp_path):
    shutil.copytree(tiny_run / "bundle", tmp_path / "runs" / "door" / "bundle")
    (tmp_path / "archive").mkdir()
    for name in ("monday", "tuesday"):
        film(tmp_path / "archive" / f"{name}.mp4", 30)
    (tmp_path / "archive" / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "Makefile").write_text(block("make", "archive/%.mp4"))
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def make():
        command = ["make", "-j2", "-k", "FLAGS=--backend torch --precision float32"]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    first = make()
    assert first.returncode == 2
    assert "broken.mp4 must be a recording" in first.stderr
    assert "Error 2" in first.stderr + first.stdout
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert {"monday.scores.csv", "tuesday.scores.csv"} <= set(written)
    assert not any(name.startswith("broken") for name in written)
    (tmp_path / "archive" / "broken.mp4").unlink()
    assert make().returncode == 0
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == written


def test_the_arithmetic_follows_from_its_figures():
    """The table of what 10,000 cameras need: each figure follows from those above it."""
    figures = dict(re.findall(r"^\| `(\w+)` \| ([\d.,]+) \|", PAGE, re.MULTILINE))
    assert set(figures) == {"cameras", "days", "rate", "core", "gpu", "bytes", "mbit"}
    value = {name: float(text.replace(",", "")) for name, text in figures.items()}
    frames = value["cameras"] * value["days"] * 86_400 * value["rate"]
    needed = {
        "frames": frames,
        "core_hours": frames / value["core"] / 3600,
        "gpu_hours": frames / value["gpu"] / 3600,
        "cores_live": value["cameras"] * value["rate"] / value["core"],
        "gpus_live": value["cameras"] * value["rate"] / value["gpu"],
        "scores_tb": frames * value["bytes"] / 1e12,
        "video_tb": value["cameras"] * value["days"] * 86_400 * value["mbit"] / 8 / 1e6,
    }
    told = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\d.,]+) \|", PAGE, re.MULTILINE))
    assert set(told) == set(needed)
    for name, amount in needed.items():
        assert float(told[name].replace(",", "")) == pytest.approx(amount, rel=0.02), name
