from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import InputError
from oddframe.inference.parity import Parity, clips_of, compare, drawn_frames, with_intruder
from oddframe.model.state import NetworkState
from tests.support.scorers import FakeScorer, flat_maps
from tests.support.tiny import tiny_calibration


@pytest.mark.parametrize(
    ("interval", "count", "expected"), [(1, 5, 1), (1, 12, 8), (2, 8, 0), (3, 14, 2)]
)
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
    known = NetworkState(replace(trained.config, empty_scene=True), {"appearance.empty": scene})
    median = np.median(drawn_frames(known, 40), axis=0)[..., 0]
    assert np.median(np.abs(median - scene[0] * 255)) < 5


def test_an_intruder_comes_and_goes(trained):
    frames = drawn_frames(trained, 30)
    changed = (with_intruder(frames) != frames).any(axis=(1, 2, 3))
    assert changed.tolist() == [False] * 10 + [True] * 10 + [False] * 10


def frames(*levels):
    return np.repeat(np.array(levels, np.uint8), 64).reshape(-1, 8, 8, 1)


CALM = frames(*range(10, 40))
ODD = frames(*range(10, 20), *[200] * 20, *range(10, 20))


def scorer_of(changed):
    """A scorer whose raw scores are what a function makes of the brightness of the last frame."""

    def raw(clips):
        return changed(clips[:, 4].mean(axis=(1, 2, 3)).astype(np.float32) / 64 + 0.01)

    return FakeScorer(raw, maps=flat_maps(4, 4), batch_size=3)


def compared(changed, precision="float32", stretches=(CALM, ODD), threshold=2.0):
    return compare(
        scorer_of(lambda raw: raw),
        scorer_of(changed),
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
            complaints = [
                one
                for one in replace(found, precision=precision).complaints
                if "relative error" in one
            ]
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
