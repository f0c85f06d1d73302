"""What headers state, against what the files hold."""

import os

import av
import pytest

from oddframe.errors import SourceError
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat

GREY = FrameFormat(32, 24, "grey")


def read(path):
    source = Recording(path)
    return source, list(source.frames(GREY))


@pytest.mark.parametrize(("claimed", "real"), [(25, 1), (30, 5), (2, 10)])
def test_a_rate_that_the_frames_do_not_have_is_not_believed(video, claimed, real):
    path = video("a.mkv", rate_fps=claimed, times_s=[i / real for i in range(20)])
    source, frames = read(path)
    assert source.rate_fps == pytest.approx(real)
    assert source.gap_s == pytest.approx(max(0.5, 3.5 / real))
    assert [frame.time_s for frame in frames] == pytest.approx([i / real for i in range(20)])


@pytest.mark.parametrize("rate_fps", [10, 25])
def test_a_program_stream_of_which_few_packets_have_times_keeps_its_rate(video, rate_fps):
    # Small pictures: many of them share a packet of the stream, and with it a time.
    path = video("a.mpg", rate_fps=rate_fps, frames=60)
    with av.open(str(path)) as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert stamps.count(None) > 20
    source, frames = read(path)
    assert source.rate_fps == rate_fps
    assert [frame.time_s for frame in frames] == pytest.approx(
        [i / rate_fps for i in range(len(frames))], abs=0.01
    )


@pytest.mark.parametrize("period_s", [2.0, 288.0])
def test_the_gap_of_time_lapse_follows_its_own_rate(video, period_s):
    source, frames = read(video("a.mp4", times_s=[i * period_s for i in range(12)]))
    assert source.gap_s == pytest.approx(3.5 * period_s)
    assert source.notices == []
    assert frames[-1].time_s == pytest.approx(11 * period_s)


def test_a_camera_that_begins_slowly_has_the_gap_of_its_beginning(video):
    times_s = [i / 2 for i in range(60)] + [30 + i / 30 for i in range(900)]
    source = Recording(video("a.mp4", times_s=times_s, rate_fps=30))
    assert source.rate_fps == pytest.approx(960 / 60, rel=0.01)
    assert source.gap_s == pytest.approx(1.75)


def copied(path, name, *, start_s=0.0, sound_s=0.0):
    """Copy the packets of a recording from a time on, as cutting tools do, with sound or none."""
    other = path.with_name(name)
    with av.open(str(path)) as source, av.open(str(other), "w") as target:
        if sound_s:
            sound = target.add_stream("aac", rate=8000)
        stream = source.streams.video[0]
        added = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = added
                shift = round(start_s / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                target.mux(packet)
        for number in range(int(sound_s * 8)):
            silence = av.AudioFrame(format="fltp", layout="mono", samples=1000)
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            silence.sample_rate, silence.pts = 8000, number * 1000
            target.mux(sound.encode(silence))
        if sound_s:
            target.mux(sound.encode(None))
    return other


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("late.mkv", {"start_s": 7.0}),
        ("late.mp4", {"start_s": 7.0}),
        ("early.mp4", {"start_s": -1.05}),
        ("sound.mkv", {"sound_s": 12.0}),
        ("sound.flv", {"sound_s": 12.0}),
        ("sound.mp4", {"sound_s": 12.0}),
    ],
)
def test_a_whole_recording_is_not_called_cut_off(video, name, wishes):
    source, frames = read(copied(video("whole.mp4", frames=50), name, **wishes))
    assert source.notices == []
    assert source.count_frames() == len(frames)
    assert source.stated_frames() in (0, len(frames))
    assert source.length_s() is None or source.length_s() == pytest.approx(
        frames[-1].time_s + 0.1, abs=0.15
    )


@pytest.mark.parametrize("name", ["cut.flv", "cut.mkv"])
def test_a_recording_with_sound_that_is_cut_off_says_so(video, name):
    path = copied(video("whole.mp4", frames=100), name, sound_s=10.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    source, _ = read(path)
    assert any("ended early: the header promises" in notice for notice in source.notices)


def test_a_file_that_grows_while_it_is_read_is_named_and_not_called_cut_off(video):
    whole = video("whole.ts", frames=80).read_bytes()
    path = video("growing.ts", frames=1)
    path.write_bytes(whole[: len(whole) // 2 // 188 * 188])
    source = Recording(path)
    frames = source.frames(GREY)
    next(frames)
    path.write_bytes(whole)
    list(frames)
    assert any("it is still being written" in notice for notice in source.notices)
    assert not any("ended early" in notice for notice in source.notices)


def test_a_file_without_its_end_that_was_just_changed_may_still_be_written(video):
    path = video("a.mp4", frames=50)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match="or it is still being written"):
        Recording(path)
    os.utime(path, (1e9, 1e9))
    with pytest.raises(SourceError, match=r"cut off or damaged$"):
        Recording(path)
