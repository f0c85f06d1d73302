"""`oddframe watch` and faults on our side: receivers that are down, a full disk, a kill, a clock that is set.

What was measured goes to the file that $ODDFRAME_FAULTS names; docs/faults.md says what the columns
mean.
"""

import os
from datetime import datetime
from functools import partial

import pytest

from tests.support.outages import DAY_S, clock_set, disk_full, receivers_down, watcher_killed
from tests.support.told import note, side_by_side
from tests.support.watch_process import slowed

pytestmark = pytest.mark.services

SCENARIOS = {"receivers": receivers_down, "killed": watcher_killed, "clock": clock_set}
ROOT = {"disk": disk_full}


@pytest.fixture(scope="module")
def outages(tmp_path_factory, scenes, scene_model):
    folder = tmp_path_factory.mktemp("outages")
    chosen = {**SCENARIOS, **(ROOT if os.geteuid() == 0 else {})}
    tasks = {name: partial(run, folder / name, scenes, scene_model) for name, run in chosen.items()}
    return side_by_side(tasks)


@pytest.fixture
def outage(outages):
    """What came of one of them."""

    def found(name):
        if isinstance(outages[name], BaseException):
            raise outages[name]
        return outages[name]

    return found


DOWN = {
    "away": "webhook away (connection refused)",
    "hangs": "webhook hangs",
    "errors": "webhook answers 500",
    "broker": "MQTT broker away",
}


@pytest.mark.parametrize("name", DOWN)
def test_a_receiver_that_is_down_gets_everything_later(outage, name):
    what = outage("receivers")
    note(
        DOWN[name], what["sent"], {**what["well"], "receiver": what["told"][name]},
        twice=what["doubled"][name], recovered_s=what["recovered_s"][name],
    )  # fmt: skip
    assert what["told"][name] == what["sent"] == 4
    assert what["waiting"][name] >= 4, "starts and ends of two events"
    assert what["recovered_s"][name] < slowed(30)
    assert what["doubled"][name] <= 1, "what was under way when it went down"


def test_receivers_that_are_down_delay_no_other(outage):
    what = outage("receivers")
    assert set(what["well"].values()) == {what["sent"]}
    assert len(what["late_s"]) == what["sent"]
    assert max(what["late_s"]) < slowed(2)
    assert not what["left"], "nothing waits any more"


def test_a_full_disk_loses_no_event(outage, outages):
    if "disk" not in outages:
        pytest.skip("mounting a small file system needs root")
    what = outage("disk")
    note(
        "disk full, then room again",
        what["sent"],
        what["told"],
        twice=what["twice"],
        recovered_s=what["recovered_s"],
    )
    assert set(what["told"].values()) == {what["sent"]}
    assert len(what["in_full"]) == 1, "it was full"
    assert what["pictures"] == [True, False, False, True], "pictures are not kept in memory"
    assert what["twice"] == 0
    assert "Traceback" not in what["said"]


def test_a_killed_watcher_loses_nothing_that_was_told(outage):
    what = outage("killed")
    note(
        "watcher killed in mid-event (SIGKILL), started again", what["sent"], what["told"], twice=what["twice"],
        recovered_s=what["recovered_s"],
    )  # fmt: skip
    assert len(what["open_after_kill"]) == 1
    assert what["told_before"] <= what["stored"]
    assert set(what["told"].values()) == {what["sent"]}
    closed = [one for one in what["lines"] if one["id"] in what["open_after_kill"]]
    assert [one["phase"] for one in closed if one["phase"] != "update"] == ["start", "end"]


def test_a_clock_that_is_set_tears_no_event_apart(outage):
    what = outage("clock")
    note(
        "clock set ahead by a day, then back by two",
        what["sent"],
        what["told"],
        twice=what["twice"],
    )
    assert set(what["told"].values()) == {what["sent"]}
    ends = [one for one in what["messages"] if (one["phase"], one["kind"]) == ("end", "anomaly")]
    began = [datetime.fromisoformat(one["start"]).timestamp() for one in ends]
    ended = [datetime.fromisoformat(one["end"]).timestamp() for one in ends]
    for one, start, end in zip(ends, began, ended, strict=True):
        assert end - start == pytest.approx(one["end_s"] - one["start_s"], abs=1e-3)
    ahead_s = [start - what["now_s"] for start in began]
    assert ahead_s == pytest.approx([0, 0, DAY_S, DAY_S, -DAY_S], abs=120)
    starts = {one["id"]: one["start"] for one in what["messages"] if one["phase"] == "start"}
    assert all(starts[one["id"]] == one["start"] for one in ends)
