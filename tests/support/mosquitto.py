"""Debian's MQTT broker as a child process, and a subscriber that keeps all messages."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.alerting import until


def program(name: str) -> str:
    """Find a program; where it is missing the test is skipped, and fails where CI=true."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found:
        return found
    missing = f"{name} is missing: scripts/install-services installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


class Broker:
    """A broker on a free port; it keeps its sessions when it is stopped and started again.

    Args:
        folder: For its settings and its sessions.
        users: Passwords by user name; None lets everybody in.
        encrypted: Whether it speaks TLS alone, with a certificate of an authority of its own, whose
            own certificate is ``ca.pem`` in the folder.
    """

    def __init__(
        self, folder: Path, users: dict[str, str] | None = None, *, encrypted: bool = False
    ) -> None:
        self._program = program("mosquitto")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "user root",
            "persistence true",
            f"persistence_location {folder}/",
        ]
        if users is None:
            lines.append("allow_anonymous true")
        else:
            passwords = folder / "passwords"
            passwords.touch(mode=0o600)
            for name, password in users.items():
                subprocess.run(
                    [program("mosquitto_passwd"), "-b", passwords, name, password], check=True
                )
            lines += ["allow_anonymous false", f"password_file {passwords}"]
        if encrypted:
            _sign(folder)
            lines += [f"certfile {folder}/broker.pem", f"keyfile {folder}/broker.key"]
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the process, and wait until it listens."""
        self._process = subprocess.Popen(
            [self._program, "-c", self._config], stderr=subprocess.DEVNULL
        )
        until(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """Stop the process; its sessions are kept on disk."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(120)
            self._process = None


def _sign(folder: Path) -> None:
    """Make an authority, and a certificate for 127.0.0.1 that it has signed."""
    openssl = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    name = "subjectAltName=IP:127.0.0.1"
    for made in (
        ["-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"],
        [
            "-subj",
            "/CN=broker",
            "-keyout",
            "broker.key",
            "-out",
            "broker.pem",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-addext",
            name,
            "-addext",
            "basicConstraints=CA:FALSE",
        ],
    ):
        subprocess.run([*openssl, *made], cwd=folder, check=True, capture_output=True)


class Listener:
    """Receives everything that is published, in a session that outlives the connection.

    Attributes:
        received: Topic, payload and whether it was retained, of each message in order.
    """

    def __init__(
        self, broker: Broker, name: str = "listener", user: str = "", password: str = ""
    ) -> None:
        self.received: list[tuple[str, Any, bool]] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        if user:
            self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._note
        self._client.connect_async("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(120)

    def _note(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        text = message.payload.decode()
        self.received.append(
            (message.topic, json.loads(text) if text.startswith("{") else text, message.retain)
        )

    def on(self, topic: str) -> list[Any]:
        """Return the payloads received on a topic, in order."""
        return [payload for where, payload, _ in list(self.received) if where == topic]

    def close(self) -> None:
        """End the connection."""
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_connect = self._client.on_subscribe = self._client.on_message = None
