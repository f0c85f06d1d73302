"""What a webhook sends: the message as JSON, or a template of the user's own."""

import json
from string import Template
from typing import Any

from oddframe.core.alerts import Alert
from oddframe.core.records import Event
from oddframe.errors import SettingsError
from oddframe.sinks.alert_sink import Message, message_of

__all__ = ["MESSAGE_NAMES", "Body", "is_json"]

_SAMPLE = message_of(
    Alert(Event("0", "anomaly", "end", 'a "b"', 0.0, 1.0, 0.5, 0.9, (0.0, 0.0, 1.0, 1.0), "looks wrong", {}), 0, 0, 0)
)

MESSAGE_NAMES = frozenset(_SAMPLE)
"""Names of the values that a template may use."""


class Body:
    """Makes the body of a request.

    A template has ``$name`` or ``${name}`` for each value of a message and ``$$`` for a dollar sign. Templates of the
    standard library run no code, which those of Jinja2 would. In JSON the values are escaped, so
    ``{"text": "$source: $reason"}`` is JSON whatever the camera is called.
    """

    def __init__(self, template: str | None, content_type: str) -> None:
        """Check a template.

        Raises:
            SettingsError: If it names a value that there is not, or makes no JSON where JSON is promised.
        """
        self._template = None if template is None else Template(template)
        self._json = is_json(content_type)
        if self._template is None:
            if not self._json:
                raise SettingsError(f"a webhook without a template must send application/json, got {content_type!r}")
            return
        if not self._template.is_valid():
            raise SettingsError("a dollar sign in a webhook's template must begin a name; write $$ for the sign itself")
        if unknown := sorted(set(self._template.get_identifiers()) - set(_SAMPLE)):
            raise SettingsError(f"a webhook's template must use names of {', '.join(_SAMPLE)}, got ${unknown[0]}")
        if self._json:
            for sample in (_SAMPLE, {**_SAMPLE, "end": None, "box": None}):
                try:
                    json.loads(self.of(sample))
                except ValueError as error:
                    raise SettingsError(
                        f"a webhook's template must make JSON or have another content_type, but: {error}; "
                        "texts need quotes around them, numbers, box and parts none"
                    ) from error

    def of(self, message: Message) -> bytes:
        """The body for a message, in UTF-8."""
        if self._template is None:
            return json.dumps(message, ensure_ascii=False).encode()
        return self._template.substitute({name: self._text(name, value) for name, value in message.items()}).encode()

    def _text(self, name: str, value: Any) -> str:
        if value is None:
            # A box is a value of its own in JSON, the others stand between quotes.
            return "null" if self._json and name == "box" else ""
        if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)[1:-1] if self._json else value
        return json.dumps(value, ensure_ascii=False)


def is_json(content_type: str) -> bool:
    """Whether a body of this type is JSON."""
    return content_type.partition(";")[0].strip().endswith("json")
