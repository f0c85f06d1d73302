"""Threads that share batches get what they would get alone, and the batches are full."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from oddframe.inference.scorer import AsyncScorer
from oddframe.inference.shared_batches import SharedScorer
from tests.support.scorers import FakeGpu, FakeScorer

PARTS = ("raw", "appearance", "motion", "cluster", "maps")


def clips_of(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 5, 8, 8, 1), dtype=np.uint8)


def assert_alone(found, clips):
    expected = FakeScorer(batch_size=100).score(clips)
    for name in PARTS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def sizes(gpu):
    return [len(batch) for batch in gpu.batches]


def test_a_batch_is_filled_with_the_clips_of_all():
    gpu = FakeGpu(batch_size=8)
    shared = SharedScorer(gpu, 4)
    assert isinstance(shared, AsyncScorer)
    assert shared.batch_size == 4
    asked = [clips_of(2, seed) for seed in range(4)]
    waits = []
    for clips in asked:
        assert gpu.batches == []
        waits.append(shared.begin(clips, maps=True))
    assert sizes(gpu) == [8]
    # In any order, as threads come.
    for wait, clips in reversed(list(zip(waits, asked, strict=True))):
        assert_alone(wait(), clips)
    assert sizes(gpu) == [8]


def test_an_idle_scorer_does_not_wait_for_a_full_batch():
    gpu = FakeGpu(batch_size=8)
    clips = clips_of(3)
    assert_alone(SharedScorer(gpu, 2).score(clips), clips)
    assert sizes(gpu) == [3]


def test_a_busy_scorer_finishes_first_what_it_is_at():
    gpu = FakeGpu(batch_size=4)
    shared = SharedScorer(gpu, 2)
    first, second, third = clips_of(2, 1), clips_of(2, 2), clips_of(1, 3)
    shared.begin(first, maps=True)
    before = shared.begin(second, maps=True)
    assert_alone(shared.begin(third, maps=True)(), third)
    assert gpu.log == ["begin maps", "finish", "begin maps", "finish"]
    # Whoever asked for that batch gets it once he asks.
    assert_alone(before(), second)
    assert len(gpu.log) == 4


def test_clips_may_lie_in_two_batches():
    gpu = FakeGpu(batch_size=4)
    shared = SharedScorer(gpu, 1)
    first, second = clips_of(3, 1), clips_of(3, 2)
    waits = [shared.begin(first, maps=True), shared.begin(second, maps=True)]
    assert_alone(waits[1](), second)
    assert_alone(waits[0](), first)
    assert sizes(gpu) == [4, 2]


def test_maps_come_back_only_for_those_who_want_them():
    gpu = FakeGpu(batch_size=4)
    shared = SharedScorer(gpu, 2)
    clips = clips_of(2)
    bare, whole = shared.begin(clips, maps=False), shared.begin(clips, maps=True)
    assert bare().maps.shape == (2, 0, 0)
    assert_alone(whole(), clips)
    assert shared.begin(clips, maps=False)().maps.size == 0
    assert [line for line in gpu.log if line != "finish"] == ["begin maps", "begin"]


class Failing(FakeGpu):
    """A fake whose first batch goes wrong, at its beginning or at its end."""

    def __init__(self, when):
        super().__init__(batch_size=4)
        self.when = when

    def begin(self, clips, *, maps):
        finish = super().begin(clips, maps=maps)
        when, self.when = self.when, None
        if when == "begin":
            raise RuntimeError("out of memory")

        def fail():
            raise RuntimeError("out of memory")

        return fail if when == "finish" else finish


@pytest.mark.parametrize("when", ["begin", "finish"])
def test_what_goes_wrong_with_a_batch_is_told_to_all_of_it_and_to_nobody_else(when):
    shared = SharedScorer(Failing(when), 2)
    waits = [shared.begin(clips_of(2, seed), maps=True) for seed in range(2)]
    later = clips_of(1, 5)
    assert_alone(shared.begin(later, maps=True)(), later)
    for wait in waits:
        with pytest.raises(RuntimeError, match="out of memory"):
            wait()


def test_many_threads_get_what_they_would_get_alone():
    gpu = FakeGpu(batch_size=16)
    shared = SharedScorer(gpu, 4)

    def score(seed):
        clips = clips_of(60, seed)
        waits, found = [], []
        for start in range(0, 60, shared.batch_size):
            waits.append(shared.begin(clips[start : start + shared.batch_size], maps=True))
            # One is asked ahead, as a stream of scores does.
            if len(waits) > 1:
                found.append(waits.pop(0)())
        found += [wait() for wait in waits]
        for start, scores in zip(range(0, 60, shared.batch_size), found, strict=True):
            assert_alone(scores, clips[start : start + shared.batch_size])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(score, range(4)))
    assert sum(sizes(gpu)) == 240
