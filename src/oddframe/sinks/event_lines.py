"""Events as JSON lines: one line a phase, in the order in which they become known."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from oddframe.core.records import Event
from oddframe.files import replace_file

__all__ = ["EventLines", "event_line", "event_lines", "line_of_message"]

_NAMES = tuple(item.name for item in fields(Event) if item.name != "mask")


def event_line(event: Event) -> str:
    """An event as a JSON object on a line of its own.

    What it holds depends on the source alone: no clock, no random identity, no output path.
    """
    return line_of_message(event.as_dict())


def line_of_message(message: Mapping[str, Any]) -> str:
    """The same line from a message that holds the event's values, among others and in any order."""
    values = {name: message[name] for name in _NAMES}
    return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"


class EventLines:
    """Writes a line for each phase of an event."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, event: Event) -> None:
        """Add the line of a phase."""
        self._file.write(event_line(event))


@contextmanager
def event_lines(path: Path) -> Iterator[EventLines]:
    """A file of lines that appears whole when the block ends.

    Raises:
        OutputError: If it cannot be written.
    """
    with replace_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield EventLines(file)
