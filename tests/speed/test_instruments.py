import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.speed.instruments import busy, machine, p95, peak_rss_mb, rate, repeated


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


def test_what_is_quick_is_done_until_the_time_is_up():
    now = [5.0]

    def work():
        now[0] += 0.25

    assert repeated(work, 1.0, clock=lambda: now[0]) == [0.25] * 4
    assert repeated(work, 1.1, clock=lambda: now[0]) == [0.25] * 5


def test_a_rate_needs_a_time():
    with pytest.raises(Exception, match="median"):
        rate(1, [])


def test_a_machine_is_described_in_plain_values():
    found = machine("H200")
    assert found["processor"]
    assert found["cores"] >= 1
    assert found["memory_gb"] > 0
    assert found["gpu"] == "H200"
    assert {"oddframe", "python", "numpy"} <= set(found["versions"])


def test_a_busy_machine_and_a_limit_of_threads_are_named(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert busy({"load": 0.4, "cores": 2}) == ()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    load, threads = busy({"load": 3.0, "cores": 2})
    assert load.startswith("the machine was busy at the start (load 3.0 on 2 cores)")
    assert threads.startswith("OMP_NUM_THREADS is 1")


def test_peak_memory_is_that_of_a_process_with_numpy_in_it():
    assert peak_rss_mb() > 10
