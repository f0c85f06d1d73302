"""What people say of events, the feedback set, thresholds and revisions."""

import sqlite3

import numpy as np
import pytest

from oddframe.store.events import Review
from oddframe.store.feedback import thresholds_at
from oddframe.store.reader import DATABASE
from oddframe.store.store import Store
from tests.support.alerting import made_alert, wall


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path, clock=lambda: wall(0.0)) as store:
        store.put_threshold("yard", wall(0.0), 2.0, "m")
        for number in range(3):
            store.put_event(made_alert(number, "end"))
        store.flush()
        yield store


def review(store, row, verdict, note=""):
    given = None if verdict is None and not note else Review(verdict, note, 7)
    return store.review_event(row, given)


def normal(store, model="m"):
    return store.reader.normal_events("yard", model)


def test_normal_events_make_the_feedback_set_with_their_raw_scores(store):
    review(store, 2, "normal", "a cat")
    review(store, 3, "important")
    (one,) = normal(store)
    assert one.raw == pytest.approx(2.0 * 0.75 / 0.25)
    assert one.start_us == wall(10.0)
    assert normal(store, "another model") == []


@pytest.mark.parametrize("verdict", ["important", "unsure", None])
def test_another_verdict_takes_it_out_again(store, verdict):
    review(store, 2, "normal")
    assert len(normal(store)) == 1
    event = review(store, 2, verdict)
    assert normal(store) == []
    assert (event.review is None) == (verdict is None)


def test_an_event_of_a_time_without_a_known_threshold_is_judged_but_teaches_nothing(tmp_path):
    with Store(tmp_path, clock=lambda: wall(0.0)) as store:
        store.put_event(made_alert(0, "end"))
        store.flush()
        assert review(store, 1, "normal").review.verdict == "normal"
        assert normal(store) == []


def test_a_review_of_nothing_is_nothing(store):
    assert review(store, 99, "normal") is None


def test_forgetting_a_camera_forgets_its_reviews_and_revisions(store):
    review(store, 1, "normal")
    store.add_revision("yard", 1, "model", "text", {})
    store.forget("yard")
    assert normal(store) == []
    connection = sqlite3.connect(store.folder / DATABASE)
    for table in ("reviews", "feedback", "thresholds", "revisions", "events"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    connection.close()


def test_thresholds_hold_until_the_next_and_for_their_model_alone(store):
    for row in (
        (wall(10), 2.0, "m"),
        (wall(20), 3.0, "m"),
        (wall(30), 9.0, "n"),
        (wall(40), 3.0, "m"),
    ):
        store.put_threshold("yard", *row)
    assert store.flush(120)
    periods = store.reader.thresholds("yard")
    assert [one.threshold for one in periods] == [2.0, 3.0, 9.0, 3.0], "the same again is no row"
    moments = np.array([wall(at) for at in (-1, 0, 15, 20, 29, 30, 39, 40)])
    found = thresholds_at(periods, moments, "m")
    np.testing.assert_array_equal(found, [np.nan, 2, 2, 3, 3, np.nan, np.nan, 3])
    assert np.isnan(thresholds_at([], moments, "m")).all()


def test_changes_are_listed_from_the_newest_with_what_was_before(store):
    first = store.add_revision("yard", 5, "budget", "a", {"false_alarms": "1/day"})
    second = store.add_revision("yard", 6, "model", "b", {"model": None})
    store.undo_revision(second, 9)
    found = store.reader.revisions("yard")
    assert [(one.number, one.what, one.undone) for one in found] == [
        (second, "model", True),
        (first, "budget", False),
    ]
    assert found[1].before == {"false_alarms": "1/day"}


def test_the_last_recalibration_that_was_not_undone_counts_for_each_camera(store):
    for at_us, what in ((5, "recalibrated"), (6, "recalibrated"), (7, "budget")):
        last = store.add_revision("yard", at_us, what, "a", {})
    undone = store.add_revision("yard", 8, "recalibrated", "a", {})
    store.undo_revision(undone, 9)
    store.add_revision("gate", 3, "recalibrated", "a", {})
    store.add_revision("vault", 4, "budget", "a", {})
    assert last < undone
    assert store.reader.recalibrations(["yard", "vault", "none"]) == {"yard": 6}
    assert store.reader.recalibrations(["gate", "yard"]) == {"gate": 3, "yard": 6}


def test_an_anomaly_has_a_raw_score_at_its_peak_and_a_fault_of_the_camera_has_none(store):
    store.put_event(made_alert(9, "end", kind="health"))
    assert store.flush(120)
    fault, anomaly, *_ = store.reader.events()
    assert store.reader.raw_peak(anomaly) == (pytest.approx(2.0 * 0.75 / 0.25), "m")
    assert store.reader.raw_peak(fault) is None
