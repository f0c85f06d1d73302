"""What is said of receivers and disks that take nothing, while watching and at its end."""

import errno
import json
import os
import re
import socket
from contextlib import closing

import pytest

from oddframe.media.live_config import stream_address
from oddframe.monitoring.config import Camera, WatchPlan, WatchSettings
from oddframe.monitoring.outputs import WatchOutputs
from oddframe.sinks.mqtt import MqttConfig
from oddframe.sinks.rules import AlertRules
from oddframe.sinks.webhook import WebhookConfig
from oddframe.store.writer import WriterCounts
from tests.support.alerting import NOON_US, Hook, made_alert, until


def outputs_of(folder, **settings):
    """The outputs of a live camera "yard"."""
    yard = Camera(name="yard", address=stream_address("rtsp://127.0.0.1/yard"))
    plan = WatchPlan(cameras=[yard], model="ped2", settings=WatchSettings(**settings))
    return WatchOutputs(plan, folder, lambda: NOON_US)


@pytest.fixture
def silent():
    """A server that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def gone():
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("kind", ["mqtt", "webhook"])
def test_a_receiver_that_is_not_there(kind, gone, tmp_path):
    sink = (
        MqttConfig(host="127.0.0.1", port=gone)
        if kind == "mqtt"
        else WebhookConfig(url=f"http://127.0.0.1:{gone}/s3cretkey")
    )
    outputs = outputs_of(tmp_path, sinks={"home": sink}, store=False)
    outputs.delivery.offer(made_alert(0, "start"))
    outputs.delivery.offer(made_alert(0, "end"))
    until(lambda: "Connection refused" in outputs.troubles().get("home", ""))
    until(lambda: outputs.lagging()["home"].startswith("2 waiting: "))
    outputs.close(0.3)
    (notice,) = outputs.left()
    assert re.match(r"sink home has 2 messages waiting: .*Connection refused", notice)
    assert f"kept in {tmp_path / 'queue' / 'home'}, and sent when it is watched again" in notice
    assert "s3cretkey" not in notice
    # The events themselves are all in the folder.
    assert outputs.unkept() == ()


def test_a_receiver_that_hangs(silent, tmp_path, monkeypatch):
    monkeypatch.setattr("oddframe.monitoring.outputs.HANGS_S", 0.05)
    sink = WebhookConfig(url=f"http://127.0.0.1:{silent}/", timeout_s=1.0)
    outputs = outputs_of(tmp_path, sinks={"home": sink}, store=False)
    outputs.delivery.offer(made_alert())
    # Before it is given up, and after that.
    until(lambda: outputs.troubles().get("home") == "no answer for 0.05 s")
    until(lambda: "(no answer within 1 s)" in outputs.troubles().get("home", ""))
    outputs.close(0.3)
    assert "1 message waiting" in outputs.left()[0]


@pytest.mark.parametrize("status", [403, 404])
def test_a_receiver_that_refuses(status, tmp_path):
    with closing(Hook()) as hook:
        hook.answer = lambda _count: status
        outputs = outputs_of(tmp_path, sinks={"phone": WebhookConfig(url=hook.url)}, store=False)
        outputs.delivery.offer(made_alert())
        until(lambda: f"answered {status}" in outputs.troubles().get("phone", ""))
        outputs.close(0.3)
    (notice,) = outputs.left()
    assert re.match(rf"sink phone had 1 message refused: .*answered {status}", notice)


def test_a_disk_that_takes_no_events(tmp_path, monkeypatch):
    def refuse(path, line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("oddframe.sinks.jsonl.append_line", refuse)
    outputs = outputs_of(tmp_path, store=False)
    outputs.delivery.offer(made_alert())
    until(lambda: "the disk is full; make room" in outputs.troubles().get("events", ""))
    outputs.close(0.3)
    (sentence,) = outputs.unkept()
    assert re.match(r"1 line of events could not be written: .*the disk is full", sentence)
    assert outputs.left() == (sentence,)


def test_a_database_that_takes_nothing(tmp_path, monkeypatch):
    outputs = outputs_of(tmp_path)
    assert outputs.store is not None
    outputs.delivery.flush(120)
    assert outputs.troubles() == {}
    failing = WriterCounts(waiting=1, failures=3, lost=0, error="database or disk is full")
    monkeypatch.setattr("oddframe.store.writer.Writer.counts", lambda _self: failing)
    assert outputs.troubles() == {"database": "database or disk is full"}
    assert outputs.lagging() == {"database": "database or disk is full"}
    outputs.close(0.3)
    assert outputs.unkept() == (
        "1 change could not be written to the database: database or disk is full",
    )


def test_nothing_is_said_where_all_is_well(tmp_path):
    outputs = outputs_of(tmp_path)
    outputs.delivery.offer(made_alert())
    assert outputs.delivery.flush(120)
    outputs.close(1.0)
    assert (outputs.troubles(), outputs.left(), outputs.unkept()) == ({}, (), ())


def test_a_storm_of_a_thousand_events_is_few_messages_and_all_are_in_the_store(tmp_path):
    with closing(Hook()) as hook:
        sink = WebhookConfig(url=hook.url, rules=AlertRules(digest_s=3600, most=5))
        outputs = outputs_of(tmp_path, sinks={"phone": sink})
        for number in range(1000):
            record = made_alert(number, source=f"camera {number % 50}")
            outputs.store.put_event(record)
            outputs.delivery.offer(record)
        assert outputs.delivery.flush(120)
        assert outputs.store.flush(120)
        assert len(outputs.store.reader.events(limit=2000)) == 1000
        outputs.close(60)
        messages = [json.loads(body) for body in hook.taken]
    assert [message["count"] for message in messages] == [1, 1, 1, 1, 1, 995]
    assert outputs.left() == ()
