import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from oddframe.errors import InputError
from oddframe.metrics.pixel import PixelMetrics

# Exact in one bin each, with many ties and both zeros.
VALUES = st.sampled_from([-3.0, -0.0, 0.0, 1e-30, 0.25, 1.0, 1.0625, 700.0])
FRAMES = st.lists(st.lists(st.tuples(VALUES, st.booleans()), min_size=6, max_size=6), min_size=1, max_size=6)


def split(frame):
    values = np.array([pixel[0] for pixel in frame], dtype=np.float32).reshape(2, 3)
    return values, np.array([pixel[1] for pixel in frame]).reshape(2, 3)


def measured(frames, share=0.4):
    metrics = PixelMetrics(share)
    for frame in frames:
        metrics.add(*split(frame))
    return metrics


@given(FRAMES)
def test_pixel_auc_equals_scikit_learn_over_all_pixels(frames):
    values = [pixel[0] for frame in frames for pixel in frame]
    truth = [pixel[1] for frame in frames for pixel in frame]
    area = measured(frames).auc()
    if len(set(truth)) < 2:
        assert area is None
    else:
        assert area == pytest.approx(roc_auc_score(truth, values))


def literal_criterion_auc(frames, share):
    """Sweep every threshold, count frames as the criterion says, add up the trapezoids."""
    abnormal = [frame for frame in frames if any(truth for _, truth in frame)]
    normal = [frame for frame in frames if not any(truth for _, truth in frame)]
    if not abnormal or not normal:
        return None
    curve = [(0.0, 0.0)]
    for threshold in sorted({value for frame in frames for value, _ in frame}, reverse=True):
        found = 0
        for frame in abnormal:
            pixels = [value for value, truth in frame if truth]
            found += sum(value >= threshold for value in pixels) / len(pixels) >= share
        alarms = sum(any(value >= threshold for value, _ in frame) for frame in normal)
        curve.append((alarms / len(normal), found / len(abnormal)))
    return sum((right[0] - left[0]) * (right[1] + left[1]) / 2 for left, right in itertools.pairwise(curve))


@given(FRAMES, st.sampled_from([0.1, 0.2, 0.4, 0.5, 1.0]))
def test_criterion_equals_a_literal_sweep(frames, share):
    expected = literal_criterion_auc(frames, share)
    area = measured(frames, share).criterion_auc()
    assert area == expected if expected is None else area == pytest.approx(expected)


def test_binned_auc_stays_within_its_margin_on_continuous_values(run_seed):
    rng = np.random.default_rng(run_seed)
    values = rng.lognormal(size=(20, 30, 40)).astype(np.float32)
    truth = rng.random(values.shape) < 0.1
    values[truth] *= np.float32(1.3)
    metrics = PixelMetrics()
    for one, mask in zip(values, truth, strict=True):
        metrics.add(one, mask)
    exact = roc_auc_score(truth.ravel(), values.ravel())
    assert metrics.result().frames == 20
    assert 0.0 < metrics.auc_margin() < 1e-3
    assert abs(metrics.auc() - exact) <= metrics.auc_margin() + 1e-12


def test_share_is_not_raised_by_rounding():
    assert 0.14 * 50 > 7
    metrics = PixelMetrics(share=0.14)
    metrics.add([[9.0] * 7 + [1.0] * 43], [[1] * 50])
    metrics.add([[7.0] + [0.0] * 49], [[0] * 50])
    assert metrics.criterion_auc() == 1.0


def test_forty_percent_of_five_pixels_are_two():
    metrics = PixelMetrics()
    metrics.add([[9.0, 8.0, 1.0, 1.0, 1.0]], [[1, 1, 1, 1, 1]])
    metrics.add([[7.0, 0.0, 0.0, 0.0, 0.0]], [[0, 0, 0, 0, 0]])
    assert metrics.criterion_auc() == 1.0
    assert metrics.criterion_equal_error_rate() == 0.0


@pytest.mark.parametrize("truth", [0, 1])
def test_one_class_and_nothing_at_all_are_undefined(truth):
    metrics = PixelMetrics()
    assert metrics.auc() is None
    assert metrics.criterion_auc() is None
    metrics.add([[1.0]], [[truth]])
    assert metrics.auc() is None
    assert metrics.auc_margin() is None
    assert metrics.criterion_auc() is None
    assert metrics.criterion_equal_error_rate() is None


@pytest.mark.parametrize(
    ("values", "mask", "words"),
    [
        ([[1.0, 2.0]], [[1]], "of one size"),
        ([1.0], [1], "H x W"),
        ([[]], [[]], "at least one pixel"),
        ([[np.nan]], [[1]], "must be finite"),
        ([[np.inf]], [[1]], "must be finite"),
    ],
)
def test_unusable_frames_are_refused(values, mask, words):
    with pytest.raises(InputError, match=words):
        PixelMetrics().add(values, mask)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_share_is_checked(share):
    with pytest.raises(InputError, match="share of abnormal pixels"):
        PixelMetrics(share)


def test_the_result_holds_every_figure():
    metrics = measured([[(1.0, True)] * 3 + [(0.0, False)] * 3, [(0.25, False)] * 6])
    assert metrics.result().as_dict() == {
        "frames": 2,
        "auc": 1.0,
        "auc_margin": 0.0,
        "criterion_share": 0.4,
        "criterion_auc": 1.0,
        "criterion_equal_error_rate": 0.0,
    }
