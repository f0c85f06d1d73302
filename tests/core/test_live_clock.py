from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.live_clock import LiveClock
from oddframe.core.records import FrameTiming

GAP_S = 0.5


def connected(rate_fps=10, **wishes):
    clock = LiveClock()
    clock.connect(FrameTiming(rate_fps, GAP_S), **wishes)
    return clock


def times(clock, pairs):
    return [clock.time_s(stamp_s, arrived_s) for stamp_s, arrived_s in pairs]


def test_times_start_at_0_and_follow_the_timestamps_not_the_arrival():
    found = times(connected(), [(500.0, 1000.0), (500.1, 1000.18), (500.2, 1000.2), (500.3, 1000.31)])
    assert found == pytest.approx([0, 0.1, 0.2, 0.3], abs=1e-3)


def test_a_burst_keeps_its_timestamps():
    found = times(connected(), [(i / 10, 50.0) for i in range(15)])
    assert found == pytest.approx([i / 10 for i in range(15)], abs=2e-3)


def test_frames_without_a_timestamp_come_one_period_later():
    found = times(connected(), [(None, 5.0), (9.1, 5.0), (None, 5.1), (9.3, 5.2)])
    assert found == pytest.approx([0, 0.1, 0.2, 0.3], abs=1e-3)


def test_a_stream_without_timestamps_goes_by_arrival():
    found = times(connected(timed=False), [(0.0, 5.0), (0.04, 5.2), (0.08, 5.2), (0.12, 5.7)])
    assert found == pytest.approx([0, 0.2, 0.21, 0.7])


def test_after_a_lost_connection_the_time_that_passed_lies_between():
    clock = connected()
    assert times(clock, [(7.0, 100.0), (7.1, 100.1)]) == pytest.approx([0, 0.1], abs=1e-3)
    clock.connect(FrameTiming(10, GAP_S))
    assert times(clock, [(2.0, 130.0), (2.1, 130.1)]) == pytest.approx([30, 30.1], abs=1e-3)


def test_however_short_a_loss_no_clip_spans_it():
    clock = connected()
    before = clock.time_s(7.0, 100.0)
    clock.connect(FrameTiming(10, GAP_S))
    assert clock.time_s(7.1, 100.1) - before > GAP_S


@pytest.mark.parametrize("jump_s", [-3600.0, -1.0, 5.0, 86_400.0, 95_443.7])
def test_timestamps_that_jump_make_a_gap_and_lead_nowhere_else(jump_s):
    clock = connected()
    before = times(clock, [(1000 + i / 10, i / 10) for i in range(50)])
    after = times(clock, [(1000 + jump_s + i / 10, i / 10) for i in range(50, 100)])
    assert clock.jumps == 1
    assert after[0] - before[-1] > GAP_S
    assert after[-1] == pytest.approx(9.9, abs=1.0)
    assert [b - a for a, b in pairwise(after)] == pytest.approx([0.1] * 49, abs=1e-3)


def test_a_pause_that_really_passed_is_no_jump():
    clock = connected()
    assert times(clock, [(0.0, 0.0), (30.0, 30.0)]) == pytest.approx([0, 30], abs=0.1)
    assert clock.jumps == 0


def test_one_frame_out_of_order_does_not_shift_those_behind_it():
    found = times(connected(), [(0.0, 0.0), (0.1, 0.1), (0.05, 0.2), (0.3, 0.3)])
    assert found == pytest.approx([0, 0.1, 0.11, 0.3], abs=1e-3)


@pytest.mark.parametrize("drift", [-2e-4, 2e-4])
def test_a_clock_that_drifts_is_followed_for_a_day(drift):
    clock = connected(rate_fps=0.1)
    found = times(clock, [(i * (1 + drift), float(i)) for i in range(0, 86_400, 10)])
    assert found[-1] == pytest.approx(86_390, abs=0.1)


def test_segments_that_come_ahead_say_nothing_of_drift():
    clock = connected(follows_arrival=False)
    found = times(clock, [(i / 10, i // 60 * 6.0) for i in range(600)])
    assert found == pytest.approx([i / 10 for i in range(600)])


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.floats(-1e5, 1e5)), st.floats(0, 100), st.booleans(), st.floats(0.1, 60)),
        min_size=1,
        max_size=60,
    ),
    st.booleans(),
)
def test_times_always_increase_whatever_comes(steps, timed):
    clock, arrived_s, found = connected(timed=timed), 0.0, []
    for stamp_s, later_s, reconnects, rate_fps in steps:
        arrived_s += later_s
        if reconnects:
            clock.connect(FrameTiming(rate_fps, GAP_S), timed=timed)
        found.append(clock.time_s(stamp_s, arrived_s))
    assert found[0] == 0
    assert all(a < b for a, b in pairwise(found))
