import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.backoff import Backoff
from oddframe.errors import SettingsError


def waits(count, draw=0.0, **options):
    backoff = Backoff(1, 60, lambda: draw)
    return [backoff.next_s(**options) for _ in range(count)]


def test_waits_double_up_to_the_longest():
    assert waits(9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_up_to_half_of_a_wait_is_taken_off_at_random():
    assert waits(3, draw=0.5) == [0.75, 1.5, 3]


def test_what_held_for_long_starts_over_and_what_fails_at_once_does_not():
    backoff = Backoff(1, 60, lambda: 0.0)
    assert [backoff.next_s() for _ in range(4)] == [1, 2, 4, 8]
    assert backoff.next_s(lasted_s=15) == 16
    assert backoff.next_s(lasted_s=33) == 1


def test_what_is_hopeless_waits_the_longest_at_once():
    assert waits(2, hopeless=True) == [60, 60]


def test_waits_grow_however_often_it_fails():
    assert waits(5000)[-1] == 60


def test_what_went_well_starts_the_waits_over():
    backoff = Backoff(1, 60, lambda: 1.0)
    assert [backoff.next_s() for _ in range(3)] == [0.5, 1, 2]
    backoff.start_over()
    assert backoff.next_s() == 0.5


@pytest.mark.parametrize(("failures", "asked_s", "wait_s"), [(1, 30, 30), (1, 1e9, 60), (4, 0, 8)])
def test_the_other_side_may_ask_for_more_up_to_the_longest(failures, asked_s, wait_s):
    assert waits(failures, asked_s=asked_s)[-1] == wait_s


def test_what_the_other_side_asks_for_does_not_make_later_waits_longer():
    backoff = Backoff(1, 60, lambda: 0.0)
    assert backoff.next_s(asked_s=30) == 30
    assert backoff.next_s() == 2


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.booleans(), st.floats(0, 1, exclude_max=True)), max_size=50
    )
)
def test_waits_stay_in_their_bounds(tries):
    draws = [draw for _, _, draw in tries]
    backoff = Backoff(0.5, 60, iter(draws).__next__)
    for lasted_s, hopeless, _ in tries:
        assert 0.25 <= backoff.next_s(lasted_s, hopeless=hopeless) <= 60


@pytest.mark.parametrize(("first_s", "longest_s"), [(0, 1), (-1, 1), (2, 1), (float("nan"), 1)])
def test_waits_that_cannot_be_are_refused(first_s, longest_s):
    with pytest.raises(SettingsError, match="above 0"):
        Backoff(first_s, longest_s, lambda: 0.0)
