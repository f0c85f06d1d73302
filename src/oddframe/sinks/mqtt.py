"""Alerts and the state of cameras over MQTT, for Home Assistant and everybody else.

`Topics` knows what is published where, and how Home Assistant learns of the cameras ("discovery").
`Mqtt` publishes: each alert once to one topic, and to a retained topic a camera what goes on there
now, so that whoever subscribes later knows it too.
"""

import json
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from oddframe._version import __version__
from oddframe.core.alerts import CameraStatus, safe_name
from oddframe.errors import DeliveryError, MissingExtraError, SettingsError
from oddframe.settings import AnyPath, settings_dataclass
from oddframe.sinks.rules import AlertRules
from oddframe.sinks.sink import Message, Retry, is_about_an_event, network_reason

# The words that Frigate publishes, which people's automations know already.
_TYPES = {"start": "new", "update": "update", "end": "end"}

_REFUSES = "it refuses the connection"
_SILENT = 141
"""Code of a connection that the client ends because nothing comes from the broker."""

# What to do about a broker's refusals, by their codes.
_ADVICE = {
    134: "; check username and password",
    135: "; check username and password, and what the broker allows this user",
}

_GOODBYE_S = 0.5
"""How long closing waits for the broker's receipt, in seconds."""


@settings_dataclass("mqtt")
class MqttConfig:
    """Which broker, and under which names.

    Attributes:
        host: The broker's host.
        port: The broker's port.
        prefix: Begins every topic; two watchers at one broker need two prefixes.
        username: For the broker; none when empty.
        password: For the broker; never shown.
        tls: Whether to encrypt, and check the broker's certificate.
        ca_file: File with the certificates, as PEM, of the authorities that the broker's is checked
            against; the system's authorities when None.
        discovery_prefix: Where Home Assistant looks for new devices; empty publishes none.
        timeout_s: Longest wait for the broker's receipt, in seconds.
        keepalive_s: After one and a half times as many seconds without a sign the broker takes us
            for dead and publishes "offline".
    """

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    prefix: Annotated[str, Field(min_length=1)] = "oddframe"
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: AnyPath | None = None
    discovery_prefix: str = "homeassistant"
    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    keepalive_s: Annotated[int, Field(ge=5, le=65535)] = 30
    rules: AlertRules = field(default_factory=AlertRules)

    def __post_init__(self) -> None:
        for name in ("prefix", "discovery_prefix"):
            value = getattr(self, name)
            if set(value) & set("+#\0") or value.startswith(("/", "$")) or value.endswith("/"):
                raise SettingsError(f"MQTT's {name} must be a topic without + and #, got {value!r}")
        if self.password and not self.username:
            raise SettingsError("MQTT's password must have a username with it")
        if self.ca_file is not None and not self.tls:
            raise SettingsError("MQTT's ca_file must have tls = true with it")


class Topics:
    """Names of topics under one prefix, and Home Assistant's configuration of the cameras.

    Attributes:
        available: Topic of the retained "online" or "offline"; where we cannot publish the latter,
            the broker does it for us (the "last will").
        events: Topic of the alerts, each with its ``type``: new, update or end.
    """

    def __init__(self, prefix: str, discovery_prefix: str) -> None:
        self._prefix, self._discovery_prefix = prefix, discovery_prefix
        self.available = f"{prefix}/available"
        self.events = f"{prefix}/events"

    def state(self, camera: str) -> str:
        """Return the topic of the retained state of a camera: what goes on there now."""
        return f"{self._prefix}/{safe_name(camera)}/state"

    def discovery(self, camera: str) -> dict[str, dict[str, Any]]:
        """Return Home Assistant's configuration of a camera's entities, by retained topic."""
        # The line break, which no name has, makes `safe_name` add a hash: prefix "a" with camera
        # "b/c" must not get the node of "a/b" with "c".
        node = safe_name(f"{self._prefix}\n{camera}")
        return {
            f"{self._discovery_prefix}/{component}/{node}/{item}/config": {
                "name": name,
                "unique_id": f"{node}_{item}",
                "state_topic": self.state(camera),
                "availability_topic": self.available,
                "json_attributes_topic": self.state(camera),
                "device": {
                    "identifiers": [node],
                    "name": f"Oddframe {camera}",
                    "manufacturer": "Oddframe",
                    "model": "Video anomaly detection",
                    "sw_version": __version__,
                },
                "origin": {"name": "Oddframe", "sw_version": __version__},
                **more,
            }
            for component, item, name, more in _ENTITIES
        }


def _switch(value: str, **more: str) -> dict[str, str]:
    """Configure a sensor that is ON or OFF, after a key of the camera's state."""
    return {
        "value_template": f"{{{{ value_json.{value} }}}}",
        "payload_on": "ON",
        "payload_off": "OFF",
        **more,
    }


# Component, key of the state, name and more of each entity that a camera has in Home Assistant.
_ENTITIES: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("binary_sensor", "anomaly", "Anomaly", _switch("anomaly", icon="mdi:alert-decagram")),
    ("binary_sensor", "problem", "Camera problem", _switch("problem", device_class="problem")),
    (
        "binary_sensor",
        "online",
        "Camera online",
        _switch("online", device_class="connectivity", entity_category="diagnostic"),
    ),
    (
        "sensor",
        "score",
        "Anomaly score",
        {
            "value_template": "{{ value_json.score }}",
            "state_class": "measurement",
            "icon": "mdi:chart-line",
        },
    ),
)


@dataclass
class _LastState:
    """What goes on at a camera, as its retained state says.

    Attributes:
        anomalies: Ids of the anomalies that go on.
        problems: Ids of the health events that go on.
        online: Whether frames come in.
        score: The latest score; None where there is none.
        last: The last message of an event; None before the first.
    """

    anomalies: set[str] = field(default_factory=set)
    problems: set[str] = field(default_factory=set)
    online: bool = False
    score: float | None = None
    last: Message | None = None

    def as_dict(self) -> dict[str, Any]:
        """Make the JSON of the retained state."""
        last = self.last or {}
        return {
            "anomaly": "ON" if self.anomalies else "OFF",
            "problem": "ON" if self.problems else "OFF",
            "online": "ON" if self.online else "OFF",
            "score": None if self.score is None else round(self.score, 3),
            "event": {
                name: last.get(name) for name in ("id", "kind", "start", "end", "score", "reason")
            },
        }


class Mqtt:
    """Publishes each alert once and waits for the broker's receipt.

    The client of paho-mqtt connects again by itself after each lost connection, for ever. Why it
    has none is in the errors of `deliver` and `report`.
    """

    # While there is no connection an attempt costs nothing, and the sooner the connection is seen
    # to be back the better.
    retry = Retry(first_s=0.2, most_s=1.0)
    durable = True

    def __init__(self, config: MqttConfig) -> None:
        """Begin to connect; that goes on in the client's own thread.

        Raises:
            MissingExtraError: If paho-mqtt is not installed.
            SettingsError: If the file of authorities cannot be read.
        """
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise MissingExtraError("MQTT", "watch") from error
        self._config, self._topics = config, Topics(config.prefix, config.discovery_prefix)
        self._cameras: dict[str, _LastState] = {}
        # Held while a state is made and published: what is retained is always the last one made.
        self._lock = threading.RLock()
        # Whether all that is retained was published since the last connection was made.
        self._greeted = False
        self._confirmed = threading.Condition()
        self._receipts: set[int] = set()
        # Key and number of the alert that the client has, and the broker has not confirmed.
        self._pending: tuple[str, int] | None = None
        # Why there is no connection, as the network or the broker said the last time.
        self._why = network_reason(None)
        self._began_s = time.monotonic()
        self._client = Client(CallbackAPIVersion.VERSION2)
        if config.username:
            self._client.username_pw_set(config.username, config.password or None)
        if config.tls:
            self._trust(config.ca_file)
        self._client.will_set(self._topics.available, "offline", qos=1, retain=True)
        self._client.reconnect_delay_set(min_delay=1, max_delay=10)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.connect_async(config.host, config.port, config.keepalive_s)
        self._client.loop_start()

    def deliver(self, message: Message) -> None:
        """Publish an alert, and then the new state of its camera.

        Raises:
            DeliveryError: If the broker has not confirmed it yet; the client goes on trying by
                itself.
        """
        if self._pending is None or self._pending[0] != message["key"]:
            if not self._client.is_connected():
                raise self._no_connection()
            with self._confirmed:
                # Numbers are used again after 65,535 messages: an old receipt must not be taken
                # for that of a new message.
                self._receipts.clear()
            body = {"type": _TYPES.get(message["phase"], message["phase"]), **message}
            sent = self._client.publish(
                self._topics.events, json.dumps(body, ensure_ascii=False), qos=1
            )
            # Not published anew at the next attempt: the client does that itself after a lost
            # connection, and the alert would come twice.
            self._pending = (message["key"], sent.mid)
        number = self._pending[1]
        with self._confirmed:
            if not self._confirmed.wait_for(
                lambda: number in self._receipts, self._config.timeout_s
            ):
                if not self._client.is_connected():
                    raise self._no_connection()
                raise DeliveryError(
                    f"the MQTT broker at {self._config.host} has not confirmed an alert within "
                    f"{self._config.timeout_s:g} s"
                )
        self._pending = None
        if is_about_an_event(message):
            self._update_state(message)

    def report(self, status: CameraStatus) -> None:
        """Publish a camera's state where it has changed.

        Raises:
            DeliveryError: If there is no connection, not even after the time for one.
        """
        with self._lock:
            known = status.camera in self._cameras
            camera = self._cameras.setdefault(status.camera, _LastState())
            before = camera.as_dict()
            camera.online, camera.score = status.online, status.score
            if not known:
                self._publish_discovery(status.camera)
            if not known or camera.as_dict() != before:
                self._publish_state(status.camera)
        # Before the first alert nobody would learn otherwise that none could be sent. What is not
        # known to have failed gets the time that a connection may take.
        waited_s = time.monotonic() - self._began_s
        if not self._client.is_connected() and (
            self._why != network_reason(None) or waited_s >= self._config.timeout_s
        ):
            raise self._no_connection()

    def close(self) -> None:
        """Publish "offline" and disconnect."""
        # The broker publishes the last will only for clients that vanish, not for this one.
        if self._client.is_connected():
            sent = self._client.publish(self._topics.available, "offline", qos=1, retain=True)
            with self._confirmed:
                self._confirmed.wait_for(lambda: sent.mid in self._receipts, _GOODBYE_S)
        self._client.disconnect()
        self._client.loop_stop()
        # The client closes its sockets when it is freed, which our own methods in it would put off.
        self._client.on_connect = self._client.on_disconnect = self._client.on_publish = None
        self._client.on_connect_fail = None

    def _trust(self, ca_file: Path | None) -> None:
        """Encrypt, and check the broker's certificate against some authorities."""
        try:
            self._client.tls_set(None if ca_file is None else str(ca_file))
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"MQTT's ca_file must be a readable file of certificates as PEM, got {ca_file}"
            ) from error

    def _no_connection(self) -> DeliveryError:
        """Make the error of having no connection to the broker, with the reason for that."""
        return DeliveryError(
            f"there is no connection to the MQTT broker at {self._config.host}, "
            f"port {self._config.port}: {self._why}"
        )

    def _update_state(self, message: Message) -> None:
        """Take an alert into the state of its camera, and publish that."""
        with self._lock:
            known = message["source"] in self._cameras
            camera = self._cameras.setdefault(message["source"], _LastState(online=True))
            going_on = camera.anomalies if message["kind"] == "anomaly" else camera.problems
            if message["phase"] == "end":
                going_on.discard(message["id"])
            else:
                going_on.add(message["id"])
            camera.last = message
            if not known:
                self._publish_discovery(message["source"])
            self._publish_state(message["source"])

    def _publish_discovery(self, camera: str) -> None:
        """Publish Home Assistant's configuration of a camera; the lock must be held."""
        if self._config.discovery_prefix and self._greeted:
            for topic, config in self._topics.discovery(camera).items():
                self._client.publish(
                    topic, json.dumps(config, ensure_ascii=False), qos=1, retain=True
                )

    def _publish_state(self, camera: str) -> None:
        """Publish the retained state of a camera; the lock must be held."""
        # Nothing before the greeting, which publishes the state of every camera.
        if self._greeted:
            state = json.dumps(self._cameras[camera].as_dict(), ensure_ascii=False)
            self._client.publish(self._topics.state(camera), state, qos=1, retain=True)

    def _on_connect(
        self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        """Publish "online" and all that is retained: the broker may have forgotten it."""
        if reason.is_failure:
            self._why = f"{_REFUSES}: {str(reason).lower()}{_ADVICE.get(reason.value, '')}"
            return
        self._client.publish(self._topics.available, "online", qos=1, retain=True)
        with self._lock:
            self._greeted = True
            for camera in self._cameras:
                self._publish_discovery(camera)
                self._publish_state(camera)

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        """Note why no connection could be made."""
        # The client calls this while it handles the error, and does not pass it on.
        self._why = network_reason(sys.exception())
        if isinstance(sys.exception(), ssl.SSLCertVerificationError):
            self._why += "; give ca_file, the certificate of the authority that signed it"

    def _on_disconnect(
        self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        """Hold states back until the next greeting publishes them.

        The client already counts as connected a moment before its greeting.
        """
        with self._lock:
            if reason.value == _SILENT:
                self._why = network_reason(TimeoutError())
            elif self._greeted:
                self._why = "the connection was lost"
            # After a refusal the connection ends too, which says less than the refusal did.
            elif not self._why.startswith(_REFUSES):
                self._why = "it closed the connection without an answer; check port and tls"
            self._greeted = False

    def _on_publish(
        self, _client: Any, _data: Any, number: int, _reason: Any, _properties: Any
    ) -> None:
        """Note the broker's receipt, and wake the thread that waits for it."""
        with self._confirmed:
            self._receipts.add(number)
            self._confirmed.notify_all()
