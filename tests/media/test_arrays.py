"""Frames that a caller has in memory become the frames that a recording of them gives."""

import io

import av
import numpy as np
import pytest

from oddframe.errors import InputError, SettingsError, SourceError
from oddframe.media.arrays import ArraySource
from oddframe.media.discovery import MemoryRecording, open_source
from oddframe.media.source import FrameFormat
from oddframe.media.stream_set import CameraSource
from tests.support.captures import FakeCapture
from tests.support.tiny import walk

GREY, RGB = FrameFormat(16, 12, "grey"), FrameFormat(16, 12, "rgb", picture_width=32)
FRAMES = np.stack([walk(number) for number in range(12)])


def read(source, wanted=GREY, **how):
    return list(open_source(source, **how).frames(wanted))


def same(ours, theirs):
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert (one.index, one.source_size) == (other.index, other.source_size)
        assert one.time_s == pytest.approx(other.time_s, abs=1e-6)
        np.testing.assert_array_equal(one.pixels, other.pixels)
        if other.picture is not None:
            np.testing.assert_array_equal(one.picture, other.picture)


@pytest.fixture(scope="module")
def lossless(tmp_path_factory):
    """A recording of FRAMES that keeps every value of them."""
    from tests.conftest import write_video

    path = tmp_path_factory.mktemp("lossless") / "a.mov"
    return write_video(path, 12, codec="png", pixel_format="rgb24", draw=walk)


@pytest.mark.parametrize("wanted", [GREY, RGB])
@pytest.mark.parametrize(
    ("frames", "how"),
    [
        (FRAMES, {}),
        (FRAMES[..., ::-1], {"colour": "bgr"}),
        (list(FRAMES), {}),
        (np.concatenate([FRAMES, FRAMES[..., :1]], axis=-1), {}),
    ],
)
def test_frames_are_those_of_a_recording_of_them(frames, how, wanted, lossless):
    same(read(frames, wanted, fps=10, **how), read(lossless, wanted))


def test_a_generator_and_pairs_and_decoded_frames_are_too(lossless):
    theirs = read(lossless)
    same(read((frame for frame in FRAMES), fps=10), theirs)
    same(read((number / 10, frame) for number, frame in enumerate(FRAMES)), theirs)
    with av.open(str(lossless)) as container:
        same(read((f.time, f) for f in container.decode(video=0)), theirs)


def test_an_open_capture_tells_its_times_and_its_colours(lossless):
    same(read(FakeCapture(FRAMES, 10)), read(lossless))


def test_a_capture_without_times_has_those_of_its_rate(lossless):
    same(read(FakeCapture(FRAMES, 10, tells_times=False)), read(lossless))
    halves = read(FakeCapture(FRAMES, 0, tells_times=False), fps=5)
    assert [frame.time_s for frame in halves] == pytest.approx(np.arange(12) / 5)
    with pytest.raises(SettingsError, match="give fps="):
        read(FakeCapture(FRAMES, 0, tells_times=False))
    with pytest.raises(SourceError, match="must be opened"):
        read(FakeCapture(FRAMES, 10, opened=False))


def test_the_rate_of_frames_with_times_is_that_of_the_times():
    source = open_source([(number / 25, frame) for number, frame in enumerate(FRAMES)])
    first = next(source.frames(GREY))
    assert first.time_s == 0
    assert source.rate_fps == pytest.approx(25)
    for _ in range(2):  # what has a length can be read again
        assert len(list(source.frames(GREY))) == source.count_frames() == 12


def test_grey_frames_need_no_axis_for_their_colour():
    grey = FRAMES[..., 0]
    same(read(grey, fps=10), read(grey[..., None], fps=10))
    same(read(list(grey), fps=10), read(grey, fps=10))


def test_bytes_and_file_objects_are_recordings(lossless):
    theirs, content = read(lossless), lossless.read_bytes()
    for given in (content, bytearray(content), io.BytesIO(content)):
        same(read(given), theirs)
    with lossless.open("rb") as file:
        same(read(file), theirs)
    assert isinstance(open_source(content), MemoryRecording)


def test_what_is_in_memory_and_no_recording_is_told_without_a_path_of_ours(tmp_path):
    with pytest.raises(SourceError, match="the recording in memory must be a recording") as found:
        open_source(b"no video, but long enough to look at" * 99)
    assert "/tmp" not in str(found.value)
    assert "still being written" not in str(found.value)
    (tmp_path / "a.txt").write_text("text")
    with (tmp_path / "a.txt").open() as file, pytest.raises(InputError, match="reading bytes"):
        open_source(file)


@pytest.mark.parametrize(
    ("given", "how", "error", "sentence"),
    [
        (FRAMES, {}, SettingsError, "need their rate, got none: give fps="),
        (list(FRAMES), {}, SettingsError, "need their rate"),
        (FRAMES, {"fps": 0}, SettingsError, "fps must be above 0, got 0"),
        (FRAMES, {"fps": 9, "colour": "gbr"}, SettingsError, "'gbr'"),
        (FRAMES[0], {"fps": 9}, InputError, r"got 48 x 64 x 3; put a single frame into a list"),
        (FRAMES / 255, {"fps": 9}, InputError, r"uint8\), got float64; for values from 0 to 1"),
        ([FRAMES[0][0, 0]], {"fps": 9}, InputError, "H x W x C with 1, 3 or 4 channels, got 3"),
        (["a.jpg"], {"fps": 9}, InputError, "got str"),
        ([(None, FRAMES[0])], {}, InputError, "finite number of seconds, got None for frame 0"),
        ([(0.0, FRAMES[0]), FRAMES[1]], {}, InputError, "frame 1 is not as those before"),
        ([], {"fps": 9}, SourceError, "at least one, but there is none"),
        (1.5, {}, InputError, "got float"),
        (None, {}, InputError, "got NoneType"),
    ],
)
def test_what_cannot_be_frames_is_told(given, how, error, sentence):
    with pytest.raises(error, match=sentence):
        read(given, **how)


@pytest.mark.parametrize("address", ["rtsp://10.0.0.1/door", "/dev/video7", 7])
def test_addresses_are_cameras(address):
    assert isinstance(open_source(address), CameraSource)


def test_a_source_that_is_open_stays_as_it_is():
    source = ArraySource(FRAMES, 10)
    assert open_source(source) is source
