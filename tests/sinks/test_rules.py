"""Rules of a receiver: which alerts it gets, and how few messages a storm of them becomes."""

import pytest

from oddframe.errors import SettingsError
from oddframe.sinks.rules import AlertRules, RuleGate
from tests.support.alerting import NOON_US, made_alert


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def passed(gate, *alerts):
    return [
        (int(one.event.id, 16), one.event.phase) for alert in alerts for one in gate.take(alert)
    ]


@pytest.mark.parametrize(
    ("rules", "fits"),
    [
        ({}, True),
        ({"cameras": ["yard", "door"]}, True),
        ({"cameras": ["door"]}, False),
        ({"reasons": ["moves wrong"]}, True),
        ({"reasons": ["looks wrong"]}, False),
        ({"kinds": ["anomaly"]}, True),
        ({"kinds": ["health"]}, False),
        ({"min_score": 0.75}, True),
        ({"min_score": 0.76}, False),
        # The alert is of Monday, 14:13 UTC.
        ({"hours": ["mon 14:00-15:00"], "time_zone": "UTC"}, True),
        ({"hours": ["mon 14:00-15:00"], "time_zone": "Europe/Berlin"}, False),
        ({"hours": ["sat,sun 00:00-24:00"], "time_zone": "UTC"}, False),
    ],
)
def test_all_phases_of_what_fits_pass_and_nothing_else(rules, fits):
    gate = RuleGate(AlertRules(**rules))
    phases = ("start", "update", "end")
    found = passed(gate, *(made_alert(0, phase) for phase in phases))
    assert found == ([(0, phase) for phase in phases] if fits else [])


def test_a_fault_of_the_camera_needs_no_score():
    gate = RuleGate(AlertRules(min_score=0.9))
    assert passed(gate, made_alert(0, kind="health", score=0.5)) == [(0, "start")]


def test_an_event_whose_score_rises_is_told_from_then_on():
    gate = RuleGate(AlertRules(min_score=0.8))
    assert passed(gate, made_alert(0, "start", score=0.6)) == []
    assert passed(gate, made_alert(0, "update", score=0.85)) == [(0, "start")]
    assert passed(gate, made_alert(0, "end", score=0.85)) == [(0, "end")]
    # One that fits only at its end begins and ends for the receiver at once.
    assert passed(gate, made_alert(1, "start", score=0.6)) == []
    assert passed(gate, made_alert(1, "end", score=0.9)) == [(1, "start"), (1, "end")]


def test_like_events_are_told_once_and_then_together():
    clock = Clock()
    gate = RuleGate(AlertRules(digest_s=3600), clock)
    assert passed(gate, made_alert(0), made_alert(0, "end")) == [(0, "start"), (0, "end")]
    for number in range(1, 4):
        clock.now_s += 60
        event = made_alert(number, score=0.7 + number / 100)
        assert passed(gate, event, made_alert(number, "end")) == []
    assert passed(gate, made_alert(9, reason="looks wrong")) == [(9, "start")]
    clock.now_s = 3659
    assert gate.due() is None
    clock.now_s = 3660
    digest = gate.due()
    assert digest.text == "3 more events like this in the last hour at yard: moves wrong."
    assert (digest.count, int(digest.shown.event.id, 16)) == (3, 3)
    assert gate.due() is None
    # They were told a moment ago, so the next ones wait again.
    assert passed(gate, made_alert(10)) == []
    clock.now_s += 3600
    assert gate.due().count == 1


def test_a_storm_of_many_cameras_is_few_messages_and_one_that_counts_the_rest():
    clock = Clock()
    gate = RuleGate(AlertRules(digest_s=600, most=5), clock)
    told = []
    for number in range(1000):
        clock.now_s += 0.06
        told += passed(gate, made_alert(number, source=f"camera {number % 50}"))
    assert len(told) == 5
    clock.now_s += 600
    digest = gate.due()
    assert digest.count == 995
    assert digest.text.startswith("995 more events in the last 10 minutes: 20 at camera ")
    assert digest.text.endswith(" at 45 other cameras.")
    assert gate.flush() is None


def test_what_was_gathered_is_told_when_watching_ends():
    gate = RuleGate(AlertRules(digest_s=600))
    passed(gate, made_alert(0), made_alert(1))
    assert gate.flush().count == 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"hours": ["08:00-17:00"]}, "must have a time_zone"),
        ({"hours": ["8 to 5"], "time_zone": "UTC"}, "armed hours must read like"),
        ({"hours": ["08:00-17:00"], "time_zone": "Mars"}, "time_zone must be an IANA name"),
        ({"min_score": 1.5}, "min_score"),
        ({"digest_s": -1}, "digest_s"),
        ({"most": 0}, "most"),
    ],
)
def test_rules_that_cannot_work_are_refused(values, sentence):
    with pytest.raises(SettingsError, match=sentence):
        AlertRules(**values)


def test_the_alert_of_these_tests_is_of_monday_afternoon():
    assert NOON_US // 1_000_000 == 1_790_000_000


def unseen(gate, *, seen=()):
    found = gate.unseen(lambda alert: int(alert.event.id, 16) in seen)
    return [(int(alert.event.id, 16), alert.event.phase, words) for alert, words in found]


def test_an_event_that_nobody_looks_at_is_told_after_its_minutes_and_once():
    clock = Clock()
    gate = RuleGate(AlertRules(unseen_minutes=15), clock)
    assert passed(gate, made_alert(0), made_alert(1), made_alert(1, "end")) == []
    clock.now_s = 899
    assert unseen(gate) == []
    # An update neither begins the time anew nor is told by itself.
    assert passed(gate, made_alert(0, "update")) == []
    clock.now_s = 900
    words = "Nobody has looked for 15 minutes: "
    assert unseen(gate, seen={1}) == [(0, "start", words)]
    assert unseen(gate) == []
    assert passed(gate, made_alert(0, "update"), made_alert(0, "end")) == [
        (0, "update"),
        (0, "end"),
    ]


def test_who_is_told_of_unseen_events_gets_those_that_fit_the_other_rules():
    clock = Clock()
    gate = RuleGate(AlertRules(unseen_minutes=1, min_score=0.8), clock)
    passed(gate, made_alert(0, score=0.7), made_alert(1, score=0.7), made_alert(1, score=0.9))
    clock.now_s = 60
    assert unseen(gate) == [(1, "start", "Nobody has looked for a minute: ")]


def test_a_night_of_unseen_events_is_one_message_and_a_digest():
    clock = Clock()
    gate = RuleGate(AlertRules(unseen_minutes=15, digest_s=600), clock)
    for number in range(200):
        passed(gate, made_alert(number), made_alert(number, "end"))
    clock.now_s = 900
    assert [number for number, *_ in unseen(gate)] == [0]
    clock.now_s = 1500
    assert gate.due().count == 199


def test_an_event_that_cannot_be_looked_up_now_is_looked_up_again():
    clock = Clock()
    gate = RuleGate(AlertRules(unseen_minutes=1), clock)
    passed(gate, made_alert(0))
    clock.now_s = 60

    def broken(_):
        raise TimeoutError

    with pytest.raises(TimeoutError):
        gate.unseen(broken)
    assert len(unseen(gate)) == 1


def test_after_a_restart_only_what_was_not_due_yet_is_taken_up():
    clock = Clock()
    gate = RuleGate(AlertRules(unseen_minutes=10), clock)
    gate.remind(made_alert(0, "end"), 599.0)
    gate.remind(made_alert(1, "end"), 601.0)
    RuleGate(AlertRules(), clock).remind(made_alert(2), 0.0)
    clock.now_s = 1
    assert [number for number, *_ in unseen(gate)] == [0]


def test_it_is_known_which_events_were_told_by_themselves():
    gate = RuleGate(AlertRules(digest_s=600))
    passed(gate, made_alert(0), made_alert(0, "end"), made_alert(1))
    assert (gate.has_told(made_alert(0)), gate.has_told(made_alert(1))) == (True, False)
