from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_calibration

from oddframe.errors import InputError
from oddframe.runtime.parity import Parity, compare
from oddframe.runtime.scorer import ClipScores


class Brightness:
    """Raw scores are what a function makes of the brightness of a clip's last frame."""

    batch_size = 3

    def __init__(self, changed=lambda raw: raw):
        self.changed = changed

    def score(self, clips):
        raw = self.changed(clips[:, 4].mean(axis=(1, 2, 3)).astype(np.float32) / 64 + 0.01)
        return ClipScores(raw, raw, raw, raw, raw[:, None, None] * np.ones((1, 4, 4), np.float32))


def frames(*levels):
    return np.repeat(np.array(levels, np.uint8), 64).reshape(-1, 8, 8, 1)


CALM = frames(*range(10, 40))
ODD = frames(*range(10, 20), *[200] * 20, *range(10, 20))


def compared(changed, precision="float32", stretches=(CALM, ODD), threshold=2.0):
    return compare(
        Brightness(),
        Brightness(changed),
        stretches,
        precision=precision,
        interval=1,
        rate_fps=10.0,
        calibration=tiny_calibration(threshold=threshold, least_s=0.3),
    )


def test_the_same_is_the_same():
    found = compared(lambda raw: raw)
    assert found == Parity(
        precision="float32",
        clips=26 + 36,
        raw_error=0.0,
        raw_error_median=0.0,
        map_error=0.0,
        rank_correlation=pytest.approx(1.0),
        alarms=20,
        alarms_off=0,
        events=1,
        events_same=True,
    )
    assert found.complaints == ()


@given(st.floats(1e-5, 0.5))
def test_errors_are_relative_and_have_a_limit_for_each_precision(error):
    found = compared(lambda raw: raw * (1 + error))
    assert found.raw_error == pytest.approx(error, rel=0.02)
    assert found.map_error == pytest.approx(error, rel=0.02)
    for precision, limit in (("float32", 1e-3), ("bfloat16", 2e-2), ("float16", 2e-2)):
        if abs(error / limit - 1) > 0.05:
            complaints = [one for one in replace(found, precision=precision).complaints if "relative error" in one]
            assert bool(complaints) == (error > limit)


def test_a_single_clip_that_is_off_is_found():
    def changed(raw):
        raw[raw == raw.max()] *= 1.01
        return raw

    found = compared(changed, stretches=[CALM])
    assert found.raw_error == pytest.approx(0.01, rel=0.01)
    assert found.complaints


def test_other_events_are_refused_however_near_the_scores_are():
    # The threshold lies between what the two say of the odd frames.
    found = compared(lambda raw: raw * 1.0005, threshold=float((200 / 64 + 0.01) * 1.0002))
    assert found.raw_error < 1e-3
    assert (found.alarms, found.alarms_off, found.events, found.events_same) == (0, 20, 0, False)
    assert found.complaints == ("other events",)


def test_whole_numbers_must_keep_the_order_and_the_alarms():
    assert compared(lambda raw: raw * 1.2, "int8").complaints == ()
    shuffled = compared(lambda raw: raw[::-1] + 0.5, "int8")
    assert any("rank correlation" in one for one in shuffled.complaints)
    shifted = compared(lambda raw: raw + 2, "int8")
    assert any("alarms differ" in one for one in shifted.complaints)


def test_numbers_that_are_none_never_pass():
    assert compared(lambda raw: raw * np.nan).complaints


def test_footage_must_hold_a_clip():
    with pytest.raises(InputError, match="5 unbroken frames"):
        compared(lambda raw: raw, stretches=[CALM[:4]])
