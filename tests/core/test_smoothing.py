import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.records import Score
from oddframe.core.smoothing import NO_SMOOTHING, ScoreSmoother, SmoothingWindow, smooth_scores

PARTS = ("raw", "appearance", "motion", "cluster")


def score(frame, raw, time_s=None):
    time_s = frame / 10 if time_s is None else time_s
    if raw is None:
        return Score(frame, time_s)
    parts = {"appearance": 2.0 * raw, "motion": 3.0 * raw, "cluster": 4.0 * raw}
    return Score(frame, time_s, 9.9, raw, **parts)


def smoother(window, score=lambda raw: raw):
    made = ScoreSmoother(window, score)
    made.gap_s = 0.35
    return made


def push_all(smoother, scores):
    """All scores that come out, the ones at the end included."""
    found = []
    for one in scores:
        found += smoother.push(one)
    return found + smoother.flush()


def smoothed(raws, window):
    frames = [score(number, raw) for number, raw in enumerate(raws)]
    return push_all(smoother(window, lambda raw: raw / (raw + 1)), frames)


@given(
    raws=st.lists(st.none() | st.floats(0.01, 100.0), max_size=40),
    window=st.builds(
        SmoothingWindow, st.integers(0, 4), st.integers(0, 4), st.sampled_from([1.0, 2.0])
    ),
)
def test_each_frame_has_the_mean_of_its_neighbours_in_the_unbroken_run(raws, window):
    found = smoothed(raws, window)
    assert [one.frame for one in found] == list(range(len(raws)))
    scored = [number for number, raw in enumerate(raws) if raw is not None]
    # Four frames without a score between two are more than the gap.
    breaks = np.flatnonzero(np.diff(scored, prepend=-1000) > 3)
    runs = [run.tolist() for run in np.split(np.array(scored, int), breaks)]
    for run in runs:
        for place, number in enumerate(run):
            near = run[max(0, place - window.before) : place + window.after + 1]
            powers = np.power([raws[other] for other in near], 1 / window.power)
            mean = found[number]
            assert mean.raw == pytest.approx(np.mean(powers) ** window.power)
            assert (mean.appearance, mean.motion, mean.cluster) == pytest.approx(
                (2 * mean.raw, 3 * mean.raw, 4 * mean.raw)
            )
            assert mean.score == (9.9 if window.is_single else mean.raw / (mean.raw + 1))
    assert [one.raw is None for one in found] == [raw is None for raw in raws]


@given(
    raws=st.lists(st.floats(0.5, 100.0), min_size=1, max_size=30),
    count=st.integers(0, 3),
    power=st.sampled_from([1.0, 2.0]),
)
def test_an_array_is_smoothed_as_a_stream_is(raws, count, power):
    window = SmoothingWindow(count, count, power)
    found = smooth_scores(np.array(raws, np.float32), window)
    assert found.dtype == np.float32
    assert found == pytest.approx([one.raw for one in smoothed(raws, window)], rel=1e-6)


def test_without_smoothing_a_score_passes_at_once_and_unchanged():
    single = smoother(NO_SMOOTHING)
    alone = score(0, 0.3)
    assert single.push(alone) == [alone]
    assert single.flush() == []


def test_no_score_waits_longer_than_for_its_neighbours():
    mean = smoother(SmoothingWindow(1, 2))
    scores = [score(number, 1.0 if number < 5 else None) for number in range(12)]
    ready = [[out.frame for out in mean.push(pushed)] for pushed in scores]
    assert ready == [[], [], [0], [1], [2], [], [], [], [3, 4, 5, 6, 7, 8], [9], [10], [11]]


def test_time_that_goes_back_begins_anew():
    rows = [(0, 1.0, 5.0), (1, 3.0, 5.1), (2, 10.0, 0.0), (3, 20.0, 0.1)]
    found = push_all(smoother(SmoothingWindow(1, 1)), [score(*row) for row in rows])
    assert [one.raw for one in found] == [2.0, 2.0, 15.0, 15.0]


def test_neighbours_of_an_array_stop_at_its_ends():
    assert smooth_scores(np.array([1, 2, 6], np.float32), SmoothingWindow(1, 1)).tolist() == [
        1.5,
        3.0,
        4.0,
    ]
