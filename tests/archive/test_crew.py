from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.archive.crew import Lost, supervise
from oddframe.archive.tasks import Task
from oddframe.archive.worker import Outcome
from oddframe.errors import RunError


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
            return slot, Lost(task, "it was killed")
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
    told = list(supervise(crew, wanted))
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
    outcomes = [one for one in supervise(crew, tasks(4)) if isinstance(one, Outcome)]
    assert [one.task.name for one in outcomes] == ["1", "2", "3", "0"]
    assert outcomes[-1].error == "/a/0 cost 3 workers, the last of which ended thus: it was killed"


def test_where_workers_only_die_nothing_goes_on_for_ever():
    crew = Scripted(2, dict.fromkeys(map(str, range(1000)), 99), lambda busy: busy[0])
    with pytest.raises(RunError, match="live long enough"):
        list(supervise(crew, tasks(1000)))
    assert crew.given.total() < 20
