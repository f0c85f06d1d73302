import math

import numpy as np
import pytest

from oddframe.metrics.baselines import BASELINES, FrameDifference


def luma(pixel):
    return (0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]) / 255


def literally(first, last):
    """The definition, pixel by pixel: mean of |x4 - x0|, and mean of its highest hundredth."""
    changes = sorted(
        (
            abs(luma(last[y, x].astype(float)) - luma(first[y, x].astype(float)))
            for y in range(first.shape[0])
            for x in range(first.shape[1])
        ),
        reverse=True,
    )
    highest = changes[: max(1, len(changes) // 100)]
    return sum(changes) / len(changes), sum(highest) / len(highest)


def test_both_follow_their_definition(run_seed):
    frames = np.random.default_rng(run_seed).integers(0, 256, (9, 20, 30, 3), dtype=np.uint8)
    difference = FrameDifference()
    found = [difference.add(frame) for frame in frames]
    assert all(math.isnan(value) for pair in found[:4] for value in pair)
    for number in range(4, 9):
        assert found[number] == pytest.approx(literally(frames[number - 4], frames[number]), abs=1e-6)


def test_the_top_is_at_least_one_pixel():
    difference = FrameDifference()
    frames = np.zeros((5, 3, 3, 3), np.uint8)
    frames[4, 1, 1] = 255
    mean, top = [difference.add(frame) for frame in frames][-1]
    assert (mean, top) == (pytest.approx(1 / 9), pytest.approx(1.0))


def test_a_still_recording_has_none():
    difference = FrameDifference()
    for _ in range(5):
        found = difference.add(np.full((4, 4, 3), 77, np.uint8))
    assert found == (0.0, 0.0)
    assert len(BASELINES) == len(found)
