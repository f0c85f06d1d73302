import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.speed import instruments as timing
from oddframe.speed.instruments import p95, rate, repeated


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_at_most_one_in_twenty_lies_above_the_95th_percentile(values):
    found = p95(values)
    assert found in values
    assert sum(value > found for value in values) <= 0.05 * len(values)
    assert sum(value >= found for value in values) > 0.05 * len(values) or len(values) == 1


def test_a_rate_is_that_of_the_median_time():
    assert rate(8, [0.1, 0.5, 9.0]) == 16.0


def test_what_is_slow_is_done_the_least_number_of_times():
    done = []
    assert len(repeated(lambda: done.append(1), 0.0, least=3)) == 3
    assert len(done) == 3


def test_what_is_quick_is_done_until_the_time_is_up(monkeypatch):
    now = [5.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def work():
        now[0] += 0.25

    assert repeated(work, 1.0) == [0.25] * 4
    assert repeated(work, 1.1) == [0.25] * 5


def test_no_time_is_still_one_median():
    with pytest.raises(Exception, match="median"):
        rate(1, [])
