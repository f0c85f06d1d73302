import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.events import events
from oddframe.core.records import Score

VALUES = st.lists(st.one_of(st.none(), st.sampled_from([0.1, 0.5, 0.500001, 0.7, 0.9])), max_size=25)


def scores(values, start_s=0.0):
    return [Score(number, start_s + number / 10, value) for number, value in enumerate(values)]


def spans(values):
    """First and last frame of each event."""
    return [(round(one.start_s * 10), round(one.end_s * 10)) for one in events(scores(values), "a.mp4")]


def literal_spans(values):
    """Drop the frames without a score; every run above 0.5 of what is left is an event."""
    known = [(number, value) for number, value in enumerate(values) if value is not None]
    runs = itertools.groupby(known, key=lambda one: one[1] > 0.5)
    found = [list(run) for above, run in runs if above]
    return [(run[0][0], run[-1][0]) for run in found]


@given(VALUES)
def test_events_are_the_plain_stretches_above_one_half(values):
    assert spans(values) == literal_spans(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([None, None], []),
        ([0.5, 0.5], []),  # the threshold itself is not above the threshold
        ([0.9], [(0, 0)]),
        ([0.1, 0.6, 0.7, 0.1], [(1, 2)]),
        ([0.6, 0.1, 0.6], [(0, 0), (2, 2)]),
        ([None, 0.6, None, 0.6, None, 0.1], [(1, 3)]),  # unscored frames neither start nor end one
        ([0.6, None, 0.1, 0.6], [(0, 0), (3, 3)]),
    ],
)
def test_stretches(values, expected):
    assert spans(values) == expected


def test_an_event_knows_its_highest_score_and_when_it_was():
    (found,) = events(scores([0.6, 0.8, None, 0.95, 0.95, 0.7]), "a.mp4")
    assert (found.source, found.score, found.peak_s) == ("a.mp4", 0.95, 0.3)
    assert (found.start_s, found.end_s) == (0.0, 0.5)


def test_id_depends_on_the_source_and_the_start_only():
    def identity(values, source="a.mp4", start_s=5.0):
        return next(events(scores(values, start_s), source)).id

    assert identity([0.6]) == identity([0.9, 0.7, 0.1, 0.6])
    assert identity([0.6]) != identity([0.6], source="b.mp4")
    assert identity([0.6]) != identity([0.6], start_s=5.1)
    assert identity([0.6]) != identity([0.1, 0.6])


def test_ids_are_the_same_in_every_process():
    (found,) = events(scores([0.6]), "a.mp4")
    assert found.id == "3264c6058f6f6e84"


def test_ids_of_one_source_differ():
    found = [one.id for one in events(scores([0.6, 0.1] * 50), "a.mp4")]
    assert len(set(found)) == len(found) == 50


def test_an_event_is_told_as_soon_as_it_has_ended():
    passed = []

    def watched():
        for one in scores([0.6, 0.7, 0.1, 0.1, 0.1]):
            passed.append(one.frame)
            yield one

    found = events(watched(), "a.mp4")
    assert next(found).end_s == 0.1
    assert passed == [0, 1, 2]
