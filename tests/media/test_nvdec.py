"""Decoding on a GPU that is not there: what falls back, and what is said; a GPU has stand-ins."""

from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel

from oddframe.media import nvdec
from oddframe.media.nvdec import Nvdec
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat

WANTED = FrameFormat(32, 24, "rgb")
FALLBACK = "decoded on the processor and not with NVDEC: "


class Opening:
    """Opens a file as `av.open` does, and keeps what it was asked for.

    Args:
        accelerated: Whether the GPU has a decoder for each stream of video.
        error: What asking for a GPU ends with.
    """

    def __init__(self, accelerated=(True,), error=None):
        self.asked, self._error = [], error
        contexts = [SimpleNamespace(is_hwaccel=one, name="h264") for one in accelerated]
        streams = [SimpleNamespace(codec_context=context) for context in contexts]
        self.container = SimpleNamespace(streams=SimpleNamespace(video=streams))

    def __call__(self, *, hwaccel=None):
        self.asked.append(hwaccel)
        if hwaccel is not None and self._error is not None:
            raise self._error
        return self.container


@pytest.fixture
def built_for(monkeypatch):
    """Sets for which devices FFmpeg was built."""

    def set_devices(*names):
        monkeypatch.setattr(nvdec, "hwdevices_available", lambda: list(names))

    set_devices("vaapi", "cuda")
    return set_devices


def opened(opening, gpu=0):
    """Open with a GPU; gives the notices."""
    notices = []
    assert Nvdec(gpu).open(opening, notices.append) is opening.container
    return notices


def test_a_gpu_that_decodes_is_asked_for_and_nothing_is_said(built_for):
    opening = Opening((False, True))
    assert opened(opening, gpu=2) == []
    (accel,) = opening.asked
    assert isinstance(accel, HWAccel)
    assert accel.device_id == 2
    # What a GPU cannot decode must not end the recording.
    assert accel.allow_software_fallback
    assert not accel.is_hw_owned


def test_without_it_in_ffmpeg_nothing_is_tried(built_for):
    built_for("vaapi")
    opening = Opening()
    assert opened(opening) == [f"{FALLBACK}the FFmpeg of this PyAV was built without it"]
    assert opening.asked == [None]


def test_a_gpu_that_cannot_be_used_is_named(built_for):
    opening = Opening(error=av.FFmpegError(1, "no driver"))
    assert opened(opening, gpu=1) == [f"{FALLBACK}GPU 1 cannot be used (no driver)"]
    assert opening.asked[1:] == [None]


def test_a_codec_that_the_gpu_has_no_decoder_for_is_named(built_for):
    assert opened(Opening((False,))) == [f"{FALLBACK}it has no decoder for h264"]
    # Sound alone is not its business.
    assert opened(Opening(())) == []


@pytest.mark.parametrize(("form", "falls_back"), [("nv12", False), ("yuv420p", True)])
def test_a_picture_of_the_processor_is_seen_by_its_form(form, falls_back):
    notices = []
    decoded = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
    Nvdec().check_frame(decoded.reformat(format=form), notices.append)
    assert [text.startswith(FALLBACK) for text in notices] == [True] * falls_back


@pytest.mark.parametrize(
    ("device", "gpu"), [("cuda:3", 3), ("cuda", 0), ("auto", 0), ("cpu", 0), ("cuda:x", 0)]
)
def test_the_gpu_is_that_of_the_network(device, gpu):
    assert Nvdec.of_device(device) == Nvdec(gpu)


def test_a_recording_gives_the_same_frames_where_there_is_no_gpu(video, monkeypatch):
    path = video(frames=12)
    plain, asked = Recording(path), Recording(path)
    # A driver that is there would decode: a GPU of this number never is.
    asked.nvdec = Nvdec(99)
    for one, other in zip(plain.frames(WANTED), asked.frames(WANTED), strict=True):
        assert (one.index, one.time_s) == (other.index, other.time_s)
        assert one.pixels.tobytes() == other.pixels.tobytes()
    assert plain.notices == []
    (notice,) = asked.notices
    assert notice.startswith(FALLBACK)
    # A second pass says nothing new.
    assert asked.decode() == 12
    assert len(asked.notices) == 1
