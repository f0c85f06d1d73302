"""Events as JSON lines: one line a phase, in the order in which they become known."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oddframe.core.records import Event
from oddframe.files import replace_file

__all__ = ["EventLines", "event_line", "event_lines"]


def event_line(event: Event) -> str:
    """An event as a JSON object on a line of its own.

    What it holds depends on the source alone: no clock, no random identity, no output path.
    """
    return json.dumps(event.as_dict(), ensure_ascii=False, allow_nan=False) + "\n"


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
