"""Alerts to sinks that work, fail, hang, refuse and have bugs."""

import threading

import pytest

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError, DeliveryRefusedError, InputError
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.links import Links
from oddframe.sinks.rules import AlertRules
from oddframe.sinks.sink import Retry, message_of, utc
from oddframe.sinks.worker import BUG_ATTEMPTS
from tests.support.alerting import made_alert, until


class Plain:
    """A sink that notes what it is given."""

    retry = Retry(first_s=0.001, most_s=0.01)
    durable = True

    def __init__(self):
        self.taken, self.statuses, self.closed = [], [], 0

    def deliver(self, message):
        self.taken.append((int(message["id"], 16), message["phase"]))

    def report(self, status):
        self.statuses.append(status)

    def close(self):
        self.closed += 1


class Failing(Plain):
    """A sink that raises an error the first `times` times that it is given something."""

    def __init__(self, error, times):
        super().__init__()
        self.error, self.times, self.calls = error, times, 0

    def deliver(self, message):
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        super().deliver(message)


class Hanging(Plain):
    """A sink that never comes back, until the test is over."""

    def __init__(self):
        super().__init__()
        self.go, self.calls = threading.Event(), 0

    def deliver(self, message):
        self.calls += 1
        self.go.wait(300)

    report = deliver


def offer(delivery, numbers):
    delivery.offer_all(
        made_alert(number, phase) for number in numbers for phase in ("start", "end")
    )


def expected(numbers):
    return [(number, phase) for number in numbers for phase in ("start", "end")]


def test_every_sink_gets_every_alert_in_order(tmp_path):
    sinks = {"a": Plain(), "b": Plain()}
    with Delivery(sinks, tmp_path) as delivery:
        offer(delivery, range(5))
        assert delivery.flush(120)
        assert delivery.counts()["a"].delivered == 10
    assert sinks["a"].taken == sinks["b"].taken == expected(range(5))
    assert sinks["a"].closed == sinks["b"].closed == 1


def test_a_sink_that_hangs_forever_delays_nobody(tmp_path):
    hanging, plain = Hanging(), Plain()
    delivery = Delivery({"hanging": hanging, "plain": plain}, tmp_path)
    offer(delivery, range(20))
    delivery.report(CameraStatus(camera="yard", at_us=0, online=True, state="live"))
    until(lambda: len(plain.taken) == 40)
    until(lambda: delivery.counts()["hanging"].busy_s > 0)
    offer(delivery, range(20, 400))
    assert hanging.calls == 1, "handing over waits for no sink"
    assert not delivery.close(0.5)
    hanging.go.set()
    # Nothing that the hanging sink was never given is lost.
    sink = Plain()
    with Delivery({"hanging": sink}, tmp_path) as delivery:
        assert delivery.flush(120)
    assert set(expected(range(20))) - {(0, "start")} <= set(sink.taken)


@pytest.mark.parametrize(
    "error", [DeliveryError("not now"), ConnectionResetError(), OSError(5, "x")]
)
def test_what_fails_is_tried_again_until_it_works_and_keeps_the_order(tmp_path, error):
    sink = Failing(error, 3 * BUG_ATTEMPTS)
    with Delivery({"a": sink}, tmp_path) as delivery:
        offer(delivery, range(3))
        assert delivery.flush(120)
        counts = delivery.counts()["a"]
    assert sink.taken == expected(range(3))
    assert (counts.failures, counts.delivered, counts.refused, counts.error) == (
        3 * BUG_ATTEMPTS,
        6,
        0,
        "",
    )


def test_what_is_refused_is_put_aside_and_the_rest_goes_on(tmp_path):
    sink = Failing(DeliveryRefusedError("it must be nicer"), 1)
    with Delivery({"a": sink}, tmp_path) as delivery:
        offer(delivery, range(2))
        assert delivery.flush(120)
        assert delivery.counts()["a"].refused == 1
    assert sink.taken == expected(range(2))[1:]
    assert "it must be nicer" in (tmp_path / "a" / "refused.jsonl").read_text()


def test_a_bug_in_a_sink_blocks_nothing_forever_and_shows_no_secret(tmp_path):
    sink = Failing(KeyError("https://user:secret@host"), BUG_ATTEMPTS)
    with Delivery({"a": sink}, tmp_path) as delivery:
        offer(delivery, range(2))
        until(lambda: delivery.counts()["a"].failures)
        assert delivery.counts()["a"].error in ("the sink failed with KeyError", "")
        assert delivery.flush(120)
    assert sink.taken == expected(range(2))[1:]
    refused = (tmp_path / "a" / "refused.jsonl").read_text()
    assert "KeyError" in refused
    assert "secret" not in refused


def test_a_sink_whose_report_or_close_fails_goes_on(tmp_path):
    class Bad(Plain):
        def report(self, status):
            raise RuntimeError

        close = report

    sink = Bad()
    with Delivery({"a": sink}, tmp_path) as delivery:
        delivery.report(CameraStatus(camera="yard", at_us=0, online=True, state="live"))
        offer(delivery, range(1))
        assert delivery.flush(120)
    assert sink.taken == expected(range(1))


def test_of_several_statuses_a_slow_sink_learns_the_last_of_each_camera(tmp_path):
    sink = Plain()
    go = threading.Event()
    sink.deliver = lambda message: go.wait(120)
    with Delivery({"a": sink}, tmp_path) as delivery:
        delivery.offer(made_alert())
        until(lambda: delivery.counts()["a"].busy_s)
        for number in range(10):
            for camera in ("yard", "gate"):
                delivery.report(
                    CameraStatus(camera=camera, at_us=number, online=True, state="live")
                )
        go.set()
        assert delivery.flush(120)
    assert {status.camera: status.at_us for status in sink.statuses} == {"yard": 9, "gate": 9}
    assert len(sink.statuses) == 2


def test_too_many_that_wait_are_dropped_from_the_old_end_and_counted(tmp_path):
    hanging = Hanging()
    delivery = Delivery({"a": hanging}, tmp_path, most_waiting=5)
    offer(delivery, range(10))
    until(lambda: delivery.counts()["a"].dropped == 15)
    assert delivery.counts()["a"].waiting == 5
    delivery.close(0.1)
    hanging.go.set()


def test_a_sink_that_is_not_durable_keeps_nothing_on_disk(tmp_path):
    sink = Plain()
    sink.durable = False
    with Delivery({"a": sink}, tmp_path) as delivery:
        offer(delivery, range(2))
        assert delivery.flush(120)
    assert list(tmp_path.iterdir()) == []


def test_two_sinks_must_not_share_a_queue(tmp_path):
    with pytest.raises(InputError, match="different names"):
        Delivery({"a": Plain()}, tmp_path, most_waiting=0)


def test_a_message_has_the_event_and_its_wall_clock_times(machine_zone):
    machine_zone("Europe/Berlin")
    message = message_of(made_alert(0, "end"))
    assert message == {
        "key": made_alert(0, "end").key,
        "id": "0000000000000000",
        "kind": "anomaly",
        "phase": "end",
        "source": "yard",
        "start_s": 0.0,
        "end_s": 4.0,
        "peak_s": 2.0,
        "score": 0.75,
        "box": [0.25, 0.5, 0.75, 1.0],
        "reason": "moves wrong",
        "parts": {"appearance": 0.5, "motion": 4.0, "cluster": 1.0},
        "start": "2026-09-21T14:13:20.000000+00:00",
        "peak": "2026-09-21T14:13:22.000000+00:00",
        "end": "2026-09-21T14:13:24.000000+00:00",
        "snapshot": None,
        "clip": None,
        "text": "Moves wrong at yard; it is over.",
        "when": "Mon, 21 Sep 2026, 16:13:20 (CEST)",
        "description": None,
        "count": 1,
        "link": None,
        "snapshot_url": None,
        "clip_url": None,
    }
    assert message_of(made_alert())["end"] is None
    assert utc(1_790_000_000_123_457).endswith("20.123457+00:00")


def test_a_refusal_and_a_receiver_that_cannot_be_reached_stay_known(tmp_path):
    class Away(Plain):
        """A sink that cannot be reached for reports."""

        def report(self, status):
            raise DeliveryError("nobody is there")

    sinks = {"picky": Failing(DeliveryRefusedError("no such room"), 1), "away": Away()}
    with Delivery(sinks, tmp_path) as delivery:
        offer(delivery, range(2))
        delivery.report(CameraStatus(camera="yard", at_us=0, online=True, state="live"))
        assert delivery.flush(120)
        picky, away = delivery.counts()["picky"], delivery.counts()["away"]
    # Later messages went well, and what became of the first one is known all the same.
    assert (picky.error, picky.refused, picky.refusal) == ("", 1, "no such room")
    assert (away.error, away.delivered) == ("nobody is there", 4)


class Reading(Plain):
    """A sink that keeps the messages whole."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def deliver(self, message):
        self.messages.append(message)


def test_a_sink_with_rules_gets_what_fits_and_its_digest_at_the_end_and_another_gets_all(tmp_path):
    few, all_of_them = Reading(), Reading()
    delivery = Delivery(
        {"few": few, "all": all_of_them},
        tmp_path,
        rules={"few": AlertRules(cameras=["yard"], digest_s=3600)},
        links=Links(bytes(32), "https://cameras.example.org"),
    )
    delivery.offer_all(made_alert(number) for number in range(4))
    delivery.offer(made_alert(9, source="door"))
    assert delivery.flush(120)
    assert [message["key"] for message in few.messages] == [made_alert(0).key]
    assert len(all_of_them.messages) == 5
    assert few.messages[0]["link"].startswith("https://cameras.example.org/#/events/")
    delivery.close(60)
    digest = few.messages[-1]
    assert (digest["phase"], digest["count"]) == ("digest", 3)
    assert digest["text"] == "3 more events like this in the last hour at yard: moves wrong."
    assert digest["link"] == "https://cameras.example.org/#/events?verdict=none"
    assert len(all_of_them.messages) == 5


def test_a_test_arrives_before_what_waits_and_says_why_it_does_not(tmp_path):
    works, fails = Reading(), Failing(DeliveryError("it answered 500"), 10**6)
    with Delivery({"works": works, "fails": fails, "hangs": (hanging := Hanging())}, None) as sent:
        assert sent.send_test("works", 60) is None
        assert works.messages[0]["phase"] == "test"
        sent.offer(made_alert())
        until(lambda: sent.counts()["fails"].failures)
        assert sent.send_test("fails", 60) == "it answered 500"
        assert sent.send_test("hangs", 0.05) == "no answer within 0.05 s"
        with pytest.raises(InputError, match="must be a sink of this name"):
            sent.send_test("other", 60)
        hanging.go.set()


class Keeping(Plain):
    """A sink that keeps whole messages."""

    def deliver(self, message):
        self.taken.append(message)


def test_a_sink_in_place_of_another_takes_over_what_waits(tmp_path):
    failing, plain, new = Failing(OSError("gone"), 10_000), Plain(), Plain()
    with Delivery({"a": failing, "b": plain}, tmp_path) as delivery:
        offer(delivery, range(3))
        until(lambda: failing.calls > 0 and len(plain.taken) == 6)
        delivery.exchange({"a": new}, [], {})
        until(lambda: len(new.taken) == 6)
        offer(delivery, [3])
        assert delivery.flush(120)
    assert new.taken == expected(range(4))
    assert plain.taken == expected(range(4)), "the other one goes on"
    assert (failing.closed, plain.closed) == (1, 1)


def test_what_waits_for_a_sink_that_was_removed_is_dropped(tmp_path):
    failing, new = Failing(OSError("gone"), 10_000), Plain()
    with Delivery({"a": failing}, tmp_path) as delivery:
        offer(delivery, range(3))
        until(lambda: failing.calls > 0)
        delivery.exchange({}, ["a"], {})
        assert delivery.counts() == {}
        delivery.exchange({"a": new}, [], {"a": AlertRules(min_score=0.8)})
        delivery.offer(made_alert(7, score=0.9))
        delivery.offer(made_alert(8, score=0.7))
        assert delivery.flush(120)
    assert new.taken == [(7, "start")]


def test_who_was_told_of_an_event_is_told_what_a_model_says_of_it(tmp_path):
    told, picky, plain = Keeping(), Keeping(), Keeping()
    rules = {"told": AlertRules(), "picky": AlertRules(min_score=0.99)}
    sinks = {"told": told, "picky": picky, "plain": plain}
    with Delivery(sinks, tmp_path, rules=rules) as delivery:
        delivery.offer(made_alert(0))
        delivery.describe(made_alert(0), "A cart stands in the way.")
        delivery.offer(made_alert(0, "end"))
        assert delivery.flush(120)
    assert [(one["phase"], one["description"]) for one in told.taken] == [
        ("start", None),
        ("description", "A cart stands in the way."),
        ("end", "A cart stands in the way."),
    ]
    assert told.taken[1]["text"] == "A cart stands in the way. (yard)"
    assert len({one["key"] for one in told.taken}) == 3
    assert picky.taken == []
    # One without rules, such as a file with lines, gets the phases of the event alone.
    assert [one["phase"] for one in plain.taken] == ["start", "end"]


def test_what_nobody_looked_at_is_told_with_its_reason(tmp_path):
    sink = Keeping()
    rules = {"boss": AlertRules(unseen_minutes=0.0001)}
    seen = {f"{1:016x}"}
    with Delivery(
        {"boss": sink}, tmp_path, rules=rules, is_seen=lambda alert: alert.event.id in seen
    ) as delivery:
        delivery.offer(made_alert(0, "end"))
        delivery.offer(made_alert(1, "end"))
        until(lambda: sink.taken)
    (message,) = sink.taken
    assert message["phase"] == "start"
    assert message["text"].startswith("Nobody has looked for 0.0001 minutes: Moves wrong at yard")
