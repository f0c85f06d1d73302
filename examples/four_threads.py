"""Score with one model in four threads: python four_threads.py MODEL RECORDING...

Threads share the network. Each gets the scores that it would get alone, to the last bit. The
network computes on all cores already, so threads help where decoding or waiting takes the time.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import oddframe

model_path, *recordings = sys.argv[1:]
model = oddframe.load(model_path)


def highest_of(path: str) -> float:
    """Score one recording."""
    return max((score.score or 0 for score in model.scores(path)), default=0)


with ThreadPoolExecutor(4) as threads:
    for path, highest in zip(recordings, threads.map(highest_of, recordings), strict=True):
        print(f"{path}: {highest:.2f}")
