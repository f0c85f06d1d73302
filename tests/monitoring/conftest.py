from dataclasses import replace

import numpy as np
import pytest

from oddframe.inference.model import Model, load
from oddframe.inference.scorer import ClipScores

LOUD, CALM = 230, 60


class Bright:
    """Calls a clip unusual where its last frame is bright; a score says nothing of its neighbours."""

    def __init__(self, threshold, batch_size):
        self.threshold, self.batch_size, self.batches = threshold, batch_size, 0

    def score(self, clips):
        self.batches += 1
        bright = clips[:, 4].mean(axis=(1, 2, 3))
        raw = (self.threshold * np.where(bright > 128, 3.0 + bright / 1000, 0.5)).astype(np.float32)
        maps = np.ones((len(clips), 32, 32), np.float32)
        maps[:, 8:16, 16:24] = 100 * raw[:, None, None]
        return ClipScores(raw, raw, raw, raw, maps)


@pytest.fixture
def model(tiny_run):
    """A model that finds bright frames unusual, and knows no camera: flat pictures are no fault to it."""
    bundle = load(tiny_run, device="cpu").bundle
    return Model(replace(bundle, health=None), Bright(bundle.calibration.threshold, 4))


@pytest.fixture
def bright_from():
    """Draws dark pictures, and bright ones from one number up to another."""

    def drawn(first, last):
        def draw(number, width=64, height=48):
            level = LOUD if first <= number < last else CALM
            return np.full((height, width, 3), level, np.uint8)

        return draw

    return drawn
