import numpy as np
import pytest

from oddframe.synthetic.camera_faults import blacken, cover, darken, defocus, turn


@pytest.fixture(params=[1, 3])
def picture(request):
    return np.random.default_rng(0).integers(0, 256, (48, 64, request.param), dtype=np.uint8)


@pytest.fixture
def random():
    return np.random.default_rng(1)


def test_every_fault_gives_a_picture(picture, random):
    for faulty in (
        darken(picture, 0.5, 2.0, random),
        blacken(picture, 2.0, random),
        cover(picture, 0.5, 2.0, random),
        defocus(picture, 2.0, 2.0, random),
        turn(picture, 3, -2),
    ):
        assert (faulty.shape, faulty.dtype) == (picture.shape, np.uint8)


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_a_hand_hides_its_share(share, picture, random):
    hidden = (cover(picture, share, 0.0, random) != picture).any(axis=(0, 2)).mean()
    assert hidden == pytest.approx(share, abs=0.12)


def test_a_blur_keeps_the_mean_and_takes_the_contrast(picture, random):
    soft = defocus(picture, 1.5, 0.0, random)
    assert soft.mean() == pytest.approx(picture.mean(), abs=1)
    assert soft.std() < 0.35 * picture.std()
    assert np.array_equal(defocus(picture, 0.0, 0.0, random), picture)


def test_a_turned_camera_sees_what_was_beside(picture):
    assert np.array_equal(turn(picture, 5, 2)[:-2, :-5], picture[2:, 5:])
    assert np.array_equal(turn(picture, -5)[:, 5:], picture[:, :-5])
    assert np.array_equal(turn(picture, 0), picture)


def test_darkness_is_a_factor(picture, random):
    assert darken(picture, 0.25, 0.0, random).mean() == pytest.approx(picture.mean() / 4, abs=0.5)
