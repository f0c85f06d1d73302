"""Curves in a page are those of the scores, and the histogram holds all normal frames."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.report.charts import (
    HEIGHT,
    MOST_POINTS,
    WIDTH,
    histogram,
    pack_scores,
    thin,
    vector_path,
)
from tests.support.tiny import tiny_calibration


@pytest.mark.parametrize("spread", [0.05, 0.5, 3.0])
def test_every_frame_is_in_a_bar_and_bars_above_the_threshold_are_marked(spread):
    raw = np.exp(np.random.default_rng(2).normal(0.0, spread, 5_000))
    calibration = tiny_calibration(threshold=float(np.quantile(raw, 0.99)), release=1e-6)
    found = histogram(raw, calibration)
    assert sum(bar[6] for bar in found.bars) == 5_000
    above = sum(bar[6] for bar in found.bars if bar[7])
    assert above <= (raw > calibration.threshold).sum()
    for left, top, width, height, *_ in found.bars:
        assert 0 <= left <= WIDTH - width
        assert 0 < height <= HEIGHT
        assert top >= 0
    assert all(bar[0] + bar[2] >= found.threshold - WIDTH / 60 for bar in found.bars if bar[7])
    assert found.interval[0] <= found.threshold <= sum(found.interval)
    assert 1 <= len(found.ticks) <= 16


def test_a_threshold_beyond_all_footage_is_drawn_too():
    found = histogram(np.full(100, 0.5), tiny_calibration(threshold=50.0, release=1.0))
    assert not any(bar[7] for bar in found.bars)
    assert WIDTH / 2 < found.threshold < WIDTH


def unpacked(found):
    """As the page's script does it."""
    steps, scores = (
        np.frombuffer(base64.b64decode(found[name]), "<u2") for name in ("steps", "scores")
    )
    times = (found["start_ms"] + np.cumsum(steps.astype(np.int64))) / 1000
    return times, np.where(scores == 65535, np.nan, scores / 65534)


@given(
    st.lists(
        st.tuples(st.integers(1, 200_000), st.floats(0, 1) | st.just(float("nan"))),
        min_size=1,
        max_size=60,
    )
)
def test_every_score_comes_back(pairs):
    time_s, score = (
        np.cumsum([step for step, _ in pairs]) / 1000,
        np.array([value for _, value in pairs]),
    )
    times, values = unpacked(pack_scores(time_s, score, 0.5))
    known, back = np.isfinite(score), np.isfinite(values)
    assert values[back] == pytest.approx(score[known], abs=1e-5)
    assert times[back] == pytest.approx(time_s[known], abs=1e-3)


def test_the_curve_is_interrupted_where_time_is():
    time_s, score = np.array([0.0, 0.1, 0.2, 90.0, 90.1]), np.full(5, 0.3)
    times, values = unpacked(pack_scores(time_s, score, 0.5))
    assert np.isnan(values).any()
    inside = np.isnan(values) & (times >= 0.2) & (times <= 90.0)
    assert inside.sum() == np.isnan(values).sum()
    path = vector_path(time_s, score, 0.5, 90.1, (1000, 200))
    assert path.line.count("M") == 2


def test_frames_without_a_score_between_others_do_not_interrupt_it():
    time_s = np.arange(50) / 25
    score = np.where(np.arange(50) % 3 == 0, 0.4, np.nan)
    _, values = unpacked(pack_scores(time_s, score, 0.5))
    assert np.isfinite(values).all()
    assert len(values) == 17


def test_thinning_keeps_what_stands_out(run_seed):
    random = np.random.default_rng(run_seed)
    time_s, score = np.arange(500_000) / 10, random.uniform(0.1, 0.3, 500_000)
    score[[7, 123_456, 499_999]] = 0.99
    score[250_000] = 0.01
    times, values = thin(time_s, score, 10_000)
    assert len(times) <= 10_000
    assert np.all(np.diff(times) > 0)
    assert set(time_s[[7, 123_456, 499_999, 250_000]]) <= set(times)
    assert set(zip(times, values, strict=True)) <= set(zip(time_s, score, strict=True))


def test_a_day_is_a_few_hundred_kilobytes_and_unbroken():
    count = 864_000
    score = np.random.default_rng(5).uniform(0, 1, count)
    found = pack_scores(np.arange(count) / 10, score, 0.5)
    assert len(found["steps"]) + len(found["scores"]) <= 1.4 * 4 * MOST_POINTS
    assert np.isfinite(unpacked(found)[1]).all()


def test_nothing_is_drawn_of_nothing():
    nothing = np.array([])
    assert pack_scores(nothing, nothing, 0.5)["steps"] == ""
    assert vector_path(np.array([1.0]), np.array([np.nan]), 0.5, 1.0, (10, 10)).line == ""


def test_a_score_between_gaps_is_a_point():
    path = vector_path(
        np.array([0.0, 50.0, 100.0]), np.array([0.5, 1.0, 0.0]), 0.5, 100.0, (1000, 200)
    )
    assert path.line == ""
    assert path.points == "M0.0 100.0h.01M500.0 0.0h.01M1000.0 200.0h.01"
