from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import NormalScores, calibrate
from oddframe.core.recalibration import (
    MARGIN,
    alarms,
    calibrate_camera,
    extend_footage,
    outside,
    raw_scores,
)
from tests.support.tiny import tiny_calibration

HOURLY = FalseAlarmBudget.parse("6/hour")


def normal_scores(seed=1, minutes=30, rate_fps=5.0, level=1.0):
    rng = np.random.default_rng(seed)
    count = round(minutes * 60 * rate_fps)
    raw = (level * np.exp(rng.normal(0, 0.2, count))).astype(np.float32)
    return NormalScores(
        recording=np.zeros(count, np.int32),
        time_s=np.arange(count) / rate_fps,
        raw=raw,
        appearance=raw,
        motion=raw,
        cluster=raw,
        map_peak=raw,
        rate_fps=rate_fps,
        in_sample=False,
    )


@given(st.floats(0.01, 100.0), st.floats(0.001, 0.999))
def test_scores_come_back_as_the_raw_scores_they_were(threshold, score):
    raw = threshold * score / (1 - score)
    found = raw_scores(np.array([raw / (raw + threshold)]), np.array([threshold]))
    assert found[0] == pytest.approx(raw, rel=1e-6)


def test_scores_at_the_ends_and_without_a_threshold_are_no_accident():
    found = raw_scores(np.array([0.0, 1.0, 0.5]), np.array([2.0, 2.0, np.nan]))
    assert 0 < found[0] < 0.001
    assert 10_000 < found[1] < np.inf
    assert np.isnan(found[2])


def test_stretches_are_left_out_with_what_is_around_them():
    seconds = np.array([1, 2, 3, 4, 5, 9, 10, 20])
    assert seconds[outside(seconds, [(4.5, 5.0), (10.2, 10.4)], around_s=1.0)].tolist() == [
        1,
        2,
        20,
    ]
    assert outside(seconds, []).all()


def test_alarms_are_counted_by_the_rules_over_breaks_and_merges():
    calibration = tiny_calibration(threshold=2.0, release=1.5, merge_gap_s=2.0)
    seconds = np.concatenate([np.arange(100, 130), np.arange(200, 210)])
    raw = np.full(len(seconds), 1.0)
    for second in (105, 106, 108, 120, 204):
        raw[seconds == second] = 3.0
    found = alarms(seconds, raw, calibration)
    assert [(round(span.start_s), round(span.end_s)) for span in found] == [
        (105, 109),
        (120, 121),
        (204, 205),
    ]
    assert alarms(seconds[:0], raw[:0], calibration) == []


def test_footage_grows_by_what_the_camera_has_shown():
    normal = normal_scores()
    seconds = np.concatenate([np.arange(1000, 1600), np.arange(9000, 9060)])
    grown = extend_footage(normal, seconds, np.full(len(seconds), 2.0))
    assert grown.hours == pytest.approx(normal.hours + 660 / 3600)
    assert len(list(grown.pieces())) == 3
    assert extend_footage(normal, seconds[:0], np.zeros(0)) is normal


def test_what_was_called_normal_stays_quiet():
    normal = normal_scores()
    before = calibrate(normal, HOURLY)
    nothing = np.zeros(0, np.int64), np.zeros(0)
    same = calibrate_camera(before, normal, *nothing, [], HOURLY)
    assert same.threshold == before.threshold
    after = calibrate_camera(before, normal, *nothing, [3.0, 5.0], HOURLY)
    assert after.threshold == pytest.approx(MARGIN * 5.0)
    assert before.release < after.release < after.threshold
    assert (after.tails, after.map_level) == (before.tails, before.map_level)
    assert calibrate_camera(before, normal, *nothing, [0.5], HOURLY).threshold == before.threshold


def test_a_busier_camera_gets_a_higher_threshold_without_a_word():
    normal = normal_scores()
    before = calibrate(normal, HOURLY)
    rng = np.random.default_rng(2)
    seconds = np.arange(10_000, 10_000 + 2 * 3600)
    raw = 2.0 * np.exp(rng.normal(0, 0.2, len(seconds)))
    after = calibrate_camera(before, normal, seconds, raw, [], HOURLY)
    assert after.threshold > before.threshold
    assert len(alarms(seconds, raw, after)) <= 2 * 6 * 2
    assert after.hours > before.hours


def test_the_release_of_a_raised_threshold_is_that_of_a_calibration():
    normal = normal_scores()
    before = calibrate(normal, HOURLY)
    nothing = np.zeros(0, np.int64), np.zeros(0)
    after = calibrate_camera(before, normal, *nothing, [before.threshold], HOURLY)
    level, middle = np.log(after.threshold), np.median(np.log(normal.raw.astype(float)))
    assert after.release == pytest.approx(
        np.exp(level - (level - middle) * (1 - before.rules.hold))
    )
    assert replace(after, threshold=before.threshold, release=before.release).rules == before.rules
