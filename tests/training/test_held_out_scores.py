"""Scores of held-out clips: which are taken, in which order, and averaged over what."""

import numpy as np
import pytest

from oddframe._types import silent
from oddframe.core.maps import map_peaks
from oddframe.core.smoothing import NO_SMOOTHING, SmoothingWindow, smooth_scores
from oddframe.training.held_out_scores import BLOCK_CLIPS, choose_blocks, score_clips
from tests.support.scorers import FakeScorer, flat_maps


def first_pixel(clips):
    """The first pixel of each clip's last frame."""
    return clips[:, 4, 0, 0, 0].astype(np.float32)


class Clips:
    """Clips over stretches of numbered frames."""

    def __init__(self, *stretches):
        self.starts = np.concatenate([np.arange(begin, end - 4) for begin, end in stretches])

    def __len__(self):
        return len(self.starts)

    def in_order(self, numbers, size):
        for begin in range(0, len(numbers), size):
            frames = self.starts[numbers[begin : begin + size]][:, None] + np.arange(5)
            yield np.broadcast_to(
                frames[:, :, None, None, None] + 1, (*frames.shape, 2, 2, 1)
            ).astype(np.uint8)


def scored(clips, neighbours=NO_SMOOTHING, **more):
    return score_clips(
        FakeScorer(first_pixel, maps=flat_maps(20, 20)),
        clips,
        rate_fps=10.0,
        in_sample=False,
        neighbours=neighbours,
        on_progress=silent,
        **more,
    )


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


@pytest.mark.parametrize(
    ("count", "most"), [(10, 10), (100, 40), (100_000, 6_000), (6_001, 6_000), (900, 700)]
)
def test_of_much_footage_blocks_are_taken(count, most):
    numbers = choose_blocks(count, most)
    assert len(numbers) <= most
    assert len(numbers) > 0.5 * most
    assert (numbers[0], numbers[-1]) == (0, count - 1) or most < 2 * BLOCK_CLIPS
    lengths = np.diff(np.flatnonzero(np.diff(numbers, prepend=-2, append=2 * count) != 1))
    assert lengths.min() >= min(BLOCK_CLIPS, most)


def test_blocks_are_pieces():
    found = scored(Clips((0, 200)), most=40)
    assert len(found) == 40
    assert len(list(found.pieces())) == 1


def test_scores_are_means_of_neighbours_that_belong_to_the_same_piece():
    clips = Clips((0, 9), (20, 27))
    alone, found = scored(clips), scored(clips, neighbours=SmoothingWindow(1, 1))
    np.testing.assert_array_equal(found.recording, alone.recording)
    np.testing.assert_array_equal(found.map_peak, alone.map_peak)
    for piece in alone.pieces():
        for name in ("raw", "appearance", "motion", "cluster"):
            expected = smooth_scores(getattr(alone, name)[piece], SmoothingWindow(1, 1))
            np.testing.assert_array_equal(getattr(found, name)[piece], expected)
