import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.datasets.clip_dataset import ClipDataset, DataConfig, split, too_short
from oddframe.datasets.frame_cache import FrameCache, FrameRun
from oddframe.datasets.pseudo_anomalies import PseudoAnomalyConfig
from oddframe.errors import SettingsError, SourceError

NONE = PseudoAnomalyConfig(share=0.0)


@pytest.fixture
def cache(tmp_path):
    """Makes a cache of stretches in which each frame, 16 x 16, is filled with its position."""

    def make(*stretches, draw=lambda position: np.full((16, 16, 1), position % 256, np.uint8)):
        placed, offset = [], 0
        for source, count in stretches:
            placed.append({"source": source, "offset": offset, "count": count})
            offset += count
        frames = np.stack([draw(position) for position in range(offset)])
        (tmp_path / "frames.u8").write_bytes(frames.tobytes())
        shape = dict(zip(("frames", "height", "width", "colours"), frames.shape, strict=True))
        return FrameCache(
            tmp_path, {"stretches": placed, "share": 1.0, "notices": [], "rate_fps": 10.0, **shape}
        )

    return make


def all_clips(cache, interval=1, rebuilt=0):
    return ClipDataset(cache, list(cache.stretches), interval, rebuilt)


def positions(frames):
    return frames[..., 0, 0, 0]


@pytest.mark.parametrize(("interval", "count"), [(1, 6 + 3), (2, 2)])
def test_clips_lie_in_one_stretch_with_frames_an_interval_apart(interval, count, cache):
    clips = all_clips(cache(("a", 10), ("a", 4), ("b", 7)), interval)
    assert len(clips) == count
    found = positions(clips.clips(np.arange(count)))
    assert (np.diff(found) == interval).all()
    starts = {1: [*range(6), *range(14, 17)], 2: [0, 1]}[interval]
    assert found[:, 0].tolist() == starts


def test_without_a_clip_the_sentence_gives_the_numbers(cache):
    with pytest.raises(
        SourceError, match="needs 9 unbroken frames and the longest stretch of footage has 8"
    ):
        all_clips(cache(("a", 8), ("b", 3)), interval=2)


def test_an_epoch_sees_every_clip_once(cache):
    clips = all_clips(cache(("a", 24)))
    starts = [positions(clips.batch(step, 5, 0, NONE).clips)[:, 0].tolist() for step in range(8)]
    for epoch in (starts[:4], starts[4:]):
        assert sorted(itertools.chain(*epoch)) == list(range(20))
    assert starts[:4] != starts[4:]


def test_a_batch_depends_on_seed_and_step_alone(cache):
    moving = cache(("a", 60), draw=lambda position: _scene(position))
    wanted = PseudoAnomalyConfig(share=0.7)
    one, other = all_clips(moving), all_clips(moving)
    for step in range(6):
        one.batch(step, 4, 3, wanted)
    for step in (5, 0, 3):
        for ours, theirs in zip(
            one.batch(step, 4, 3, wanted), other.batch(step, 4, 3, wanted), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(one.batch(5, 4, 3, NONE).clips, one.batch(5, 4, 4, NONE).clips)


def test_a_batch_is_no_larger_than_the_footage(cache):
    assert len(all_clips(cache(("a", 7))).batch(0, 8, 0, NONE).clips) == 3


@pytest.mark.parametrize("rebuilt", [0, 4])
def test_targets_are_those_of_the_clip_as_filmed(rebuilt, cache):
    clips = all_clips(cache(("a", 60), draw=lambda position: _scene(position)), rebuilt=rebuilt)
    changed_clips = 0
    for step in range(8):
        batch = clips.batch(step, 4, 0, PseudoAnomalyConfig(share=0.5))
        filmed = clips.batch(step, 4, 0, NONE)
        np.testing.assert_array_equal(batch.first, filmed.clips[:, 0])
        np.testing.assert_array_equal(batch.last, filmed.clips[:, 4])
        np.testing.assert_array_equal(batch.rebuilt, filmed.clips[:, rebuilt])
        assert not filmed.abnormal.any()
        changed = (batch.clips != filmed.clips).any(axis=(1, 4))
        assert not (batch.abnormal & ~changed).any()
        changed_clips += int(batch.abnormal.any(axis=(1, 2)).sum())
    assert 5 < changed_clips < 27


def test_evenly_reaches_from_end_to_end(cache):
    clips = all_clips(cache(("a", 104)))
    assert clips.evenly(5).tolist() == [0, 25, 50, 74, 99] or clips.evenly(5).tolist() == [
        0,
        25,
        50,
        75,
        99,
    ]
    assert clips.evenly(1000).tolist() == list(range(100))


def test_in_order_gives_each_number_once(cache):
    clips = all_clips(cache(("a", 24)))
    batches = list(clips.in_order(np.arange(3, 14), 4))
    assert [len(batch) for batch in batches] == [4, 4, 3]
    assert positions(np.concatenate(batches))[:, 0].tolist() == list(range(3, 14))


def _scene(position):
    """A box that walks over a still slope."""
    frame = np.tile(np.arange(16, dtype=np.uint8)[:, None, None] * 8, (1, 16, 1))
    frame[6:12, position % 11 : position % 11 + 5] = 250
    return frame


stretch_lists = st.lists(
    st.tuples(st.sampled_from("abcdefghijklmnopqrst"), st.integers(1, 120)), min_size=1, max_size=30
)


@given(stretch_lists, st.floats(0.0, 0.5), st.sampled_from([5, 9, 21]))
def test_no_frame_is_both_trained_on_and_held_out(drawn, hold_out, span):
    stretches, offset = [], 0
    for source, count in drawn:
        stretches.append(FrameRun(source, offset, count))
        offset += count
    trained, held = split(tuple(stretches), hold_out, span)
    parts = [
        {position for s in part for position in range(s.offset, s.offset + s.count)}
        for part in (trained, held)
    ]
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] <= set(range(offset))
    inside = {
        (s.source, position) for s in stretches for position in range(s.offset, s.offset + s.count)
    }
    for stretch in (*trained, *held):
        assert {
            (stretch.source, p) for p in range(stretch.offset, stretch.offset + stretch.count)
        } <= inside
    if held:
        assert any(stretch.count >= span for stretch in held)
    if not hold_out:
        assert (trained, held) == (stretches, [])


def test_whole_recordings_are_held_out_where_there_are_enough():
    stretches = tuple(FrameRun(f"{number:02d}", 100 * number, 100) for number in range(20))
    trained, held = split(stretches, 0.15, 5)
    assert [stretch.source for stretch in held] == ["03", "10", "16"]
    assert len(trained) == 17
    assert {stretch.count for stretch in (*trained, *held)} == {100}


def test_of_few_recordings_the_end_of_each_is_held_out():
    stretches = (FrameRun("a", 0, 100), FrameRun("b", 100, 60))
    trained, held = split(stretches, 0.15, 5)
    assert trained == [FrameRun("a", 0, 85), FrameRun("b", 100, 51)]
    assert held == [FrameRun("a", 85, 15), FrameRun("b", 151, 9)]


def test_an_end_too_short_for_a_clip_is_trained_on():
    trained, held = split((FrameRun("a", 0, 100), FrameRun("a", 100, 20)), 0.15, 5)
    assert trained == [FrameRun("a", 0, 85), FrameRun("a", 100, 20)]
    assert held == [FrameRun("a", 85, 15)]


def test_a_recording_without_a_clip_is_not_what_is_held_out():
    long = [FrameRun(f"long {number}", 100 * number, 50) for number in range(7)]
    short = [FrameRun(f"short {number}", 1000 + number, 1) for number in range(20)]
    trained, held = split((*short, *long), 0.15, 5)
    assert [stretch.source for stretch in held] == ["long 3"]
    assert len(trained) == 26


def test_recordings_that_give_no_clip_are_named():
    stretches = (
        FrameRun("a", 0, 3),
        FrameRun("b", 3, 4),
        FrameRun("b", 7, 9),
        FrameRun("a", 16, 4),
    )
    assert too_short(stretches, 5) == [
        "a: not used: a clip needs 5 unbroken frames, the longest stretch has 4",
    ]


@pytest.mark.parametrize("hold_out", [-0.1, 0.51, float("nan")])
def test_a_share_that_cannot_be_held_out_is_refused(hold_out):
    with pytest.raises(SettingsError, match=r"data\.hold_out must be from 0 to 0\.5"):
        DataConfig(hold_out=hold_out)
