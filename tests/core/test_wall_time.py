from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.wall_time import WallTime

NOON_US = 1_790_000_000_000_000


def test_the_first_frame_ties_the_stream_to_the_wall():
    wall = WallTime()
    assert not wall.see(5.0, NOON_US)
    assert wall(5.0) == NOON_US
    assert wall(6.5) == NOON_US + 1_500_000
    assert wall(0.0) == NOON_US - 5_000_000


@given(st.lists(st.integers(-1_900_000, 1_900_000), min_size=1))
def test_jitter_moves_nothing(jitters):
    wall = WallTime()
    wall.see(0.0, NOON_US)
    for number, jitter in enumerate(jitters):
        assert not wall.see(float(number), NOON_US + number * 1_000_000 + jitter)
        assert wall(float(number)) == NOON_US + number * 1_000_000


@given(st.integers(2_000_001, 10**15), st.sampled_from([1, -1]))
def test_a_clock_that_was_set_is_followed_but_not_by_what_has_begun(by_us, direction):
    wall = WallTime()
    wall.see(0.0, NOON_US)
    begun = wall.snapshot()
    assert wall.see(1.0, NOON_US + 1_000_000 + direction * by_us)
    assert wall(1.0) == NOON_US + 1_000_000 + direction * by_us
    assert begun(1.0) == NOON_US + 1_000_000
