"""The mean of a frame's score and those of its neighbours.

What flickers for a single clip then counts less. `smooth_scores` works on a whole run of frames,
`ScoreSmoother` frame by frame; both compute the same mean.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from oddframe._types import Float32
from oddframe.core.records import Score


@dataclass(frozen=True, slots=True)
class SmoothingWindow:
    """The neighbours whose scores are averaged with a frame's own.

    They are counted in frames that the model sees, at its rate.

    Attributes:
        before: Frames before it.
        after: Frames after it.
        power: The power that raw scores are the last step of; it is undone for the mean over time.
    """

    before: int = 0
    after: int = 0
    power: float = 1.0

    @property
    def is_single(self) -> bool:
        """Whether the window holds the frame alone, so that scores stay as they are."""
        return not (self.before or self.after)

    def mean(self, values: Sequence[float], place: int) -> float:
        """Average the values around a place of an unbroken run; at its ends there are fewer."""
        near = values[max(0, place - self.before) : place + self.after + 1]
        # An exact sum: it does not depend on how many scores a caller holds at a time.
        mean = math.fsum(value ** (1.0 / self.power) for value in near) / len(near)
        return math.pow(mean, self.power)


NO_SMOOTHING = SmoothingWindow()
"""A frame's own score, as published."""


def smooth_scores(values: Float32, window: SmoothingWindow) -> Float32:
    """Average each of the N values of an unbroken run with its neighbours, float32 N."""
    if window.is_single:
        return values
    plain = values.tolist()
    return np.array([window.mean(plain, place) for place in range(len(plain))], np.float32)


class ScoreSmoother:
    """Takes the scores of one source and passes each on when all its neighbours are known.

    Maps, health and its changes stay those of the frame.

    Args:
        window: The neighbours whose scores count.
        score: From a raw score to a score in (0, 1).

    Attributes:
        gap_s: After a longer time between two scored frames, or when time goes back, a new run
            begins.
    """

    def __init__(self, window: SmoothingWindow, score: Callable[[float], float]) -> None:
        self._window, self._score = window, score
        self.gap_s = math.inf
        # Frames that have not been passed on, those without a score too: order is kept.
        self._held: list[Score] = []
        # The scored frames of the current run that still serve as neighbours, and how many of them
        # have been passed on.
        self._run: list[Score] = []
        self._passed = 0

    def push(self, score: Score) -> list[Score]:
        """Take the next frame's score; returns, in order, those that are complete now."""
        settled: list[Score] = []
        if self._run and not 0 <= score.time_s - self._run[-1].time_s <= self.gap_s:
            settled = self.flush()
        self._held.append(score)
        if score.raw is not None:
            self._run.append(score)
        return settled + self._pass_on(len(self._run) - self._window.after)

    def flush(self) -> list[Score]:
        """Pass on all that is held: the run has ended, and no neighbours come any more."""
        settled = self._pass_on(len(self._run))
        self._run, self._passed = [], 0
        return settled

    def _pass_on(self, ready: int) -> list[Score]:
        """Pass on what is held, but of the run's scored frames the first ``ready`` only."""
        settled: list[Score] = []
        for held in self._held:
            if held.raw is None:
                settled.append(held)
                continue
            if self._passed >= ready:
                break
            settled.append(self._mean(self._passed))
            self._passed += 1
        del self._held[: len(settled)]
        # A stream may run for months: what no frame to come needs as a neighbour goes.
        spare = self._passed - self._window.before
        if spare > 0:
            del self._run[:spare]
            self._passed -= spare
        return settled

    def _mean(self, place: int) -> Score:
        """Average the score at a place of the run, and its parts, with the neighbours'."""
        own = self._run[place]
        if self._window.is_single:
            return own
        raw, appearance, motion, cluster = (
            self._window.mean([getattr(near, part) for near in self._run], place)
            for part in ("raw", "appearance", "motion", "cluster")
        )
        return replace(
            own,
            score=self._score(raw),
            raw=raw,
            appearance=appearance,
            motion=motion,
            cluster=cluster,
        )
