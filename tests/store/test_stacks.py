"""Stacks of like events: what belongs together, what does not, and the order of the stacks."""

import pytest

from oddframe.store.feedback import ReviewChange
from oddframe.store.stacks import MOST_IN_STACK, StackMember, is_near, stack_events
from oddframe.store.store import Store
from tests.support.alerting import NOON_US, made_alert

SECOND = 1_000_000
HOUR = 3_600 * SECOND
LIKE = (1, "anomaly", "looks wrong", None)
BOX = (0.4, 0.4, 0.6, 0.6)


def member(row, start_us, **values):
    fields = {"likeness": LIKE, "end_us": start_us + 5 * SECOND, "score": 0.7, "rarity": 3.0}
    return StackMember(**{"row": row, "start_us": start_us, "box": BOX, **fields, **values})


def rows(members):
    return [[one.row for one in stack] for stack in stack_events(members)]


def test_like_events_with_short_pauses_are_one_stack():
    assert rows([member(number, number * HOUR // 2) for number in range(10)]) == [[*range(10)]]


def test_a_pause_of_more_than_an_hour_begins_another_stack():
    late = member(3, 2 * HOUR + 6 * SECOND)
    assert rows([member(1, 0), member(2, HOUR), late]) == [[1, 2], [3]]


@pytest.mark.parametrize("place", range(4))
def test_camera_kind_reason_and_verdict_must_be_the_same(place):
    other = list(LIKE)
    other[place] = 2 if place == 0 else "other"
    members = [member(1, 0), member(2, SECOND, likeness=tuple(other)), member(3, 2 * SECOND)]
    assert rows(members) == [[1, 3], [2]]


def test_another_place_in_the_picture_is_another_stack_and_none_wanders():
    steps = [member(number, number * SECOND, box=moved(number * 0.1)) for number in range(4)]
    assert rows(steps) == [[0, 1], [2, 3]]


def moved(by):
    return (0.0 + by, 0.4, 0.1 + by, 0.6)


@pytest.mark.parametrize(
    ("other", "near"),
    [
        ((0.3, 0.3, 0.9, 0.9), True),  # larger, around it
        ((0.5, 0.5, 0.68, 0.68), True),  # centres near
        ((0.0, 0.0, 0.2, 0.2), False),
        ((0.55, 0.0, 1.0, 0.5), False),  # only a corner is shared
        (None, False),
    ],
)
def test_places_are_the_same_if_their_centres_are_near_or_one_is_within_the_other(other, near):
    assert is_near(BOX, other) is near
    assert is_near(other, BOX) is near
    assert is_near(None, None)


def test_an_event_that_is_apart_stays_alone_and_a_full_stack_takes_no_more():
    members = [member(1, 0), member(2, SECOND, is_apart=True), member(3, 2 * SECOND)]
    assert rows(members) == [[1, 3], [2]]
    many = rows([member(number, number) for number in range(MOST_IN_STACK + 1)])
    assert [len(stack) for stack in many] == [MOST_IN_STACK, 1]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path, clock=lambda: NOON_US) as store:
        yield store


def put(store, *alerts):
    for alert in alerts:
        store.put_event(alert)
    store.flush()


def stacked(store, **asked):
    return [stack.rows for stack in store.reader.stacks(**asked).stacks]


def test_stacks_of_a_store_have_their_rows_pictures_and_counts(store):
    put(store, *(made_alert(number, "end", score=0.6 + number / 100) for number in range(20)))
    put(store, made_alert(30, "end", source="door"))
    page = store.reader.stacks()
    assert (page.stack_count, page.event_count, page.is_cut) == (2, 21, False)
    door, yard = page.stacks
    assert (door.rows, yard.rows) == ((21,), tuple(range(20, 0, -1)))
    assert yard.shown.row == 20
    assert yard.score == yard.shown.alert.event.score
    assert yard.rarity == 4.0
    # Some of them, the first, the last and the highest among them.
    assert {1, 20} < {event.row for event in yard.pictured}
    assert len(yard.pictured) < 9


def test_stacks_are_sorted_and_come_in_pages(store):
    for number, (score, motion) in enumerate([(0.7, 2.0), (0.9, 1.0), (0.8, 5.0)]):
        parts = {"motion": motion}
        put(store, made_alert(number, "end", source=f"c{number}", score=score, parts=parts))
    assert stacked(store) == [(3,), (2,), (1,)]
    assert stacked(store, sort="oldest") == [(1,), (2,), (3,)]
    assert stacked(store, sort="score") == [(2,), (3,), (1,)]
    assert stacked(store, sort="rarity") == [(3,), (1,), (2,)]
    assert stacked(store, offset=1, limit=1) == [(2,)]


def test_filters_hold_before_events_are_stacked(store):
    put(store, *(made_alert(number, "end", score=0.6 + number / 10) for number in range(3)))
    store.review_events([ReviewChange(2, None, "The Gardener, 100 %")], 7)
    assert stacked(store, min_score=0.65) == [(3, 2)]
    assert stacked(store, note="gardener") == [(2,)]
    assert stacked(store, note="100 %") == [(2,)]
    assert stacked(store, note="1%") == []


def test_a_verdict_on_all_of_a_stack_keeps_notes_and_can_be_taken_back(store):
    put(store, *(made_alert(number, "end") for number in range(3)))
    store.review_events([ReviewChange(2, "unsure", "a cat")], 1)
    written = store.review_events([ReviewChange(row, "normal") for row in (1, 2, 3, 99)], 2)
    assert [after.review.verdict for _, after in written] == ["normal"] * 3
    assert written[1][1].review.note == "a cat"
    assert stacked(store, verdict="normal") == [(3, 2, 1)]
    back = [
        ReviewChange(before.row, before.review and before.review.verdict, before.review and "a cat")
        for before, _ in written
    ]
    store.review_events(back, 3)
    assert stacked(store) == [(3, 1), (2,)]


def test_who_takes_an_event_out_of_its_stack_finds_it_alone_and_can_put_it_back(store):
    put(store, *(made_alert(number, "end") for number in range(3)))
    assert store.set_apart(2, is_apart=True)
    assert store.set_apart(2, is_apart=True)
    assert stacked(store) == [(3, 1), (2,)]
    store.set_apart(2, is_apart=False)
    assert stacked(store) == [(3, 2, 1)]
    assert not store.set_apart(99, is_apart=True)
