"""Scoring of several recordings by the number of threads, alone and beside a busy program.

    python benchmarks/scoring_cores.py FOLDER [FOLDER ...] [--model ped2] [--rounds 3]
        [--backend onnx openvino torch] [--precision float32] [--old TREE]

Scores the recordings as `oddframe score` does, once with each setting in turns, and prints the
median of the wall-clock seconds, and of the processor seconds for each of them: "all" is without
`--threads`, so that the recordings go side by side where that is decided to be faster; "one by one"
is a call for each recording with all threads. The busy program counts in a loop, at the same
priority. TREE is another version's source tree, measured in the same turns.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

# Scores each group of recordings with a call of its own, in one process, as one command would.
_SCORE = """
import json, sys
import oddframe
given = json.loads(sys.argv[1])
options = given["options"]
model = oddframe.load(given["model"], **options) if len(given["groups"]) > 1 else given["model"]
for group in given["groups"]:
    oddframe.score(group, model, given["out"], health=False, fps=10, **options)
"""


class Way(NamedTuple):
    """A way to score the recordings.

    Attributes:
        name: What the table calls it.
        tree: The source tree whose package scores.
        threads: The setting; None for all.
        one_by_one: Whether each recording has a call of its own.
    """

    name: str
    tree: Path
    threads: int | None = None
    one_by_one: bool = False


def main() -> None:
    """Measure all ways in turns, and print a row for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--model", default="ped2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", nargs="+", default=["onnx", "openvino", "torch"])
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--old", type=Path, metavar="TREE")
    asked = parser.parse_args()
    ways = [
        Way("all", ROOT),
        Way("all, one by one", ROOT, one_by_one=True),
        Way("1 thread", ROOT, threads=1),
        *([] if asked.old is None else [Way("before", asked.old)]),
    ]
    print(f"{len(asked.recordings)} recordings, {len(os.sched_getaffinity(0))} processors")
    print(f"{'backend':10} {'':16} {'alone, s':>9} {'cpu':>5} {'busy, s':>9} {'cpu':>5}")
    for backend in asked.backend:
        took: dict[tuple[str, bool], list[tuple[float, float]]] = {}
        for _ in range(asked.rounds):
            for is_busy in (False, True):
                for way in ways:
                    with busy_program(is_busy):
                        seconds = score(way, asked, backend)
                    took.setdefault((way.name, is_busy), []).append(seconds)
                    where = "beside a busy program" if is_busy else "alone"
                    print(f"{backend}, {way.name}, {where}: {seconds[0]:.1f} s", file=sys.stderr)
        for way in ways:
            cells = [
                statistics.median(column)
                for is_busy in (False, True)
                for column in zip(*took[way.name, is_busy], strict=True)
            ]
            alone_s, alone_cpu, busy_s, busy_cpu = cells
            print(
                f"{backend:10} {way.name:16} {alone_s:9.1f} {alone_cpu / alone_s:5.2f} "
                f"{busy_s:9.1f} {busy_cpu / busy_s:5.2f}",
                flush=True,
            )


@contextmanager
def busy_program(wanted: bool) -> Iterator[None]:
    """Keep one core busy with a program that only counts, where that is wanted."""
    if not wanted:
        yield
        return
    # It ends with this program, however that ends.
    count = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"
    program = subprocess.Popen([sys.executable, "-c", count, str(os.getpid())])
    try:
        yield
    finally:
        program.kill()
        program.wait()


def score(way: Way, asked: argparse.Namespace, backend: str) -> tuple[float, float]:
    """Score all recordings in a process of its own.

    Returns:
        Wall-clock seconds, and processor seconds of the process and its workers.
    """
    paths = [str(path.absolute()) for path in asked.recordings]
    options: dict[str, object] = {"backend": backend, "precision": asked.precision}
    if way.threads is not None:
        options["threads"] = way.threads
    with tempfile.TemporaryDirectory() as out:
        given = {
            "groups": [[path] for path in paths] if way.one_by_one else [paths],
            "model": asked.model,
            "options": options,
            "out": out,
        }
        environment = {**os.environ, "PYTHONPATH": str(way.tree / "src")}
        # It would decide the number of threads in the place of the setting.
        environment.pop("OMP_NUM_THREADS", None)
        before, began = _children_s(), time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", _SCORE, json.dumps(given)], check=True, env=environment
        )
        return time.perf_counter() - began, _children_s() - before


def _children_s() -> float:
    """Processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
