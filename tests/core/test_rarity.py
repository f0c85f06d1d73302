import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.rarity import REASONS, NormalTail, reason, surprises
from oddframe.errors import InputError

VALUES = np.exp(np.random.default_rng(0).standard_normal(20_000))


def test_a_surprise_is_the_power_of_ten_of_how_rare_a_value_is():
    tail = NormalTail.of(VALUES)
    for share in (0.5, 0.1, 0.01, 0.002):
        assert tail.surprise(np.quantile(VALUES, 1 - share)) == pytest.approx(
            -np.log10(share), abs=0.05
        )


def test_beyond_what_was_seen_it_goes_on_rising():
    tail = NormalTail.of(np.exp(np.random.default_rng(0).exponential(0.5, 20_000)))
    # An exponential tail of scale 0.5 in the logarithm: 10^-6 at 0.5 ln 10^6.
    assert tail.surprise(np.exp(0.5 * np.log(1e6))) == pytest.approx(6.0, rel=0.15)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1e9), st.floats(0, 1e9))
def test_it_never_sinks_and_never_is_below_0(values, one, other):
    tail = NormalTail.of(np.array(values))
    low, high = sorted((tail.surprise(one), tail.surprise(other)))
    assert 0 <= low <= high < np.inf
    assert tail.surprise(max(one, other)) == high
    assert tail.surprise(0.0) == 0.0


def test_a_part_that_is_not_there_is_no_surprise():
    assert NormalTail.of(np.zeros(100)).surprise(0.0) == 0.0


def test_the_unit_of_a_part_does_not_matter():
    one, other = NormalTail.of(VALUES), NormalTail.of(VALUES * 1e-7)
    for value in (0.3, 3.0, 300.0):
        assert other.surprise(value * 1e-7) == pytest.approx(one.surprise(value))


def test_what_is_equal_in_most_frames_is_no_surprise():
    tail = NormalTail.of(np.append(np.ones(990), np.full(10, 2.0)))
    assert tail.surprise(1.0) == 0.0
    assert tail.surprise(2.0) == pytest.approx(2.0)


@pytest.mark.parametrize(("name", "sentence"), REASONS.items())
def test_the_most_surprising_part_names_the_reason(name, sentence):
    tails = {part: NormalTail((1.0, 10.0), (0.0, 2.0), 0.5) for part in REASONS}
    found = surprises(tails, {**dict.fromkeys(REASONS, 5.0), name: 6.0})
    assert reason(found) == sentence


def test_of_equal_parts_the_first_is_named():
    assert reason(dict.fromkeys(REASONS, 1.0)) == "looks wrong"


@pytest.mark.parametrize(
    ("values", "found", "scale"), [((), (), 1.0), ((1.0,), (), 1.0), ((1.0,), (0.0,), 0.0)]
)
def test_a_tail_checks_itself(values, found, scale):
    with pytest.raises(InputError, match="a normal tail must have"):
        NormalTail(values, found, scale)
