import numpy as np
import pytest

from oddframe.core.extreme_value import fit_tail


def excesses(shape, count, seed=0):
    uniform = np.random.default_rng(seed).random(count)
    return -np.log(uniform) if shape == 0 else np.expm1(-shape * np.log(uniform)) / shape


@pytest.mark.parametrize("shape", [-0.25, 0.0, 0.2])
def test_a_tail_is_found_again(shape):
    fit = fit_tail(2.0, 2.0 + 0.3 * excesses(shape, 5_000), np.empty(0), hours=10.0)
    depth = np.log(500 * 24.0)
    expected = 2.0 + 0.3 * (depth if shape == 0 else np.expm1(shape * depth) / shape)
    assert fit.level(1 / 24) == pytest.approx(expected, rel=0.1)
    low, high = fit.level_interval(1 / 24)
    assert low < expected < high


def test_rates_are_of_events_per_hour():
    fit = fit_tail(1.0, 1.0 + excesses(0.0, 2_000), np.empty(0), hours=100.0)
    assert fit.rate(1.0) == pytest.approx(20.0, rel=0.01)
    assert fit.rate(1.0 + np.log(10)) == pytest.approx(2.0, rel=0.1)


def test_rate_and_level_undo_each_other():
    fit = fit_tail(0.0, excesses(0.0, 30), np.empty(0), hours=2.0)
    for rate in (10.0, 1.0, 0.04, 1e-4):
        assert fit.rate(fit.level(rate)) == pytest.approx(rate, rel=1e-6)
    assert fit.level(1e9) == 0.0


def test_more_events_are_less_doubt():
    def width(count):
        low, high = fit_tail(
            0.0, excesses(0.0, count), np.empty(0), hours=count / 10
        ).level_interval(0.01)
        return high - low

    assert width(10) > width(100) > width(1_000)


def test_intervals_hold_what_is_true_most_of_the_time():
    truth = np.log(10.0 / 0.04)
    held = 0
    for seed in range(60):
        low, high = fit_tail(0.0, excesses(0.0, 50, seed), np.empty(0), hours=5.0).level_interval(
            0.04
        )
        held += low <= truth <= high
    assert held >= 52


def test_without_events_frames_tell_the_scale():
    small, large = (
        fit_tail(0.0, np.empty(0), np.full(5, scale), hours=1.0).level(0.01) for scale in (0.1, 1.0)
    )
    assert large == pytest.approx(10 * small, rel=0.01)


def test_the_rate_lies_in_its_interval():
    fit = fit_tail(0.0, excesses(0.1, 20), np.empty(0), hours=1.0)
    for level in (0.0, 1.0, 5.0):
        low, high = fit.rate_interval(level)
        assert 0 <= low <= fit.rate(level) <= high
