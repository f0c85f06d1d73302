"""Fills the batches of one scorer with the clips of several threads, each of which scores a source.

A batch costs a GPU the same however many of its clips are copies that fill it up. One recording
fills only some of its batches, and while it is decoded the GPU waits; several recordings together
keep it busy.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from oddframe._types import Pixels
from oddframe.inference.scorer import AsyncScorer, ClipScores


class SharedScorer:
    """Scores the clips of several threads in the batches of one scorer.

    A batch is begun when it is full, and before that only where somebody waits for it and no other
    batch is under way: so a device that is busy gets full batches, and one that is idle works. What
    a clip scores does not depend on its neighbours in a batch, so every thread gets what it would
    get alone. What waits is bounded by what the threads have asked for, which is a batch each.

    Args:
        scorer: What scores the batches.
        threads: How many threads use it.

    Attributes:
        batch_size: Clips that a thread hands over at a time: half of a batch.
    """

    def __init__(self, scorer: AsyncScorer, threads: int) -> None:
        # One part is asked for ahead: so a thread that is the last one left fills batches too.
        self.batch_size = max(1, scorer.batch_size // min(2, threads))
        self._scorer = scorer
        self._lock = threading.Lock()
        self._open: _SharedBatch | None = None
        self._under_way: deque[_SharedBatch] = deque()

    def score(self, clips: Pixels) -> ClipScores:
        """Score clips, uint8 B x 5 x H x W x C with B from 1 to batch_size."""
        return self.begin(clips, maps=True)()

    def begin(self, clips: Pixels, *, maps: bool) -> Callable[[], ClipScores]:
        """Start on clips; see `oddframe.inference.scorer.AsyncScorer`."""
        parts, full = list[_BatchRows](), list[_SharedBatch]()
        with self._lock:
            left = clips
            while len(left):
                batch = self._open = self._open or _SharedBatch(self._scorer)
                part = batch.add(left, maps=maps)
                parts.append(part)
                left = left[len(part.rows) :]
                if batch.is_full:
                    full.append(batch)
                    self._close(batch)
        # Outside the lock: what fills a batch takes a while, and others may add to the next one.
        for batch in full:
            batch.launch()
        return lambda: self._finish(parts, maps=maps)

    def _close(self, batch: "_SharedBatch") -> None:
        """Let no more clips into a batch, which is to be begun at once."""
        self._open = None
        while self._under_way and self._under_way[0].is_done:
            self._under_way.popleft()
        self._under_way.append(batch)

    def _finish(self, parts: "list[_BatchRows]", *, maps: bool) -> ClipScores:
        """Wait for the scores of clips, which may lie in two batches."""
        found = []
        for part in parts:
            self._see_off(part.batch)
            scores, rows = part.batch.wait(), slice(part.rows.start, part.rows.stop)
            maps_of_part = scores.maps[rows] if maps else scores.maps[rows, :0, :0]
            found.append(
                ClipScores(
                    scores.raw[rows],
                    scores.appearance[rows],
                    scores.motion[rows],
                    scores.cluster[rows],
                    maps_of_part,
                )
            )
        if len(found) == 1:
            return found[0]
        return ClipScores(
            *(
                np.concatenate([getattr(one, name) for one in found])
                for name in ("raw", "appearance", "motion", "cluster", "maps")
            )
        )

    def _see_off(self, batch: "_SharedBatch") -> None:
        """Wait until a batch is full, or until nothing else is under way; then it goes as it is."""
        while True:
            with self._lock:
                if batch is not self._open:
                    return
                other = next((one for one in self._under_way if not one.is_done), None)
                if other is None:
                    self._close(batch)
                    return
            # What goes wrong with it is told to those whose clips are in it.
            with suppress(Exception):
                other.wait()


class _SharedBatch:
    """Clips of some threads, which are scored together."""

    def __init__(self, scorer: AsyncScorer) -> None:
        self._scorer = scorer
        self._clips: list[Pixels] = []
        self._count = 0
        self._maps = False
        self._lock = threading.Lock()
        self._waits: Callable[[], ClipScores] | None = None
        self._scores: ClipScores | None = None
        self._error: Exception | None = None

    @property
    def is_full(self) -> bool:
        """Whether no other clip has room."""
        return self._count == self._scorer.batch_size

    @property
    def is_done(self) -> bool:
        """Whether its scores, or an error in their place, are there."""
        return self._scores is not None or self._error is not None

    def add(self, clips: Pixels, *, maps: bool) -> "_BatchRows":
        """Take as many of some clips as have room; one thread at a time may add."""
        taken = clips[: self._scorer.batch_size - self._count]
        rows = range(self._count, self._count + len(taken))
        self._clips.append(taken)
        self._count += len(taken)
        self._maps |= maps
        return _BatchRows(self, rows)

    def launch(self) -> None:
        """Begin it, unless another thread did; nobody may add any more."""
        with self._lock:
            self._begin()

    def wait(self) -> ClipScores:
        """Wait for its scores, in however many threads.

        Raises:
            Exception: What its scorer raised.
        """
        with self._lock:
            self._begin()
            if not self.is_done:
                assert self._waits is not None, "it has begun"
                try:
                    self._scores = self._waits()
                except Exception as error:  # noqa: BLE001 - all who wait get it
                    self._error = error
        if self._error is not None:
            raise self._error
        assert self._scores is not None, "it is done"
        return self._scores

    def _begin(self) -> None:
        if self._waits is not None or self.is_done:
            return
        try:
            # Copied together here, since the clips of a thread lie in memory of their own.
            clips = self._clips[0] if len(self._clips) == 1 else np.concatenate(self._clips)
            self._waits = self._scorer.begin(clips, maps=self._maps)
        except Exception as error:  # noqa: BLE001 - all who wait get it
            self._error = error
        self._clips = []


class _BatchRows(NamedTuple):
    """Where the clips of a thread lie in a batch."""

    batch: _SharedBatch
    rows: range
