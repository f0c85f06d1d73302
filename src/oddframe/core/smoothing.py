"""The mean of a frame's score and its neighbours': what flickers for a single clip does not count as much."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from oddframe.core.records import Score


@dataclass(frozen=True, slots=True)
class SmoothingWindow:
    """Whose scores a frame's score is the mean of, in frames that a model sees.

    Attributes:
        before: Frames before it.
        after: Frames after it.
        power: What raw scores are a mean to the power of; the mean over time is taken before it.
    """

    before: int = 0
    after: int = 0
    power: float = 1.0

    @property
    def none(self) -> bool:
        """Whether a frame has its own score."""
        return not (self.before or self.after)

    def mean(self, values: Sequence[float], place: int) -> float:
        """The mean around a place of an unbroken run."""
        near = values[max(0, place - self.before) : place + self.after + 1]
        mean = math.fsum(value ** (1.0 / self.power) for value in near) / len(near)
        return math.pow(mean, self.power)


NO_SMOOTHING = SmoothingWindow()
"""A frame's own score, as published."""


def averaged(
    values: npt.NDArray[np.float32], neighbours: SmoothingWindow
) -> npt.NDArray[np.float32]:
    """The means of an unbroken run of N values; at both ends of those that there are."""
    if neighbours.none:
        return values
    plain = values.tolist()
    return np.array([neighbours.mean(plain, place) for place in range(len(plain))], np.float32)


class ScoreSmoother:
    """Takes the scores of one source frame by frame, and gives them on when all neighbours are known.

    Maps, health and what is said of it stay those of the frame.

    Args:
        neighbours: Whose scores count.
        score: From a raw score to what is told, in (0, 1).

    Attributes:
        gap_s: After a longer time between two scored frames, or when time goes back, a new run
            begins.
    """

    def __init__(self, neighbours: SmoothingWindow, score: Callable[[float], float]) -> None:
        self._neighbours, self._score = neighbours, score
        self.gap_s = math.inf
        self._held: list[Score] = []
        self._run: list[Score] = []
        self._told = 0

    def push(self, score: Score) -> list[Score]:
        """Take the next frame's; returns, in order, those of which all is known now."""
        settled: list[Score] = []
        if self._run and not 0 <= score.time_s - self._run[-1].time_s <= self.gap_s:
            settled = self.flush()
        self._held.append(score)
        if score.raw is not None:
            self._run.append(score)
        return settled + self._settled(len(self._run) - self._neighbours.after)

    def flush(self) -> list[Score]:
        """No neighbours come any more; returns what is held."""
        settled = self._settled(len(self._run))
        self._run, self._told = [], 0
        return settled

    def _settled(self, ready: int) -> list[Score]:
        """Tell up to the first held frame that is scored, but not one of the first ``ready`` of the run."""
        settled: list[Score] = []
        for one in self._held:
            if one.raw is not None:
                if self._told >= ready:
                    break
                one = self._mean(self._told)
                self._told += 1
            settled.append(one)
        del self._held[: len(settled)]
        spare = self._told - self._neighbours.before
        if spare > 0:
            del self._run[:spare]
            self._told -= spare
        return settled

    def _mean(self, place: int) -> Score:
        one = self._run[place]
        if self._neighbours.none:
            return one
        raw, appearance, motion, cluster = (
            self._neighbours.mean([getattr(near, part) for near in self._run], place)
            for part in ("raw", "appearance", "motion", "cluster")
        )
        return replace(
            one,
            score=self._score(raw),
            raw=raw,
            appearance=appearance,
            motion=motion,
            cluster=cluster,
        )
