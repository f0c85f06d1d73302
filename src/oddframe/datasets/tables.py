"""Tables as people and spreadsheets save them: with any separator, encoding and decimal sign.

A spreadsheet in Germany separates cells with semicolons, since its numbers have commas; "Unicode
text" is UTF-16 with tabs; and some put a line `sep=;` or a byte order mark first. All of these are
read alike, and every row knows its line in the file, for errors.
"""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oddframe.errors import InputError, LayoutError
from oddframe.files import decode_text

TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
"""Endings of tables, in small letters."""

# Where two of them split the first line into equally many cells, the first one is it: a comma may
# be the decimal sign of a number.
_SEPARATORS = ("\t", ";", "|", ",")
# What Excel understands, and some programs write, as the first line of a table.
_STATED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_HEAD_BYTES = 4096
"""Bytes that are read to look at the first row, an even number for UTF-16."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a line that is not empty; all of its cells may be.

    Attributes:
        line: Its line in the file, from 1.
        cells: Its cells, without quotes and without blanks around them.
    """

    line: int
    cells: tuple[str, ...]

    @property
    def text(self) -> str:
        """The beginning of the row, for an error."""
        return ",".join(self.cells)[:80]


def read_rows(path: Path) -> list[Row]:
    """Read a table, its header among its rows.

    Raises:
        LayoutError: The file cannot be read, is no text, or a quotation mark of it is not closed.
    """
    try:
        return list(_rows(decode_text(path.read_bytes())))
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error
    except InputError as error:
        raise LayoutError(f"{path}: {error}") from error


def first_row(path: Path) -> Row | None:
    """Read no more than the first row; None where there is none or the file cannot be read."""
    try:
        with path.open("rb") as file:
            text = decode_text(file.read(_HEAD_BYTES), errors="replace")
        return next(_rows(text), None)
    except (OSError, InputError):
        return None


def decimal(text: str) -> float:
    """Read a number with a decimal point or comma; NaN for what is none."""
    try:
        return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return math.nan


def _rows(text: str) -> Iterator[Row]:
    """Split a text into rows.

    Raises:
        InputError: A cell does not end on its line; the sentence begins with the line.
    """
    lines = text.split("\n")
    head = next((place for place, line in enumerate(lines) if line.strip()), 0)
    stated = _STATED.fullmatch(lines[head].strip())
    head += bool(stated)
    # The first row is the header as a rule, whose names hold no separators.
    separator = (
        stated[1] if stated else max(_SEPARATORS, key=lambda sign: _count(lines[head], sign))
    )
    # Blanks after a separator come before a quotation mark, and would make it a part of the cell.
    reader = csv.reader(
        (f"{line}\n" for line in lines[head:]), delimiter=separator, skipinitialspace=True
    )
    line = head + 1
    try:
        for cells in reader:
            if any("\n" in cell for cell in cells):
                raise InputError(
                    f"line {line}: a cell must end on its line; a quotation mark may be missing"
                )
            row = Row(line, tuple(cell.strip() for cell in cells))
            line = head + reader.line_num + 1
            if row.cells:
                yield row
    except csv.Error as error:
        raise InputError(f"line {line} must be a row of a table ({error})") from error


def _count(line: str, separator: str) -> int:
    """Count the cells into which a separator splits a line."""
    try:
        return len(next(csv.reader([line], delimiter=separator, skipinitialspace=True), ()))
    except csv.Error:
        return 0
