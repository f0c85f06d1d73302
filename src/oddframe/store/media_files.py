"""Pictures and clips of events: files beside the database, written by a thread of their own.

    DIR/events/2026-07-01/<camera>/140307-<id>.jpg, .mp4

A file is whole under its name before its row points at it, and a row forgets it only after it is
gone. What a kill leaves in between, ``mend`` finds at the next start: files that no row knows, rows
whose file is missing.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image
from sqlalchemy import select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from oddframe._background import BackgroundQueue
from oddframe._types import Pixels
from oddframe.core.alerts import Alert, safe_name
from oddframe.files import replace_file
from oddframe.store.schema import cameras, events

FOLDER = "events"

MOST_WAITING = 32
"""Files that may wait for the disk: some 200 MB of pictures of 1080 lines."""

UPKEEP_S = 3600.0
"""Pause between two rounds of removing what is too old."""

_QUALITY = 85

SUFFIXES = {"snapshot": ".jpg", "clip": ".mp4"}
"""Kinds of files, named as their columns, and what their names end with."""

_File: TypeAlias = tuple[Alert, str, Callable[[Path], None]]
"""A file to be written: its event, its kind, and what writes it to a path."""


@dataclass(frozen=True, slots=True)
class FileCounts:
    """What became of the files.

    Attributes:
        written: Whole and known to the database.
        lost: Not written: too many waited, the disk took none, or the clip could not be made.
        error: What the last failure said.
    """

    written: int
    lost: int
    error: str


def file_path(alert: Alert, kind: str) -> str:
    """Where a file of an event belongs, relative to the store's folder; ``kind`` is "snapshot" or "clip"."""
    start = datetime.fromtimestamp(alert.start_us // 1_000_000, UTC)
    name = f"{start:%H%M%S}-{safe_name(alert.event.id)}{SUFFIXES[kind]}"
    return f"{FOLDER}/{start:%Y-%m-%d}/{safe_name(alert.event.source)}/{name}"


def jpeg(picture: Pixels) -> Callable[[Path], None]:
    """What writes a picture, uint8 H x W x 1 or 3, to a path."""

    def write(path: Path) -> None:
        pixels = picture[:, :, 0] if picture.shape[2] == 1 else picture
        Image.fromarray(np.ascontiguousarray(pixels)).save(path, "JPEG", quality=_QUALITY)

    return write


class FileWriter:
    """Writes files one after another, and says so when one is whole."""

    def __init__(
        self,
        folder: Path,
        room_bytes: float,
        written: Callable[[Alert, str, str], None],
        upkeep: Callable[[], None],
    ) -> None:
        """Start the thread.

        Args:
            folder: The store's.
            room_bytes: No file is written while less than this is free on its disk.
            written: Told the alert, the kind and the path of each file that is whole.
            upkeep: Removes what is not to be kept; called now, every hour, and when there is too
                little room.
        """
        self._folder, self._room_bytes, self._tell, self._upkeep = (
            folder,
            room_bytes,
            written,
            upkeep,
        )
        self._written = self._lost = 0
        self._error = ""
        self._queue = BackgroundQueue(
            "store-files",
            self._write_next,
            most=MOST_WAITING,
            upkeep=self._tidy,
            every_s=UPKEEP_S,
        )
        self._queue.start()

    def put(self, alert: Alert, kind: str, write: Callable[[Path], None]) -> None:
        """Have a file written by ``write``, which is given the path to write to; never waits."""
        if not self._queue.put((alert, kind, write)):
            self._error = "too many files waited for the disk"

    def counts(self) -> FileCounts:
        """Say how many files were written and lost so far."""
        lost = self._lost + self._queue.dropped + self._queue.failed
        return FileCounts(self._written, lost, self._error)

    def flush(self, timeout_s: float) -> bool:
        """Wait until every file is written or given up.

        Returns:
            Whether they are; otherwise the time ran out.
        """
        return self._queue.flush(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Write what waits and end the thread.

        Returns:
            Whether that went within the time; otherwise what waits is left unwritten.
        """
        return self._queue.close(timeout_s)

    def _write_next(self, batch: list[_File]) -> None:
        for alert, kind, write in batch:
            error = self._write(alert, kind, write)
            self._lost += bool(error)
            self._written += not error
            self._error = error or self._error

    def _tidy(self) -> None:
        """Remove what is not to be kept; a database or a disk that does not let us is noted."""
        try:
            self._upkeep()
        except (SQLAlchemyError, OSError) as error:
            self._error = str(getattr(error, "orig", None) or error)

    def _write(self, alert: Alert, kind: str, write: Callable[[Path], None]) -> str:
        """Write one file; gives what went wrong."""
        path = file_path(alert, kind)
        try:
            if free_bytes(self._folder) < self._room_bytes:
                self._tidy()
                if free_bytes(self._folder) < self._room_bytes:
                    return "the disk has less room than is to be kept free"
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            with replace_file(self._folder / path) as temporary:
                write(temporary)
        except Exception as error:  # noqa: BLE001 - whoever cuts the clip may fail in its own way; the thread goes on
            return f"{path}: {error}"
        self._tell(alert, kind, path)
        return ""


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder for those who are not root."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


@dataclass(frozen=True, slots=True)
class RepairedFiles:
    """What a kill had left between files and rows.

    Attributes:
        adopted: Files that their event now points at.
        removed: Files of no event, and halves of files.
        missing: Rows that pointed at files which are gone, and now say so.
    """

    adopted: int = 0
    removed: int = 0
    missing: int = 0


def reconcile_files(connection: Connection, folder: Path) -> RepairedFiles:
    """Bring rows and files together again; to be called while nobody writes files.

    Args:
        connection: A writing one.
        folder: The store's.
    """
    found = {
        path.relative_to(folder).as_posix()
        for path in (folder / FOLDER).rglob("*")
        if path.is_file()
    }
    missing = 0
    known: set[str] = set()
    for kind in SUFFIXES:
        column = events.c[kind]
        for row, path in connection.execute(
            select(events.c.row, column).where(column.is_not(None))
        ).all():
            known.add(path)
            if path not in found:
                connection.execute(update(events).where(events.c.row == row).values({kind: None}))
                missing += 1
    adopted = removed = 0
    for path in sorted(found - known):
        if _adopt(connection, path):
            adopted += 1
        else:
            (folder / path).unlink(missing_ok=True)
            removed += 1
    return RepairedFiles(adopted, removed, missing)


def _adopt(connection: Connection, path: str) -> bool:
    """Give a whole file to the event that it was made for."""
    *_, camera, name = path.split("/")
    kind = next((kind for kind, suffix in SUFFIXES.items() if name.endswith(suffix)), None)
    if kind is None or name.startswith("."):
        return False
    identity = Path(name).stem.partition("-")[2]
    query = select(events.c.row, events.c.start_us, cameras.c.name).join(cameras)
    for row, start_us, source in connection.execute(
        query.where(events.c.id == identity, events.c[kind].is_(None))
    ):
        start = datetime.fromtimestamp(start_us // 1_000_000, UTC)
        same = (
            path
            == f"{FOLDER}/{start:%Y-%m-%d}/{safe_name(source)}/{start:%H%M%S}-{identity}{SUFFIXES[kind]}"
        )
        if same and camera == safe_name(source):
            connection.execute(update(events).where(events.c.row == row).values({kind: path}))
            return True
    return False
