import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.metrics.levels import level_numbers

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
