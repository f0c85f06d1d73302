import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.event_rules import EventRules, HysteresisDetector, Span, spans
from oddframe.errors import SettingsError

ENTER, LEAVE = 0.5, 0.4
VALUES = st.lists(st.sampled_from([0.1, 0.4, 0.45, 0.5, 0.6, 0.9]), max_size=60)
RULES = st.builds(
    EventRules,
    least_s=st.sampled_from([0.0, 0.1, 0.3]),
    merge_gap_s=st.sampled_from([0.0, 0.2, 0.5]),
    cool_down_s=st.sampled_from([0.0, 0.7]),
)


def rules(**changes):
    return EventRules(**{"least_s": 0.0, "merge_gap_s": 0.1, **changes})


def found(values, times_s=None, **changes):
    """First and last tenth of a second of each event."""
    times_s = np.arange(len(values)) / 10 if times_s is None else np.asarray(times_s, float)
    all_of_them = spans(times_s, np.asarray(values, float), rules(**changes), ENTER, LEAVE)
    return [(round(10 * span.start_s), round(10 * span.end_s)) for span in all_of_them]


def literal(values, chosen):
    """The rules of the page, one after the other, on whole lists; times in tenths of a second."""
    high = False
    stretches = []
    for number, value in enumerate(values):
        rising = not high and value > ENTER
        high = value >= LEAVE if high else rising
        if rising:
            stretches.append([number, number])
        elif high:
            stretches[-1][1] = number
    events = []
    least, gap = round(10 * chosen.least_s), round(10 * chosen.merge_gap_s)
    for start, end in stretches:
        if events and start - events[-1][1] <= gap:
            events[-1][1] = end
        elif end - start >= least:
            events.append([start, end])
    return [tuple(event) for event in events]


@given(VALUES, st.sampled_from([0.0, 0.1, 0.3]), st.sampled_from([0.1, 0.2, 0.5]))
def test_events_are_what_the_rules_say(values, least_s, merge_gap_s):
    chosen = rules(least_s=least_s, merge_gap_s=merge_gap_s)
    assert found(values, least_s=least_s, merge_gap_s=merge_gap_s) == literal(values, chosen)


@given(VALUES, RULES)
def test_leaving_out_what_changes_nothing_changes_nothing(values, chosen):
    detector, expected = HysteresisDetector(chosen, ENTER, LEAVE), []
    for number, value in enumerate(values):
        expected += [step] if (step := detector.push(number / 10, value).closed) else []
    expected += [last] if (last := detector.finish()) else []
    assert (
        spans(np.arange(len(values)) / 10, np.asarray(values, float), chosen, ENTER, LEAVE)
        == expected
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([0.5, 0.5], []),  # the threshold itself is not above the threshold
        ([0.9], [(0, 0)]),
        (
            [0.1, 0.6, 0.45, 0.4, 0.39],
            [(1, 3)],
        ),  # hysteresis holds down to the release and no further
        ([0.45, 0.45, 0.6], [(2, 2)]),  # and does not start an event
    ],
)
def test_hysteresis(values, expected):
    assert found(values) == expected


def test_an_event_starts_when_it_has_lasted_and_from_where_it_began():
    detector = HysteresisDetector(rules(least_s=0.3), ENTER, LEAVE)
    steps = [detector.push(number / 10, 0.6) for number in range(1, 6)]
    assert [step.opened for step in steps] == [False, False, False, True, False]
    assert detector.start_s == 0.1
    assert found([0.6, 0.6, 0.6, 0.1, 0.6, 0.6, 0.6], least_s=0.3) == []


def test_a_calm_up_to_the_merge_gap_is_part_of_the_event():
    values = [0.6, 0.1, 0.1, 0.6, 0.1, 0.1, 0.1, 0.6]
    assert found(values, merge_gap_s=0.3) == [(0, 3), (7, 7)]


def test_the_end_is_known_when_the_gap_has_passed_and_no_later():
    detector = HysteresisDetector(rules(merge_gap_s=0.3), ENTER, LEAVE)
    detector.push(0.0, 0.9)
    assert [detector.push(number / 10, 0.1).closed for number in (1, 2, 3)] == [None] * 3
    assert detector.push(0.4, 0.1).closed == Span(0.0, 0.0)


def test_time_ends_an_event_where_nothing_is_known():
    detector = HysteresisDetector(rules(merge_gap_s=0.3), ENTER, LEAVE)
    detector.push(0.0, 0.9)
    assert detector.push(0.3, None).closed is None
    assert detector.push(0.5, None).closed == Span(0.0, 0.0)


def test_a_frame_without_a_value_neither_starts_nor_ends_a_stretch():
    detector = HysteresisDetector(rules(least_s=0.2, merge_gap_s=0.3), ENTER, LEAVE)
    assert [detector.push(n / 10, value).opened for n, value in enumerate([0.6, None, 0.6])] == [
        False,
        False,
        True,
    ]


def test_few_frames_a_second_make_events_too():
    assert found([0.1, 0.6, 0.6, 0.1, 0.6], times_s=[0, 4, 8, 12, 16], merge_gap_s=0.5) == [
        (40, 80),
        (160, 160),
    ]


@pytest.mark.parametrize("later_s", [5.0, -1.0], ids=["forward", "backward"])
def test_a_jump_in_time_ends_an_event(later_s):
    detector = HysteresisDetector(rules(), ENTER, LEAVE)
    detector.push(0.0, 0.9)
    step = detector.push(later_s, 0.9)
    assert step.closed == Span(0.0, 0.0)
    assert step.opened
    assert detector.start_s == later_s


def test_no_event_starts_in_the_cool_down():
    values = [0.6, 0.1, 0.1, 0.6, 0.1, 0.1, 0.1, 0.1, 0.6]
    assert found(values) == [(0, 0), (3, 3), (8, 8)]
    assert found(values, cool_down_s=0.5) == [(0, 0), (8, 8)]


def test_what_lasts_beyond_the_cool_down_is_a_new_event():
    assert found([0.6, 0.1, 0.1, 0.6, 0.6, 0.6, 0.6], cool_down_s=0.5) == [(0, 0), (5, 6)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("least_s", -1),
        ("merge_gap_s", float("nan")),
        ("cool_down_s", float("inf")),
        ("update_s", 0),
        ("hold", 1.1),
    ],
)
def test_rules_check_themselves(name, value):
    with pytest.raises(SettingsError, match=name):
        EventRules(**{name: value})
