"""A camera's own packets become segments on disk: all of them, once, in order."""

import io
import time
from contextlib import contextmanager
from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import Image

from oddframe.media import connection as connection_module
from oddframe.media.live_config import LiveSettings, stream_address
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.media.stream_set import StreamSet
from oddframe.monitoring.config import Camera
from oddframe.monitoring.footage import list_segments
from oddframe.monitoring.footage_recorder import FootageRecorder
from tests.support.alerting import NOON_US, until
from tests.support.ballast import fill_up
from tests.support.stream_server import StreamServer, multipart
from tests.support.stream_server import video as video_answer

QUICK = LiveSettings(first_wait_s=0.05, longest_wait_s=0.2, quiet_s=0.5, queue=256)


@contextmanager
def recorded(url, folder, segment_s=0.6, **wishes):
    """A recorder whose stream runs; gives it and a function that lets it do its work once."""
    camera = Camera(name="door", address=stream_address(url, variables={}), live=QUICK)
    recorder = FootageRecorder(camera, folder, segment_s=segment_s, **wishes)
    began_s = time.monotonic()
    with StreamSet([recorder.begin()]) as streams:

        def step():
            for arrival in streams.poll(64, 0.02):
                passed_us = round((time.monotonic() - began_s) * 1e6)
                recorder.see(arrival.frame, NOON_US + passed_us)
            recorder.collect()
            return recorder

        yield recorder, step
        recorder.end()


def shown(segments):
    """The numbers of the drawn pictures in segments, in order, and the steps between them."""
    numbers, steps = [], []
    for segment in segments:
        frames = list(Recording(segment.path).frames(FrameFormat(64, 48, "grey")))
        numbers += [(float(frame.pixels[-4, -4].mean()) - 20) / 2 for frame in frames]
        steps += [b.time_s - a.time_s for a, b in pairwise(frames)]
    return numbers, steps


def counted(first, numbers):
    """As many numbers from a first one on, as they are after encoding."""
    return pytest.approx([first + place for place in range(len(numbers))], abs=0.9)


def test_every_picture_is_in_one_segment_and_segments_follow_each_other(video, tmp_path):
    path = video("a.ts", frames=100, rate_fps=50)
    folder = tmp_path / "footage"
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        recorded(server.url(), folder) as (recorder, step),
    ):
        until(lambda: step().stream.state().frames and recorder.stream.ring.span_s[1] > 1.9)
    segments = list_segments(folder, "door")
    numbers, steps = shown(segments)
    # What is shorter than half a second at the end is not worth a file.
    assert numbers == counted(0, numbers)
    assert len(numbers) >= 80
    assert steps == pytest.approx([0.02] * len(steps), abs=0.002)
    assert len(segments) == recorder.segments >= 2
    assert recorder.size_bytes == sum(one.size_bytes for one in segments)
    assert recorder.seconds == pytest.approx(len(numbers) / 50, abs=0.1)
    for before, after in pairwise(segments):
        assert after.start_us - before.end_us == pytest.approx(20_000, abs=60_000)
        assert 0.55 < before.length_s < 0.85
    assert abs(segments[0].start_us - NOON_US) < 60e6


def test_a_camera_with_sound_is_recorded_without(tmp_path):
    path = tmp_path / "a.ts"
    with av.open(str(path), "w") as container:
        pictures, sound = (
            container.add_stream("libx264", rate=50),
            container.add_stream("aac", 8000),
        )
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        pictures.options = {"g": "10", "preset": "ultrafast"}
        for number in range(60):
            picture = np.full((48, 64, 3), 2 * number, np.uint8)
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        samples.sample_rate = 8000
        container.mux(sound.encode(samples))
        container.mux([*pictures.encode(None), *sound.encode(None)])
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        recorded(server.url(), tmp_path / "footage") as (_, step),
    ):
        until(lambda: step().segments)
    for segment in list_segments(tmp_path / "footage"):
        with av.open(str(segment.path)) as container:
            assert [stream.type for stream in container.streams] == ["video"]


def test_a_lost_camera_ends_a_segment_and_its_return_begins_one(video, tmp_path):
    path = video("a.ts", frames=40, rate_fps=50)
    folder = tmp_path / "footage"
    with (
        StreamServer(video_answer(path)) as server,
        recorded(server.url(), folder, segment_s=60) as (recorder, step),
    ):
        until(lambda: step().segments >= 2)
        assert recorder.error is not None
    segments = list_segments(folder)
    assert len(segments) >= 2
    for segment in segments:
        numbers, steps = shown([segment])
        assert numbers == counted(0, numbers)
        assert max(steps) < 0.1
    # The names leave out what is missing.
    assert all(after.start_us - before.end_us > 400_000 for before, after in pairwise(segments))


def test_a_change_of_size_begins_another_file(resized_video, tmp_path):
    path = resized_video(frames=40, rate_fps=50)
    folder = tmp_path / "footage"
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        recorded(server.url(), folder, segment_s=60) as (recorder, step),
    ):
        until(
            lambda: step().stream.state().size == (96, 80) and recorder.stream.ring.span_s[1] > 1.4
        )
    sizes = []
    for segment in list_segments(folder):
        with av.open(str(segment.path)) as container:
            sizes += {(frame.width, frame.height) for frame in container.decode(video=0)}
    assert sizes == [(64, 48), (96, 80)]


def test_a_web_camera_of_single_pictures_is_recorded_too(monkeypatch, tmp_path):
    monkeypatch.setattr(connection_module, "MEASURED_S", 0.3)
    pictures = []
    for number in range(100):
        memory = io.BytesIO()
        Image.fromarray(np.full((48, 64), 20 + 2 * number, np.uint8)).save(memory, "jpeg")
        pictures.append(memory.getvalue())
    folder = tmp_path / "footage"
    with (
        StreamServer(multipart(pictures, 0.05)) as server,
        recorded(server.url("video.mjpg"), folder) as (_, step),
    ):
        until(lambda: step().segments)
    segments = list_segments(folder)
    assert segments[0].path.suffix == ".mkv"
    numbers, _ = shown(segments)
    assert numbers == counted(round(numbers[0]), numbers)
    assert len(numbers) >= 10


def test_a_full_disk_loses_nothing_that_memory_can_hold(video, small_disk):
    path = video("a.ts", frames=110, rate_fps=50)
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        recorded(server.url(), small_disk) as (recorder, step),
    ):
        ballast = fill_up(small_disk)
        until(lambda: step().trouble)
        assert "disk is full" in recorder.trouble
        (told,) = recorder.news()
        assert told.startswith("door: ")
        until(lambda: step().stream.ring.span_s[1] > 1.5)
        assert list_segments(small_disk) == []
        ballast.unlink()
    numbers, _ = shown(list_segments(small_disk))
    assert numbers == counted(0, numbers)
    assert len(numbers) > 70
    assert recorder.trouble == ""


def test_room_is_kept_free_on_the_disk(video, tmp_path):
    path = video("a.ts", frames=60, rate_fps=50)
    with (
        StreamServer(video_answer(path, holds=True)) as server,
        recorded(server.url(), tmp_path / "f", keep_free_bytes=1e18) as (recorder, step),
    ):
        until(lambda: step().trouble)
    assert "must keep 1e+09 GB free" in recorder.trouble
    assert list_segments(tmp_path / "f") == []
