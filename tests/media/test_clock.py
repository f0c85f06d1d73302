from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.records import FrameTiming
from oddframe.media.clock import FrameClock


def times(pts, start=0, rate_fps=10.0, gap_s=0.5):
    clock = FrameClock(FrameTiming(rate_fps, gap_s), Fraction(1, 1000), start)
    notices = []
    found = [clock.time_s(tick) for tick in pts]
    clock.report(notices.append)
    return found, notices


def test_timestamps_become_seconds_from_the_start_of_the_stream():
    assert times([1400, 1500, 1750], start=1400) == (pytest.approx([0, 0.1, 0.35]), [])


def test_without_a_stated_start_the_first_frame_is_at_0():
    assert times([1400, 1500], start=None)[0] == pytest.approx([0, 0.1])


def test_a_frame_from_before_the_stated_start_is_at_0():
    assert times([900, 1000, 1100], start=1000)[0] == pytest.approx([0, 0.1, 0.2])


def test_frames_without_timestamps_are_timed_by_the_rate_with_a_notice():
    found, notices = times([None, None, 200, None])
    assert found == pytest.approx([0, 0.1, 0.2, 0.3])
    assert notices == ["3 frame(s) had no timestamp and were timed by the frame rate"]


def test_a_repeated_timestamp_is_moved_on_without_shifting_the_rest():
    found, notices = times([0, 100, 100, 200])
    assert found == pytest.approx([0, 0.1, 0.11, 0.2])
    assert "1 frame(s) had timestamps that do not increase" in notices[0]


def test_a_gap_is_counted_and_kept():
    found, notices = times([0, 100, 700, 800])
    assert found == pytest.approx([0, 0.1, 0.7, 0.8])
    assert notices == ["1 gap(s) of more than 0.5 s between frames; no clip spans them"]


def test_a_jump_back_becomes_a_gap_behind_which_time_goes_on():
    found, notices = times([0, 400, 800, 0, 100])
    assert found[3] - found[2] > 0.5
    assert found[4] - found[3] == pytest.approx(0.1)
    assert "jump back 1 time(s)" in notices[0]


@given(st.lists(st.none() | st.integers(-5000, 5000), max_size=40), st.none() | st.integers(-100, 100))
def test_times_always_increase_from_0_on(pts, start):
    found, _ = times(pts, start)
    assert all(b > a for a, b in pairwise(found))
    assert not found or found[0] >= 0
