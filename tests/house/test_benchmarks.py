"""Every benchmark still runs: its help, and the smallest measurement that it knows.

The figures are not looked at, since no test measures time.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from oddframe.bundle.bundle import SHIPPED
from tests.support.rtsp import require_rtsp
from tests.support.tiny import tiny_settings

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py"))
PED2 = os.environ.get("ODDFRAME_PED2")
needs_ped2 = pytest.mark.skipif(PED2 is None, reason="UCSD Ped2 is not here: set ODDFRAME_PED2")


@dataclass(frozen=True)
class Place:
    """What a benchmark may need: an empty folder, normal recordings, a tiny trained model."""

    folder: Path
    footage: Path
    run: Path

    def demo(self) -> Path:
        """A folder like one of `oddframe demo`, with one labelled recording."""
        demo = self.folder / "demo"
        shutil.copytree(self.run, demo / "run")
        shutil.copytree(self.footage, demo / "normal")
        (demo / "test").mkdir()
        (demo / "truth").mkdir()
        shutil.copy(self.footage / "a.mp4", demo / "test")
        labels = np.zeros(40, np.uint8)
        labels[20:30] = 1
        np.save(demo / "truth" / "a.npy", labels)
        return demo

    def faults(self) -> Path:
        """A file of measured faults: a stop and a stream."""
        rows = [
            {"stop": "idle", "signal": "SIGTERM", "took_s": 0.2},
            {"fault": "server restarts", "recovered_s": 1.0, "lost": 3, "reconnects": 1},
        ]
        path = self.folder / "faults.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return path

    def config(self) -> Path:
        """The settings of a tiny training."""
        path = self.folder / "tiny.json"
        path.write_text(json.dumps(tiny_settings().as_dict()))
        return path

    def frames(self) -> Path:
        """A folder that has its normal footage where UCSD Ped2 has it."""
        shutil.copytree(self.footage, self.folder / "ped2" / "training" / "frames")
        return self.folder / "ped2"

    def panel(self) -> Path:
        """Two cameras: one with labels, and one with what was recorded later."""
        labelled, later = self.folder / "panel" / "labelled", self.folder / "panel" / "later"
        for camera in (labelled, later):
            shutil.copytree(self.footage, camera / "training")
        (later / "later").mkdir()
        shutil.copy(self.footage / "a.mp4", later / "later")
        demo = self.demo()
        shutil.copytree(demo / "test", labelled / "testing")
        shutil.copytree(demo / "truth", labelled / "frame_labels")
        return self.folder / "panel"


SMALLEST: dict[str, Callable[[Place], list[object]]] = {
    "accuracy": lambda p: (
        ["ablations", "-o", p.folder, "--steps", 10, "--seeds", 0, "--only", "half the size"]
    ),
    "accuracy_pictures": lambda p: ["--model", "ped2", "-o", p.folder],
    "archive_overhead": lambda p: ["--recordings", 2, "--workers", 1, "--engine", "local"],
    "browser": lambda p: ["wall", "--cameras", 40, "--days", 1, "--loads", 1],
    "chain_cost": lambda p: ["--times", 1],
    "compare_versions": lambda p: (
        [ROOT, "--pairs", 1, "--seconds", 0.2, "--model", "ped2", "--backend", "onnx"]
    ),
    "drawn_scenes": lambda p: [
        "-o",
        p.folder / "out",
        "--layouts",
        "plaza",
        "--steps",
        20,
        "--width",
        96,
        "--height",
        64,
    ],
    "export_parity": lambda p: ["--demo", p.demo()],
    "false_alarms": lambda p: ["drawn", "--hours", 0.1, "--workers", 1],
    "false_alarm_intervals": lambda p: ["--cameras", 2, "--hours", 0.5],
    "fault_table": lambda p: [p.faults()],
    "gpu": lambda p: (
        ["table", "--device", "cpu", "--tiny", "--only", "batches", "-o", p.folder / "gpu.jsonl"]
    ),
    "graph_operators": lambda p: [SHIPPED / "ped2" / "model.onnx", "--times", 1],
    "health": lambda p: ["--seeds", 1],
    "motion_cues": lambda p: ["--times", 1],
    "panel": lambda p: (
        ["-o", p.folder / "out", "--panel", p.panel(), "--settings", p.config(), "--seeds", 0]
    ),
    "scene_difficulty": lambda p: ["--width", 48, "--height", 32],
    "cores": lambda p: ["--rounds", 1, "--steps", 2, "--workers", 2],
    "worker_memory": lambda p: ["--presets", "fast", "--clips", 1],
    "scoring_cores": lambda p: (
        [p.footage / "a.mp4", "--model", p.run, "--rounds", 1, "--backend", "torch"]
    ),
    "serve": lambda p: (
        ["--model", p.run, "--video", p.footage / "a.mp4", "--clients", 2, "--days", 1]
    ),
    "shared_work": lambda p: ["--presets", "fast"],
    "shipped_model": lambda p: [p.run, "-o", p.folder / "shipped", "--ped2", p.frames()],
    "soak": lambda p: (
        ["--model", p.run, "--minutes", 0.1, "--cameras", 1, "--out", p.folder / "soak"]
    ),
    "start_up": lambda p: ["--times", 1],
    "still_scenes": lambda p: ["--seconds", 2],
    "store": lambda p: ["--events", 4, "--days", 1],
    "synthetic_validation": lambda p: ["-o", p.folder],
    "training_end": lambda p: (
        [p.footage, "-o", p.folder / "run", "--steps", 8, "--config", p.config()]
    ),
    "watch_picture": lambda p: [p.folder / "watch.svg"],
}
"""The arguments of each benchmark's smallest measurement."""

NEEDS_PED2 = {"accuracy", "accuracy_pictures", "synthetic_validation"}


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a benchmark as people do, from the root of the repository."""
    command = [sys.executable, f"benchmarks/{script}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def marked(script: str) -> object:
    """A benchmark as a parameter, skipped by name where its data or its server is not here."""
    if script in ("browser", "soak"):
        return pytest.param(script, marks=pytest.mark.services)
    return pytest.param(script, marks=needs_ped2 if script in NEEDS_PED2 else ())


def test_every_benchmark_has_a_smallest_measurement():
    assert sorted(SMALLEST) == SCRIPTS


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_explains_itself(script):
    done = run(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python benchmarks/{script}.py" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("script", [marked(script) for script in SCRIPTS])
def test_a_benchmark_measures_something(script, tmp_path, footage, tiny_run):
    if script in ("browser", "soak"):
        require_rtsp()
    done = run(script, *SMALLEST[script](Place(tmp_path, footage, tiny_run)))
    # A machine that is busy breaks the limits of start_up, which then leaves with 1.
    allowed = (0, 1) if script == "start_up" else (0,)
    assert done.returncode in allowed, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.strip() or script == "watch_picture"
