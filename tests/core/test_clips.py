import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.clips import clip_span, clips
from oddframe.core.records import Frame
from oddframe.errors import SettingsError


def frames_at(times_s, size=(8, 6)):
    sizes = size if isinstance(size, list) else [size] * len(times_s)
    pixels = np.zeros((2, 2, 1), np.uint8)
    return [Frame(i, t, pixels, s) for i, (t, s) in enumerate(zip(times_s, sizes, strict=True))]


@pytest.mark.parametrize("interval", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 13, 30])
def test_n_frames_give_n_minus_4_intervals_clips_and_clip_i_ends_on_frame_i_plus_4_intervals(count, interval):
    frames = frames_at([0.1 * i for i in range(count)])
    found = list(clips(frames, interval, gap_s=0.5))
    assert len(found) == max(0, count - 4 * interval)
    for i, clip in enumerate(found):
        assert [frame.index for frame in clip.frames] == [i + step * interval for step in range(5)]
        assert clip.last is frames[i + 4 * interval]
        assert all(frame is frames[frame.index] for frame in clip.frames)


@given(
    steps_s=st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.6, 3.0, 0.0, -1.0]), max_size=60),
    interval=st.integers(1, 3),
)
def test_clips_are_exactly_the_windows_without_a_break(steps_s, interval):
    frames = frames_at(list(np.cumsum([0.0, *steps_s])))
    gap_s = 0.55
    times = [frame.time_s for frame in frames]
    whole = [
        start
        for start in range(len(frames) - 4 * interval)
        if all(0 < times[i + 1] - times[i] <= gap_s for i in range(start, start + 4 * interval))
    ]
    assert [clip.frames[0].index for clip in clips(frames, interval, gap_s)] == whole


def test_a_changed_size_breaks_clips():
    frames = frames_at([0.1 * i for i in range(12)], [(8, 6)] * 6 + [(6, 8)] * 6)
    assert [clip.last.index for clip in clips(frames, 1, 0.5)] == [4, 5, 10, 11]


def test_a_time_that_is_not_a_number_breaks_clips():
    frames = frames_at([0.0, 0.1, 0.2, 0.3, float("nan"), 0.5, 0.6, 0.7, 0.8, 0.9])
    assert [clip.last.index for clip in clips(frames, 1, 0.5)] == [9]


def test_no_more_frames_are_taken_than_the_next_clip_needs():
    taken = []

    def source():
        for frame in frames_at([0.1 * i for i in range(20)]):
            taken.append(frame.index)
            yield frame

    next(clips(source(), 2, 0.5))
    assert taken[-1] == clip_span(2) - 1 == 8


def test_an_interval_below_1_is_refused_at_once():
    with pytest.raises(SettingsError, match="at least 1 frame, got 0"):
        clips([], 0, 0.5)


@given(
    shown=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.1] * 9 + [3.0])), max_size=60),
    interval=st.integers(1, 3),
)
def test_a_clip_repeats_where_all_its_pixels_are_those_of_the_clip_one_frame_before(shown, interval):
    times_s = np.cumsum([step for _, step in shown])
    frames = [
        Frame(i, t, np.full((2, 2, 1), level, np.uint8), (8, 6))
        for i, (t, (level, _)) in enumerate(zip(times_s, shown, strict=True))
    ]
    found = list(clips(frames, interval, gap_s=0.5))
    levels = {clip.last.index: [frame.pixels[0, 0, 0] for frame in clip.frames] for clip in found}
    for clip in found:
        # Where there is no clip one frame before, it is the first after a gap.
        assert clip.repeats == (levels.get(clip.last.index - 1) == levels[clip.last.index])


def test_one_pixel_off_by_one_is_no_repeat():
    frames = frames_at([0.1 * i for i in range(8)])
    off = frames[5].pixels.copy()
    off[1, 1, 0] += 1
    frames[5:] = [Frame(one.index, one.time_s, off if one.index == 5 else one.pixels, (8, 6)) for one in frames[5:]]
    assert [clip.repeats for clip in clips(frames, 1, 0.5)] == [False, False, False, False]
