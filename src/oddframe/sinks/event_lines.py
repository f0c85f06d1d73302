"""Events as JSON lines."""

import json
from dataclasses import asdict
from pathlib import Path

from oddframe.core.records import Event
from oddframe.files import write_text

__all__ = ["write_event_lines"]


def write_event_lines(path: Path, events: list[Event]) -> None:
    """Write events, a JSON object a line, in one step.

    Raises:
        OutputError: If the file cannot be written.
    """
    write_text(path, "".join(json.dumps(asdict(event), ensure_ascii=False) + "\n" for event in events))
