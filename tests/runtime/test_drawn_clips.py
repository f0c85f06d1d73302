from dataclasses import replace

import numpy as np
import pytest

from oddframe.model.trained import TrainedNetwork
from oddframe.runtime.drawn_clips import clips_of, drawn_frames, with_intruder


@pytest.mark.parametrize(("interval", "count", "expected"), [(1, 5, 1), (1, 12, 8), (2, 8, 0), (3, 14, 2)])
def test_every_clip_of_unbroken_frames(interval, count, expected):
    frames = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 2, 3, 1), np.uint8)
    clips = clips_of(frames, interval)
    assert clips.shape == (expected, 5, 2, 3, 1)
    for start, clip in enumerate(clips):
        assert clip[:, 0, 0, 0].tolist() == [start + interval * step for step in range(5)]


def test_drawn_frames_move_and_are_the_same_again(trained):
    frames = drawn_frames(trained, 9)
    assert frames.shape == (9, 32, 32, 1)
    np.testing.assert_array_equal(frames, drawn_frames(trained, 9))
    assert (frames != drawn_frames(trained, 9, seed=1)).any()
    assert np.abs(np.diff(frames.astype(int), axis=0)).max() > 20


def test_they_show_the_scene_that_the_network_knows(trained):
    scene = np.tile(np.linspace(0.1, 0.9, 32, dtype=np.float32), (1, 32, 1))
    known = TrainedNetwork(replace(trained.config, empty_scene=True), {"appearance.empty": scene})
    median = np.median(drawn_frames(known, 40), axis=0)[..., 0]
    assert np.median(np.abs(median - scene[0] * 255)) < 5


def test_an_intruder_comes_and_goes(trained):
    frames = drawn_frames(trained, 30)
    changed = (with_intruder(frames) != frames).any(axis=(1, 2, 3))
    assert changed.tolist() == [False] * 10 + [True] * 10 + [False] * 10
