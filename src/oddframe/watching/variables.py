"""``${NAME}`` in a file: environment variables, so that secrets need not stand in it."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from oddframe.errors import SettingsError
from oddframe.sinks.webhook_body import MESSAGE_NAMES, is_json

__all__ = ["Variables"]

_VARIABLE = re.compile(r"\$\{(\w*)\}")


class Variables(Mapping[str, str]):
    """Environment variables that remember which of them were used."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Take the environment's own when None."""
        self._values = os.environ if values is None else values
        self._used: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        value = self._values[name]
        self._used[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def fill(self, text: str) -> str:
        """A text with the values of its variables.

        Raises:
            SettingsError: If one is not set.
        """
        return _VARIABLE.sub(self._of, text)

    def fill_in_sink(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a sink with the values of their variables, in all texts.

        In a ``url`` they are quoted but for / and :, unless the variable is all of it. In a ``template`` the names of
        a message's values stay as they are.

        Raises:
            SettingsError: If one is not set.
        """
        return {name: self._filled(name, value, table) for name, value in table.items()}

    def _filled(self, name: str, value: Any, table: Mapping[str, Any]) -> Any:
        if isinstance(value, Mapping):
            return self.fill_in_sink(value)
        if isinstance(value, list):
            return [self._filled("", item, table) for item in value]
        if not isinstance(value, str):
            return value
        if name == "url" and not _VARIABLE.fullmatch(value):
            return _VARIABLE.sub(lambda match: quote(self._of(match), safe="/:"), value)
        if name == "template":
            as_json = is_json(str(table.get("content_type", "json")))
            return _VARIABLE.sub(lambda match: self._in_template(match, as_json), value)
        return self.fill(value)

    def scrub(self, text: str) -> str:
        """A text with the names of the used variables in place of their values."""
        spellings = {
            spelling: name
            for name, value in self._used.items()
            for spelling in (value, repr(value)[1:-1], quote(value, safe=""), quote(value, safe="/:"))
            if spelling
        }
        for spelling in sorted(spellings, key=len, reverse=True):
            text = text.replace(spelling, f"${{{spellings[spelling]}}}")
        return text

    def _of(self, match: re.Match[str]) -> str:
        if match[1] not in self._values:
            raise SettingsError(f"the variable {match[0]} must be set, but it is not")
        return self[match[1]]

    def _in_template(self, match: re.Match[str], as_json: bool) -> str:
        if match[1] in MESSAGE_NAMES:
            return match[0]
        value = self._of(match).replace("$", "$$")
        return json.dumps(value, ensure_ascii=False)[1:-1] if as_json else value
