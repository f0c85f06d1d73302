import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.metrics.resizing import resized_map

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
    resized = resized_map(values, (tall, wide))
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, literal(values, (tall, wide)), atol=1e-5)


def test_enlarging_equals_torch(run_seed):
    values = np.random.default_rng(run_seed).normal(size=(12, 19)).astype(np.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], size=(24, 36), mode="bilinear")
    np.testing.assert_allclose(resized_map(values, (24, 36)), expected[0, 0].numpy(), atol=1e-5)


def test_the_right_size_stays_as_it_is(run_seed):
    values = np.random.default_rng(run_seed).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_array_equal(resized_map(values, (3, 4)), values)


@pytest.mark.parametrize("values", [[1.0], [[]], np.zeros((2, 2, 2))])
def test_other_shapes_are_refused(values):
    with pytest.raises(InputError, match="must be H x W"):
        resized_map(values, (2, 2))
