"""Recordings of many kinds, whole and damaged, and single frames of them read again."""

import os
import weakref
from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path

import av
import numpy as np
import pytest

from oddframe.core.clips import Sampler
from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.media import packets as packets_module
from oddframe.media import recording as recording_module
from oddframe.media.discovery import open_source
from oddframe.media.recording import Recording, read_frames
from oddframe.media.source import FrameFormat
from tests.conftest import drawn_picture
from tests.support.clips import clips

RGB = FrameFormat(32, 24, "rgb")
GREY = FrameFormat(32, 24, "grey")


def read(path, wanted=RGB):
    source = Recording(path)
    return source, list(source.frames(wanted))


def flat(frame):
    """The brightness that tells a drawn picture's number."""
    return frame.pixels[-4, -4].mean()


def is_open(path):
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return path in [link.readlink() for link in links]


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("a.ts", {}),
        ("a.avi", {"codec": "mpeg4"}),
        ("ten_bit.mkv", {"codec": "ffv1", "pixel_format": "yuv420p10le"}),
        ("odd.mkv", {"codec": "ffv1", "pixel_format": "yuv444p", "size": (63, 47)}),
        ("full_range.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    ],
)
@pytest.mark.parametrize("wanted", [RGB, GREY])
def test_every_kind_gives_the_drawn_pictures_in_order(video, name, wishes, wanted):
    source, frames = read(video(name, **wishes), wanted)
    assert (
        [frame.index for frame in frames] == list(range(20)) == list(range(source.count_frames()))
    )
    assert [frame.time_s for frame in frames] == pytest.approx([0.1 * i for i in range(20)])
    assert [flat(frame) for frame in frames] == pytest.approx(
        [20 + 2 * i for i in range(20)], abs=4
    )
    assert {frame.pixels.shape for frame in frames} == {(24, 32, 3 if wanted is RGB else 1)}
    assert {frame.source_size for frame in frames} == {wishes.get("size", (64, 48))}
    assert source.rate_fps == pytest.approx(10)
    assert source.gap_s == 0.5
    assert source.notices == []
    if wanted is RGB:
        assert frames[0].pixels[2, 2].tolist() == pytest.approx([250, 10, 10], abs=6)


def test_a_grey_recording_gives_grey_and_rgb(video):
    path = video("grey.mkv", codec="ffv1", pixel_format="gray")
    assert flat(read(path, GREY)[1][5]) == 30
    assert read(path, RGB)[1][5].pixels[-4, -4].tolist() == [30, 30, 30]


@pytest.mark.parametrize(
    ("rotation", "corner"),
    [(90, (-3, 2)), (-90, (2, -3)), (180, (-3, -3))],
    ids=["90", "-90", "180"],
)
def test_the_display_matrix_turns_frames_upright(video, rotation, corner):
    path = video(rotation=rotation, frames=3)
    _, frames = read(path, FrameFormat(32, 24, "rgb", picture_width=32))
    size = (48, 64) if rotation != 180 else (64, 48)
    assert frames[0].source_size == size
    assert frames[0].pixels.shape == (24, 32, 3)
    assert frames[0].picture.shape == (32 * size[1] // size[0] // 2 * 2, 32, 3) or size == (48, 64)
    for pixels in (frames[0].pixels, frames[0].picture):
        assert pixels[corner].tolist() == pytest.approx([250, 10, 10], abs=8)
        assert pixels[2, 2].tolist() == pytest.approx([20, 20, 20], abs=8)


def corner_picture(number, width, height):
    """A picture with a red corner top left and a green one top right."""
    picture = drawn_picture(number, width, height)
    picture[: height // 4, -width // 4 :] = (10, 250, 10)
    return picture


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_all_eight_display_matrices_are_followed(name, degrees, mirrored, video):
    path = video(
        name,
        frames=2,
        draw=corner_picture,
        prepare=lambda stream: stream.set_display_rotation(degrees, hflip=mirrored),
    )
    _, frames = read(path, FrameFormat(64, 64, "rgb", picture_width=64))
    expected = np.rot90(corner_picture(0, 64, 48), degrees // 90)
    expected = expected[:, ::-1] if mirrored else expected
    assert frames[0].source_size == expected.shape[1::-1]
    for pixels in (frames[0].pixels, frames[0].picture):
        for corner in ((3, 3), (3, -4), (-4, 3), (-4, -4)):
            assert pixels[corner].tolist() == pytest.approx(expected[corner].tolist(), abs=25)


@pytest.mark.parametrize(
    ("name", "codec", "size", "aspect", "shown"),
    [
        ("pal.mp4", "libx264", (176, 144), Fraction(12, 11), (192, 144)),
        ("ntsc.mkv", "libx264", (180, 120), Fraction(8, 9), (180, 135)),
        ("half.ts", "mpeg2video", (88, 144), Fraction(24, 11), (192, 144)),
        ("dvr.avi", "mpeg4", (96, 96), Fraction(4, 3), (128, 96)),
        ("field.mov", "libx264", (128, 48), Fraction(1, 2), (128, 96)),
    ],
)
def test_pictures_have_the_shape_that_the_pixels_have(name, codec, size, aspect, shown, video):
    def stretch(stream):
        stream.codec_context.sample_aspect_ratio = aspect

    path = video(name, codec=codec, size=size, frames=3, prepare=stretch)
    source, frames = read(path, FrameFormat(32, 24, "rgb", picture_width=96))
    width, height = shown
    for frame in (*frames, *source.frames_at(WANTED, [1], np.array([0.1]))):
        assert frame.source_size == size
        assert frame.shown_size == shown
    assert {frame.picture.shape for frame in frames} == {(96 * height // width, 96, 3)}
    # The network sees the whole of what is stored, in its own form, as in every version.
    assert {frame.pixels.shape for frame in frames} == {(24, 32, 3)}
    assert source.notices == []


def test_pixels_of_a_turned_picture_are_turned_too(video):
    def prepare(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        stream.set_display_rotation(90)

    _, frames = read(video(frames=2, prepare=prepare), FrameFormat(8, 8, "grey", picture_width=48))
    assert (frames[0].source_size, frames[0].shown_size) == ((48, 64), (48, 128))
    assert frames[0].picture.shape == (128, 48, 3)


@pytest.mark.parametrize("aspect", [Fraction(1, 90), Fraction(200, 1)])
def test_a_shape_of_pixels_that_cannot_be_is_not_believed(aspect, video):
    def stretch(stream):
        stream.codec_context.sample_aspect_ratio = aspect

    _, frames = read(video("a.ts", frames=2, prepare=stretch))
    assert frames[0].shown_size == (64, 48)


def test_pixels_that_change_their_shape_on_the_way_are_followed(video):
    parts = []
    for number, aspect in enumerate((Fraction(1, 1), Fraction(2, 1))):

        def stretch(stream, aspect=aspect):
            stream.codec_context.sample_aspect_ratio = aspect

        times_s = [number + n / 10 for n in range(10)]
        parts.append(video(f"{number}.ts", times_s=times_s, prepare=stretch))
    whole = parts[0].with_name("both.ts")
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    _, frames = read(whole)
    assert [frame.shown_size for frame in frames] == [(64, 48)] * 10 + [(128, 48)] * 10


def combed(number, width, height):
    """Flat grey whose lower field, every second line, is far brighter."""
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[1::2] = 200
    return picture


@pytest.mark.parametrize(
    ("name", "codec", "flags"),
    [
        ("a.mp4", "libx264", {"x264-params": "tff=1:interlaced=1", "crf": "1"}),
        ("a.ts", "mpeg2video", {"flags": "+ildct+ilme", "qmin": "1", "qmax": "1"}),
    ],
)
def test_interlaced_video_is_named_and_shown_without_its_comb(name, codec, flags, video):
    def interlace(stream):
        stream.options = flags

    path = video(name, codec=codec, size=(64, 64), frames=4, draw=combed, prepare=interlace)
    source, frames = read(path, FrameFormat(32, 16, "grey", picture_width=64))
    assert frames[1].picture.shape == (64, 64, 3)
    assert frames[1].picture.astype(int).max() < 80
    assert frames[1].pixels.mean() == pytest.approx(130, abs=12)
    (notice,) = source.notices
    assert notice.startswith("the video is interlaced")


def test_video_that_is_not_interlaced_keeps_every_line(video):
    path = video("a.mkv", codec="ffv1", size=(64, 64), frames=2, draw=combed)
    source, frames = read(path, FrameFormat(32, 16, "grey", picture_width=64))
    assert frames[0].picture[::2].max() < frames[0].picture[1::2].min()
    assert source.notices == []


@pytest.mark.parametrize(("name", "count"), [("two.mkv", 2), ("three.ts", 3)])
def test_further_streams_of_video_are_named_as_left_out(name, count, tmp_path):
    with av.open(str(tmp_path / name), "w") as container:
        streams = [container.add_stream("mpeg4", rate=10) for _ in range(count)]
        for place, stream in enumerate(streams):
            stream.width, stream.height, stream.pix_fmt = 64 + 32 * place, 48, "yuv420p"
        for number, (place, stream) in product(range(3), enumerate(streams)):
            picture = drawn_picture(number, 64 + 32 * place, 48)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    source, frames = read(tmp_path / name)
    assert {frame.source_size for frame in frames} == {(64, 48)}
    assert f"holds {count} streams of video, of which only the first is used" in source.notices


@pytest.mark.parametrize(("form", "used"), [("gray16le", 0.02), ("gray12le", 0.1)])
def test_video_that_uses_few_of_many_levels_says_so(form, used, tmp_path):
    for name, share in (("few.mkv", used), ("all.mkv", 0.9)):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("ffv1", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, form
            slope = np.tile(np.linspace(3000, 3000 + share * 62_000, 64), (48, 1))
            frame = av.VideoFrame.from_ndarray(slope.astype(np.uint16), format="gray16le")
            container.mux(stream.encode(frame.reformat(format=form)))
            container.mux(stream.encode(None))
    few, _ = read(tmp_path / "few.mkv")
    assert any("only a small range is used" in notice for notice in few.notices)
    every, _ = read(tmp_path / "all.mkv")
    assert not any("range" in notice for notice in every.notices)


def test_times_of_a_variable_frame_rate_come_from_the_timestamps(video):
    times_s = [0, 0.1, 0.25, 0.3, 0.9, 1.0, 2.0, 2.1]
    source, frames = read(video(times_s=times_s))
    assert [frame.time_s for frame in frames] == pytest.approx(times_s)
    assert source.gap_s == pytest.approx(3.5 / source.rate_fps)


def test_an_implausible_rate_in_the_header_is_measured_instead(video):
    source, frames = read(video("a.avi", codec="mpeg4", times_s=[0.1 * i for i in range(20)]))
    assert source.rate_fps == pytest.approx(10)
    assert len(frames) == 20
    assert source.notices == []


def test_a_stream_that_starts_late_starts_at_0(video):
    _, frames = read(video("a.ts", times_s=[5 + 0.1 * i for i in range(5)]))
    assert [frame.time_s for frame in frames] == pytest.approx([0.1 * i for i in range(5)])


@pytest.mark.parametrize(
    ("name", "codec", "rate_fps"),
    [("a.h264", "libx264", 10), ("b.h264", "libx264", 30), ("a.hevc", "libx265", 15)],
)
def test_a_raw_stream_is_timed_by_the_rate_that_it_states(video, name, codec, rate_fps):
    source, frames = read(video(name, codec=codec, rate_fps=rate_fps))
    assert source.rate_fps == rate_fps
    assert [frame.time_s for frame in frames] == pytest.approx([i / rate_fps for i in range(20)])
    assert source.notices == []


def test_a_rate_that_is_given_has_no_effect_where_there_is_one_and_is_named(video):
    for path in (video("a.h264"), video("a.mp4")):
        source = Recording(path, fps=4)
        assert source.rate_fps == 10
        assert "a rate of 4 frames per second was given, but it" in source.notices[0]
    assert Recording(video("a.h264"), fps=10).notices == []


@pytest.mark.parametrize("name", ["a.mjpeg", "a.mjpg"])
def test_a_raw_stream_without_a_rate_takes_the_one_that_is_given(tmp_path, images, name):
    folder = images()
    path = tmp_path / name
    path.write_bytes(b"".join(image.read_bytes() for image in sorted(folder.iterdir())))
    source = Recording(path, fps=4)
    frames = list(source.frames(RGB))
    assert [frame.time_s for frame in frames] == pytest.approx([i / 4 for i in range(10)])
    assert source.notices == []
    # FFmpeg makes up 0.2 s for another frame, which must not be taken for this one.
    (again,) = read_frames(Recording(path, fps=5), RGB, [1], np.array([0.2]))
    assert np.array_equal(again.pixels, frames[1].pixels)
    made_up, frames = read(path)
    assert [frame.time_s for frame in frames] == pytest.approx([i / 25 for i in range(10)])
    assert "25 frames per second are assumed" in made_up.notices[0]


def test_one_jpeg_image_is_no_recording_whatever_its_name_says(tmp_path, images):
    path = next(images().iterdir()).rename(tmp_path / "a.mjpeg")
    with pytest.raises(SourceError, match="it is a single image"):
        Recording(path)


@pytest.mark.parametrize("count", [1, 3])
def test_very_short_recordings_are_read(video, count):
    source, frames = read(video(frames=count))
    assert len(frames) == source.count_frames() == count


def test_passes_are_fresh_and_the_same(video):
    source = Recording(video())
    first, second = list(source.frames(RGB)), list(source.frames(RGB))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, second, strict=True))


def test_a_consumer_that_stops_early_leaves_nothing_open(video):
    path = video(frames=50)
    frames = Recording(path).frames(RGB)
    next(frames)
    assert is_open(path)
    frames.close()
    assert not is_open(path)


def test_a_long_recording_is_never_held_as_a_whole(video):
    alive, most = [], 0
    recording = Recording(video(frames=400))
    for clip in clips(filter(Sampler(10, recording.timing).keeps, recording.frames(RGB)), 1, 0.5):
        alive = [reference for reference in alive if reference() is not None]
        alive.append(weakref.ref(clip.last.pixels))
        most = max(most, len(alive))
    assert most <= 8


def test_pictures_keep_the_aspect_ratio_with_even_sides(video):
    _, frames = read(video(frames=2, size=(62, 46)), FrameFormat(32, 32, "grey", picture_width=41))
    assert frames[0].pixels.shape == (32, 32, 1)
    assert frames[0].picture.shape == (30, 40, 3)


def test_a_recording_cut_off_behind_its_header_gives_what_is_there_and_says_so(truncated_video):
    source, frames = read(truncated_video("cut.mp4"))
    assert 40 <= len(frames) < 100
    assert [round(flat(frame)) for frame in frames] == pytest.approx(
        [20 + 2 * i for i in range(len(frames))], abs=4
    )
    assert any("ended early: the header promises 100 frames" in notice for notice in source.notices)


@pytest.mark.parametrize(
    ("name", "codec"), [("cut.mkv", "libx264"), ("cut.avi", "mpeg4"), ("cut.flv", "libx264")]
)
def test_other_containers_that_are_cut_off_say_so_too(truncated_video, name, codec):
    source, frames = read(truncated_video(name, share=0.5, codec=codec))
    assert 5 <= len(frames) < 100
    assert any("ended early: the header promises 10.0 s" in notice for notice in source.notices)


def test_damage_in_the_middle_is_skipped_with_one_notice(video):
    path = video("a.mkv", frames=100)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(data)
    source, frames = read(path)
    assert 50 < len(frames) <= 100
    assert flat(frames[-1]) == pytest.approx(20 + 2 * 99, abs=4)
    assert all(after.time_s > before.time_s for before, after in pairwise(frames))
    list(source.frames(RGB))
    assert sum("damaged data was met" in notice for notice in source.notices) == 1


def test_reading_goes_on_behind_a_place_that_cannot_be_demuxed(video, monkeypatch):
    packets, calls = packets_module.demux, []

    def stumbling(container, stream):
        calls.append(1)
        for number, packet in enumerate(packets(container, stream)):
            if len(calls) == 1 and number == 10:
                raise av.InvalidDataError(1, "stumbled")
            yield packet

    source = Recording(video(frames=40))
    monkeypatch.setattr(packets_module, "demux", stumbling)
    assert len(list(source.frames(RGB))) >= 28


def test_reading_that_keeps_failing_stops_with_a_notice_and_keeps_what_was_read(video, monkeypatch):
    packets, calls = packets_module.demux, []

    def failing(container, stream):
        calls.append(1)
        if len(calls) == 1:
            for number, packet in enumerate(packets(container, stream)):
                if number == 10:
                    break
                yield packet
        raise av.InvalidDataError(1, "worn disk")

    source = Recording(video(frames=40))
    monkeypatch.setattr(packets_module, "demux", failing)
    assert len(list(source.frames(RGB))) == 10
    assert any("ended early: reading failed (worn disk)" in notice for notice in source.notices)
    calls.clear()
    assert source.count_frames() == 10


def test_a_change_of_size_midway_is_noticed_and_breaks_clips(resized_video):
    source, frames = read(resized_video())
    assert [frame.source_size for frame in frames] == [(64, 48)] * 10 + [(96, 80)] * 10
    assert {frame.pixels.shape for frame in frames} == {(24, 32, 3)}
    assert any("changes from 64 x 48 to 96 x 80" in notice for notice in source.notices)
    ends = [clip.last.index for clip in clips(frames, 1, source.gap_s)]
    assert ends == [*range(4, 10), *range(14, 20)]


def test_the_fingerprint_changes_with_the_file(video):
    path = video()
    before = Recording(path).fingerprint()
    assert Recording(path).fingerprint() == before
    os.utime(path, ns=(1, 1))
    assert Recording(path).fingerprint() != before


def test_what_is_no_recording_is_refused_by_name_and_reason(
    tmp_path, audio, truncated_video, images
):
    text, empty = tmp_path / "text.mp4", tmp_path / "empty.mp4"
    text.write_text("not a video\n" * 50)
    (tmp_path / "story.txt").write_text("not a video\n" * 50)
    empty.touch()
    reasons = {
        text: "it is not a video",
        tmp_path / "story.txt": "it is text",
        empty: "it is empty",
        audio("sound.mp4"): "it only holds audio",
        truncated_video("head.mp4", header_first=False): "its header is cut off",
        images("pictures") / "000.jpg": "a single image",
        tmp_path: "it is a folder",
    }
    for path, reason in reasons.items():
        with pytest.raises(SourceError, match=reason) as caught:
            Recording(path)
        assert path.name in str(caught.value)


def test_a_recording_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(
        SourceNotFoundError, match=r"none\.mp4 must be a recording, but nothing is there"
    ):
        Recording(tmp_path / "none.mp4")


def test_a_recording_that_may_not_be_read_says_so(video, monkeypatch):
    path = video()

    def refuse(*args, **wishes):
        raise av.PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(recording_module.av, "open", refuse)
    with pytest.raises(SourceError, match="permission denied"):
        Recording(path)


def test_a_recording_without_a_single_frame_that_decodes_is_an_error(video):
    path = video("a.mp4", frames=3, options={"movflags": "faststart"})
    source = Recording(path)
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 4  # the header stays, every picture goes
    data[start:] = bytes(len(data) - start)
    path.write_bytes(data)
    with pytest.raises(SourceError, match="must give at least one video frame"):
        list(source.frames(RGB))


def test_a_playlist_does_not_lead_to_the_network(tmp_path):
    path = tmp_path / "list.m3u8"
    path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(SourceError):
        list(Recording(path).frames(RGB))


def test_a_name_that_looks_like_a_protocol_is_a_file(video, monkeypatch):
    path = video("a:b.mp4", frames=2)
    monkeypatch.chdir(path.parent)
    assert len(list(Recording(Path("a:b.mp4")).frames(RGB))) == 2


# Frames read again by number.

WANTED = FrameFormat(32, 24, "grey", picture_width=48)


def read_all(source):
    return list(source.frames(WANTED))


def assert_same(found, expected):
    assert [(a.index, a.time_s) for a in found] == [(b.index, b.time_s) for b in expected]
    for a, b in zip(found, expected, strict=True):
        assert np.array_equal(a.pixels, b.pixels)
        assert np.array_equal(a.picture, b.picture)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize("indices", [[0, 1, 2], [37, 38, 41, 55], [59], list(range(60))], ids=str)
def test_frames_read_by_number_are_those_of_a_whole_pass(name, indices, video):
    codec = {"codec": "mpeg4"} if name.endswith("avi") else {}
    source = open_source(video(name, frames=60, **codec))
    frames = read_all(source)
    times_s = np.array([frames[index].time_s for index in indices])
    assert_same(read_frames(source, WANTED, indices, times_s), [frames[index] for index in indices])


def test_what_lies_before_is_not_decoded(video, monkeypatch):
    source = open_source(video(frames=100))
    frames = read_all(source)
    monkeypatch.setattr(Recording, "frames", lambda *_: pytest.fail("a whole pass"))
    assert_same(read_frames(source, WANTED, [90, 91], np.array([9.0, 9.1])), frames[90:92])


def test_frames_of_turned_and_uneven_recordings_are_found(video):
    times_s = [0.0, 0.1, 0.25, 0.3, 2.0, 2.1, 2.15, 2.4, 2.5]
    source = open_source(video("a.mp4", frames=9, times_s=times_s, rotation=90))
    frames = read_all(source)
    indices = [2, 4, 7]
    assert_same(
        read_frames(source, WANTED, indices, np.array([frames[i].time_s for i in indices])),
        [frames[i] for i in indices],
    )


def test_where_times_do_not_lead_there_all_of_it_is_read(video):
    # As after a place where timestamps jump back: a pass has put the times behind a gap.
    source = open_source(video(frames=30))
    frames = read_all(source)
    assert_same(read_frames(source, WANTED, [20, 21], np.array([102.0, 102.1])), frames[20:22])


def test_images_are_read_by_number_too(images):
    source = open_source(images("01", [3, 4, 5, 8, 9]), fps=10.0)
    frames = read_all(source)
    assert_same(read_frames(source, WANTED, [1, 5], np.array([0.1, 0.5])), [frames[1], frames[3]])
    assert read_frames(source, WANTED, [4], np.array([0.4])) == []


def test_a_recording_that_is_gone_is_named_when_read_again(video):
    path = video(frames=10)
    source = open_source(path)
    path.unlink()
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        read_frames(source, WANTED, [3], np.array([0.3]))
    assert read_frames(source, WANTED, [], np.array([])) == []
