"""Writers of events: JSON lines with every phase, and a Parquet table with every event's end.

Lines come in the order in which phases become known.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

from oddframe.core.records import Event
from oddframe.errors import MissingExtraError
from oddframe.files import output_error, replace_file

COLUMNS = {
    **dict.fromkeys(("recording", "id", "kind"), "string"),
    **dict.fromkeys(("start_s", "end_s", "peak_s", "score"), "double"),
    **dict.fromkeys(("x_min", "y_min", "x_max", "y_max"), "double"),
    "reason": "string",
    **dict.fromkeys(("appearance", "motion", "cluster"), "double"),
}
"""Columns of the table and their types; box and parts are empty where an event has none."""

# A mask is an array for drawing; a line holds the box instead.
_NAMES = tuple(item.name for item in fields(Event) if item.name != "mask")


def event_line(event: Event) -> str:
    """Write an event as a JSON object on a line of its own.

    What it holds depends on the source alone: no clock, no random identity, no output path.
    """
    return line_of_message(event.as_dict())


def line_of_message(message: Mapping[str, Any]) -> str:
    """Write the line of `event_line` from a message, which holds an event's values among others."""
    # In the order of the record, so that the same event gives the same bytes.
    values = {name: message[name] for name in _NAMES}
    return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"


class EventLines:
    """Writes a line for each phase of an event.

    Args:
        file: The open file, which may still have another name.
        path: The file that it becomes; named in errors.
    """

    def __init__(self, file: IO[str], path: Path) -> None:
        self._file, self._path = file, path

    def write(self, event: Event) -> None:
        """Add the line of a phase.

        Raises:
            OutputError: If the disk takes none. At once, since the file may be closed hours later.
        """
        try:
            self._file.write(event_line(event))
            self._file.flush()
        except OSError as error:
            raise output_error(self._path, error) from error


@contextmanager
def event_lines(path: Path) -> Iterator[EventLines]:
    """Open a file of lines, which appears whole when the block ends.

    Raises:
        OutputError: If it cannot be written.
    """
    with replace_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield EventLines(file, path)


class EventTable:
    """Takes every phase of every event and keeps a row for its end.

    Args:
        recording: The name of the recording, for the first column.
    """

    def __init__(self, recording: str) -> None:
        self._recording = recording
        self.rows: list[dict[str, Any]] = []

    def write(self, event: Event) -> None:
        """Add a row if this phase is the end of its event."""
        if event.phase != "end":
            return
        values = {**event.as_dict(), **event.parts, "recording": self._recording}
        box = event.box or (None,) * 4
        values |= dict(zip(("x_min", "y_min", "x_max", "y_max"), box, strict=True))
        self.rows.append({name: values.get(name) for name in COLUMNS})


@contextmanager
def event_table(path: Path, recording: str) -> Iterator[EventTable]:
    """Open a Parquet file, which appears whole when the block ends, also where there is no event.

    Raises:
        MissingExtraError: If pyarrow is not installed.
        OutputError: If it cannot be written.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("writing Parquet", "parquet") from error
    types = {"string": pyarrow.string(), "double": pyarrow.float64()}
    # Types are given, since pyarrow cannot find them out where a column is empty.
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    table = EventTable(recording)
    yield table
    with replace_file(path) as temporary:
        parquet.write_table(pyarrow.Table.from_pylist(table.rows, schema=schema), temporary)
