"""Clips of events: cut out of recordings of many kinds, out of memory, or encoded anew."""

import io
from fractions import Fraction
from itertools import pairwise

import av
import pytest
from av.stream import Disposition
from PIL import Image

from oddframe.errors import OutputError, SourceError, SourceNotFoundError
from oddframe.media import clip_export
from oddframe.media.clip_export import cut_recording, write_event_clip
from oddframe.media.discovery import open_source
from oddframe.media.packet_buffer import PacketBuffer
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from tests.support.numbered import draw_number, read_number, times_and_numbers

B_FRAMES = {"bf": "2", "g": "30", "x264-params": "b-adapt=0:scenecut=0"}
MPEG_2 = {"bf": "2", "g": "12", "b": "2M"}
LONG_GROUPS = {**B_FRAMES, "g": "1000"}


@pytest.fixture
def numbered(video):
    """Writes a recording whose pictures show their numbers: `numbered("a.mkv", frames=90)`."""

    def make(name, **wishes):
        return Recording(video(name, **{"frames": 90, "draw": draw_number, **wishes}))

    return make


@pytest.fixture
def clip(tmp_path):
    """A path for a clip, in a folder that holds nothing else."""
    (tmp_path / "clips").mkdir()
    return tmp_path / "clips" / "clip.mp4"


def times_of(source):
    """The time of every frame as scoring has it, by the number that it shows."""
    wanted = FrameFormat(64, 48, "grey")
    return {read_number(frame.pixels[..., 0]): frame.time_s for frame in source.frames(wanted)}


def assert_shows(clip, source, first, last):
    """Check that a clip shows these numbers, each once and at its time, and nothing far away."""
    times_s, shown = times_of(source), times_and_numbers(clip)
    numbers = [number for _, number in shown]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert set(range(first, last + 1)) <= set(numbers)
    began_s = times_s[numbers[0]]
    assert [time_s for time_s, _ in shown] == pytest.approx(
        [times_s[number] - began_s for number in numbers], abs=0.002
    )
    assert [entry.name for entry in clip.parent.iterdir()] == [clip.name]


def codec_of(path):
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.name


COPIED = {
    "B-frames in Matroska": ("a.mkv", {"coding": B_FRAMES}),
    "B-frames of H.265 in Matroska": (
        "a.mkv",
        {"codec": "libx265", "coding": {"x265-params": "bframes=3:b-adapt=0:log-level=none"}},
    ),
    "B-frames in a transport stream": ("a.ts", {"coding": B_FRAMES}),
    "open groups in a transport stream": (
        "a.ts",
        {"coding": {**B_FRAMES, "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}},
    ),
    "B-frames in QuickTime": ("a.mov", {"coding": B_FRAMES}),
    "VP9 in WebM": ("a.webm", {"codec": "libvpx-vp9", "coding": {"g": "30", "speed": "8"}}),
    "Flash": ("a.flv", {"coding": B_FRAMES}),
    "AV1 in Matroska": (
        "a.mkv",
        {
            "codec": "libsvtav1",
            "size": (96, 64),
            "coding": {"preset": "10", "g": "30", "crf": "12"},
        },
    ),
}
ENCODED = {
    "H.264 in a program stream": ("a.mpg", {"coding": B_FRAMES}),
    "H.264 in a program stream without B-frames": ("a.vob", {}),
    "MPEG-2 in a program stream": (
        "a.vob",
        {"codec": "mpeg2video", "rate_fps": 25, "coding": MPEG_2},
    ),
    "MPEG-2 in a transport stream": (
        "a.ts",
        {"codec": "mpeg2video", "rate_fps": 25, "coding": MPEG_2},
    ),
    "H.264 in AVI with B-frames": ("a.avi", {"coding": B_FRAMES}),
    "H.264 in ASF with B-frames": ("a.asf", {"coding": B_FRAMES}),
    "MPEG-4 in AVI with B-frames": ("a.avi", {"codec": "mpeg4", "coding": MPEG_2}),
    "Windows Media 8": ("a.wmv", {"codec": "wmv2"}),
    "Windows Media 7": ("a.wmv", {"codec": "wmv1"}),
    "Sorenson in Flash": ("a.flv", {"codec": "flv"}),
    "JPEG in AVI": ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "JPEG in Matroska": ("a.mkv", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "a raw stream": ("a.h264", {"coding": B_FRAMES}),
    "one key frame in all": ("a.mkv", {"frames": 160, "coding": LONG_GROUPS}),
    "one key frame in all of MP4": ("a.mp4", {"frames": 160, "coding": LONG_GROUPS}),
}


PLACES = ["first group", "middle", "last"]
EVERYWHERE = ("B-frames in Matroska", "VP9 in WebM", "H.264 in a program stream", "a raw stream")
"""Kinds with events at all places in `make test`; others have one there, the rest are slow."""


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        pytest.param(
            kind,
            place,
            marks=[pytest.mark.slow] * (kind not in EVERYWHERE and number % 3 != turn),
        )
        for number, kind in enumerate([*COPIED, *ENCODED])
        for turn, place in enumerate(PLACES)
    ],
)
def test_a_clip_of_any_kind_of_recording_shows_the_event(numbered, clip, kind, place):
    name, wishes = {**COPIED, **ENCODED}[kind]
    source = numbered(name, **wishes)
    times_s = times_of(source)
    end = max(times_s)
    first, last = {
        "first group": (0, 11),
        "middle": (end - 25, end - 12),
        "last": (end - 9, end),
    }[place]
    # As with events near the end: nothing is left of the seconds that are to come after.
    after_s = 5.0 if place == "last" else 0.0
    write_event_clip(source, clip, times_s[first], times_s[last] + after_s)
    assert_shows(clip, source, first, last)
    if kind in ENCODED:
        assert codec_of(clip) == "h264"


@pytest.mark.parametrize("kind", COPIED)
def test_what_can_be_copied_is_not_encoded_anew(numbered, clip, kind, monkeypatch):
    monkeypatch.setattr(clip_export, "VideoWriter", None)
    name, wishes = COPIED[kind]
    write_event_clip(numbered(name, **wishes), clip, 4.0, 5.0)
    assert clip.stat().st_size


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_cut_begins_with_the_key_frame_before(numbered, tmp_path, name):
    found = cut_recording(numbered(name), tmp_path / "clip", 3.4, 5.2)
    shown = times_and_numbers(found.path)
    assert found.start_s == pytest.approx(3.0)
    assert found.end_s == pytest.approx(5.2)
    assert [number for _, number in shown] == list(range(30, 53))
    assert found.frames == 23


def test_times_count_from_the_first_frame(numbered, tmp_path):
    source = numbered("a.ts", times_s=[50 + i / 10 for i in range(40)])
    found = cut_recording(source, tmp_path / "clip", 0.0, 1.0)
    assert (found.start_s, found.frames) == (0, 11)


def test_the_end_of_a_recording_ends_the_clip_and_beyond_it_is_none(numbered, tmp_path, clip):
    source = numbered("a.mp4", frames=30)
    assert cut_recording(source, tmp_path / "clip", 2.5, 99).end_s == pytest.approx(2.9)
    assert cut_recording(source, tmp_path / "none", 50, 60) is None
    with pytest.raises(OutputError, match=r"a must show something from 50\.0 to 60\.0 s"):
        write_event_clip(source, clip, 50, 60)
    assert not list(clip.parent.iterdir())


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("a.mp4", {}),
        ("a.mov", {"coding": B_FRAMES}),
        ("a.mkv", {}),
        ("a.mov", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    ],
)
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_clip_is_as_upright_as_its_recording(numbered, clip, name, wishes, rotation):
    source = numbered(name, frames=50, rotation=rotation, **wishes)
    seen = [frame.pixels for frame in source.frames(FrameFormat(48, 64, "grey"))]
    write_event_clip(source, clip, 2.0, 4.0)
    found = list(Recording(clip).frames(FrameFormat(48, 64, "grey")))
    upright = (64, 48) if rotation == 180 else (48, 64)
    assert {frame.source_size for frame in found} == {upright}
    # What is seen is compared, since a copy keeps the pixels lying and says how to turn them.
    first = next(
        number
        for number, pixels in enumerate(seen)
        if abs(pixels - found[0].pixels.astype(int)).mean() < 8
    )
    assert first <= 20 <= 40 <= first + len(found)
    for frame, pixels in zip(found, seen[first:], strict=False):
        assert abs(frame.pixels.astype(int) - pixels).mean() < 8


def with_cover_first(path, codec, coding):
    """Write a recording whose cover picture is its first stream."""
    image = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(image, "JPEG")
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = coding
        packet = av.Packet(image.getvalue())
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = cover, 0, 0, True
        container.mux(packet)
        for number in range(90):
            picture = av.VideoFrame.from_ndarray(draw_number(number), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    # FFmpeg puts the box of the cover behind that of the video; other programs put it in front.
    data = path.read_bytes()
    video, tags = data.index(b"trak") - 4, data.index(b"udta") - 4
    end = tags + int.from_bytes(data[tags : tags + 4], "big")
    path.write_bytes(data[:video] + data[tags:end] + data[video:tags] + data[end:])
    return Recording(path)


@pytest.mark.parametrize(("codec", "coding"), [("libx264", B_FRAMES), ("mpeg4", MPEG_2)])
def test_a_cover_picture_as_first_stream_is_not_the_video(tmp_path, clip, codec, coding):
    source = with_cover_first(tmp_path / "a.mp4", codec, coding)
    with av.open(str(source.path)) as container:
        assert container.streams.video[0].disposition & Disposition.attached_pic
    write_event_clip(source, clip, 3.5, 5.0)
    assert_shows(clip, source, 35, 50)


def pack_b_frames(plain, path):
    """Write an AVI as DivX did: a B-frame lies in the packet before its own, which is empty."""
    start, empty = b"\0\0\1\xb6", b"\0\0\1\xb6\x40\0\0"
    with av.open(str(plain)) as source, av.open(str(path), "w") as container:
        stream = source.streams.video[0]
        added = container.add_stream_from_template(stream)
        pictures = [(bytes(packet), packet.is_keyframe) for packet in source.demux(stream)]
        pictures = [picture for picture in pictures if picture[0]]
        packed = []
        for data, is_key in pictures:
            if data[data.rindex(start) + 4] >> 6 == 2 and packed[-1][0] != empty:
                packed[-1] = (packed[-1][0] + data, packed[-1][1])
                packed.append((empty, False))
            else:
                packed.append((data, is_key))
        # By this name in the first packet decoders know that it is so.
        first, is_key = packed[0]
        place = first.index(start)
        packed[0] = (first[:place] + b"\0\0\1\xb2DivX503b1393p\0" + first[place:], is_key)
        for number, (data, is_key) in enumerate(packed):
            packet = av.Packet(data)
            packet.stream, packet.time_base = added, Fraction(1, 10)
            packet.pts, packet.dts, packet.duration = number, number, 1
            packet.is_keyframe = is_key
            container.mux(packet)
    return Recording(path)


@pytest.mark.parametrize(("group", "first"), [("12", 50), ("40", 3)])
def test_packed_b_frames_are_in_the_clip_too(numbered, clip, tmp_path, group, first):
    plain = numbered("plain.avi", codec="mpeg4", coding={"bf": "1", "g": group, "b": "2M"})
    source = pack_b_frames(plain.path, tmp_path / "packed.avi")
    times_s = times_of(source)
    assert len(times_s) == 90
    write_event_clip(source, clip, times_s[first], times_s[first + 12])
    assert_shows(clip, source, first, first + 12)


def test_joined_recordings_are_encoded_anew_behind_the_joint(numbered, clip, tmp_path):
    first = numbered("first.ts", frames=40).path
    second = numbered("second.ts", frames=60, draw=lambda n, *size: draw_number(100 + n, *size))
    path = tmp_path / "joined.ts"
    path.write_bytes(first.read_bytes() + second.path.read_bytes())
    source = Recording(path)
    times_s = times_of(source)
    # Its own timestamps say 2 to 3 s, which is in the first part too.
    write_event_clip(source, clip, times_s[120], times_s[130])
    assert_shows(clip, source, 120, 130)


@pytest.mark.parametrize(
    "times_s",
    [
        [*(i / 10 for i in range(40)), *(20 + i / 10 for i in range(40))],
        [i / 10 + (i % 3) * 0.02 for i in range(80)],
    ],
    ids=["a gap", "uneven"],
)
def test_uneven_times_are_kept(numbered, clip, times_s):
    source = numbered("a.mkv", times_s=times_s)
    write_event_clip(source, clip, times_s[50], times_s[60])
    assert_shows(clip, source, 50, 60)


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.avi"])
def test_damage_before_the_event_costs_no_clip(numbered, clip, name):
    source = numbered(name, frames=120, **({"codec": "mpeg4"} if name == "a.avi" else {}))
    data = bytearray(source.path.read_bytes())
    middle = len(data) // 4
    data[middle : middle + 300] = bytes(300)
    source.path.write_bytes(bytes(data))
    source = Recording(source.path)
    times_s = times_of(source)
    write_event_clip(source, clip, times_s[100], times_s[110])
    assert {*range(100, 111)} <= {number for _, number in times_and_numbers(clip)}


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_recording_that_is_cut_off_gives_a_clip_of_what_is_there(truncated_video, clip, share):
    path = truncated_video("cut.mp4", share=share, draw=draw_number)
    source = Recording(path)
    last = max(times_of(source))
    write_event_clip(source, clip, (last - 12) / 10, 99.0)
    shown = {number for _, number in times_and_numbers(clip)}
    assert {*range(last - 12, last)} <= shown


def test_a_copy_that_shows_nothing_when_opened_again_is_not_kept(numbered, clip, monkeypatch):
    source = numbered("a.mp4")
    write = PacketBuffer.write_clips

    def garbled(*wishes):
        (written,) = write(*wishes)
        data = written.path.read_bytes()
        written.path.write_bytes(data[: len(data) // 2])
        return [written]

    monkeypatch.setattr(PacketBuffer, "write_clips", garbled)
    write_event_clip(source, clip, 4.0, 5.0)
    assert_shows(clip, source, 40, 50)


def test_pictures_of_another_size_midway_are_in_the_clip_too(resized_video, clip):
    source = Recording(resized_video(frames=30))
    write_event_clip(source, clip, 2.0, 4.0)
    with av.open(str(clip)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 21
    assert {(frame.width, frame.height) for frame in frames} == {(64, 48)}


@pytest.mark.parametrize(("pattern", "fps"), [("{:03d}.jpg", 10.0), ("{:03d}.png", 2.0)])
def test_a_folder_of_images_gives_a_clip_of_its_images(tmp_path, clip, pattern, fps):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(draw_number(number)).save(folder / pattern.format(number))
    source = open_source(folder, fps)
    write_event_clip(source, clip, 12 / fps, 22 / fps)
    assert_shows(clip, source, 12, 22)
    assert [number for _, number in times_and_numbers(clip)] == list(range(12, 23))


def test_a_clip_that_is_encoded_anew_is_no_larger_than_its_source(numbered, clip):
    write_event_clip(numbered("a.wmv", codec="wmv2", size=(96, 80), frames=20), clip, 0.0, 1.0)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (96, 80)


def test_what_is_no_recording_any_more_is_named_as_the_reason(numbered, clip, tmp_path):
    gone, garbage = numbered("gone.mp4"), numbered("garbage.mp4")
    gone.path.unlink()
    garbage.path.write_text("not a video" * 100)
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        write_event_clip(gone, clip, 0, 1)
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        cut_recording(gone, tmp_path / "cut", 0, 1)
    with pytest.raises(SourceError, match="FFmpeg cannot open it"):
        write_event_clip(garbage, clip, 0, 1)
    assert not list(clip.parent.iterdir())


def kept(path, later_s=0.0):
    """The video of a recording in memory, as of a camera that sends it."""
    buffer = PacketBuffer(60, 10**7)
    keep(buffer, path, later_s)
    return buffer


def keep(buffer, path, later_s):
    """Add a recording to the video in memory, from this time on."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        buffer.connect(stream)
        for packet in container.demux(stream):
            buffer.add(packet)
            for frame in packet.decode():
                stamp_s, zero_s = (
                    float(ticks * stream.time_base) for ticks in (frame.pts, stream.start_time)
                )
                size = (frame.width, frame.height)
                buffer.mark(stamp_s, stamp_s - zero_s + later_s, size)


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("a.mkv", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.wmv", {"codec": "wmv2"}),
        ("a.mkv", {"coding": B_FRAMES}),
        ("a.mp4", {"frames": 160, "coding": LONG_GROUPS}),
    ],
)
def test_a_clip_of_a_camera_shows_the_event(numbered, clip, name, wishes):
    source = numbered(name, **wishes)
    end = max(times_of(source))
    write_event_clip(kept(source.path, 300.0), clip, 300 + (end - 20) / 10, 300 + (end - 8) / 10)
    assert_shows(clip, source, end - 20, end - 8)
    assert codec_of(clip) == "h264"


def test_a_clip_of_a_camera_shows_the_event_on_both_sides_of_a_change_of_size(numbered, clip):
    buffer = PacketBuffer(60, 10**7)
    small, large = numbered("s.ts", frames=40).path, numbered("l.ts", size=(96, 80)).path
    keep(buffer, small, 0.0)
    keep(buffer, large, 6.0)
    write_event_clip(buffer, clip, 2.5, 8.0)
    shown = times_and_numbers(clip)
    assert [number for _, number in shown] == [*range(25, 40), *range(21)]
    times_s = [number / 10 for number in [*range(15), *range(35, 56)]]
    assert [time_s for time_s, _ in shown] == pytest.approx(times_s, abs=0.05)


def test_why_a_camera_has_no_clip_is_said(numbered, clip, tmp_path):
    path = numbered("a.mp4").path
    with pytest.raises(OutputError, match=r"must hold 50\.0 to 60\.0 s.*holds 0\.0 to 8\.9 s only"):
        write_event_clip(kept(path), clip, 50, 60)
    with pytest.raises(OutputError, match="holds nothing"):
        write_event_clip(PacketBuffer(60, 10**7), clip, 50, 60)
    tiny = PacketBuffer(60, 100)
    with av.open(str(path)) as container:
        tiny.connect(container.streams.video[0])
        for packet in container.demux(video=0):
            tiny.add(packet)
    with pytest.raises(OutputError, match=r"take more than 0\.0001 MB"):
        write_event_clip(tiny, clip, 0, 1)
    assert not list(clip.parent.iterdir())


@pytest.mark.parametrize(("start_s", "end_s"), [(2.0, 3.0), (0.0, 6.5)])
def test_what_came_after_an_event_is_no_clip_of_it(numbered, clip, start_s, end_s):
    short = PacketBuffer(1.5, 10**7)
    keep(short, numbered("a.mp4").path, 0.0)
    assert short.span_s == pytest.approx((7.0, 8.9))
    with pytest.raises(OutputError, match=r"holds 7\.0 to 8\.9 s only"):
        write_event_clip(short, clip, start_s, end_s, after_s=5.5)
    assert not list(clip.parent.iterdir())
    write_event_clip(short, clip, 2.0, 7.5, before_s=5.0, after_s=0.5)
    assert [number for _, number in times_and_numbers(clip)] == list(range(70, 81))


def test_clips_are_whole_at_any_cut(numbered, tmp_path):
    """Decoding times increase, and no picture is shown before it is decoded."""
    source = numbered("a.mkv", coding=B_FRAMES)
    for start in range(0, 80, 7):
        found = cut_recording(source, tmp_path / "clip", start / 10, start / 10 + 1)
        with av.open(str(found.path)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        assert all(a.dts < b.dts for a, b in pairwise(packets))
        assert all(packet.dts <= packet.pts for packet in packets)
