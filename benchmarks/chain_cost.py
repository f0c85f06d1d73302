"""What a frame costs beside the network: from the decoded picture to the score and the map.

    python benchmarks/chain_cost.py [--times 15]
    python benchmarks/chain_cost.py --workers 2 [--seconds 4] [--rounds 3]

That is clips, batches and calibration. The shipped model's chain runs with a scorer that answers at
once, on noise in memory of 256 x 384; microseconds of the thread that scores, the median of some
passes over 400 frames.

With --workers the same chain runs in one process, in so many threads of it, and in so many
processes, in turns: frames a second of all of them together, the best round, and how many times one
that is. A loop that counts, in as many processes, says how many times one this machine can be at
all: two processors may be the two halves of one core.
"""

import argparse
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from oddframe._types import Pixels
from oddframe.bundle.bundle import find_bundle, read_bundle
from oddframe.core.records import Frame
from oddframe.inference.model import Model
from oddframe.inference.scorer import ClipScores, pad_batch
from oddframe.media.source import FrameFormat

FRAMES, BATCH = 400, 8


class AtOnce:
    """A scorer that answers at once, with the same scores for every clip."""

    batch_size = BATCH

    def score(self, clips: Pixels) -> ClipScores:
        """Return ones for every clip, and empty maps."""
        count, (height, width) = len(pad_batch(clips, BATCH)), clips.shape[2:4]
        ones = np.ones(count, np.float32)
        return ClipScores(ones, ones, ones, ones, np.zeros((count, height, width), np.float32))


class InMemory:
    """A source whose frames are noise in memory, so that nothing is decoded."""

    def __init__(self) -> None:
        self.name, self.path = "noise", Path("noise")
        self.rate_fps, self.gap_s = 10.0, 0.35
        self.notices: list[str] = []
        random = np.random.default_rng(0)
        self._pictures = [random.integers(0, 256, (256, 384, 1), dtype=np.uint8) for _ in range(64)]

    def count_frames(self) -> int:
        """Return the number of frames of a pass."""
        return FRAMES

    def fingerprint(self) -> str:
        """Return a text that never changes, as the noise does not."""
        return "noise"

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Yield the frames; a few pictures take turns."""
        for number in range(FRAMES):
            yield Frame(
                number,
                number / self.rate_fps,
                self._pictures[number % 64],
                (wanted.width, wanted.height),
            )


def new_model() -> Model:
    """The shipped model, with a scorer that answers at once."""
    return Model(replace(read_bundle(find_bundle("ped2")), health=None), AtOnce())


def score_for(model: Model, start: Any, seconds: float) -> float:
    """Score for some seconds from when all are ready; returns frames per second."""
    source = InMemory()
    for _ in model.scores(source, maps=True):
        pass
    return rate_of(lambda: sum(1 for _ in model.scores(source, maps=True)), start, seconds)


def count_for(start: Any, seconds: float) -> float:
    """Count for some seconds from when all are ready; returns steps per second."""

    def count() -> int:
        steps = 0
        for _ in range(100_000):
            steps += 1
        return steps

    return rate_of(count, start, seconds)


def rate_of(work: Callable[[], int], start: Any, seconds: float) -> float:
    """Do some work again and again from when all are ready; returns units per second."""
    start.wait()
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        done += work()
    return done / (time.perf_counter() - began)


def in_threads(workers: int, seconds: float) -> float:
    """Frames per second of some threads that share a model, as `oddframe score` has on a GPU."""
    model, start = new_model(), threading.Barrier(workers)
    with ThreadPoolExecutor(workers) as pool:
        tasks = [pool.submit(score_for, model, start, seconds) for _ in range(workers)]
        return sum(task.result() for task in tasks)


def in_processes(what: str, workers: int, seconds: float) -> float:
    """Units per second of some processes, each with a model of its own."""
    context = multiprocessing.get_context("spawn")
    start, rates = context.Barrier(workers), context.SimpleQueue()
    processes = [
        context.Process(target=work_alone, args=(what, start, seconds, rates))
        for _ in range(workers)
    ]
    for process in processes:
        process.start()
    found = sum(float(rates.get()) for _ in processes)
    for process in processes:
        process.join()
    return found


def work_alone(what: str, start: Any, seconds: float, rates: Any) -> None:
    """Work in a process of its own."""
    rates.put(
        score_for(new_model(), start, seconds) if what == "score" else count_for(start, seconds)
    )


def compare_workers(workers: int, seconds: float, rounds: int) -> None:
    """Print the rates of one worker and of several."""
    ways: dict[str, Callable[[], float]] = {
        "1 process": lambda: in_processes("score", 1, seconds),
        f"{workers} threads": lambda: in_threads(workers, seconds),
        f"{workers} processes": lambda: in_processes("score", workers, seconds),
        "1 that counts": lambda: in_processes("count", 1, seconds),
        f"{workers} that count": lambda: in_processes("count", workers, seconds),
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(rounds):
        for name, measure in ways.items():
            best[name] = max(best[name], measure())
    for name, rate in best.items():
        one = best["1 that counts" if "count" in name else "1 process"]
        unit = "" if "count" in name else f"{rate:8,.0f} frames/s, "
        print(f"{name:14} {unit}{rate / one:.2f} times one")


def main() -> None:
    """Time some passes and print the median, or compare workers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--workers", type=int, help="how many threads and processes to compare")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if args.workers is not None:
        compare_workers(args.workers, args.seconds, args.rounds)
        return
    model, source, took = new_model(), InMemory(), []
    for _ in range(args.times + 1):
        began = time.thread_time()
        for _ in model.scores(source, maps=True):
            pass
        took.append(1e6 * (time.thread_time() - began) / FRAMES)
    print(f"{median(took[1:]):.0f} microseconds a frame beside the network")


if __name__ == "__main__":
    main()
