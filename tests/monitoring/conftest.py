from dataclasses import replace

import numpy as np
import pytest

from oddframe.inference.loading import load
from oddframe.inference.model import Model
from tests.support.scorers import bright_is_unusual

LOUD, CALM = 230, 60


@pytest.fixture
def model(tiny_run):
    """A model that finds bright frames unusual; no picture is a fault of the camera to it."""
    bundle = load(tiny_run, device="cpu").bundle
    return Model(replace(bundle, health=None), bright_is_unusual(bundle.calibration.threshold, 4))


@pytest.fixture
def bright_from():
    """Draws dark pictures, and bright ones from one number up to another."""

    def drawn(first, last):
        def draw(number, width=64, height=48):
            level = LOUD if first <= number < last else CALM
            return np.full((height, width, 3), level, np.uint8)

        return draw

    return drawn
