"""A recording that is played as a stream."""

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from oddframe.core.alerts import Phase
from oddframe.errors import SourceError
from oddframe.media.discovery import open_source
from oddframe.media.playback import PlaybackStream
from oddframe.media.source import FrameFormat
from oddframe.media.stream_set import StreamSet

RGB = FrameFormat(32, 24, "rgb", picture_width=48)


def play(stream, slowly_s=0.0):
    """Take all frames of a stream."""
    frames = []
    with StreamSet([stream]) as streams:
        while not streams.are_over:
            frames += [received.frame for received in streams.poll(2, 5)]
            time.sleep(slowly_s)
    return frames


@pytest.mark.parametrize("slowly_s", [0.0, 0.02])
def test_a_played_recording_gives_what_it_holds_and_drops_nothing(video, slowly_s):
    source = open_source(video(frames=30))
    stream = PlaybackStream(source, RGB, fast=True)
    assert (stream.name, stream.rate_fps, stream.gap_s) == (
        source.name,
        source.rate_fps,
        source.gap_s,
    )
    expected = list(open_source(source.path).frames(RGB))
    found = play(stream, slowly_s)
    assert [(a.index, a.time_s, a.source_size) for a in found] == [
        (b.index, b.time_s, b.source_size) for b in expected
    ]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(found, expected, strict=True))
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(found, expected, strict=True))
    state = stream.state()
    assert (state.phase, state.frames, state.dropped, state.error) == (Phase.ENDED, 30, 0, None)
    assert state.size == (64, 48)


def test_a_folder_of_images_is_played_too(images):
    assert [
        frame.index for frame in play(PlaybackStream(open_source(images(), 10), RGB, fast=True))
    ] == list(range(10))


def test_its_own_speed_is_that_of_its_timestamps(video):
    times_s = [0, 0.1, 0.2, 0.5, 0.6]
    stream = PlaybackStream(open_source(video(times_s=times_s)), RGB, queue=64)
    came = []
    stream.notify = lambda: came.append(time.monotonic())
    began_s = time.monotonic()
    stream.start()
    while stream.state().phase is not Phase.ENDED:
        time.sleep(0.01)
    # A frame may come later than its time, on a busy machine much later, but never before it.
    assert [
        time_s
        for time_s, at_s in zip(times_s, came, strict=False)
        if at_s - began_s < time_s - 0.01
    ] == []
    assert len(came) > len(times_s)


def test_stopping_ends_it_whether_it_waits_for_its_time_or_for_room(video):
    for fast in (True, False):
        stream = PlaybackStream(open_source(video(frames=100, rate_fps=1)), RGB, fast=fast)
        stream.start()
        while not stream.state().frames:
            time.sleep(0.01)
        stream.stop()
        assert f"play {stream.name}" not in [thread.name for thread in threading.enumerate()]
        assert stream.state().phase is Phase.ENDED


class Broken:
    name, rate_fps, gap_s = "broken", 10.0, 0.5

    def __init__(self, error):
        self.error = error

    def frames(self, wanted):
        raise self.error
        yield


@pytest.mark.parametrize(
    ("error", "reason"),
    [(SourceError("nothing in it"), "nothing in it"), (RuntimeError("oh"), "RuntimeError: oh")],
)
def test_a_source_that_breaks_is_its_own_state(video, error, reason):
    broken, sound = (
        PlaybackStream(Broken(error), RGB),
        PlaybackStream(open_source(video()), RGB, fast=True),
    )
    with StreamSet([broken, sound]) as streams:
        found = []
        while not streams.are_over:
            found += streams.poll(8, 5)
    assert {received.stream for received in found} == {1}
    assert len(found) == 20
    assert broken.state().phase is Phase.FAILED
    assert reason in broken.state().error


def test_a_loop_goes_on_with_a_gap_between_rounds(video):
    stream = PlaybackStream(open_source(video(frames=10)), RGB, fast=True, loop=True, queue=64)
    frames = []
    stream.start()
    while len(frames) < 35:
        if (frame := stream.take()) is not None:
            frames.append(frame)
    stream.stop()
    steps = [after.time_s - before.time_s for before, after in pairwise(frames)]
    assert all(step > 0 for step in steps)
    assert [number for number, step in enumerate(steps) if step > stream.gap_s] == [9, 19, 29]
    assert [frame.index for frame in frames] == list(range(35))
    assert stream.round_start_s(frames[5].time_s) == 0.0
    assert stream.round_start_s(frames[25].time_s) == frames[20].time_s
    np.testing.assert_array_equal(frames[0].pixels, frames[10].pixels)
