from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from oddframe.core.records import Clip, Frame, FrameTiming, Score
from oddframe.errors import InputError, SettingsError


def frame(index=0, shape=(48, 64, 3), dtype=np.uint8):
    return Frame(index, index / 10, np.zeros(shape, dtype), (64, 48))


@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64, 1)])
def test_frames_are_grey_or_rgb(shape):
    assert frame(shape=shape).pixels.shape == shape


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 4), (1, 48, 64, 3)])
def test_frames_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match=r"H x W x 1 or H x W x 3, got uint8 of shape \("):
        frame(shape=shape)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_])
def test_frames_of_another_type_are_refused(dtype):
    with pytest.raises(InputError, match="must be uint8"):
        frame(dtype=dtype)


@pytest.mark.parametrize("count", [0, 4, 6])
def test_a_clip_has_five_frames(count):
    with pytest.raises(InputError, match=f"must have 5 frames, got {count}"):
        Clip(tuple(frame(index) for index in range(count)))


def test_a_clip_scores_its_last_frame():
    assert Clip(tuple(frame(index) for index in range(3, 8))).last.index == 7


def test_records_print_shapes_and_times_not_pixels():
    assert repr(frame(12)) == "Frame(index=12, time_s=1.200, pixels=48x64x3)"
    assert repr(Clip(tuple(frame(index) for index in range(5)))) == "Clip(0..4, ends at 0.400 s)"
    score = Score(
        4, 0.4, 0.6, map=np.zeros((2, 2), np.float32), picture=np.zeros((2, 2, 3), np.uint8)
    )
    assert "array" not in repr(score)


def test_a_frame_without_a_clip_has_an_empty_score():
    empty = Score(2, 0.2)
    assert [empty.score, empty.raw, empty.appearance, empty.motion, empty.cluster] == [None] * 5


def test_records_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        frame().index = 3


@pytest.mark.parametrize(("rate_fps", "gap_s"), [(25, 0.5), (7, 0.5), (2, 1.75)])
def test_neither_half_a_second_nor_two_lost_frames_make_a_gap_in_a_video(rate_fps, gap_s):
    assert FrameTiming.of_video(rate_fps) == FrameTiming(rate_fps, gap_s)


@pytest.mark.parametrize(("rate_fps", "gap_s"), [(0, 1), (-1, 1), (float("nan"), 1), (10, -1)])
def test_a_timing_that_cannot_be_is_refused(rate_fps, gap_s):
    with pytest.raises(SettingsError, match="above 0 and its gap not below 0, got"):
        FrameTiming(rate_fps, gap_s)
