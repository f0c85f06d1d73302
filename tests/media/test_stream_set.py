"""Frames of several streams, taken in turns."""

import threading
from collections import deque

import numpy as np

from oddframe.core.alerts import Phase, StreamStatus
from oddframe.core.records import Frame
from oddframe.media.stream_set import StreamSet


class ListedStream:
    """A stream whose frames are there from the start."""

    rate_fps, gap_s, ring = 10.0, 0.5, None

    def __init__(self, name, count):
        self.name = name
        self.waiting = deque(
            Frame(i, i / 10, np.zeros((2, 2, 1), np.uint8), (2, 2)) for i in range(count)
        )
        self.running = False
        self.notify = lambda: None

    def start(self):
        self.running = True

    def take(self):
        return self.waiting.popleft() if self.waiting else None

    @property
    def is_over(self):
        return not self.waiting and not self.running

    def state(self):
        return StreamStatus(self.name, Phase.LIVE)

    def stop(self):
        self.running = False


def test_streams_take_turns_so_that_none_is_crowded_out():
    with StreamSet(
        [ListedStream("busy", 100), ListedStream("calm", 3), ListedStream("silent", 0)]
    ) as streams:
        taken = [received.stream for received in streams.poll(8, 1)]
        assert taken == [0, 1, 0, 1, 0, 1, 0, 0]
        assert len(streams.poll(200, 1)) == 95


def test_the_turn_goes_on_where_the_last_batch_ended():
    with StreamSet([ListedStream("a", 9), ListedStream("b", 9), ListedStream("c", 9)]) as streams:
        batches = [[received.stream for received in streams.poll(4, 1)] for _ in range(2)]
    assert batches == [[0, 1, 2, 0], [1, 2, 0, 1]]


def test_a_poll_waits_for_the_first_frame_and_no_longer():
    stream = ListedStream("a", 0)
    with StreamSet([stream]) as streams:

        def give():
            stream.waiting.append(Frame(0, 0.0, np.zeros((2, 2, 1), np.uint8), (2, 2)))
            stream.notify()

        threading.Timer(0.05, give).start()
        assert len(streams.poll(8, 30)) == 1
        assert streams.poll(8, 0.01) == []


def test_a_poll_that_waits_can_be_woken_and_ends_when_all_are_over():
    stream = ListedStream("a", 0)
    with StreamSet([stream]) as streams:
        threading.Timer(0.05, streams.wake).start()
        assert streams.poll(8, 30) == []
        stream.stop()
        assert streams.are_over
        assert streams.poll(8, 30) == []


def test_leaving_stops_all_of_them():
    listed = [ListedStream("a", 1), ListedStream("b", 1)]
    with StreamSet(listed) as streams:
        assert all(stream.running for stream in streams)
        assert [state.name for state in streams.states()] == ["a", "b"]
    assert not any(stream.running for stream in listed)
