import threading

import numpy as np
import pytest

from oddframe.core.records import Frame
from oddframe.media.frame_queue import FrameQueue
from oddframe.media.frame_rate import RecentRate


def frame(index):
    return Frame(index, index / 10, np.zeros((2, 2, 1), np.uint8), (2, 2))


def drained(queue):
    return [taken.index for taken in iter(queue.take, None)]


def test_a_live_queue_drops_the_oldest_and_counts_it():
    told = []
    queue = FrameQueue(3, waits=False, arrived=lambda: told.append(len(queue)))
    for index in range(5):
        queue.put(frame(index))
    assert queue.dropped == 2
    assert drained(queue) == [2, 3, 4]
    assert told == [1, 2, 3, 3, 3]


def test_a_waiting_queue_drops_nothing_however_slowly_it_is_emptied():
    queue = FrameQueue(2, waits=True, arrived=lambda: None)
    giver = threading.Thread(target=lambda: [queue.put(frame(index)) for index in range(20)])
    giver.start()
    found = []
    while len(found) < 20:
        assert len(queue) <= 2
        found += drained(queue)
    giver.join(120)
    assert found == list(range(20))
    assert queue.dropped == 0


def test_closing_frees_who_waits_and_takes_no_more():
    queue = FrameQueue(1, waits=True, arrived=lambda: None)
    queue.put(frame(0))
    giver = threading.Thread(target=lambda: queue.put(frame(1)))
    giver.start()
    queue.close()
    giver.join(120)
    assert not giver.is_alive()
    assert drained(queue) == [0]


def test_the_rate_is_that_of_the_last_seconds():
    rate = RecentRate()
    assert rate.per_second(0) == 0
    for number in range(200):
        rate.add(number / 10)
    assert rate.per_second(19.9) == pytest.approx(10, rel=0.05)
    assert rate.per_second(22.4) == pytest.approx(5, rel=0.05)
    assert rate.per_second(30) == 0


def test_the_rate_of_a_stream_that_has_just_begun_is_not_far_off():
    rate = RecentRate()
    for number in range(21):
        rate.add(number / 10)
    assert 10 <= rate.per_second(2) <= 11
