"""`oddframe watch` and faults on our side: receivers, the disk, the process, the clock.

What was measured goes to the file that $ODDFRAME_FAULTS names; docs/faults.md says what the columns
mean.
"""

import os
from datetime import datetime
from functools import partial

import pytest

from tests.support.delivered import note, run_side_by_side
from tests.support.outages import DAY_S, clock_set, disk_full, receivers_down, watcher_killed
from tests.support.watch_process import scale_limit

pytestmark = pytest.mark.services

SCENARIOS = {"receivers": receivers_down, "killed": watcher_killed, "clock": clock_set}
ROOT_SCENARIOS = {"disk": disk_full}


@pytest.fixture(scope="module")
def outages(tmp_path_factory, scenes, scene_model):
    folder = tmp_path_factory.mktemp("outages")
    chosen = {**SCENARIOS, **(ROOT_SCENARIOS if os.geteuid() == 0 else {})}
    tasks = {name: partial(run, folder / name, scenes, scene_model) for name, run in chosen.items()}
    return run_side_by_side(tasks)


@pytest.fixture
def outage(outages):
    """Gives what a scenario measured, or raises its error."""

    def result(name):
        if isinstance(outages[name], BaseException):
            raise outages[name]
        return outages[name]

    return result


DOWN = {
    "away": "webhook away (connection refused)",
    "hangs": "webhook hangs",
    "errors": "webhook answers 500",
    "broker": "MQTT broker away",
}


@pytest.mark.parametrize("name", DOWN)
def test_a_receiver_that_is_down_gets_everything_later(outage, name):
    result = outage("receivers")
    note(
        DOWN[name], result["sent"], {**result["well"], "receiver": result["delivered"][name]},
        twice=result["duplicates"][name], recovered_s=result["recovered_s"][name],
    )  # fmt: skip
    assert result["delivered"][name] == result["sent"] == 4
    assert result["waiting"][name] >= 4, "starts and ends of two events"
    assert result["recovered_s"][name] < scale_limit(30)
    assert result["duplicates"][name] <= 1, "what was under way when it went down"


def test_receivers_that_are_down_delay_no_other(outage):
    result = outage("receivers")
    assert set(result["well"].values()) == {result["sent"]}
    assert len(result["late_s"]) == result["sent"]
    assert max(result["late_s"]) < scale_limit(2)
    assert not result["left"], "nothing waits any more"


def test_a_full_disk_loses_no_event(outage, outages):
    if "disk" not in outages:
        pytest.skip("mounting a small file system needs root")
    result = outage("disk")
    note(
        "disk full, then room again",
        result["sent"],
        result["delivered"],
        twice=result["duplicates"],
        recovered_s=result["recovered_s"],
    )
    assert set(result["delivered"].values()) == {result["sent"]}
    assert len(result["in_full"]) == 1, "it was full"
    assert result["pictures"] == [True, False, False, True], "pictures are not kept in memory"
    assert result["duplicates"] == 0
    assert "Traceback" not in result["output"]


def test_a_killed_watcher_loses_nothing_that_was_delivered(outage):
    result = outage("killed")
    note(
        "watcher killed in mid-event (SIGKILL), started again", result["sent"],
        result["delivered"], twice=result["duplicates"], recovered_s=result["recovered_s"],
    )  # fmt: skip
    assert len(result["open_after_kill"]) == 1
    assert result["started_before"] <= result["stored"]
    assert set(result["delivered"].values()) == {result["sent"]}
    closed = [line for line in result["lines"] if line["id"] in result["open_after_kill"]]
    assert [line["phase"] for line in closed if line["phase"] != "update"] == ["start", "end"]


def test_a_clock_that_is_set_tears_no_event_apart(outage):
    result = outage("clock")
    note(
        "clock set ahead by a day, then back by two",
        result["sent"],
        result["delivered"],
        twice=result["duplicates"],
    )
    assert set(result["delivered"].values()) == {result["sent"]}
    messages = result["messages"]
    ends = [
        message for message in messages if (message["phase"], message["kind"]) == ("end", "anomaly")
    ]
    began = [datetime.fromisoformat(message["start"]).timestamp() for message in ends]
    ended = [datetime.fromisoformat(message["end"]).timestamp() for message in ends]
    for message, start, end in zip(ends, began, ended, strict=True):
        assert end - start == pytest.approx(message["end_s"] - message["start_s"], abs=1e-3)
    ahead_s = [start - result["now_s"] for start in began]
    assert ahead_s == pytest.approx([0, 0, DAY_S, DAY_S, -DAY_S], abs=120)
    starts = {
        message["id"]: message["start"] for message in messages if message["phase"] == "start"
    }
    assert all(starts[message["id"]] == message["start"] for message in ends)
