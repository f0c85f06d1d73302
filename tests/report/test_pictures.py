"""Pictures in a page keep within their length."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from oddframe.report.pictures import data_uri, resized, within


def opened(address):
    head, content = address.split(",")
    assert head == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_comes_back(channels):
    picture = np.tile(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], (48, 1, channels))
    found = opened(data_uri(picture, 90))
    assert found.shape[:2] == (48, 64)
    assert np.abs(found[..., 0].astype(int) - picture[..., 0]).mean() < 4


@pytest.mark.parametrize("most", [200_000, 40_000, 4_000])
def test_together_they_are_no_longer_than_agreed(most):
    noise = np.random.default_rng(1).integers(0, 256, (10, 120, 160, 3), np.uint8)
    found = within(list(noise), most)
    assert len(found) == 10
    assert sum(map(len, found)) <= most
    assert len({opened(one).shape for one in found}) == 1


def test_the_aspect_ratio_stays():
    picture = np.zeros((48, 64, 1), np.uint8)
    assert resized(picture, 32).shape == (24, 32, 1)
    assert resized(picture, 30, 30).shape == (30, 30, 1)
    assert resized(picture, 64) is picture
