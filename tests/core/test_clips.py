import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.clips import (
    ClipWindow,
    clip_span,
    rate_notice,
    sample,
    sampled_gap_s,
    shape_notice,
    thins,
)
from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import SettingsError
from tests.support.clips import clips

FAST = FrameTiming(1000.0, math.inf)
"""The timing of a source that is far faster than what is wanted of it, and has no gaps."""


def frames_at(times_s, size=(8, 6)):
    sizes = size if isinstance(size, list) else [size] * len(times_s)
    pixels = np.zeros((2, 2, 1), np.uint8)
    pairs = enumerate(zip(times_s, sizes, strict=True))
    return [Frame(i, float(time_s), pixels, one_size) for i, (time_s, one_size) in pairs]


def frames_at_rate(fps, count=200, jitter_s=0.0, seed=7):
    jitter = np.random.default_rng(seed).uniform(-jitter_s, jitter_s, count)
    return frames_at(np.arange(count) / fps + jitter)


def kept_indices(frames, rate_fps, source=FAST):
    return [frame.index for frame in sample(frames, rate_fps, source)]


@pytest.mark.parametrize("interval", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 13, 30])
def test_n_frames_give_n_minus_4_intervals_clips_and_clip_i_ends_on_frame_i_plus_4_intervals(
    count, interval
):
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
        ClipWindow(0, 0.5)


@given(
    shown=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.1] * 9 + [3.0])), max_size=60),
    interval=st.integers(1, 3),
)
def test_a_clip_repeats_where_all_its_pixels_are_those_of_the_clip_one_frame_before(
    shown, interval
):
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
    frames[5] = Frame(5, frames[5].time_s, off, (8, 6))
    assert [clip.repeats for clip in clips(frames, 1, 0.5)] == [False, False, False, False]


@pytest.mark.parametrize("ratio", [2, 3, 4, 5, 6])
def test_a_whole_ratio_keeps_every_nth_frame_even_when_timestamps_tremble(ratio, run_seed):
    # Up to a sixth of a frame's time it holds whatever is drawn; beyond that, for the most part.
    for share, seed in ((0.16, run_seed), (0.2, 7)):
        frames = frames_at_rate(10 * ratio, jitter_s=share / (10 * ratio), seed=seed)
        assert kept_indices(frames, 10) == list(range(0, 200, ratio))


@pytest.mark.parametrize("fps", [12, 15, 25, 29.97])
def test_other_ratios_keep_the_rate_and_stay_within_half_a_frame_of_the_grid(fps):
    times = [frame.time_s for frame in sample(frames_at_rate(fps, 600), 10, FAST)]
    assert len(times) == pytest.approx(600 / fps * 10, abs=1.01)
    off = [abs(time_s - round(time_s * 10) / 10) for time_s in times]
    assert max(off) <= 0.5 / fps + 1e-9


def test_the_window_names_the_frame_that_is_scored_and_the_oldest_that_may_still_be():
    window = ClipWindow(1, 0.5, lookahead=2)
    frames = frames_at([0.1 * i for i in range(6)])
    awaited = []
    for frame in frames:
        window.push(frame)
        awaited.append(window.awaited and window.awaited.index)
    # Frames 0 and 1 are never in the middle of a clip; frame 2 is once five frames are there.
    assert awaited == [None, None, 2, 2, 3, 4]
    assert window.scored is frames[3]
    window.clear()
    assert window.awaited is None
    assert window.push(frames[0]) is None


@given(st.lists(st.floats(-1, 2), max_size=50), st.floats(0.5, 30))
def test_sampling_only_drops_keeps_order_and_never_repeats(steps_s, rate_fps):
    frames = frames_at(np.cumsum([0.0, *steps_s]))
    found = list(sample(frames, rate_fps, FrameTiming(1000.0, 1.0)))
    indices = [frame.index for frame in found]
    assert indices == sorted(set(indices))
    assert all(frame is frames[frame.index] for frame in found)
    assert indices[0] == 0


def test_sampling_is_causal():
    frames = frames_at_rate(25)
    everything = kept_indices(frames, 10)
    for end in (1, 7, 50, 133):
        assert kept_indices(frames[:end], 10) == [index for index in everything if index < end]


def test_the_grid_starts_afresh_after_a_gap_and_when_time_goes_backwards():
    times = [0, 0.05, 0.1, 5.03, 5.08, 5.13, 1.0, 1.05, 1.1]
    assert kept_indices(frames_at(times), 10, FrameTiming(1000.0, 1.0)) == [0, 2, 3, 5, 6, 8]


@pytest.mark.parametrize(("fps", "dropped"), [(10.6, True), (10.4, False), (10, False), (5, False)])
def test_a_source_within_5_percent_or_below_is_passed_through(fps, dropped):
    assert thins(fps, 10) is dropped
    assert (len(kept_indices(frames_at_rate(fps), 10, FrameTiming(fps, math.inf))) < 200) is dropped


def test_only_a_slower_source_gets_a_notice():
    assert rate_notice(9.6, 10) is None
    assert rate_notice(30, 10) is None
    assert "movement will look faster" in (rate_notice(9.4, 10) or "")


@pytest.mark.parametrize("fps", [11, 12.5, 15, 25, 30])
def test_thinned_frames_of_an_image_folder_still_make_clips(fps):
    source = FrameTiming(fps, 1.5 / fps)
    thinned = list(sample(frames_at_rate(fps), 10, source))
    assert len(list(clips(thinned, 1, sampled_gap_s(source, 10)))) == len(thinned) - 4


def test_the_gap_of_a_source_that_is_not_thinned_stays():
    assert sampled_gap_s(FrameTiming(10, 0.15), 10) == 0.15


@pytest.mark.parametrize("rate_fps", [0, -1, float("nan")])
def test_a_rate_that_cannot_be_is_refused(rate_fps):
    with pytest.raises(SettingsError, match="rate_fps must be above 0"):
        sample([], rate_fps, FAST)


@pytest.mark.parametrize(
    ("size", "pixel_aspect", "trained", "named"),
    [
        ((704, 288), 1 / 2, 1.22, False),
        ((640, 480), 1.0, 16 / 9, True),
        ((1920, 1080), 1.0, 4 / 3, True),
        ((1440, 1080), 4 / 3, 16 / 9, False),
        ((352, 288), 1.0, 4 / 3, False),
        ((640, 480), 1.0, None, False),
    ],
)
def test_pictures_of_another_shape_than_in_the_training_are_named(
    size, pixel_aspect, trained, named
):
    pixels = np.zeros((4, 4, 1), np.uint8)
    frame = Frame(0, 0.0, pixels, size, pixel_aspect=pixel_aspect)
    notice = shape_notice(frame, trained)
    assert (notice is not None) == named
    if named:
        assert f"{size[0] / size[1]:.2f} times as wide as high" in notice
