"""Batches that are made by other processes."""

import os
import signal

import numpy as np
import pytest

from oddframe.core.records import CropOffset
from oddframe.datasets.clip_dataset import Batch
from oddframe.errors import RunError
from oddframe.training.batch_workers import BatchWorkers, worker_count


def make(step):
    random = np.random.default_rng(step)
    clips = random.integers(0, 256, (2, 5, 8, 8, 1), np.uint8)
    abnormal = random.random((2, 8, 8)) < 0.5
    return Batch(clips, clips[:, 0], clips[:, 4], clips[:, 1], abnormal, CropOffset(step, 1))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_they_are_the_batches_of_the_steps_in_order(count):
    with BatchWorkers(make, 5, 18, count) as workers:
        for step in range(5, 18):
            found, wanted = workers.take(step), make(step)
            assert found.part == wanted.part
            assert all(map(np.array_equal, found[:5], wanted[:5]))


def test_only_the_next_one_can_be_taken():
    with BatchWorkers(make, 0, 5, 1) as workers, pytest.raises(ValueError, match="must be 0"):
        workers.take(1)


def test_an_error_in_a_worker_is_raised():
    def fails(step):
        if step == 3:
            raise ValueError("no such clip")
        return make(step)

    with BatchWorkers(fails, 0, 9, 2) as workers:
        for step in range(3):
            workers.take(step)
        with pytest.raises(ValueError, match="no such clip"):
            workers.take(3)


def test_a_worker_that_dies_is_named():
    with BatchWorkers(make, 0, 100, 2) as workers:
        workers.take(0)
        os.kill(workers.processes[1].pid, signal.SIGKILL)
        with pytest.raises(RunError, match="must stay alive"):
            [workers.take(step) for step in range(1, 20)]


def test_workers_end():
    with BatchWorkers(make, 0, 100, 2) as workers:
        workers.take(0)
    assert [process.is_alive() for process in workers.processes] == [False, False]


def test_a_machine_with_one_core_has_a_worker():
    assert worker_count() >= 1
