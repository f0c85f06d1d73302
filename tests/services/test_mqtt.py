"""The MQTT sink against Debian's mosquitto."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from paho.mqtt.client import Client

from oddframe.core.alerts import CameraStatus
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.mqtt import Mqtt, MqttConfig
from tests.support.alerting import made_alert, until
from tests.support.mosquitto import Broker, Listener

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broker(tmp_path):
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder)
    yield broker
    broker.stop()


@pytest.fixture
def listener(broker):
    listener = Listener(broker)
    yield listener
    listener.close()


def sink(broker, **wishes):
    return Mqtt(MqttConfig(host="127.0.0.1", port=broker.port, **wishes))


def offer(delivery, numbers):
    for number in numbers:
        for phase in ("start", "update", "end"):
            delivery.offer(made_alert(number, phase))


def keys(numbers):
    return [
        made_alert(number, phase).key for number in numbers for phase in ("start", "update", "end")
    ]


def first_occurrences(values):
    return list(dict.fromkeys(values))


def received_keys(listener):
    return [payload["key"] for payload in listener.on("oddframe/events")]


def test_events_states_and_discovery(broker, listener, tmp_path):
    with Delivery({"mqtt": sink(broker)}, tmp_path / "queue") as delivery:
        status = CameraStatus(camera="yard", at_us=0, online=True, state="live", score=0.25)
        delivery.report(status)
        until(lambda: listener.on("oddframe/yard/state"))
        delivery.offer(made_alert(0, "start"))
        delivery.offer(made_alert(5, "start", kind="health", reason="the camera is covered"))
        delivery.offer(made_alert(0, "update"))
        delivery.offer(made_alert(0, "end"))
        assert delivery.flush(120)
        until(lambda: len(listener.on("oddframe/yard/state")) >= 5)
    events = listener.on("oddframe/events")
    assert [(event["type"], event["kind"], event["source"]) for event in events] == [
        ("new", "anomaly", "yard"),
        ("new", "health", "yard"),
        ("update", "anomaly", "yard"),
        ("end", "anomaly", "yard"),
    ]
    states = listener.on("oddframe/yard/state")
    assert [(state["anomaly"], state["problem"], state["online"]) for state in states] == [
        ("OFF", "OFF", "ON"),
        ("ON", "OFF", "ON"),
        ("ON", "ON", "ON"),
        ("ON", "ON", "ON"),
        ("OFF", "ON", "ON"),
    ]
    assert states[0]["score"] == 0.25
    until(lambda: "offline" in listener.on("oddframe/available"))
    assert first_occurrences(listener.on("oddframe/available")) == ["online", "offline"]
    late = Listener(broker, "late")
    until(lambda: len(late.received) >= 6)
    time.sleep(0.2)
    late.close()
    assert all(retained for _, _, retained in late.received)
    found = {topic: payload for topic, payload, _ in late.received}
    assert found.pop("oddframe/available") == "offline"
    assert found.pop("oddframe/yard/state") == states[-1]
    assert sorted(topic.split("/")[3] for topic in found) == [
        "anomaly",
        "online",
        "problem",
        "score",
    ]
    for topic, config in found.items():
        assert topic.startswith("homeassistant/")
        assert config["state_topic"] == "oddframe/yard/state"
        assert config["availability_topic"] == "oddframe/available"
        name = config["value_template"].removeprefix("{{ value_json.").removesuffix(" }}")
        assert name in states[0]


def test_a_state_that_comes_while_the_client_connects_is_sent_once(broker, listener, monkeypatch):
    clients, reported = [], threading.Event()

    class SlowClient(Client):
        """A client that is connected for a while before it says so."""

        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            clients.append(self)

        @property
        def on_connect(self):
            return Client.on_connect.fget(self)

        @on_connect.setter
        def on_connect(self, greet):
            def greet_later(*arguments):
                reported.wait(120)
                greet(*arguments)

            Client.on_connect.fset(self, None if greet is None else greet_later)

    monkeypatch.setattr("paho.mqtt.client.Client", SlowClient)
    target = sink(broker)
    until(clients[0].is_connected)
    target.report(CameraStatus(camera="yard", at_us=0, online=True, state="live", score=0.25))
    reported.set()
    until(lambda: listener.on("oddframe/yard/state"))
    target.report(CameraStatus(camera="yard", at_us=1, online=True, state="live", score=0.5))
    until(lambda: len(listener.on("oddframe/yard/state")) >= 2)
    target.close()
    assert [state["score"] for state in listener.on("oddframe/yard/state")] == [0.25, 0.5]


def test_no_discovery_where_none_is_wanted(broker, listener, tmp_path):
    with Delivery({"mqtt": sink(broker, discovery_prefix="", prefix="a/b")}, None) as delivery:
        delivery.offer(made_alert())
        assert delivery.flush(120)
        until(lambda: listener.on("a/b/yard/state"))
    assert {topic.split("/")[0] for topic, _, _ in listener.received} == {"a"}


def test_a_broker_that_is_down_for_a_while_costs_nothing(broker, listener, tmp_path):
    with Delivery({"mqtt": sink(broker)}, tmp_path / "queue") as delivery:
        offer(delivery, range(3))
        assert delivery.flush(120)
        broker.stop()
        offer(delivery, range(3, 10))
        until(lambda: delivery.counts()["mqtt"].failures > 1)
        until(lambda: delivery.counts()["mqtt"].waiting >= 20)
        broker.start()
        assert delivery.flush(120)
        until(lambda: set(keys(range(10))) <= set(received_keys(listener)))
    assert first_occurrences(received_keys(listener)) == keys(range(10)), "all, and in order"


def test_a_broker_that_hangs_delays_nobody(broker, listener, tmp_path):
    with Delivery({"mqtt": sink(broker, timeout_s=0.5)}, tmp_path / "queue") as delivery:
        offer(delivery, range(1))
        assert delivery.flush(120)
        broker.send(signal.SIGSTOP)
        began = time.monotonic()
        offer(delivery, range(1, 20))
        assert time.monotonic() - began < 60
        until(lambda: delivery.counts()["mqtt"].failures)
        broker.send(signal.SIGCONT)
        assert delivery.flush(120)
        until(lambda: set(keys(range(20))) <= set(received_keys(listener)))
    assert first_occurrences(received_keys(listener)) == keys(range(20))


WATCHER = """
import sys, time
from pathlib import Path
from tests.support.alerting import made_alert
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.mqtt import Mqtt, MqttConfig
sink = Mqtt(MqttConfig(host="127.0.0.1", port=int(sys.argv[2])))
delivery = Delivery({"mqtt": sink}, Path(sys.argv[1]))
for number in range(4):
    for phase in ("start", "update", "end"):
        delivery.offer(made_alert(number, phase))
while (counts := delivery.counts()["mqtt"]).waiting + counts.delivered < 12:
    time.sleep(0.01)
print("on disk", flush=True)
delivery.flush(120)
print("delivered", flush=True)
time.sleep(60)
"""


def watcher(folder, broker):
    command = [sys.executable, "-c", WATCHER, folder, str(broker.port)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_the_last_will_is_published_when_the_watcher_is_killed(broker, listener, tmp_path):
    process = watcher(tmp_path / "queue", broker)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["on disk\n", "delivered\n"]
    assert listener.on("oddframe/available") == ["online"]
    kill(process)
    until(lambda: listener.on("oddframe/available") == ["online", "offline"])


def test_a_watcher_killed_while_the_broker_is_down_loses_nothing(broker, listener, tmp_path):
    broker.stop()
    process = watcher(tmp_path / "queue", broker)
    assert process.stdout is not None
    assert process.stdout.readline() == "on disk\n"
    kill(process)
    broker.start()
    with Delivery({"mqtt": sink(broker)}, tmp_path / "queue") as delivery:
        assert delivery.flush(120)
        until(lambda: len(received_keys(listener)) >= 12)
    assert received_keys(listener) == keys(range(4))


def test_a_wrong_password_is_a_failure_that_shows_no_secret_and_loses_nothing(tmp_path):
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder, {"me": "right"})
    try:
        listener = Listener(broker, user="me", password="right")
        with Delivery(
            {"mqtt": sink(broker, username="me", password="hunter2")}, tmp_path / "queue"
        ) as delivery:
            delivery.offer(made_alert())
            until(lambda: "refuses" in delivery.counts()["mqtt"].error)
            counts = delivery.counts()["mqtt"]
            assert "no connection to the MQTT broker at 127.0.0.1" in counts.error
            assert "it refuses the connection: not authorized; check username" in counts.error
            assert "hunter2" not in repr(counts)
        with Delivery(
            {"mqtt": sink(broker, username="me", password="right")}, tmp_path / "queue"
        ) as delivery:
            assert delivery.flush(120)
            until(lambda: received_keys(listener) == [made_alert().key])
        listener.close()
    finally:
        broker.stop()


# The client leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*SSLSocket")
def test_a_broker_is_trusted_by_the_certificate_of_its_authority(tmp_path):
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder, encrypted=True)
    ca_file = folder / "ca.pem"
    try:
        for settings, words in (
            ({"tls": True}, "its certificate is not trusted: .*; give ca_file"),
            ({"tls": True, "ca_file": folder / "broker.pem"}, "its certificate is not trusted: "),
            ({}, "it closed the connection without an answer; check port and tls"),
        ):
            with Delivery({"mqtt": sink(broker, **settings)}, tmp_path / "queue") as delivery:
                delivery.offer(made_alert())
                until(lambda: re.search(words, delivery.counts()["mqtt"].error))  # noqa: B023
        with Delivery(
            {"mqtt": sink(broker, tls=True, ca_file=ca_file)}, tmp_path / "queue"
        ) as delivery:
            assert delivery.flush(120)
            assert delivery.counts()["mqtt"].delivered == 3
    finally:
        broker.stop()
