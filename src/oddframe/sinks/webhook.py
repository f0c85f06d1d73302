"""Alerts as HTTP POST requests: the message as JSON, or what a template of the user makes of it."""

import json
from collections.abc import Mapping
from dataclasses import field
from string import Template
from typing import Annotated, Any

from pydantic import Field

from oddframe.core.alerts import Alert, CameraStatus
from oddframe.core.records import Event
from oddframe.errors import DeliveryError, DeliveryRefusedError, SettingsError
from oddframe.settings import ListOf, settings_dataclass
from oddframe.sinks.http_client import Receiver, check_address, secrets_in
from oddframe.sinks.rules import AlertRules
from oddframe.sinks.sink import Message, MessagePhase, Retry, is_wanted, message_of

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


@settings_dataclass("webhook")
class WebhookConfig:
    """Where and what to send. Address and headers may hold secrets: neither is ever shown.

    Attributes:
        url: ``http://`` or ``https://``; a name and a password in it become basic authentication.
        headers: More headers to send; they replace our own of the same name.
        template: The body, see `Body`; the whole message as JSON when None.
        content_type: The type of the body.
        phases: Which of "start", "update", "end" and "description" to send.
        timeout_s: Longest time from the connection to the answer, in seconds.
        retry: When to try again.
        rules: Which alerts it gets.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    template: str | None = None
    content_type: str = "application/json"
    phases: ListOf[MessagePhase] = ("start", "update", "end")
    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    retry: Retry = field(default_factory=Retry)
    rules: AlertRules = field(default_factory=AlertRules)

    def __post_init__(self) -> None:
        check_address("a webhook", self.url, self.headers)
        # A template that cannot work must be refused now and not at the first alert.
        Body(self.template, self.content_type)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts of the address and the headers that nobody may be shown."""
        return secrets_in(self.url, self.headers)


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
        self._receiver = Receiver(
            "the webhook", config.url, config.headers, timeout_s=config.timeout_s
        )
        self._body = Body(config.template, config.content_type)

    def deliver(self, message: Message) -> None:
        """Send an alert.

        Raises:
            DeliveryError: If there was no answer, or one that may be another later.
            DeliveryRefusedError: If the receiver refuses it for good.
        """
        if not is_wanted(message, self._config.phases):
            return
        answer = self._receiver.send(
            "POST",
            self._receiver.path,
            self._body.of(message),
            {"Content-Type": self._config.content_type, "Idempotency-Key": str(message["key"])},
        )
        if answer.is_taken:
            return
        host = self._receiver.host
        if answer.is_final:
            raise DeliveryRefusedError(
                f"the webhook at {host} must take the alert, but it answered {answer.status}"
            )
        raise DeliveryError(
            f"the webhook at {host} answered {answer.status}; the alert is sent again",
            answer.wait_s,
        )

    def report(self, status: CameraStatus) -> None:
        """Send nothing: a webhook gets the health events of a camera instead."""

    def close(self) -> None:
        """Do nothing: no connection is open between two requests."""


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
