import os
import signal
from functools import partial

import pytest
from moody_worker import Moody

from oddframe.archive.crew import Lost, supervise
from oddframe.archive.local_crew import LocalCrew
from oddframe.archive.tasks import Task
from oddframe.archive.worker import Outcome


def test_the_dead_are_replaced_and_what_they_were_at_is_tried_again(tmp_path):
    crew = LocalCrew(partial(Moody, tmp_path), 2, 1)
    names = ["a", "kill", "b", "leave", "c"]
    try:
        told = list(supervise(crew, [Task(name, name, "") for name in names], attempts=2))
    finally:
        crew.close()
    outcomes = {one.task.name: one for one in told if isinstance(one, Outcome)}
    assert set(outcomes) == set(names)
    assert "killed by SIGKILL" in outcomes["kill"].error
    assert "exit code 7" in outcomes["leave"].error
    assert len([one for one in told if isinstance(one, Lost)]) == 4
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"a", "b", "c"}
    assert all(outcomes[name].frames != os.getpid() for name in "abc")


@pytest.mark.slow
def test_closing_ends_a_worker_that_is_busy(tmp_path):
    crew = LocalCrew(partial(Moody, tmp_path), 1, 1)
    crew.give(0, Task("slow", "slow", ""))
    (hand,) = crew._hands.values()
    crew.close()
    assert hand.process.exitcode == -signal.SIGKILL
