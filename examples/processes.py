"""Score with one model in several processes: python processes.py MODEL RECORDING...

A model is sent as its place, its hash and its threshold. Each process loads it once; if another
model lies at that place by then, that is an error.
"""

import multiprocessing
import sys
from functools import partial

import oddframe


def highest_of(model: oddframe.Model, path: str) -> float:
    """Score one recording; the model arrives with its threshold in memory."""
    return max((score.score or 0 for score in model.scores(path)), default=0)


if __name__ == "__main__":
    model_path, *recordings = sys.argv[1:]
    # One thread for each process, so that they do not compete for the cores.
    model = oddframe.load(model_path, threads=1).with_threshold("6/hour")
    # A fork would copy the threads of the network's library halfway through their work.
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        highest = pool.map(partial(highest_of, model), recordings)
    for path, score in zip(recordings, highest, strict=True):
        print(f"{path}: {score:.2f}")
