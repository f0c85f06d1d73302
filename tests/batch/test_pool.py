import os
import signal
from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.batch.pool import LocalPool, WorkerDied, run_all
from oddframe.batch.tasks import Task
from oddframe.batch.worker import Outcome
from oddframe.errors import RunError
from tests.support.moody_worker import Moody


class Scripted:
    """Workers that die over a recording as often as is written, and finish in any order."""

    def __init__(self, size, deaths, choose):
        self.size, self.deaths, self.choose = size, dict(deaths), choose
        self.busy, self.given, self.most = {}, Counter(), 0

    def give(self, slot, task):
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
def test_every_recording_comes_out_once_whoever_dies(count, size, deaths, data):
    wanted = tasks(count)
    # Somebody lives at first.
    deaths = {name: times for name, times in deaths.items() if name != "0"}
    crew = Scripted(size, deaths, lambda busy: data.draw(st.sampled_from(busy)))
    told = list(run_all(crew, wanted))
    outcomes = [one for one in told if isinstance(one, Outcome)]
    assert sorted(one.task.name for one in outcomes) == sorted(task.name for task in wanted)
    for one in outcomes:
        died = deaths.get(one.task.name, 0)
        assert (one.error is None) == (died < 3)
        assert crew.given[one.task.name] == min(died + 1, 3)
    assert len(told) - len(outcomes) == sum(min(deaths.get(task.name, 0), 3) for task in wanted)
    assert crew.most <= size


def test_a_recording_that_costs_workers_is_named_and_comes_last():
    crew = Scripted(1, {"0": 99}, lambda busy: busy[0])
    outcomes = [one for one in run_all(crew, tasks(4)) if isinstance(one, Outcome)]
    assert [one.task.name for one in outcomes] == ["1", "2", "3", "0"]
    assert outcomes[-1].error == "/a/0 cost 3 workers, the last of which ended thus: it was killed"


def test_where_workers_only_die_nothing_goes_on_for_ever():
    crew = Scripted(2, dict.fromkeys(map(str, range(1000)), 99), lambda busy: busy[0])
    with pytest.raises(RunError, match="live long enough"):
        list(run_all(crew, tasks(1000)))
    assert crew.given.total() < 20


def test_the_dead_are_replaced_and_what_they_were_at_is_tried_again(tmp_path):
    crew = LocalPool(partial(Moody, tmp_path), 2, 1)
    names = ["a", "kill", "b", "leave", "c"]
    try:
        told = list(run_all(crew, [Task(name, name, "") for name in names], attempts=2))
    finally:
        crew.close()
    outcomes = {one.task.name: one for one in told if isinstance(one, Outcome)}
    assert set(outcomes) == set(names)
    assert "killed by SIGKILL" in outcomes["kill"].error
    assert "exit code 7" in outcomes["leave"].error
    assert len([one for one in told if isinstance(one, WorkerDied)]) == 4
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"a", "b", "c"}
    assert all(outcomes[name].frames != os.getpid() for name in "abc")


@pytest.mark.slow
def test_closing_ends_a_worker_that_is_busy(tmp_path):
    crew = LocalPool(partial(Moody, tmp_path), 1, 1)
    crew.give(0, Task("slow", "slow", ""))
    (hand,) = crew._hands.values()
    crew.close()
    assert hand.process.exitcode == -signal.SIGKILL
