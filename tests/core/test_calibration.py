import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.calibration import QUANTILE, Calibration, calibrate
from oddframe.errors import InputError

RAW = st.floats(1e-9, 1e3)


def calibration(**changes):
    return Calibration(**{"threshold": 2.0, "clips": 10, "in_sample": False, "map_level": 1.0, **changes})


@given(raw=RAW, threshold=RAW)
def test_score_is_r_over_r_plus_t(raw, threshold):
    assert calibration(threshold=threshold).score(raw) == pytest.approx(raw / (raw + threshold))


@given(raw=RAW, threshold=RAW, factor=st.floats(1.001, 100.0))
def test_score_rises_strictly_and_stays_between_0_and_1(raw, threshold, factor):
    found = calibration(threshold=threshold)
    assert 0 < found.score(raw) < found.score(raw * factor) < 1


@given(threshold=RAW)
def test_score_is_one_half_exactly_at_the_threshold(threshold):
    found = calibration(threshold=threshold)
    assert found.score(threshold) == 0.5
    assert found.score(threshold * 1.001) > 0.5 > found.score(threshold * 0.999)


def test_threshold_is_the_999th_thousandth_of_normal_scores():
    raw = np.random.default_rng(0).permutation(np.arange(1.0, 1002.0))
    found = calibrate(raw, raw / 10, in_sample=True)
    # Of 1001 scores exactly 1000 lie at or below 99.9 % of the way from the lowest to the highest.
    assert found.threshold == pytest.approx(1000.0)
    assert found.map_level == pytest.approx(100.0)
    assert (found.clips, found.in_sample) == (1001, True)
    assert np.mean(raw <= found.threshold) >= QUANTILE


def test_one_clip_is_enough():
    found = calibrate(np.array([0.25]), np.array([0.5]), in_sample=False)
    assert (found.threshold, found.map_level) == (0.25, 0.5)


def test_maps_without_any_height_still_give_a_level_to_scale_by():
    assert calibrate(np.array([0.25]), np.array([0.0]), in_sample=False).map_level > 0


@pytest.mark.parametrize(
    ("raw", "found"),
    [([], "got none"), ([1.0, 0.0], "1 of 2"), ([np.nan], "such as nan"), ([1.0, np.inf], "inf"), ([-3.0], "-3.0")],
)
def test_scores_that_are_no_scores_are_refused(raw, found):
    with pytest.raises(InputError, match=found):
        calibrate(np.array(raw), np.ones(len(raw)), in_sample=False)


@pytest.mark.parametrize("name", ["threshold", "map_level"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_calibration_checks_itself(name, value):
    with pytest.raises(InputError, match=name):
        calibration(**{name: value})
