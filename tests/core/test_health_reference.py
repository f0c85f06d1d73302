from dataclasses import fields

import numpy as np
import pytest
from health_scene import reference

from oddframe.core.health_reference import HealthReference
from oddframe.errors import InputError


def test_it_is_small_and_comes_back_from_its_arrays():
    arrays = reference().as_arrays()
    assert sum(array.nbytes for array in arrays.values()) < 200_000
    again = HealthReference.from_arrays(arrays)
    for item in fields(HealthReference):
        assert np.array_equal(getattr(again, item.name), getattr(reference(), item.name))


@pytest.mark.parametrize(
    "damage",
    [
        {"scene": np.zeros((3, 3))},
        {"scene": np.zeros((0, 3), np.uint8)},
        {"jump": np.array(np.nan)},
        {"most_lost": np.array([1.0, 2.0])},
        {"unknown": np.array(1.0)},
    ],
    ids=str,
)
def test_arrays_that_are_none_are_refused(damage):
    with pytest.raises(InputError, match="health"):
        HealthReference.from_arrays({**reference().as_arrays(), **damage})
