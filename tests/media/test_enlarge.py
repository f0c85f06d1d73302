"""Frames that are kept small come back as if they had been converted at once."""

import numpy as np
import pytest

from oddframe.media.enlarge import Enlarger
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat

SIZES = [
    (128, 64),
    (160, 120),
    (238, 158),
    (320, 240),
    (352, 240),
    (384, 200),
    (100, 256),
    (33, 17),
]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_part_is_cut_out_of_what_ffmpeg_gives_to_the_bit(size):
    frames = np.random.default_rng(0).integers(0, 256, (2, *size[::-1], 1), dtype=np.uint8)
    enlarger = Enlarger(size, 384, 256)
    whole = enlarger.enlarge(frames)
    assert whole.shape == (2, 256, 384, 1)
    for part in ((slice(0, 256), slice(0, 384)), (slice(64, 192), slice(96, 288))):
        np.testing.assert_array_equal(enlarger.enlarge(frames, part), whole[:, *part])


@pytest.mark.parametrize(("pixel_format", "most"), [("gray", 0), ("yuv420p", 1)])
def test_a_small_camera_is_seen_as_scoring_sees_it(pixel_format, most, video):
    # What converts the range of the levels rounds once more.
    path = video("a.mkv", frames=6, size=(64, 48), pixel_format=pixel_format, codec="ffv1")
    recording = Recording(path)
    at_once = [frame.pixels for frame in recording.frames(FrameFormat(96, 64, "grey"))]
    own = np.stack([frame.pixels for frame in recording.frames(FrameFormat(64, 48, "grey"))])
    enlarged = Enlarger((64, 48), 96, 64).enlarge(own[None])
    apart = np.abs(enlarged[0].astype(int) - np.stack(at_once))
    assert apart.max() <= most
