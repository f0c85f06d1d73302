"""Writers of a recording's scores: a table, and an archive of anomaly maps.

Each is a sink for scores within a block, and its file appears whole when the block ends.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from oddframe.core.records import Score
from oddframe.errors import MissingExtraError
from oddframe.files import replace_file
from oddframe.inference.whole_recording import ScoreSink

COLUMNS = ("frame", "time_s", "score", "raw", "appearance", "motion", "cluster")
"""Columns of a score table; all but the first two are empty where no clip scores the frame."""

# So many rows are held in memory; larger groups compress hardly better.
_ROWS_PER_GROUP = 10_000


class _CsvTable:
    """Writes a row for each score."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._file.write(",".join(COLUMNS) + "\n")

    def write(self, score: Score) -> None:
        """Add the row of the next frame."""
        # repr gives the shortest text that reads back as the same number.
        values = (getattr(score, column) for column in COLUMNS)
        self._file.write(",".join("" if value is None else repr(value) for value in values) + "\n")


@contextmanager
def csv_table(path: Path) -> Iterator[ScoreSink]:
    """Open a CSV file, which appears whole when the block ends.

    Raises:
        OutputError: If it cannot be written.
    """
    with replace_file(path) as temporary, temporary.open("w") as file:
        yield _CsvTable(file)


class _ParquetTable:
    """Collects rows and writes them in groups."""

    def __init__(self, writer: Any, schema: Any, recording: str | None) -> None:
        self._writer, self._schema, self._recording = writer, schema, recording
        self._columns: dict[str, list[float | None]] = {name: [] for name in COLUMNS}

    def write(self, score: Score) -> None:
        """Add a row; a full group of rows is written."""
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
    """Open a Parquet file, which appears whole when the block ends.

    Args:
        path: The file.
        recording: Name of the recording for a column of that name, the first one; None leaves it
            out.

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
    schema = pyarrow.schema(
        [*names, *((name, types.get(name, pyarrow.float64())) for name in COLUMNS)]
    )
    with replace_file(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        table = _ParquetTable(writer, schema, recording)
        yield table
        table.flush()


class _MapArchive:
    """Writes an array for each map, as NumPy's own archives hold them."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, score: Score) -> None:
        """Add the map of a score that has one."""
        if score.map is None:
            return
        content = io.BytesIO()
        # The smallest half-precision number is 6e-8, and many maps lie below it; their logarithms
        # do not.
        np.lib.format.write_array(content, np.log(np.maximum(score.map, 1e-30)).astype(np.float16))
        # Without the time of day that zipfile would note, the same maps give the same file.
        entry = zipfile.ZipInfo(f"{score.frame}.npy")
        self._archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED)


@contextmanager
def map_archive(path: Path) -> Iterator[ScoreSink]:
    """Open an ``.npz`` file, which appears whole when the block ends.

    ``numpy.load(path)["42"]`` is the natural logarithm of frame 42's anomaly map, float16 H x W.

    Raises:
        OutputError: If it cannot be written.
    """
    with (
        replace_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        yield _MapArchive(archive)
