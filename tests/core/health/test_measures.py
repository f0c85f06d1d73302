"""The measures one by one; whole recordings with faults are in `test_monitor.py`."""

import math

import numpy as np
import pytest

from oddframe.core.health.measures import (
    MOST_PIXELS,
    Average,
    SceneModel,
    grey,
)


def blocky_picture(seed=1, height=96, width=128):
    """A scene of squares with a grey level each: rich in edges."""
    levels = np.random.default_rng(seed).integers(20, 230, (height // 8, width // 8))
    return np.kron(levels, np.ones((8, 8))).astype(np.uint8)


def test_a_colour_frame_becomes_the_mean_of_its_channels():
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[..., 1] = 90
    assert grey(pixels).tolist() == [[30, 30, 30], [30, 30, 30]]


def test_a_large_frame_is_shrunk_by_a_whole_factor():
    picture = grey(np.full((600, 900, 1), 7, np.uint8))
    assert picture.shape == (200, 300)
    assert picture.size <= MOST_PIXELS
    assert set(picture.ravel()) == {7}


def test_the_running_mean_starts_as_a_plain_mean_and_anew_after_a_jump():
    average = Average(jump=50.0)
    assert average.add(np.full((2, 2), 10, np.uint8), 0.1) == 0.0
    assert average.jumped
    assert average.add(np.full((2, 2), 20, np.uint8), 0.1) == 10.0
    assert not average.jumped
    assert average.picture.tolist() == [[15.0, 15.0], [15.0, 15.0]]
    assert average.add(np.full((2, 2), 200, np.uint8), 0.1) == 185.0
    assert average.jumped
    assert average.picture.tolist() == [[200.0, 200.0], [200.0, 200.0]]


def test_a_scene_compared_with_itself_is_sharp_whole_and_in_place():
    picture = blocky_picture()
    found = SceneModel(picture).measure(picture.astype(np.float32))
    assert (found.lost, found.shift_px) == (0.0, 0.0)
    assert found.sharpness == pytest.approx(1.0)
    assert found.brightness == pytest.approx(picture.mean())


def test_half_the_light_and_contrast_change_nothing_but_brightness():
    picture = blocky_picture()
    found = SceneModel(picture).measure(picture.astype(np.float32) / 2)
    assert (found.lost, found.shift_px) == (0.0, 0.0)
    assert found.sharpness == pytest.approx(1.0)


def test_a_turned_camera_is_shifted_by_as_many_pixels():
    wide = blocky_picture(width=160)
    found = SceneModel(wide[:, :128]).measure(wide[:, 6:134].astype(np.float32))
    assert found.shift_px == pytest.approx(6.0)


def test_a_blank_picture_has_lost_everything_and_shows_nothing():
    picture = blocky_picture()
    found = SceneModel(picture).measure(np.full(picture.shape, 128.0, np.float32))
    assert (found.lost, found.detail) == (1.0, 0.0)
    assert math.isnan(found.sharpness)


def test_a_scene_without_structure_says_nothing_but_brightness_and_contrast():
    flat = SceneModel(np.full((96, 128), 100, np.uint8))
    assert not flat.has_structure
    found = flat.measure(np.full((96, 128), 90.0, np.float32))
    assert (found.brightness, found.contrast) == (90.0, 0.0)
    assert all(map(math.isnan, (found.lost, found.detail, found.sharpness, found.shift_px)))
