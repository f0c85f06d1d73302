"""Alerts as HTTP POST requests: the message as JSON, or what a template of the user makes of it.

The requests are made with `http.client` of the standard library: a limit on the whole exchange is
needed, and a client with sessions and redirects is not.
"""

import base64
import json
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from string import Template
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field

from oddframe._version import __version__
from oddframe.core.alerts import Alert, CameraStatus
from oddframe.core.records import Event
from oddframe.errors import DeliveryError, DeliveryRefusedError, SettingsError
from oddframe.settings import ListOf, settings_dataclass
from oddframe.sinks.rules import AlertRules
from oddframe.sinks.sink import Message, Retry, is_about_an_event, message_of, network_reason

# A camera with quotes in its name, so that a template that forgets to escape it is found at once.
_SAMPLE = message_of(
    Alert(
        Event(
            "0",
            "anomaly",
            "end",
            'a "b"',
            0.0,
            1.0,
            0.5,
            0.9,
            (0.0, 0.0, 1.0, 1.0),
            "looks wrong",
            {},
        ),
        0,
        0,
        0,
    )
)

MESSAGE_NAMES = frozenset(_SAMPLE)
"""Names of the values that a template may use."""

_TEMPORARY = {408, 429}
"""Statuses of 400 to 499 that may be others later: request timeout, too many requests."""

_KEY_LENGTH = 8
"""Shorter parts of an address's path are words such as "hook", not keys."""


@settings_dataclass("webhook")
class WebhookConfig:
    """Where and what to send. Address and headers may hold secrets: neither is ever shown.

    Attributes:
        url: ``http://`` or ``https://``; a name and a password in it become basic authentication.
        headers: More headers to send; they replace our own of the same name.
        template: The body, see `Body`; the whole message as JSON when None.
        content_type: The type of the body.
        phases: Which of "start", "update" and "end" to send.
        timeout_s: Longest time from the connection to the answer, in seconds.
        retry: When to try again.
        rules: Which alerts it gets.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    template: str | None = None
    content_type: str = "application/json"
    phases: ListOf[Literal["start", "update", "end"]] = ("start", "update", "end")
    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    retry: Retry = field(default_factory=Retry)
    rules: AlertRules = field(default_factory=AlertRules)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError as error:
            raise SettingsError(
                "a webhook's url must be a valid address; check its host and port"
            ) from error
        # These sentences hold nothing of the address, in which a secret may stand.
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or port == 0
            or not self.url.isascii()
        ):
            raise SettingsError(
                "a webhook's url must be http:// or https:// with a host, in plain ASCII; "
                "write other letters as %XX"
            )
        if any(letter <= " " or letter == "\x7f" for letter in self.url):
            raise SettingsError("a webhook's url must have no blanks in it; write them as %20")
        for name, value in self.headers.items():
            if (
                not name
                or not name.isascii()
                or not name.replace("-", "").replace("_", "").isalnum()
            ):
                raise SettingsError(
                    f"a webhook's header must have a name of letters, digits and -, got {name!r}"
                )
            if not value.isascii() or not value.isprintable():
                raise SettingsError(
                    f"the webhook's header {name} must be one line of ASCII, but its value is not"
                )
        # A template that cannot work must be refused now and not at the first alert.
        Body(self.template, self.content_type)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that nobody may be shown.

        They are the address, the parts of it that may be a key, and the values of the headers.
        """
        parts = urlsplit(self.url)
        login = parts.netloc.rpartition("@")[0]
        found = {
            self.url,
            parts.path.strip("/"),
            parts.query,
            login,
            parts.password or parts.username or "",
        }
        found |= {piece for piece in parts.path.split("/") if len(piece) >= _KEY_LENGTH}
        found |= {pair.partition("=")[2] for pair in parts.query.split("&")} | set(
            self.headers.values()
        )
        # An error of the network may quote them as they are or as a URL has them.
        return tuple(filter(None, found | {unquote(secret) for secret in found}))


class Webhook:
    """Sends a request for each alert; any answer of 200 to 299 is a receipt.

    After 408, 429, 300 to 399, 500 and above, and after no answer it is tried again; other answers
    of 400 to 499 put the alert aside. Redirects are not followed, since headers may hold secrets;
    proxies are not used.
    """

    durable = True

    def __init__(self, config: WebhookConfig) -> None:
        self.retry = config.retry
        self._config = config
        self._parts = urlsplit(config.url)
        self._body = Body(config.template, config.content_type)

    def deliver(self, message: Message) -> None:
        """Send an alert.

        Raises:
            DeliveryError: If there was no answer, or one that may be another later.
            DeliveryRefusedError: If the receiver refuses it for good.
        """
        if is_about_an_event(message) and message["phase"] not in self._config.phases:
            return
        host = self._parts.hostname
        status, wait_s = self._post(self._body.of(message), self._headers(message))
        if 200 <= status < 300:
            return
        if 400 <= status < 500 and status not in _TEMPORARY:
            raise DeliveryRefusedError(
                f"the webhook at {host} must take the alert, but it answered {status}"
            )
        raise DeliveryError(
            f"the webhook at {host} answered {status}; the alert is sent again", wait_s
        )

    def report(self, status: CameraStatus) -> None:
        """Send nothing: a webhook gets the health events of a camera instead."""

    def close(self) -> None:
        """Do nothing: no connection is open between two requests."""

    def _headers(self, message: Message) -> dict[str, str]:
        """Make the headers of a request: our own, and the user's in their place."""
        ours = {
            "Content-Type": self._config.content_type,
            "User-Agent": f"oddframe/{__version__}",
            "Idempotency-Key": str(message["key"]),
            "Connection": "close",
        }
        if self._parts.username is not None:
            pair = f"{unquote(self._parts.username)}:{unquote(self._parts.password or '')}"
            ours["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        # Names of headers are the same in capitals and small letters.
        given = {name.lower() for name in self._config.headers}
        return {name: value for name, value in ours.items() if name.lower() not in given} | dict(
            self._config.headers
        )

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, float | None]:
        """Send a request.

        Returns:
            The answer's status, and the seconds that it asks to wait; None where it asks nothing.

        Raises:
            DeliveryError: If there was no answer in time.
        """
        host, timeout_s = self._parts.hostname or "", self._config.timeout_s
        secure = self._parts.scheme == "https"
        connection = (HTTPSConnection if secure else HTTPConnection)(
            host, self._parts.port, timeout=timeout_s
        )
        # The socket's own limit begins anew with each byte: an answer that trickles in would never
        # end. So a timer breaks the connection off.
        is_late = threading.Event()
        timer = threading.Timer(timeout_s, _break_off, (connection, is_late))
        timer.daemon = True
        timer.start()
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            asked = answer.headers.get("Retry-After", "")
            answer.close()
        except (OSError, HTTPException) as error:
            # A timer that has fired has broken the connection off, whatever the error says. Not the
            # text of the error: it may hold the address.
            why = network_reason(TimeoutError() if is_late.is_set() else error, timeout_s)
            raise DeliveryError(
                f"the webhook at {host} gave no answer ({why}); the alert is sent again"
            ) from error
        else:
            # Retry-After may be a date as well; the pauses of our own are good enough for that.
            return answer.status, float(asked) if asked.isascii() and asked.isdigit() else None
        finally:
            timer.cancel()
            connection.close()


class Body:
    """Makes the body of a request.

    A template has ``$name`` or ``${name}`` for each value of a message and ``$$`` for a dollar
    sign. Templates of the standard library run no code, which those of Jinja2 would. In JSON the
    values are escaped, so ``{"text": "$source: $reason"}`` is JSON whatever the camera is called.
    """

    def __init__(self, template: str | None, content_type: str) -> None:
        """Check a template.

        Raises:
            SettingsError: If it names a value that does not exist, or makes no JSON although the
                content type says JSON.
        """
        self._template = None if template is None else Template(template)
        self._json = is_json(content_type)
        if self._template is None:
            if not self._json:
                raise SettingsError(
                    f"a webhook without a template must send application/json, got {content_type!r}"
                )
            return
        if not self._template.is_valid():
            raise SettingsError(
                "a dollar sign in a webhook's template must begin a name; "
                "write $$ for the sign itself"
            )
        if unknown := sorted(set(self._template.get_identifiers()) - set(_SAMPLE)):
            raise SettingsError(
                f"a webhook's template must use names of {', '.join(_SAMPLE)}, got ${unknown[0]}"
            )
        if self._json:
            # Both a message that has everything and one where all that may be missing is missing.
            for sample in (_SAMPLE, {**_SAMPLE, "end": None, "box": None}):
                try:
                    json.loads(self.of(sample))
                except ValueError as error:
                    raise SettingsError(
                        "a webhook's template must make JSON or have another content_type, "
                        f"but: {error}; texts need quotes around them, numbers, box and parts none"
                    ) from error

    def of(self, message: Message) -> bytes:
        """Make the body for a message, in UTF-8."""
        if self._template is None:
            return json.dumps(message, ensure_ascii=False).encode()
        # A message that an older version put into the outbox lacks names of today.
        values = {**dict.fromkeys(_SAMPLE), **message}
        return self._template.substitute(
            {name: self._text(name, value) for name, value in values.items()}
        ).encode()

    def _text(self, name: str, value: Any) -> str:
        """Write a value as it stands in the template, escaped where the body is JSON."""
        if value is None:
            # A box is a value of its own in JSON, the others stand between quotes.
            return "null" if self._json and name == "box" else ""
        if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)[1:-1] if self._json else value
        return json.dumps(value, ensure_ascii=False)


def is_json(content_type: str) -> bool:
    """Return whether a body of this type is JSON."""
    return content_type.partition(";")[0].strip().endswith("json")


def _break_off(connection: HTTPConnection, is_late: threading.Event) -> None:
    """Shut a connection's socket down, whatever its thread is waiting for, and say so before."""
    is_late.set()
    with suppress(OSError):
        if isinstance(connection.sock, socket.socket):
            connection.sock.shutdown(socket.SHUT_RDWR)
