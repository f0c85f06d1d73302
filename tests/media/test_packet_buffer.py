"""The last seconds of encoded video, and clips written from them."""

import errno
import os

import av
import numpy as np
import pytest

from oddframe.errors import OutputError, SettingsError
from oddframe.media.packet_buffer import PacketBuffer


def keep(buffer, path, later_s=0.0):
    """Add a recording to a buffer as a stream would; returns the times of its frames."""
    times = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        buffer.connect(stream)
        for packet in container.demux(stream):
            buffer.add(packet)
            for frame in packet.decode():
                times.append(float(frame.pts * stream.time_base) + later_s)
                buffer.mark(
                    float(frame.pts * stream.time_base), times[-1], (frame.width, frame.height)
                )
    return times


def times_and_numbers(path):
    """(time, number that the picture shows) of every frame of a written clip."""
    with av.open(str(path)) as container:
        return [
            (frame.time, (float(frame.to_ndarray(format="gray")[-4, -4]) - 20) / 2)
            for frame in container.decode(video=0)
        ]


@pytest.mark.parametrize(
    ("name", "wishes", "suffix"),
    [
        ("a.mp4", {}, ".mp4"),
        ("a.ts", {}, ".mp4"),
        ("a.mkv", {"codec": "libx265"}, ".mp4"),
        ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}, ".mkv"),
        ("a.mp4", {"codec": "mpeg4"}, ".mkv"),
    ],
)
def test_a_clip_holds_what_was_shown_from_the_key_frame_before(
    video, tmp_path, name, wishes, suffix
):
    buffer = PacketBuffer(60, 10**7)
    times = keep(buffer, video(name, frames=40, **wishes))
    (clip,) = buffer.write_clips(tmp_path / "clip.of.42", times[24], times[31])
    assert clip.path == tmp_path / f"clip.of.42{suffix}"
    found = times_and_numbers(clip.path)
    first = times.index(clip.start_s)
    assert 4 <= first <= 24
    assert [number for _, number in found] == pytest.approx(
        [first + i for i in range(len(found))], abs=2.1
    )
    assert [time_s for time_s, _ in found] == pytest.approx(
        [i / 10 for i in range(len(found))], abs=0.002
    )
    assert clip.frames == len(found)
    # Where pictures are coded out of order those come along that others need.
    assert times[31] <= clip.end_s == times[first + clip.frames - 1] <= times[31] + 0.3


def test_frames_that_are_coded_out_of_order_keep_their_order(tmp_path):
    path = tmp_path / "b.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "12", "bf": "3", "crf": "10", "x264-params": "b-adapt=0:scenecut=0"}
        for number in range(48):
            picture = np.full((48, 64, 3), 20 + 2 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        assert any(packet.pts != packet.dts for packet in container.demux(video=0) if packet.size)
    buffer = PacketBuffer(60, 10**7)
    times = keep(buffer, path)
    (clip,) = buffer.write_clips(tmp_path / "clip", times[26], times[40])
    numbers = [number for _, number in times_and_numbers(clip.path)]
    assert clip.frames == len(numbers)
    assert numbers == sorted(numbers)
    assert numbers[0] == pytest.approx(24, abs=1.6)
    assert 38.4 < numbers[-1] < 46


def test_only_so_many_seconds_are_kept_from_a_key_frame_on(video):
    buffer = PacketBuffer(1.5, 10**7)
    keep(buffer, video(frames=60))  # a key frame every second
    assert buffer.span_s == pytest.approx((4.0, 5.9))


def test_memory_is_bounded_whatever_is_asked_for(video):
    path = video(frames=60)
    whole = PacketBuffer(60, 10**7)
    keep(whole, path)
    buffer = PacketBuffer(60, whole.held_bytes // 2)
    keep(buffer, path)
    assert 0 < buffer.held_bytes <= whole.held_bytes // 2
    assert buffer.span_s[1] == pytest.approx(5.9)
    tiny = PacketBuffer(60, 10)
    keep(tiny, path)
    assert tiny.held_bytes == 0
    assert tiny.span_s is None


def test_what_is_not_kept_any_more_is_not_written(video, tmp_path):
    buffer = PacketBuffer(1.5, 10**7)
    assert buffer.write_clips(tmp_path / "clip", 0, 10) == []
    keep(buffer, video(frames=60))
    assert buffer.write_clips(tmp_path / "clip", 0.5, 1.5) == []
    assert buffer.write_clips(tmp_path / "clip", 7, 9) == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_clip_spans_a_lost_connection_to_the_same_camera(video, tmp_path):
    buffer = PacketBuffer(60, 10**7)
    path = video("a.ts", frames=20)
    first = keep(buffer, path)
    second = keep(buffer, path, later_s=5)
    (clip,) = buffer.write_clips(tmp_path / "clip", first[0], second[-1])
    found = times_and_numbers(clip.path)
    assert len(found) == 40
    assert found[20][0] - found[19][0] == pytest.approx(second[0] - first[-1], abs=0.002)


def sizes_of(path):
    with av.open(str(path)) as container:
        return {(frame.width, frame.height) for frame in container.decode(video=0)}


def test_where_the_size_changes_a_further_clip_begins(video, tmp_path):
    buffer = PacketBuffer(60, 10**7)
    first = keep(buffer, video("a.ts", frames=20))
    later = keep(buffer, video("b.ts", frames=30, size=(96, 80)), later_s=2)
    written = buffer.write_clips(tmp_path / "clip", 0, 9)
    assert [(clip.start_s, clip.frames) for clip in written] == [(first[0], 20), (later[0], 30)]
    assert [clip.path.name for clip in written] == ["clip.mp4", "clip-1.mp4"]
    assert [sizes_of(clip.path) for clip in written] == [{(64, 48)}, {(96, 80)}]


def test_where_the_size_changes_within_a_connection_too(resized_video, tmp_path):
    buffer = PacketBuffer(60, 10**7)
    keep(buffer, resized_video(frames=20))
    written = buffer.write_clips(tmp_path / "clip", 1.5, 9)
    assert [sizes_of(clip.path) for clip in written] == [{(64, 48)}, {(96, 80)}]


def test_the_moment_before_the_first_key_frame_is_not_kept(video):
    buffer = PacketBuffer(60, 10**7)
    with av.open(str(video(frames=30))) as container:
        stream = container.streams.video[0]
        buffer.connect(stream)
        packets = [packet for packet in container.demux(stream) if packet.size]
        for packet in packets[3:9]:
            buffer.add(packet)
        assert buffer.held_bytes == 0
        buffer.add(packets[10])
        assert buffer.held_bytes == packets[10].size


def test_a_clip_that_cannot_be_written_leaves_nothing(video, tmp_path, monkeypatch):
    buffer = PacketBuffer(60, 10**7)
    keep(buffer, video())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clip.mp4").write_bytes(b"before")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        buffer.write_clips(tmp_path / "out" / "clip", 0, 9)
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "out").iterdir()] == [
        ("clip.mp4", b"before")
    ]
    with pytest.raises(OutputError, match="create it first"):
        buffer.write_clips(tmp_path / "nowhere" / "clip", 0, 9)


@pytest.mark.parametrize(("keep_s", "most_bytes"), [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_a_buffer_that_cannot_be_is_refused(keep_s, most_bytes):
    with pytest.raises(SettingsError, match="must be above 0"):
        PacketBuffer(keep_s, most_bytes)


def test_whole_groups_are_told_and_dropped(video):
    buffer = PacketBuffer(60, 10**7)
    times = keep(buffer, video("a.mp4", frames=40))
    groups = buffer.groups()
    assert [group.start_s for group in groups] == times[::10]
    assert [group.end_s for group in groups] == times[9::10]
    assert sum(group.size_bytes for group in groups) == buffer.held_bytes
    assert len({group.form for group in groups}) == 1
    buffer.drop_until(groups[1].start_s)
    assert buffer.groups() == groups[2:]
    assert buffer.held_bytes == sum(group.size_bytes for group in groups[2:])
    buffer.drop_until(groups[1].start_s)
    assert buffer.groups() == groups[2:]
    buffer.drop_until(times[-1])
    assert buffer.groups() == []
    assert buffer.held_bytes == 0
