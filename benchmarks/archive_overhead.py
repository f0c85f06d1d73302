"""What an engine adds to scoring an archive: recordings so short that little else is left.

    python benchmarks/archive_overhead.py [--recordings 200] [--workers 2] [--engine local ray]

Draws recordings of 10 frames, scores them with an untrained network of the smallest size, and
prints recordings per second of each engine beside those of one process that writes the same files,
and the bytes of such a table.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal, TypeAlias

sys.path.insert(0, str(Path(__file__).parents[1]))

FRAMES = 10
"""Frames of a recording."""

Engine: TypeAlias = Literal["local", "ray"]


def main() -> None:
    """Measure every engine and print its speed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", nargs="+", choices=("local", "ray"), default=["local", "ray"])
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model, archive = _prepared(place, asked.recordings)
        alone = _alone(archive, model, place / "alone")
        print(
            f"one process, no engine: {asked.recordings / alone:.1f} recordings/s "
            f"({FRAMES} frames each)"
        )
        for engine in asked.engine:
            begin, seconds = _with(engine, archive, model, place / engine, asked.workers)
            after = (asked.recordings - 1) / (seconds - begin)
            print(
                f"--engine {engine} --workers {asked.workers}: "
                f"{asked.recordings / seconds:.1f} recordings/s in all; the first was done after "
                f"{begin:.1f} s, the others at {after:.1f} recordings/s"
            )
        files = list((place / "alone" / "scores").glob("*/*.parquet"))
        size = sum(file.stat().st_size for file in files) / len(files)
        print(f"Parquet of {FRAMES} rows: {size:.0f} bytes a file")


def _prepared(place: Path, recordings: int) -> tuple[Path, Path]:
    import shutil

    import torch
    from tests.support.archive_runs import film
    from tests.support.tiny import tiny_calibration, tiny_settings

    from oddframe.bundle.bundle import Bundle, write_bundle
    from oddframe.model.network import Network

    torch.manual_seed(0)
    network = Network(tiny_settings().network).trained()
    write_bundle(
        place / "model",
        Bundle(network=network, rate_fps=10.0, calibration=tiny_calibration(), card="untrained"),
    )
    (place / "archive").mkdir()
    film(place / "archive" / "00000.mp4", FRAMES)
    for number in range(1, recordings):
        shutil.copy(place / "archive" / "00000.mp4", place / "archive" / f"{number:05d}.mp4")
    return place / "model", place / "archive"


def _alone(archive: Path, model: Path, out: Path) -> float:
    from oddframe.batch.results import BatchResults
    from oddframe.batch.tasks import list_tasks
    from oddframe.batch.worker import Job, Worker
    from oddframe.inference.selection import InferenceOptions

    BatchResults(out).start("alone", {})
    options = InferenceOptions(backend="torch", precision="float32")
    worker = Worker(Job(key="alone", model=str(model), out=str(out), options=options))
    tasks = list_tasks(archive)
    worker.score(tasks[0])
    began = time.perf_counter()
    for task in tasks:
        assert worker.score(task).error is None
    return time.perf_counter() - began


def _with(
    engine: Engine, archive: Path, model: Path, out: Path, workers: int
) -> tuple[float, float]:
    from oddframe.batch.run import score_archive

    began = time.perf_counter()
    first: list[float] = []

    def note(phase: str, done: int, total: int, values: object) -> None:
        first.append(time.perf_counter() - began)

    report = score_archive(
        archive,
        model,
        out,
        engine=engine,
        workers=workers,
        backend="torch",
        precision="float32",
        on_progress=note,
    )
    assert not report.failed
    return first[0], time.perf_counter() - began


if __name__ == "__main__":
    main()
