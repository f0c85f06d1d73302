import numpy as np
import pytest

from oddframe.core.odd_stretches import odd_stretches


def found(levels, piece=None):
    piece = np.zeros(len(levels), np.int64) if piece is None else piece
    return odd_stretches(np.exp(levels), piece, np.arange(len(levels)) / 2)


@pytest.fixture
def normal():
    """Half of the time nobody is there, and scores are far lower."""
    random = np.random.default_rng(0)
    return np.where(np.arange(1_000) % 100 < 40, random.normal(-16, 1, 1_000), random.normal(-8, 0.3, 1_000))


def test_normal_footage_has_nothing_odd(normal):
    assert found(normal) == []


@pytest.mark.parametrize("share", [0.005, 0.02, 0.08])
def test_what_stands_out_is_found_whole(normal, share):
    length = round(share * len(normal))
    normal[300 : 300 + length] = -5.5 + 0.1 * np.sin(np.arange(length))
    (stretch,) = found(normal)
    assert (stretch.first, stretch.last) == (300, 299 + length)
    assert 0.5 < stretch.peak < 1


def test_stretches_merge_over_short_gaps_but_not_over_long_ones_or_two_recordings(normal):
    for place in (300, 302, 304, 320):
        normal[place] = -5.0
    assert [one[:2] for one in found(normal)] == [(300, 304), (320, 320)]
    piece = np.repeat([0, 1], [303, 697])
    assert [one[:2] for one in found(normal, piece)] == [(300, 302), (304, 304), (320, 320)]


def test_a_higher_peak_is_a_higher_score(normal):
    normal[[100, 500]] = -5.5, -4.5
    first, second = found(normal)
    assert first.peak < second.peak


def test_few_scores_say_nothing():
    assert found(np.array([0.0] * 10 + [9.0])) == []
