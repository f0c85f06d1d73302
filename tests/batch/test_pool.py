import os
from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.batch.pool import LocalPool, WorkerDied, run_all
from oddframe.batch.tasks import Task
from oddframe.batch.worker import Outcome
from oddframe.errors import RunError
from tests.support.failing_worker import FailingWorker


class ScriptedPool:
    """A pool whose workers die over a recording as often as it is told, and finish in any order."""

    def __init__(self, size, deaths, choose):
        self.size, self.deaths, self.choose = size, dict(deaths), choose
        self.busy, self.given, self.most = {}, Counter(), 0

    def submit(self, slot, task):
        assert slot not in self.busy
        assert 0 <= slot < self.size
        self.busy[slot] = task
        self.given[task.name] += 1
        self.most = max(self.most, len(self.busy))

    def wait(self):
        slot = self.choose(sorted(self.busy))
        task = self.busy.pop(slot)
        if self.deaths.get(task.name, 0):
            self.deaths[task.name] -= 1
            return slot, WorkerDied(task, "it was killed")
        return slot, Outcome(task=task, frames=7)


def tasks(count):
    return [Task(str(number), f"/a/{number}", "") for number in range(count)]


@given(
    st.integers(1, 12),
    st.integers(1, 5),
    st.dictionaries(st.integers(0, 11).map(str), st.integers(0, 5), max_size=2),
    st.data(),
)
def test_every_recording_has_one_outcome_whichever_workers_die(count, size, deaths, data):
    wanted = tasks(count)
    # One recording kills nobody, so that workers do not only die.
    deaths = {name: times for name, times in deaths.items() if name != "0"}
    pool = ScriptedPool(size, deaths, lambda busy: data.draw(st.sampled_from(busy)))
    results = list(run_all(pool, wanted))
    outcomes = [result for result in results if isinstance(result, Outcome)]
    assert sorted(outcome.task.name for outcome in outcomes) == sorted(task.name for task in wanted)
    for outcome in outcomes:
        died = deaths.get(outcome.task.name, 0)
        assert (outcome.error is None) == (died < 3)
        assert pool.given[outcome.task.name] == min(died + 1, 3)
    assert len(results) - len(outcomes) == sum(min(deaths.get(task.name, 0), 3) for task in wanted)
    assert pool.most <= size


def test_a_recording_that_costs_workers_is_named_and_comes_last():
    pool = ScriptedPool(1, {"0": 99}, lambda busy: busy[0])
    outcomes = [result for result in run_all(pool, tasks(4)) if isinstance(result, Outcome)]
    assert [outcome.task.name for outcome in outcomes] == ["1", "2", "3", "0"]
    assert outcomes[-1].error == "/a/0 cost 3 workers, the last of which ended thus: it was killed"


def test_where_workers_only_die_nothing_goes_on_for_ever():
    pool = ScriptedPool(2, dict.fromkeys(map(str, range(1000)), 99), lambda busy: busy[0])
    with pytest.raises(RunError, match="live long enough"):
        list(run_all(pool, tasks(1000)))
    assert pool.given.total() < 20


def test_dead_workers_are_replaced_and_their_recordings_tried_again(tmp_path):
    pool = LocalPool(partial(FailingWorker, tmp_path), 2, 1)
    names = ["a", "kill", "b", "leave", "c"]
    try:
        results = list(run_all(pool, [Task(name, name, "") for name in names], attempts=2))
    finally:
        pool.close()
    outcomes = {result.task.name: result for result in results if isinstance(result, Outcome)}
    assert set(outcomes) == set(names)
    assert "killed by SIGKILL" in outcomes["kill"].error
    assert "exit code 7" in outcomes["leave"].error
    assert sum(isinstance(result, WorkerDied) for result in results) == 4
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"a", "b", "c"}
    assert all(outcomes[name].frames != os.getpid() for name in "abc")


@pytest.mark.slow
def test_closing_ends_a_worker_that_is_busy(tmp_path):
    pool = LocalPool(partial(FailingWorker, tmp_path), 1, 1)
    pool.submit(0, Task("slow", "slow", ""))
    (pid,) = pool.pids
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
