"""Repeat a thing for a while and say how long it took."""

import math
import time
from collections.abc import Callable, Sequence
from statistics import median

__all__ = ["p95", "rate", "repeated"]


def repeated(work: Callable[[], object], seconds: float, least: int = 2) -> list[float]:
    """Seconds of each time that ``work`` was done: again and again until ``seconds`` have passed, ``least`` times."""
    took: list[float] = []
    began = now = time.perf_counter()
    while len(took) < least or now - began < seconds:
        work()
        before, now = now, time.perf_counter()
        took.append(now - before)
    return took


def rate(count: int, seconds: Sequence[float]) -> float:
    """How many per second where ``count`` of them take so long, by the median time."""
    return count / median(seconds)


def p95(values: Sequence[float]) -> float:
    """The 95th percentile, a value that is among them."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]
