from dataclasses import replace

import numpy as np
import pytest

from oddframe.core.normal_scores import NormalScores
from oddframe.errors import InputError


def scores(raw=(1.0, 2.0, 3.0), **changes):
    raw = np.asarray(raw, np.float32)
    values = {
        "recording": np.zeros(len(raw), np.int32),
        "time_s": np.arange(len(raw), dtype=float),
        **dict.fromkeys(("raw", "appearance", "motion", "cluster", "map_peak"), raw),
        "rate_fps": 10.0,
        "in_sample": False,
    }
    return NormalScores(**{**values, **changes})


@pytest.mark.parametrize(
    ("raw", "found"),
    [([], "got none"), ([1.0, 0.0], "1 of 2"), ([np.nan], "such as nan"), ([1.0, np.inf], "inf"), ([-3.0], "-3.0")],
)
def test_scores_that_are_no_scores_are_refused(raw, found):
    with pytest.raises(InputError, match=found):
        scores(raw)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"motion": np.ones(2, np.float32)}, "of one length"),
        ({"rate_fps": 0.0}, "rate_fps"),
        ({"time_s": np.array([0.0, 2.0, 1.0])}, "in order"),
        ({"recording": np.array([1, 0, 0], np.int32)}, "in order"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, named):
    with pytest.raises(InputError, match=named):
        scores(**changes)


def test_pieces_are_the_recordings():
    found = scores(recording=np.array([0, 0, 7], np.int32), time_s=np.array([0.0, 1.0, 0.0]))
    assert [(piece.start, piece.stop) for piece in found.pieces()] == [(0, 2), (2, 3)]
    assert found.hours == pytest.approx(3 / 36_000)
    assert replace(found, rate_fps=1.0).hours == pytest.approx(3 / 3_600)
