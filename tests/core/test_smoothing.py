import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.records import Score
from oddframe.core.smoothing import NO_SMOOTHING, ScoreSmoother, SmoothingWindow, smooth_scores

PARTS = ("raw", "appearance", "motion", "cluster")


def score(frame, raw, time_s=None):
    parts = (
        {} if raw is None else {"appearance": 2.0 * raw, "motion": 3.0 * raw, "cluster": 4.0 * raw}
    )
    return Score(
        frame, frame / 10 if time_s is None else time_s, None if raw is None else 9.9, raw, **parts
    )


def told(raws, neighbours, gap_s=0.35):
    mean = ScoreSmoother(neighbours, lambda raw: raw / (raw + 1))
    mean.gap_s = gap_s
    return [
        one for number, raw in enumerate(raws) for one in mean.push(score(number, raw))
    ] + mean.flush()


@given(
    raws=st.lists(st.none() | st.floats(0.01, 100.0), max_size=40),
    neighbours=st.builds(
        SmoothingWindow, st.integers(0, 4), st.integers(0, 4), st.sampled_from([1.0, 2.0])
    ),
)
def test_each_frame_has_the_mean_of_its_neighbours_in_the_unbroken_run(raws, neighbours):
    found = told(raws, neighbours)
    assert [one.frame for one in found] == list(range(len(raws)))
    scored = [number for number, raw in enumerate(raws) if raw is not None]
    # Four frames without a score between two are more than the gap.
    breaks = np.flatnonzero(np.diff(scored, prepend=-1000) > 3)
    runs = [run.tolist() for run in np.split(np.array(scored, int), breaks)]
    for run in runs:
        for place, number in enumerate(run):
            near = [
                raws[other]
                for other in run[max(0, place - neighbours.before) : place + neighbours.after + 1]
            ]
            one = found[number]
            assert one.raw == pytest.approx(
                np.mean(np.power(near, 1 / neighbours.power)) ** neighbours.power
            )
            assert (one.appearance, one.motion, one.cluster) == pytest.approx(
                (2 * one.raw, 3 * one.raw, 4 * one.raw)
            )
            assert one.score == (9.9 if neighbours.is_single else one.raw / (one.raw + 1))
    assert [one.raw is None for one in found] == [raw is None for raw in raws]


@given(
    raws=st.lists(st.floats(0.5, 100.0), min_size=1, max_size=30),
    count=st.integers(0, 3),
    power=st.sampled_from([1.0, 2.0]),
)
def test_of_an_array_it_is_the_same(raws, count, power):
    neighbours = SmoothingWindow(count, count, power)
    found = smooth_scores(np.array(raws, np.float32), neighbours)
    assert found.dtype == np.float32
    assert found == pytest.approx([one.raw for one in told(raws, neighbours)], rel=1e-6)


def test_by_itself_a_score_is_told_at_once_and_as_it_is():
    mean = ScoreSmoother(NO_SMOOTHING, lambda raw: raw / (raw + 1))
    one = score(0, 0.3)
    assert mean.push(one) == [one]
    assert mean.flush() == []


def test_no_score_waits_longer_than_for_its_neighbours():
    mean = ScoreSmoother(SmoothingWindow(1, 2), lambda raw: raw)
    mean.gap_s = 0.35
    ready = [[one.frame for one in mean.push(score(n, 1.0 if n < 5 else None))] for n in range(12)]
    assert ready == [[], [], [0], [1], [2], [], [], [], [3, 4, 5, 6, 7, 8], [9], [10], [11]]


def test_time_that_goes_back_begins_anew():
    mean = ScoreSmoother(SmoothingWindow(1, 1), lambda raw: raw)
    mean.gap_s = 0.35
    given_ = [(0, 1.0, 5.0), (1, 3.0, 5.1), (2, 10.0, 0.0), (3, 20.0, 0.1)]
    found = [
        one for frame, raw, time_s in given_ for one in mean.push(score(frame, raw, time_s))
    ] + mean.flush()
    assert [one.raw for one in found] == [2.0, 2.0, 15.0, 15.0]


def test_neighbours_of_an_array_stop_at_its_ends():
    assert smooth_scores(np.array([1, 2, 6], np.float32), SmoothingWindow(1, 1)).tolist() == [
        1.5,
        3.0,
        4.0,
    ]
