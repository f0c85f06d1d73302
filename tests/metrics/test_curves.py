import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from oddframe.metrics import curves


def literal_smooth(values, sigma=3.0):
    """A loop over one stretch: mirrored ends, weights cut off at 4 sigma."""
    size, radius = len(values), int(4 * sigma + 0.5)
    mirrored = [*range(size), *range(size - 1, -1, -1)]
    weights = {k: math.exp(-(k**2) / (2 * sigma**2)) for k in range(-radius, radius + 1)}
    return [
        sum(w * values[mirrored[(i + k) % (2 * size)]] for k, w in weights.items()) / sum(weights.values())
        for i in range(size)
    ]


@given(st.lists(st.one_of(st.just(math.nan), st.floats(-100, 100)), min_size=1, max_size=60))
def test_smoothing_is_the_literal_gaussian_within_scored_stretches(values):
    smoothed = curves.smooth(np.array(values))
    expected, stretch = [], []
    for value in [*values, math.nan]:
        if not math.isnan(value):
            stretch.append(value)
            continue
        expected += literal_smooth(stretch) if stretch else []
        expected.append(math.nan)
        stretch = []
    np.testing.assert_allclose(smoothed, expected[: len(values)], atol=1e-9)


@given(st.lists(st.booleans(), max_size=20))
def test_stretches_are_the_runs_of_true(flags):
    runs = curves.stretches(np.array(flags, dtype=bool))
    covered = [i for start, stop in runs for i in range(start, stop)]
    assert covered == [i for i, flag in enumerate(flags) if flag]
    assert all(later[0] > earlier[1] for earlier, later in itertools.pairwise(runs))


def test_per_video_is_min_max_over_scored_frames():
    np.testing.assert_allclose(curves.per_video(np.array([np.nan, 2.0, 4.0, 3.0])), [np.nan, 0.0, 1.0, 0.5])
    np.testing.assert_array_equal(curves.per_video(np.array([7.0, np.nan, 7.0])), [0.0, np.nan, 0.0])
    np.testing.assert_array_equal(curves.per_video(np.array([np.nan, np.nan])), [np.nan, np.nan])


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=20).filter(lambda v: max(v) > 1.001 * min(v)))
def test_per_video_reciprocal_is_the_research_codes_formula(values):
    inverse = 1.0 / np.array(values)
    expected = 1.0 - (inverse - inverse.min()) / (inverse.max() - inverse.min())
    np.testing.assert_allclose(curves.per_video_reciprocal(np.array(values)), expected, atol=1e-9)


def test_per_video_reciprocal_of_special_videos():
    np.testing.assert_array_equal(curves.per_video_reciprocal(np.array([3.0, np.nan])), [0.0, np.nan])
    np.testing.assert_array_equal(curves.per_video_reciprocal(np.array([np.nan])), [np.nan])
    assert curves.per_video_reciprocal(np.array([1.0, 0.0])) is None
