"""Scores of held-out clips: which are taken, in which order, and averaged over what."""

import itertools

import numpy as np
import pytest

from oddframe._types import silent
from oddframe.core.maps import map_peaks
from oddframe.core.smoothing import NO_SMOOTHING, SmoothingWindow, smooth_scores
from oddframe.training.held_out_scores import (
    BLOCK_CLIPS,
    KeptClips,
    divide,
    score_clips,
    spread,
)
from tests.support.scorers import FakeScorer, flat_maps


def first_pixel(clips):
    """The first pixel of each clip's last frame."""
    return clips[:, 4, 0, 0, 0].astype(np.float32)


class Clips:
    """Clips over stretches of numbered frames, in a cache of everything."""

    def __init__(self, *stretches):
        self.starts = np.concatenate([np.arange(begin, end - 4) for begin, end in stretches])
        self.cache = self

    def in_footage(self, positions):
        return positions

    def __len__(self):
        return len(self.starts)

    def in_order(self, numbers, size):
        for begin in range(0, len(numbers), size):
            frames = self.starts[numbers[begin : begin + size]][:, None] + np.arange(5)
            yield np.broadcast_to(
                frames[:, :, None, None, None] % 251 + 1, (*frames.shape, 2, 2, 1)
            ).astype(np.uint8)


def clips_scored(clips, most_s=1e9, **more):
    scorer = FakeScorer(first_pixel, maps=flat_maps(20, 20))
    more = {"on_progress": silent, **more}
    return score_clips(KeptClips(clips, scorer), most_s=most_s, **more)


def scored(clips, neighbours=NO_SMOOTHING):
    return clips_scored(clips).normal(10.0, neighbours, in_sample=False)


def test_every_clip_is_scored_in_order_and_none_twice():
    found = scored(Clips((0, 10), (10, 25)))
    expected = [*range(5, 11), *range(15, 26)]
    assert found.raw.tolist() == expected
    assert found.motion.tolist() == [3 * value for value in expected]
    assert (
        found.map_peak.tolist()
        == map_peaks(np.repeat(np.float32(expected), 400).reshape(-1, 20, 20)).tolist()
    )


def test_each_stretch_is_a_piece_of_its_own_with_its_own_time():
    found = scored(Clips((0, 10), (10, 25)))
    assert [(piece.start, piece.stop) for piece in found.pieces()] == [(0, 6), (6, 17)]
    assert found.time_s[:6] == pytest.approx(np.arange(6) / 10)
    assert found.time_s[6:] == pytest.approx(np.arange(11) / 10)


@pytest.mark.parametrize("count", [1, BLOCK_CLIPS, BLOCK_CLIPS + 1, 50_000])
def test_blocks_hold_every_number_once(count):
    blocks = divide(count)
    assert np.concatenate(blocks).tolist() == list(range(count))
    assert max(map(len, blocks)) <= BLOCK_CLIPS
    assert min(map(len, blocks)) >= max(map(len, blocks)) - 1


@pytest.mark.parametrize("count", [1, 2, 7, 64, 100])
def test_the_first_blocks_lie_evenly(count):
    order = spread(count)
    assert sorted(order) == list(range(count))
    for taken in (1, 2, 4, 8, 16):
        if taken <= count // 2:
            gaps = np.diff([*sorted(order[:taken]), count])
            assert max(gaps) <= 2 * count / taken + 1


def test_blocks_that_meet_are_one_piece():
    clips = Clips((0, 3 * BLOCK_CLIPS))
    assert len(list(scored(clips).pieces())) == 1
    alone = clips_scored(clips)
    np.testing.assert_array_equal(
        scored(clips, SmoothingWindow(2, 2)).raw,
        smooth_scores(alone.scores[:, 0], SmoothingWindow(2, 2)),
    )


def test_when_time_is_over_what_was_scored_lies_evenly_and_the_rest_is_counted():
    clips = Clips((0, 40 * BLOCK_CLIPS))
    clock = itertools.count()
    found = clips_scored(clips, most_s=1000.0, clock=lambda: float(next(clock)))
    assert found.not_reached == len(clips) - len(found.positions)
    # A tick for each batch of four clips.
    assert len(found.positions) == pytest.approx(4_000, rel=0.1)
    quarters = np.histogram(found.positions, 4, (0, len(clips)))[0]
    # As even as whole blocks can lie.
    assert quarters.max() - quarters.min() <= BLOCK_CLIPS


def test_however_little_time_there_is_something_is_scored():
    found = clips_scored(Clips((0, 2_000)), most_s=0.0)
    assert 0 < len(found.positions) < 2_000


def test_scores_are_means_of_neighbours_that_belong_to_the_same_piece():
    clips = Clips((0, 9), (20, 27))
    alone, found = scored(clips), scored(clips, neighbours=SmoothingWindow(1, 1))
    np.testing.assert_array_equal(found.recording, alone.recording)
    np.testing.assert_array_equal(found.map_peak, alone.map_peak)
    for piece in alone.pieces():
        for name in ("raw", "appearance", "motion", "cluster"):
            expected = smooth_scores(getattr(alone, name)[piece], SmoothingWindow(1, 1))
            np.testing.assert_array_equal(getattr(found, name)[piece], expected)
