"""How fast a stage goes and how long it takes, on a clock that the tests turn."""

import pytest

from oddframe.core.pace import StagePace


def test_a_stage_begins_when_it_is_another_one_or_starts_over():
    pace = StagePace()
    reports = [("read", 0), ("read", 5), ("joint", 5), ("joint", 9), ("joint", 1), ("joint", 1)]
    assert [pace.report(stage, done, 10, 0.0) for stage, done in reports] == [
        *(True, False, True, False, True, False)
    ]
    assert (pace.stage, pace.done, pace.total, pace.share) == ("joint", 1, 10, 0.1)


def test_nothing_is_said_before_there_is_something_to_go_by():
    pace = StagePace()
    assert (pace.share, pace.rate, pace.seconds_left(0.0)) == (0.0, None, None)
    pace.report("read", 0, 0, 0.0)
    assert (pace.share, pace.rate, pace.seconds_left(9.0)) == (0.0, None, None)
    pace.report("read", 1, 100, 0.5)
    assert (pace.rate, pace.seconds_left(0.5)) == (None, None)


def test_the_rate_leaves_out_what_was_done_before_the_first_report():
    """A resumed training begins in the middle of a stage."""
    pace = StagePace()
    pace.report("joint", 600, 1000, 50.0)
    pace.report("joint", 620, 1000, 60.0)
    assert pace.rate == pytest.approx(2.0)
    assert pace.seconds_left(60.0) == pytest.approx(190.0)


def test_the_rate_follows_a_machine_that_gets_busy():
    pace = StagePace()
    done, now_s = 0, 0.0
    for per_s in (13, 1.5):
        for _ in range(300):
            now_s += 1.0
            done += per_s
            pace.report("joint", done, 10_000, now_s)
        assert pace.rate == pytest.approx(per_s)


def test_a_rate_of_rare_reports():
    pace = StagePace()
    for number in range(40):
        pace.report("eval", number, 100, 300.0 * number)
    assert pace.rate == pytest.approx(1 / 300)


def test_a_silent_stage_comes_nearer_to_its_end_but_not_beyond():
    pace = StagePace()
    pace.report("eval", 0, 10, 0.0)
    pace.report("eval", 5, 10, 50.0)
    assert pace.seconds_left(50.0) == pytest.approx(50.0)
    assert pace.seconds_left(80.0) == pytest.approx(20.0)
    assert pace.seconds_left(500.0) == 0.0


def test_another_stage_has_a_rate_of_its_own():
    pace = StagePace()
    pace.report("read", 0, 100, 0.0)
    pace.report("read", 100, 100, 1.0)
    pace.report("joint", 1, 100, 2.0)
    assert pace.rate is None
    assert pace.seconds_left(2.0) is None
