"""Anomaly maps, compressed, one array a frame."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from oddframe.core.records import Score
from oddframe.files import replace_file
from oddframe.sinks.tables import ScoreSink

__all__ = ["map_archive"]


class _MapArchive:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, score: Score) -> None:
        """Add the map of a score that has one."""
        if score.map is None:
            return
        content = io.BytesIO()
        # Half precision starts at 6e-8, which small maps fall below: their logarithm does not.
        np.lib.format.write_array(content, np.log(np.maximum(score.map, 1e-30)).astype(np.float16))
        # Without the time of day that zipfile would note, the same maps give the same file.
        entry = zipfile.ZipInfo(f"{score.frame}.npy")
        self._archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED)


@contextmanager
def map_archive(path: Path) -> Iterator[ScoreSink]:
    """An ``.npz`` file that appears whole when the block ends.

    ``numpy.load(path)["42"]`` is the natural logarithm of frame 42's anomaly map, float16 H x W.

    Raises:
        OutputError: If it cannot be written.
    """
    with replace_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        yield _MapArchive(archive)
