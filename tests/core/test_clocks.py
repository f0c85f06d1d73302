from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.clocks import LiveClock, RecordingClock, WallClock, count_damaged
from oddframe.core.records import FrameTiming

GAP_S = 0.5
NOON_US = 1_790_000_000_000_000


def live_clock(rate_fps=10, **options):
    clock = LiveClock()
    clock.connect(FrameTiming(rate_fps, GAP_S), **options)
    return clock


def times(clock, pairs):
    return [clock.time_s(stamp_s, arrived_s) for stamp_s, arrived_s in pairs]


def recording_times(pts, start=0, rate_fps=10.0):
    """Times of the frames with these timestamps in milliseconds, and the clock's notices."""
    clock = RecordingClock(FrameTiming(rate_fps, GAP_S), Fraction(1, 1000), start)
    notices = []
    found = [clock.time_s(tick) for tick in pts]
    clock.report(notices.append)
    return found, notices


def test_times_start_at_0_and_follow_the_timestamps_not_the_arrival():
    found = times(
        live_clock(), [(500.0, 1000.0), (500.1, 1000.18), (500.2, 1000.2), (500.3, 1000.31)]
    )
    assert found == pytest.approx([0, 0.1, 0.2, 0.3], abs=1e-3)


def test_a_burst_keeps_its_timestamps():
    found = times(live_clock(), [(i / 10, 50.0) for i in range(15)])
    assert found == pytest.approx([i / 10 for i in range(15)], abs=2e-3)


def test_frames_without_a_timestamp_come_one_period_later():
    found = times(live_clock(), [(None, 5.0), (9.1, 5.0), (None, 5.1), (9.3, 5.2)])
    assert found == pytest.approx([0, 0.1, 0.2, 0.3], abs=1e-3)


def test_a_stream_without_timestamps_goes_by_arrival():
    found = times(live_clock(timed=False), [(0.0, 5.0), (0.04, 5.2), (0.08, 5.2), (0.12, 5.7)])
    assert found == pytest.approx([0, 0.2, 0.21, 0.7])


def test_after_a_lost_connection_the_time_that_passed_lies_between():
    clock = live_clock()
    assert times(clock, [(7.0, 100.0), (7.1, 100.1)]) == pytest.approx([0, 0.1], abs=1e-3)
    clock.connect(FrameTiming(10, GAP_S))
    assert times(clock, [(2.0, 130.0), (2.1, 130.1)]) == pytest.approx([30, 30.1], abs=1e-3)


def test_however_short_a_loss_no_clip_spans_it():
    clock = live_clock()
    before = clock.time_s(7.0, 100.0)
    clock.connect(FrameTiming(10, GAP_S))
    assert clock.time_s(7.1, 100.1) - before > GAP_S


@pytest.mark.parametrize("jump_s", [-3600.0, -1.0, 5.0, 86_400.0, 95_443.7])
def test_timestamps_that_jump_make_a_gap_and_lead_nowhere_else(jump_s):
    clock = live_clock()
    before = times(clock, [(1000 + i / 10, i / 10) for i in range(50)])
    doubted, *after = times(clock, [(1000 + jump_s + i / 10, i / 10) for i in range(50, 100)])
    assert doubted is None
    assert (clock.jumps, clock.left_out) == (1, 0)
    assert after[0] - before[-1] > GAP_S
    assert after[-1] == pytest.approx(9.9, abs=1.0)
    assert [b - a for a, b in pairwise(after)] == pytest.approx([0.1] * 48, abs=1e-3)


@pytest.mark.parametrize("off_s", [-3600.0, -2.0, 3.0, 20.0, 1e6])
@pytest.mark.parametrize("odd", [1, 17, 48])
def test_a_lone_timestamp_of_a_live_stream_is_left_out_and_moves_nothing(off_s, odd):
    clock = live_clock()
    stamps = [1000 + i / 10 + off_s * (i == odd) for i in range(50)]
    found = times(clock, [(stamp, i / 10) for i, stamp in enumerate(stamps)])
    assert found[odd] is None
    del found[odd]
    assert found == pytest.approx([i / 10 for i in range(50) if i != odd], abs=1e-3)
    assert (clock.jumps, clock.left_out) == (0, 1)


def test_a_stream_whose_timestamps_are_all_wrong_still_gives_frames():
    clock = live_clock()
    found = times(clock, [(1e4 * (i * 7919 % 101), i / 10) for i in range(60)])
    assert sum(time_s is not None for time_s in found) >= 29


@pytest.mark.parametrize(
    ("times_s", "count"),
    [
        ([30.1, 10.2, 10.3], 1),
        ([-5.0, 10.2, 10.3], 1),
        ([30.1, 40.0, 10.3, 10.4], 2),
        ([30.1, 30.2, 30.3, 10.4], 3),
        ([30.1, 30.2, 30.3, 30.4], 0),
        ([0.0, 0.1, 0.2, 0.3], 0),
        ([13.1, 13.11, 13.12, 13.13], 0),
        ([30.1], 0),
    ],
)
def test_timestamps_are_damaged_where_time_goes_on_behind_them(times_s, count):
    assert count_damaged(10.0, times_s, 0.1, 0.5) == count


@pytest.mark.parametrize("off_ms", [700, 1500, 20_000])
def test_a_damaged_timestamp_that_gets_as_far_as_the_clock_does_not_move_all_that_follows(off_ms):
    pts = [i * 100 + off_ms * (i == 30) for i in range(400)]
    found, _ = recording_times(pts)
    assert all(a < b for a, b in pairwise(found))
    assert found[:30] == pytest.approx([i / 10 for i in range(30)])
    assert found[-1] == pytest.approx(39.9)


def test_a_joint_behind_a_gap_stays_a_joint():
    found, notices = recording_times([*range(0, 2000, 100), 7000, 7100, 0, 100, 200])
    assert found[22] > found[21] + GAP_S
    assert [b - a for a, b in pairwise(found[22:])] == pytest.approx([0.1, 0.1])
    assert any("jump back 1 time" in notice for notice in notices)


def test_a_recording_that_begins_anew_is_never_taken_for_damage():
    # Its times come by the place where the first one ended, but much later than they should.
    assert count_damaged(10.0, [i / 10 for i in range(300)], 0.1, 0.5) == 0


def test_a_pause_that_really_passed_is_no_jump():
    clock = live_clock()
    assert times(clock, [(0.0, 0.0), (30.0, 30.0)]) == pytest.approx([0, 30], abs=0.1)
    assert clock.jumps == 0


def test_one_frame_out_of_order_does_not_shift_those_behind_it():
    found = times(live_clock(), [(0.0, 0.0), (0.1, 0.1), (0.05, 0.2), (0.3, 0.3)])
    assert found == pytest.approx([0, 0.1, 0.11, 0.3], abs=1e-3)


@pytest.mark.parametrize("drift", [-2e-4, 2e-4])
def test_a_clock_that_drifts_is_followed_for_a_day(drift):
    clock = live_clock(rate_fps=0.1)
    found = times(clock, [(i * (1 + drift), float(i)) for i in range(0, 86_400, 10)])
    assert found[-1] == pytest.approx(86_390, abs=0.1)


def test_segments_that_come_ahead_say_nothing_of_drift():
    clock = live_clock(follows_arrival=False)
    found = times(clock, [(i / 10, i // 60 * 6.0) for i in range(600)])
    assert found == pytest.approx([i / 10 for i in range(600)])


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-1e5, 1e5)),
            st.floats(0, 100),
            st.booleans(),
            st.floats(0.1, 60),
        ),
        min_size=1,
        max_size=60,
    ),
    st.booleans(),
)
def test_times_of_a_live_stream_always_increase_whatever_comes(steps, timed):
    clock, arrived_s, found = live_clock(timed=timed), 0.0, []
    for stamp_s, later_s, reconnects, rate_fps in steps:
        arrived_s += later_s
        if reconnects:
            clock.connect(FrameTiming(rate_fps, GAP_S), timed=timed)
        time_s = clock.time_s(stamp_s, arrived_s)
        found += [] if time_s is None else [time_s]
    assert found[0] == 0
    assert all(a < b for a, b in pairwise(found))


def test_the_first_frame_ties_the_stream_to_the_wall():
    wall = WallClock()
    assert not wall.see(5.0, NOON_US)
    assert wall(5.0) == NOON_US
    assert wall(6.5) == NOON_US + 1_500_000
    assert wall(0.0) == NOON_US - 5_000_000


@given(st.lists(st.integers(-1_900_000, 1_900_000), min_size=1))
def test_jitter_moves_nothing(jitters):
    wall = WallClock()
    wall.see(0.0, NOON_US)
    for number, jitter in enumerate(jitters):
        assert not wall.see(float(number), NOON_US + number * 1_000_000 + jitter)
        assert wall(float(number)) == NOON_US + number * 1_000_000


@given(st.integers(2_000_001, 10**15), st.sampled_from([1, -1]))
def test_a_clock_that_was_set_is_followed_but_not_by_what_has_begun(by_us, direction):
    wall = WallClock()
    wall.see(0.0, NOON_US)
    begun = wall.snapshot()
    assert wall.see(1.0, NOON_US + 1_000_000 + direction * by_us)
    assert wall(1.0) == NOON_US + 1_000_000 + direction * by_us
    assert begun(1.0) == NOON_US + 1_000_000


def test_timestamps_become_seconds_from_the_start_of_the_stream():
    assert recording_times([1400, 1500, 1750], start=1400) == (pytest.approx([0, 0.1, 0.35]), [])


def test_without_a_stated_start_the_first_frame_is_at_0():
    assert recording_times([1400, 1500], start=None)[0] == pytest.approx([0, 0.1])


def test_a_frame_from_before_the_stated_start_is_at_0():
    assert recording_times([900, 1000, 1100], start=1000)[0] == pytest.approx([0, 0.1, 0.2])


def test_frames_without_timestamps_are_timed_by_the_rate_with_a_notice():
    found, notices = recording_times([None, None, 200, None])
    assert found == pytest.approx([0, 0.1, 0.2, 0.3])
    assert notices == ["3 frame(s) had no timestamp and were timed by the frame rate"]


def test_a_repeated_timestamp_is_moved_on_without_shifting_the_rest():
    found, notices = recording_times([0, 100, 100, 200])
    assert found == pytest.approx([0, 0.1, 0.11, 0.2])
    assert "1 frame(s) had timestamps that do not increase" in notices[0]


def test_a_gap_is_counted_and_kept():
    found, notices = recording_times([0, 100, 700, 800])
    assert found == pytest.approx([0, 0.1, 0.7, 0.8])
    assert notices == ["1 gap(s) of more than 0.5 s between frames; no clip spans them"]


def test_a_jump_back_becomes_a_gap_behind_which_time_goes_on():
    found, notices = recording_times([0, 400, 800, 0, 100])
    assert found[3] - found[2] > 0.5
    assert found[4] - found[3] == pytest.approx(0.1)
    assert "jump back 1 time(s)" in notices[0]


@given(
    st.lists(st.none() | st.integers(-5000, 5000), max_size=40), st.none() | st.integers(-100, 100)
)
def test_times_of_a_recording_always_increase_from_0_on(pts, start):
    found, _ = recording_times(pts, start)
    assert all(b > a for a, b in pairwise(found))
    assert not found or found[0] >= 0
