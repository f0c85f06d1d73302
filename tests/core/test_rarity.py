import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.rarity import REASONS, NormalTail, rarities, reason
from oddframe.errors import InputError

VALUES = np.exp(np.random.default_rng(0).standard_normal(20_000))


def test_a_rarity_is_the_power_of_ten_of_the_share_that_reaches_a_value():
    tail = NormalTail.of(VALUES)
    for share in (0.5, 0.1, 0.01, 0.002):
        assert tail.rarity(np.quantile(VALUES, 1 - share)) == pytest.approx(
            -np.log10(share), abs=0.05
        )


def test_the_rarity_keeps_rising_beyond_the_highest_normal_value():
    tail = NormalTail.of(np.exp(np.random.default_rng(0).exponential(0.5, 20_000)))
    # An exponential tail of scale 0.5 in the logarithm: 10^-6 at 0.5 ln 10^6.
    assert tail.rarity(np.exp(0.5 * np.log(1e6))) == pytest.approx(6.0, rel=0.15)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_rarity_never_falls_and_is_never_below_0(values, one, other):
    tail = NormalTail.of(np.array(values))
    low, high = sorted((tail.rarity(one), tail.rarity(other)))
    assert 0 <= low <= high < np.inf
    assert tail.rarity(max(one, other)) == high
    assert tail.rarity(0.0) == 0.0


def test_a_part_that_is_always_0_has_rarity_0():
    assert NormalTail.of(np.zeros(100)).rarity(0.0) == 0.0


def test_the_unit_of_a_part_does_not_matter():
    one, other = NormalTail.of(VALUES), NormalTail.of(VALUES * 1e-7)
    for value in (0.3, 3.0, 300.0):
        assert other.rarity(value * 1e-7) == pytest.approx(one.rarity(value))


def test_a_value_that_most_frames_share_has_rarity_0():
    tail = NormalTail.of(np.append(np.ones(990), np.full(10, 2.0)))
    assert tail.rarity(1.0) == 0.0
    assert tail.rarity(2.0) == pytest.approx(2.0)


@pytest.mark.parametrize(("name", "sentence"), REASONS.items())
def test_the_rarest_part_names_the_reason(name, sentence):
    tails = {part: NormalTail((1.0, 10.0), (0.0, 2.0), 0.5) for part in REASONS}
    found = rarities(tails, {**dict.fromkeys(REASONS, 5.0), name: 6.0})
    assert reason(found) == sentence


def test_of_equal_parts_the_first_is_named():
    assert reason(dict.fromkeys(REASONS, 1.0)) == "looks wrong"


@pytest.mark.parametrize(
    ("values", "found", "scale"), [((), (), 1.0), ((1.0,), (), 1.0), ((1.0,), (0.0,), 0.0)]
)
def test_a_tail_checks_itself(values, found, scale):
    with pytest.raises(InputError, match="a normal tail must have"):
        NormalTail(values, found, scale)
