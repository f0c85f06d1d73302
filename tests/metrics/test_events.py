import json
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.metrics.events import event_metrics

FRAME = st.tuples(st.sampled_from([1.0, 2.0, 3.0, 4.0, math.nan]), st.sampled_from([0, 0, 1]))
VIDEOS = st.lists(st.lists(FRAME, min_size=1, max_size=15), min_size=1, max_size=3)


def runs(flags):
    """(start, stop) of the runs of true values, frame by frame."""
    found, start = [], None
    for place, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = place
        if not flag and start is not None:
            found.append((start, place))
            start = None
    return found


def literal_point(videos, rate, rate_fps):
    """Lower the threshold until enough events are detected."""
    total = sum(len(runs([truth for _, truth in video])) for video in videos)
    scored = sum(not math.isnan(score) for video in videos for score, _ in video)
    for threshold in (4.0, 3.0, 2.0, 1.0):
        delays, false_alarms = [], 0
        for video in videos:
            alarmed = [score >= threshold for score, _ in video]
            for start, stop in runs([truth for _, truth in video]):
                hits = [frame for frame in range(start, stop) if alarmed[frame]]
                delays += [(hits[0] - start) / rate_fps] if hits else []
            for start, stop in runs(alarmed):
                false_alarms += not any(truth for _, truth in video[start:stop])
        if total and len(delays) >= rate * total:
            return threshold, false_alarms, false_alarms / (scored / rate_fps / 3600), delays
    return None


@given(VIDEOS, st.sampled_from([0.25, 0.5, 1.0]))
def test_operating_points_equal_a_literal_sweep(videos, rate):
    scores = {str(place): [frame[0] for frame in video] for place, video in enumerate(videos)}
    labels = {str(place): [frame[1] for frame in video] for place, video in enumerate(videos)}
    (point,) = event_metrics(scores, labels, rate_fps=4.0, detection_rates=(rate,)).points
    expected = literal_point(videos, rate, 4.0)
    if expected is None:
        assert (point.threshold, point.false_alarms, point.delay_mean_s) == (None, None, None)
        return
    threshold, false_alarms, per_hour, delays = expected
    assert (point.threshold, point.false_alarms, point.detected) == (
        threshold,
        false_alarms,
        len(delays),
    )
    assert point.false_alarms_per_hour == pytest.approx(per_hour)
    assert point.delay_mean_s == pytest.approx(statistics.mean(delays))
    assert point.delay_median_s == pytest.approx(statistics.median(delays))


def test_counts_and_json():
    scores = {"a": [np.nan, 1, 5, 1, 2, 6, 7, 1], "b": [np.nan, np.nan, 1, 1]}
    labels = {"a": [0, 0, 0, 0, 1, 1, 1, 0], "b": [1, 1, 0, 0]}
    result = event_metrics(scores, labels, rate_fps=2.0)
    assert (result.events, result.unscored_events) == (2, 1)
    assert result.hours_scored == pytest.approx(9 / 2 / 3600)
    half, *unreachable = result.points
    assert (half.threshold, half.detected, half.false_alarms, half.delay_mean_s) == (7.0, 1, 0, 1.0)
    assert {point.threshold for point in unreachable} == {None}
    tree = json.loads(json.dumps(result.as_dict()))
    assert tree["points"][0]["detection_rate"] == 0.5
    assert tree["points"][0]["delays_frames"] == [2, None]
    assert tree["true_events"] == [
        {"video": "a", "first_frame": 4, "last_frame": 6, "peak": 7.0},
        {"video": "b", "first_frame": 0, "last_frame": 1, "peak": None},
    ]


def test_each_video_has_its_own_rate():
    scores = {"slow": [0, 1, 2, 0], "fast": [0, 0, 0, 2]}
    labels = {"slow": [0, 1, 1, 0], "fast": [0, 1, 1, 1]}
    result = event_metrics(scores, labels, {"slow": 1.0, "fast": 4.0}, (1.0,))
    assert result.hours_scored == pytest.approx((4 / 1 + 4 / 4) / 3600)
    assert result.points[0].delays_frames == (1, 2)
    assert result.points[0].delay_mean_s == pytest.approx((1 / 1 + 2 / 4) / 2)


def test_without_a_rate_there_are_no_times():
    result = event_metrics({"a": [1.0, 2.0, 0.0]}, {"a": [0, 1, 0]}, None, (1.0,))
    (point,) = result.points
    assert (point.detected, point.false_alarms, point.delays_frames) == (1, 0, (0,))
    assert (result.hours_scored, point.false_alarms_per_hour, point.delay_mean_s) == (
        None,
        None,
        None,
    )


def test_nothing_scored_detects_nothing():
    result = event_metrics({"a": [math.nan]}, {"a": [1]}, 1.0, (0.5,))
    assert (result.events, result.unscored_events, result.hours_scored) == (1, 1, 0.0)
    assert result.points[0].threshold is None


@pytest.mark.parametrize("score", [1.0, math.nan])
def test_a_single_normal_frame(score):
    result = event_metrics({"a": [score]}, {"a": [0]}, 1.0)
    assert (result.events, {point.detected for point in result.points}) == (0, {None})


def test_ties_between_events_and_normal_frames_are_alarms():
    result = event_metrics({"a": [3.0, 0.0, 3.0, 0.0, 3.0]}, {"a": [0, 0, 1, 0, 0]}, 1.0, (1.0,))
    assert result.points[0].false_alarms == 2


@pytest.mark.parametrize("label", [0, 1])
def test_one_class(label):
    result = event_metrics(
        {"a": [1.0, 2.0]}, {"a": [label, label]}, rate_fps=1.0, detection_rates=(1.0,)
    )
    assert result.events == label
    assert result.points[0].false_alarms == (0 if label else None)


def test_all_of_five_shares_ask_for_the_right_number_of_events():
    labels = [1, 0] * 5
    scores = [5, 0, 4, 0, 3, 0, 2, 0, 1, 0]
    result = event_metrics({"a": scores}, {"a": labels}, 1.0, (0.2, 0.4, 0.6, 0.8, 1.0))
    assert [point.threshold for point in result.points] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rate_fps": 0.0}, "rate_fps must be above 0"),
        ({"rate_fps": math.nan}, "rate_fps must be above 0"),
        ({"rate_fps": {"b": 1.0}}, "rate_fps must be above 0 for every video, got None for a"),
        ({"rate_fps": 1.0, "detection_rates": (0.0,)}, "detection rates must be above 0"),
    ],
)
def test_settings_are_checked(settings, words):
    with pytest.raises(InputError, match=words):
        event_metrics({"a": [1.0]}, {"a": [1]}, **settings)
