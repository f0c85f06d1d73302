"""Frames of several streams, taken in turns."""

import threading
from collections import deque

import numpy as np
import pytest

from oddframe.core.alerts import Phase, StreamStatus
from oddframe.core.records import Frame
from oddframe.errors import SourceError
from oddframe.media.live_config import stream_address
from oddframe.media.source import FrameFormat
from oddframe.media.stream_set import CameraSource, StreamSet
from tests.support.stream_server import StreamServer
from tests.support.stream_server import video as served


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


GREY = FrameFormat(16, 12, "grey")


def test_a_camera_is_a_source_until_it_is_stopped(video):
    with StreamServer(served(video("a.ts", frames=30), holds=True)) as server:
        camera = CameraSource(stream_address(server.url()), 25.0)
        taken = []
        for frame in camera.frames(GREY):
            taken.append(frame)
            assert camera.rate_fps == pytest.approx(10, rel=0.2)
            if len(taken) == 5:
                # The camera sends nothing more some time later, and the pass ends all the same.
                camera.stop()
    assert [frame.pixels.shape for frame in taken] == [(12, 16, 1)] * 5
    times_s = [frame.time_s for frame in taken]
    assert times_s == sorted(times_s)


def test_a_camera_that_cannot_be_reached_at_the_start_is_an_error():
    camera = CameraSource(stream_address("http://user:secret@127.0.0.1:1/live.ts"), 10.0)
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:1/live\.ts") as found:
        next(camera.frames(GREY))
    assert "secret" not in str(found.value)
