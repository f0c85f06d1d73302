import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.media.ahead import ahead


def counted(count, seen=None, error=None):
    try:
        for number in range(count):
            if seen is not None:
                seen.append(number)
            yield number
        if error is not None:
            raise error
    finally:
        if seen is not None:
            seen.append("closed")


@given(st.integers(0, 30), st.integers(1, 5))
def test_everything_comes_in_order(count, most):
    assert list(ahead(counted(count), most)) == list(range(count))


def test_it_is_ahead_but_not_too_far():
    seen = []
    items = ahead(counted(50, seen), 3)
    assert next(items) == 0
    deadline = time.monotonic() + 120
    while len(seen) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    # One is out, three wait, one is in the hand of the thread.
    assert seen == [0, 1, 2, 3, 4]
    items.close()


def test_an_error_comes_behind_what_came_before_it():
    items = ahead(counted(5, error=ValueError("broken")), 2)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="broken"):
        next(items)


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_who_leaves_early_leaves_nothing_behind(taken):
    before = threading.active_count()
    seen = []
    items = ahead(counted(1000, seen), 2)
    for _ in range(taken):
        next(items)
    items.close()
    assert threading.active_count() == before
    assert seen == [] or seen[-1] == "closed"
    assert len(seen) < 20
