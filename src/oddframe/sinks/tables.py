"""Scores as a table: CSV, or Parquet with an extra."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from oddframe.core.records import Score
from oddframe.errors import MissingExtraError
from oddframe.files import replace_file

__all__ = ["COLUMNS", "ScoreSink", "csv_table", "parquet_table"]

COLUMNS = ("frame", "time_s", "score", "raw", "appearance", "motion", "cluster")
"""Columns of a score table; all but the first two are empty where no clip scores the frame."""

_ROWS_PER_GROUP = 10_000


class ScoreSink(Protocol):
    """Takes the scores of one source in order."""

    def write(self, score: Score) -> None:
        """Take the next score."""
        ...


class _CsvTable:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._file.write(",".join(COLUMNS) + "\n")

    def write(self, score: Score) -> None:
        """Add a row; numbers are written so that they read back as the same ones."""
        values = (getattr(score, column) for column in COLUMNS)
        self._file.write(",".join("" if value is None else repr(value) for value in values) + "\n")


@contextmanager
def csv_table(path: Path) -> Iterator[ScoreSink]:
    """A CSV file that appears whole when the block ends.

    Raises:
        OutputError: If it cannot be written.
    """
    with replace_file(path) as temporary, temporary.open("w") as file:
        yield _CsvTable(file)


class _ParquetTable:
    def __init__(self, writer: Any, schema: Any, recording: str | None) -> None:
        self._writer, self._schema, self._recording = writer, schema, recording
        self._columns: dict[str, list[float | None]] = {name: [] for name in COLUMNS}

    def write(self, score: Score) -> None:
        """Add a row."""
        for name, values in self._columns.items():
            values.append(getattr(score, name))
        if len(self._columns["frame"]) == _ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write the rows held so far as a row group."""
        import pyarrow

        columns: dict[str, Any] = dict(self._columns)
        if self._recording is not None:
            columns["recording"] = [self._recording] * len(columns["frame"])
        self._writer.write_table(pyarrow.table(columns, schema=self._schema))
        for values in self._columns.values():
            values.clear()


@contextmanager
def parquet_table(path: Path, recording: str | None = None) -> Iterator[ScoreSink]:
    """A Parquet file that appears whole when the block ends.

    Args:
        path: The file.
        recording: Name of the recording for a column of that name, the first one; None leaves it out.

    Raises:
        MissingExtraError: If pyarrow is not installed.
        OutputError: If it cannot be written.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("writing Parquet", "parquet") from error
    types = {"frame": pyarrow.int64()}
    names = [] if recording is None else [("recording", pyarrow.string())]
    schema = pyarrow.schema([*names, *((name, types.get(name, pyarrow.float64())) for name in COLUMNS)])
    with replace_file(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        table = _ParquetTable(writer, schema, recording)
        yield table
        table.flush()
