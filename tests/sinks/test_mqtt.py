"""What is published over MQTT, to a small broker of our own; `tests/services` has a real one."""

import json
import socket
import socketserver
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError, SettingsError
from oddframe.sinks.mqtt import Mqtt, MqttConfig, Topics
from oddframe.sinks.sink import message_of
from tests.support.alerting import made_alert, until

CONNECT, PUBLISH, PING, DISCONNECT = 1, 3, 12, 14


class Broker(socketserver.ThreadingTCPServer):
    """Speaks as much MQTT 3.1.1 as a publisher needs.

    Attributes:
        published: Topic, payload and whether it is retained, of each message in order.
        confirms: Whether messages get a receipt.
        answer: Code of the answer to a greeting: 0 welcomes, others refuse; None never answers.
        unconfirmed: Receipts that were held back, with their connections.
    """

    daemon_threads = allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Connection)
        self.port = self.server_address[1]
        self.published, self.confirms, self.unconfirmed = [], True, []
        self.answer = 0

    def payloads(self, topic):
        return [payload for at, payload, _ in list(self.published) if at == topic]

    def confirm(self):
        self.confirms = True
        for connection, receipt in self.unconfirmed:
            connection.sendall(receipt)


class Connection(socketserver.StreamRequestHandler):
    """One client's connection to the `Broker`."""

    def handle(self):
        while header := self.rfile.read(1):
            size = shift = 0
            # The length has seven bits a byte; the eighth says that another byte follows.
            while True:
                (part,) = self.rfile.read(1)
                size += (part & 127) << shift
                shift += 7
                if part < 128:
                    break
            kind, flags, packet = header[0] >> 4, header[0] & 15, self.rfile.read(size)
            if kind == CONNECT and self.server.answer is not None:
                self.request.sendall(bytes([0x20, 2, 0, self.server.answer]))
            elif kind == PING:
                self.request.sendall(b"\xd0\x00")
            elif kind == PUBLISH:
                self.take(flags, packet)
            elif kind == DISCONNECT:
                return

    def take(self, flags, packet):
        end = 2 + int.from_bytes(packet[:2])
        receipt = b"\x40\x02" + packet[end : end + 2]
        payload = packet[end + 2 :].decode()
        self.server.published.append((packet[2:end].decode(), payload, bool(flags & 1)))
        if self.server.confirms:
            self.request.sendall(receipt)
        else:
            self.server.unconfirmed.append((self.request, receipt))


@pytest.fixture
def broker():
    with Broker() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def connected(broker, **settings):
    """A sink that has greeted the broker."""
    sink = Mqtt(MqttConfig(host="127.0.0.1", port=broker.port, **settings))
    try:
        until(lambda: broker.payloads("oddframe/available"))
        yield sink
    finally:
        sink.close()


def test_an_alert_is_published_once_and_the_state_of_its_camera_is_retained(broker):
    with connected(broker) as sink:
        for phase in ("start", "update", "end"):
            sink.deliver(message_of(made_alert(1, phase)))
        until(lambda: '"anomaly": "OFF"' in "".join(broker.payloads("oddframe/yard/state")))
    events = [json.loads(payload) for payload in broker.payloads("oddframe/events")]
    assert [event["type"] for event in events] == ["new", "update", "end"]
    assert events[0] == {"type": "new", **message_of(made_alert(1))}
    state = json.loads(broker.payloads("oddframe/yard/state")[-1])
    assert (state["anomaly"], state["problem"], state["online"]) == ("OFF", "OFF", "ON")
    assert state["event"]["id"] == made_alert(1).event.id
    retained = {topic for topic, _, is_retained in broker.published if is_retained}
    discovery = set(Topics("oddframe", "homeassistant").discovery("yard"))
    assert retained == {"oddframe/available", "oddframe/yard/state", *discovery}
    until(lambda: broker.payloads("oddframe/available")[-1] == "offline")


def delivers(sink, message):
    try:
        sink.deliver(message)
    except DeliveryError:
        return False
    return True


def test_an_alert_without_a_receipt_is_a_failure_and_is_not_published_again(broker):
    with connected(broker, timeout_s=0.05, discovery_prefix="") as sink:
        broker.confirms = False
        message = message_of(made_alert())
        for _ in range(3):
            with pytest.raises(DeliveryError, match="has not confirmed an alert"):
                sink.deliver(message)
        until(lambda: broker.unconfirmed)
        broker.confirm()
        until(lambda: delivers(sink, message))
    assert len(broker.payloads("oddframe/events")) == 1


def test_without_a_connection_an_alert_is_a_failure():
    sink = Mqtt(MqttConfig(host="127.0.0.1", port=1, username="me", password="hunter2"))
    with pytest.raises(DeliveryError, match=r"no connection to the MQTT broker at 127\.0\.0\.1"):
        sink.deliver(message_of(made_alert()))
    sink.close()


def failure_of(call):
    """What a call fails with; empty where it does not."""
    try:
        call()
    except DeliveryError as error:
        return str(error)
    return ""


def refusal_of(sink, words):
    """The error of an alert that is not delivered, once it has some words in it."""
    found = []

    def is_told():
        found.append(failure_of(lambda: sink.deliver(message_of(made_alert()))))
        return words in found[-1]

    until(is_told)
    return found[-1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (4, "it refuses the connection: bad user name or password; check username and password"),
        (5, "it refuses the connection: not authorized; check username and password, and what"),
        (3, "it refuses the connection: server unavailable"),
        (None, "it has not answered yet"),
    ],
)
def test_the_reason_that_the_broker_gave_is_told(broker, answer, words):
    broker.answer = answer
    settings = {"username": "me", "password": "hunter2", "timeout_s": 0.05}
    sink = Mqtt(MqttConfig(host="127.0.0.1", port=broker.port, **settings))
    try:
        text = refusal_of(sink, words)
        assert text.startswith("there is no connection to the MQTT broker at 127.0.0.1, port")
        assert "hunter2" not in text
        # Nobody need wait for an alert to learn it: the reports of a camera say so too.
        status = CameraStatus(camera="yard", at_us=0, online=True, state="live")
        until(lambda: failure_of(lambda: sink.report(status)) == text)
    finally:
        sink.close()


@pytest.mark.parametrize(
    ("answer", "settings", "words"),
    [
        (b"", {}, "it closed the connection without an answer; check port and tls"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", {"tls": True}, "it does not speak TLS at this port"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", {}, "it closed the connection without an answer"),
    ],
)
# The client leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*SSLSocket")
def test_what_is_no_broker_is_told(answer, settings, words):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_all():
            with suppress(OSError):
                while True:
                    with server.accept()[0] as connection:
                        connection.recv(100)
                        connection.sendall(answer)

        threading.Thread(target=answer_all, daemon=True).start()
        sink = Mqtt(MqttConfig(host="127.0.0.1", port=server.getsockname()[1], **settings))
        refusal_of(sink, words)
        sink.close()
        server.shutdown(socket.SHUT_RDWR)


def test_a_broker_that_is_not_there_is_told():
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))  # and never listens
        sink = Mqtt(MqttConfig(host="127.0.0.1", port=gone.getsockname()[1]))
        refusal_of(sink, ": Connection refused")
        sink.close()


def test_a_file_of_authorities_must_be_one(tmp_path):
    for content in (None, b"no certificate"):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match=r"ca_file must be a readable file .*ca\.pem"):
            Mqtt(MqttConfig(host="broker", tls=True, ca_file=path))


def test_a_status_is_published_where_it_has_changed(broker):
    with connected(broker) as sink:
        for online, score in ((True, 0.25), (True, 0.25), (False, None)):
            status = CameraStatus(camera="yard", at_us=0, online=online, state="live", score=score)
            sink.report(status)
        until(lambda: '"online": "OFF"' in "".join(broker.payloads("oddframe/yard/state")))
    states = [json.loads(payload) for payload in broker.payloads("oddframe/yard/state")]
    # A greeting that comes late publishes only the state of that moment, and may repeat it.
    assert (states[-1]["online"], states[-1]["score"]) == ("OFF", None)
    assert len(states) <= 3


def test_home_assistant_learns_what_it_needs():
    configs = Topics("home/cams", "homeassistant").discovery("Hof 1/2")
    assert len(configs) == 4
    for topic, config in configs.items():
        start, component, node, item, end = topic.split("/")
        assert (start, end) == ("homeassistant", "config")
        assert component in ("binary_sensor", "sensor")
        assert node.replace("_", "").replace("-", "").isalnum()
        assert config["unique_id"] == f"{node}_{item}"
        assert config["availability_topic"] == "home/cams/available"
        assert config["state_topic"].startswith("home/cams/Hof_1_2-")
        assert config["device"]["identifiers"] == [node]
        assert config["device"]["name"] == "Oddframe Hof 1/2"
        assert config["origin"]["name"] == "Oddframe"
        assert config["value_template"] == f"{{{{ value_json.{item} }}}}"


def test_two_cameras_or_prefixes_never_share_an_entity():
    def identities(prefix, camera):
        return {config["unique_id"] for config in Topics(prefix, "ha").discovery(camera).values()}

    everything = [
        identities(prefix, camera)
        for prefix in ("a", "a/b", "a_b")
        for camera in ("x", "x y", "x_y", "b_x")
    ]
    assert len(set.union(*everything)) == 4 * len(everything)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": ""}, r"mqtt\.host must not be empty"),
        ({"port": 0}, "port must be from 1 to 65535, got 0"),
        ({"prefix": "a/#"}, r"prefix must be a topic without \+ and #"),
        ({"prefix": ""}, "prefix must not be empty"),
        ({"discovery_prefix": "+"}, "discovery_prefix must be a topic"),
        ({"password": "hunter2"}, "must have a username"),
        ({"ca_file": Path("ca.pem")}, "ca_file must have tls = true with it"),
        ({"keepalive_s": 1}, "keepalive_s must be from 5 to 65535, got 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message) as caught:
        MqttConfig(**{"host": "broker", **settings})
    assert "hunter2" not in str(caught.value)


def test_a_password_is_never_shown():
    assert "hunter2" not in repr(MqttConfig(host="broker", username="me", password="hunter2"))
