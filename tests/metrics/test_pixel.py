import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from oddframe.errors import InputError
from oddframe.metrics.pixel import PixelMetrics, level_numbers, resize_map

EXAMPLES = settings.default.max_examples * 4 // 10
"""Fewer than other tests have: each is compared with a slow loop over pixels."""

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(FLOATS, min_size=2, max_size=30), st.sampled_from([10, 13, 21, 31]))
def test_levels_keep_the_order(values, bits):
    values = np.sort(np.array(values, dtype=np.float32))
    numbers = level_numbers(values, bits)
    assert (np.diff(numbers) >= 0).all()
    assert numbers.min() >= 0
    assert numbers.max() < 2**bits


def test_both_zeros_are_one_level():
    assert len(set(level_numbers(np.array([0.0, -0.0], np.float32), 21).tolist())) == 1


@pytest.mark.parametrize("factor", [1e-20, 1.0, 1e20])
def test_each_factor_of_two_has_the_same_number_of_levels(factor):
    values = (factor * np.linspace(1, 2, 1000, endpoint=False)).astype(np.float32)
    assert len(set(level_numbers(values, 13).tolist())) in (16, 17)


# Exact in one bin each, with many ties and both zeros.
VALUES = st.sampled_from([-3.0, -0.0, 0.0, 1e-30, 0.25, 1.0, 1.0625, 700.0])
FRAMES = st.lists(
    st.lists(st.tuples(VALUES, st.booleans()), min_size=6, max_size=6), min_size=1, max_size=6
)


def split(frame):
    values = np.array([pixel[0] for pixel in frame], dtype=np.float32).reshape(2, 3)
    return values, np.array([pixel[1] for pixel in frame]).reshape(2, 3)


def measured(frames, share=0.4):
    metrics = PixelMetrics(share)
    for frame in frames:
        metrics.add(*split(frame))
    return metrics


@given(FRAMES)
@settings(max_examples=EXAMPLES)
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
    return sum(
        (right[0] - left[0]) * (right[1] + left[1]) / 2 for left, right in itertools.pairwise(curve)
    )


@given(FRAMES, st.sampled_from([0.1, 0.2, 0.4, 0.5, 1.0]))
@settings(max_examples=EXAMPLES)
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


SIDES = st.integers(1, 9)


def literal(values, size):
    """Sample the plane of straight lines between pixel centres, one output pixel at a time."""
    height, width = values.shape
    out = np.empty(size)
    for row in range(size[0]):
        for column in range(size[1]):
            y = min(max((row + 0.5) * height / size[0] - 0.5, 0), height - 1)
            x = min(max((column + 0.5) * width / size[1] - 0.5, 0), width - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = values[top, left] * (1 - (x - left)) + values[top, right] * (x - left)
            lower = values[bottom, left] * (1 - (x - left)) + values[bottom, right] * (x - left)
            out[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return out


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 99))
def test_every_size_equals_a_literal_loop(height, width, tall, wide, seed):
    values = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    resized = resize_map(values, (tall, wide))
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, literal(values, (tall, wide)), atol=1e-5)


def test_enlarging_equals_torch(run_seed):
    values = np.random.default_rng(run_seed).normal(size=(12, 19)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], size=(24, 36), mode="bilinear"
    )
    np.testing.assert_allclose(resize_map(values, (24, 36)), expected[0, 0].numpy(), atol=1e-5)


def test_the_right_size_stays_as_it_is(run_seed):
    values = np.random.default_rng(run_seed).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_array_equal(resize_map(values, (3, 4)), values)


@pytest.mark.parametrize("values", [[1.0], [[]], np.zeros((2, 2, 2))])
def test_other_shapes_are_refused(values):
    with pytest.raises(InputError, match="must be H x W"):
        resize_map(values, (2, 2))
