"""The histogram of a calibration."""

import numpy as np
import pytest
from tiny import tiny_calibration

from oddframe.report.histogram import HEIGHT, WIDTH, histogram


@pytest.mark.parametrize("spread", [0.05, 0.5, 3.0])
def test_every_frame_is_in_a_bar_and_bars_above_the_threshold_are_marked(spread):
    raw = np.exp(np.random.default_rng(2).normal(0.0, spread, 5_000))
    calibration = tiny_calibration(threshold=float(np.quantile(raw, 0.99)), release=1e-6)
    found = histogram(raw, calibration)
    assert sum(bar[6] for bar in found.bars) == 5_000
    above = sum(bar[6] for bar in found.bars if bar[7])
    assert above <= (raw > calibration.threshold).sum()
    for left, top, width, height, *_ in found.bars:
        assert 0 <= left <= WIDTH - width
        assert 0 < height <= HEIGHT
        assert top >= 0
    assert all(bar[0] + bar[2] >= found.threshold - WIDTH / 60 for bar in found.bars if bar[7])
    assert found.interval[0] <= found.threshold <= sum(found.interval)
    assert 1 <= len(found.ticks) <= 16


def test_a_threshold_beyond_all_footage_is_drawn_too():
    found = histogram(np.full(100, 0.5), tiny_calibration(threshold=50.0, release=1.0))
    assert not any(bar[7] for bar in found.bars)
    assert WIDTH / 2 < found.threshold < WIDTH
