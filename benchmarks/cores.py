"""Training steps a second with threads and with workers, alone and beside other programs.

    python benchmarks/cores.py [--rounds 3] [--steps 80] [--preset fast] [--workers N] [--old TREE]

Trains on drawn footage, in turns: "threads" is one process whose threads share every step, as all
trainings were in version 0.1.0 (of TREE, where one is given); "workers" is a process for each core.
Both are measured alone, beside a busy program at the same priority and at the low one that is the
default of `oddframe train`, and two at once. The busy program counts in a loop. Prints a row of
Markdown for each, with medians and the share of what "threads" does alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from oddframe.media.video_writer import VideoWriter
from oddframe.synthetic.scene import TRAIN_RECORDINGS, SceneSettings

ROOT = Path(__file__).parents[1]
FOOTAGE_FRAMES, RATE_FPS = 300, 10.0
SIZE = SceneSettings(width=384, height=256)
WARM_UP = 10
"""Steps that are not timed."""

# Trains for so many steps and prints how many of them there are in a second.
_TRAIN = """
import json, os, sys, time
from dataclasses import replace
given = json.loads(sys.argv[1])
os.nice(given["nice"])
from oddframe.tasks.train import train
from oddframe.training.settings import PRESETS
settings = PRESETS[given["preset"]]
steps, times = given["steps"] + given["warm_up"], []
settings = replace(
    settings,
    data=replace(settings.data, hold_out=0.0),
    training=replace(settings.training, pretrain_steps=2, joint_steps=steps, centre_codes=4000),
)
class Done(Exception): pass
def watch(phase, done, total, values):
    if phase == "joint":
        times.append(time.perf_counter())
        if done == total:
            raise Done
try:
    train(given["footage"], given["run"], settings=settings, device="cpu", on_progress=watch,
          checkpoint_s=1e9, **given["options"])
except Done:
    pass
times = times[given["warm_up"]:]
print((len(times) - 1) / (times[-1] - times[0]))
"""


class Way(NamedTuple):
    """A way to train.

    Attributes:
        name: What the table calls it.
        tree: The source tree whose package trains.
        workers: The setting; None where the tree has no such setting.
    """

    name: str
    tree: Path
    workers: int | None


class Condition(NamedTuple):
    """What else is going on.

    Attributes:
        name: What the table calls it.
        busy: Whether a program counts beside it.
        nice: Priority of the training.
        trainings: How many trainings run at once.
    """

    name: str
    busy: bool = False
    nice: int = 0
    trainings: int = 1


CONDITIONS = (
    Condition("alone"),
    Condition("beside a busy program", busy=True),
    Condition("beside a busy program, at low priority", busy=True, nice=10),
    Condition("two at once, each", trainings=2),
)


def main() -> None:
    """Measure all ways in turns, and print a row for each condition."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--old", type=Path, help="a source tree of version 0.1.0")
    args = parser.parse_args()
    old = Way("threads", args.old or ROOT, None if args.old else 1)
    ways = (old, Way("workers", ROOT, args.workers))
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        footage = Path(place) / "normal.mp4"
        draw(footage)
        for round_number in range(args.rounds):
            for condition in CONDITIONS:
                # Whoever comes second finds a warmer machine, so the order changes.
                for way in ways if round_number % 2 == 0 else reversed(ways):
                    speed = measure(way, condition, footage, args.preset, args.steps)
                    found.setdefault((condition.name, way.name), []).append(speed)
                    line = {"condition": condition.name, "way": way.name, "steps_per_s": speed}
                    print(json.dumps(line), file=sys.stderr, flush=True)
    print_table(found)


def draw(path: Path) -> None:
    """Draw footage of one camera."""
    recording = replace(TRAIN_RECORDINGS[0], frames=FOOTAGE_FRAMES)
    with VideoWriter(path, RATE_FPS, (SIZE.width, SIZE.height)) as video:
        for frame in recording.draw(SIZE):
            video.write(frame.pixels)


def measure(way: Way, condition: Condition, footage: Path, preset: str, steps: int) -> float:
    """Train in one way under one condition; returns the mean steps a second of the trainings."""
    options = {} if way.workers is None else {"workers": way.workers}
    # The source of the tree goes before the installed one.
    environment = {**os.environ, "PYTHONPATH": str(way.tree / "src")}
    with tempfile.TemporaryDirectory() as runs, busy(condition.busy):
        trainings = []
        for number in range(condition.trainings):
            given = {
                "footage": str(footage),
                "run": str(Path(runs) / str(number)),
                "nice": condition.nice,
                "preset": preset,
                "steps": steps,
                "warm_up": WARM_UP,
                "options": options,
            }
            trainings.append(
                subprocess.Popen(
                    [sys.executable, "-c", _TRAIN, json.dumps(given)],
                    env=environment,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        outputs = [training.communicate()[0] for training in trainings]
    return statistics.fmean(map(float, outputs))


@contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """Have a program count in a loop meanwhile, if that is wanted."""
    if not wanted:
        yield
        return
    counting = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        counting.kill()
        counting.wait()


def print_table(found: dict[tuple[str, str], list[float]]) -> None:
    """Print medians, and their share of what threads do alone, as Markdown."""
    alone = statistics.median(found[CONDITIONS[0].name, "threads"])
    print("| steps/s | threads | workers |\n|---|---|---|")
    for condition in CONDITIONS:
        cells: Sequence[str] = [
            f"{speed:.1f} ({speed / alone:.2f})"
            for speed in (
                statistics.median(found[condition.name, way]) for way in ("threads", "workers")
            )
        ]
        print(f"| {condition.name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
