import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.clips import (
    ClipWindow,
    RateFollower,
    Sampler,
    clip_span,
    rate_notice,
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
    return [frame.index for frame in filter(Sampler(rate_fps, source).keeps, frames)]


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
    times = [frame.time_s for frame in filter(Sampler(10, FAST).keeps, frames_at_rate(fps, 600))]
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
    found = list(filter(Sampler(rate_fps, FrameTiming(1000.0, 1.0)).keeps, frames))
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
    thinned = list(filter(Sampler(10, source).keeps, frames_at_rate(fps)))
    assert len(list(clips(thinned, 1, sampled_gap_s(source, 10)))) == len(thinned) - 4


def test_the_gap_of_a_source_that_is_not_thinned_stays():
    assert sampled_gap_s(FrameTiming(10, 0.15), 10) == 0.15


@pytest.mark.parametrize("rate_fps", [0, -1, float("nan")])
def test_a_rate_that_cannot_be_is_refused(rate_fps):
    with pytest.raises(SettingsError, match="rate_fps must be above 0"):
        Sampler(rate_fps, FAST)


def times_of(*parts):
    """Times of parts that each have so many frames at a rate, one part behind the other."""
    steps = np.concatenate([np.full(count, 1 / fps) for count, fps in parts])
    return np.concatenate([[0.0], np.cumsum(steps)])


def kept_times(times_s, stated_fps, rate_fps=10):
    sampler = Sampler(rate_fps, FrameTiming.of_video(stated_fps))
    return [time_s for time_s in times_s if sampler.keeps_at(time_s)], sampler


@pytest.mark.parametrize(("stated", "real"), [(25, 1), (30, 4), (10, 0.1), (5, 25), (1, 30)])
def test_a_stated_rate_is_believed_until_the_frames_say_otherwise(stated, real):
    follower = RateFollower(10, FrameTiming.of_video(stated))
    for time_s in times_of((20, real)):
        follower.see(time_s)
    assert follower.timing.rate_fps == pytest.approx(real)
    assert follower.timing.gap_s == pytest.approx(max(0.5, 3.5 / real))


@pytest.mark.parametrize(("slow", "fast"), [(2, 30), (1, 25), (5, 15)])
def test_a_variable_rate_is_thinned_while_it_is_fast_and_kept_whole_while_it_is_slow(slow, fast):
    times_s = times_of((40, slow), (200, fast), (40, slow))
    begin, end = times_s[40], times_s[240]
    kept, sampler = kept_times(times_s, stated_fps=(slow + fast) / 2)
    middle = [time_s for time_s in kept if begin + 1 < time_s < end - 1]
    assert len(middle) == pytest.approx((end - begin - 2) * 10, abs=2)
    assert [time_s for time_s in kept if time_s <= begin] == list(times_s[:41])
    assert [time_s for time_s in kept if time_s > end] == list(times_s[241:])
    assert f"has {slow}" in sampler.rates.notice() or "a frame every 1 s" in sampler.rates.notice()


@pytest.mark.parametrize(
    "steps_s",
    [
        [0.01, 0.01, 0.01, 0.37] * 20,
        [0.04] * 20 + [20.0] + [0.04] * 20 + [3.0, 3.0] + [0.04] * 20,
        [0.02, 0.06] * 30,
        [0.04, 0.12, 0.04, 0.04] * 20,
    ],
    ids=["bursts", "gaps", "uneven", "lost frames"],
)
def test_bursts_gaps_and_uneven_steps_are_no_other_rate(steps_s):
    stated = FrameTiming.of_video(
        (len(steps_s) - sum(s > 1 for s in steps_s)) / sum(s for s in steps_s if s < 1)
    )
    follower = RateFollower(10, stated)
    assert not any(follower.see(time_s) for time_s in np.cumsum([0.0, *steps_s]))
    assert follower.timing is stated


def test_a_source_that_is_slow_throughout_or_in_a_part_says_so_and_others_do_not():
    for fps, says in ((25, None), (10, None), (4, "has 4 frames per second where 10 are wanted")):
        _, sampler = kept_times(times_of((100, fps)), fps)
        assert (sampler.rates.notice() or "").startswith(says or "") is True
        assert (sampler.rates.notice() is None) is (says is None)
    _, sampler = kept_times(times_of((50, 1 / 60)), 1 / 60)
    assert "a frame every 60 s where 10 per second are wanted" in sampler.rates.notice()
    _, sampler = kept_times(times_of((300, 25), (20, 2)), 25)
    assert "of its 22 s where 10 are wanted: every frame is used there" in sampler.rates.notice()


def test_every_frame_is_kept_where_no_rate_is_wanted():
    kept, _ = kept_times(times_of((20, 5), (60, 50)), 5, rate_fps=math.inf)
    assert len(kept) == 81


@pytest.mark.parametrize("factor", [2, 3])
def test_a_folder_that_lacks_every_other_number_is_a_slower_source(factor):
    source = FrameTiming(10, 0.15)
    sampler = Sampler(10, source)
    for number in range(20):
        assert sampler.keeps_at(number * factor / 10)
    assert factor / 10 < sampler.gap_s < 2 * factor / 10


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
