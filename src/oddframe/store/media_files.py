"""Pictures and clips of events: files beside the database, written by a thread of their own.

    DIR/events/2026-07-01/<camera>/140307-<id>.jpg, .mp4

A file is whole under its name before its row points at it, and a row forgets it only after it is
gone. What a kill leaves in between, `reconcile_files` finds at the next start: files that no row
points at, and rows whose file is missing.
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
from oddframe.errors import OddframeError
from oddframe.files import replace_file
from oddframe.store.schema import cameras, error_text, events

FOLDER = "events"
"""Where the files are, in the store's folder."""

SUFFIXES = {"snapshot": ".jpg", "clip": ".mp4"}
"""Kinds of files, named as their columns, and what their names end with."""

MOST_WAITING = 32
"""Files that may wait for the disk: some 200 MB of pictures of 1080 lines."""

UPKEEP_S = 3600.0
"""Pause between two rounds of removing what is too old."""

_JPEG_QUALITY = 85

_File: TypeAlias = tuple[Alert, str, Callable[[Path], None]]
"""A file to be written: its event, its kind, and what writes it to a path."""


@dataclass(frozen=True, slots=True)
class FileCounts:
    """What became of the files.

    Attributes:
        written: Files that are whole and that the database knows.
        lost: Files that were given up: too many waited, the disk took none, or the clip could not
            be made.
        error: What the last failure said.
    """

    written: int
    lost: int
    error: str


def file_path(alert: Alert, kind: str) -> str:
    """Compute where a file of an event belongs, relative to the store's folder.

    Args:
        alert: The event.
        kind: "snapshot" or "clip".
    """
    # In UTC, so that no file has two places when the clocks are set to summer time.
    start = datetime.fromtimestamp(alert.start_us // 1_000_000, UTC)
    name = f"{start:%H%M%S}-{safe_name(alert.event.id)}{SUFFIXES[kind]}"
    return f"{FOLDER}/{start:%Y-%m-%d}/{safe_name(alert.event.source)}/{name}"


def jpeg(picture: Pixels) -> Callable[[Path], None]:
    """Make the function that writes a picture, uint8 H x W x 1 or 3, to a path as JPEG."""

    def write(path: Path) -> None:
        pixels = picture[:, :, 0] if picture.shape[2] == 1 else picture
        Image.fromarray(np.ascontiguousarray(pixels)).save(path, "JPEG", quality=_JPEG_QUALITY)

    return write


class FileWriter:
    """Writes files one after another in a thread of its own, and reports each that is whole."""

    def __init__(
        self,
        folder: Path,
        room_bytes: float,
        on_written: Callable[[Alert, str, str], None],
        on_lost: Callable[[Alert, str, str], None],
        upkeep: Callable[[], None],
    ) -> None:
        """Start the thread.

        Args:
            folder: The store's.
            room_bytes: No file is written while less than this is free on its disk.
            on_written: Called with the alert, the kind and the path of each file that is whole.
            on_lost: Called with the alert, the kind and the reason of each file that was given up;
                it must not wait.
            upkeep: Removes what is not to be kept; called now, every hour, and when there is too
                little room.
        """
        self._folder, self._room_bytes = folder, room_bytes
        self._on_written, self._on_lost, self._upkeep = on_written, on_lost, upkeep
        self._written = self._lost = 0
        self._is_closing = False
        self._error = ""
        self._queue = BackgroundQueue(
            "store-files",
            self._write_next,
            most=MOST_WAITING,
            upkeep=self._prune,
            every_s=UPKEEP_S,
            on_drop=self._drop,
        )
        self._queue.start()

    def put(self, alert: Alert, kind: str, write: Callable[[Path], None]) -> None:
        """Queue a file; never waits.

        Args:
            alert: The file's event.
            kind: "snapshot" or "clip".
            write: Called with the path to write the file to, by the thread of this writer.
        """
        self._queue.put((alert, kind, write))

    def keep_free(self, room_bytes: float) -> None:
        """Write no file from now on while less than this is free on its disk."""
        self._room_bytes = room_bytes

    def counts(self) -> FileCounts:
        """Count the files that were written and lost so far."""
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
        self._is_closing = True
        return self._queue.close(timeout_s)

    def _drop(self, file: _File) -> None:
        """Report a file whose turn never came."""
        alert, kind, _ = file
        ended = "the program was ended before its turn came"
        self._error = ended if self._is_closing else "too many files waited for the disk"
        self._on_lost(alert, kind, self._error)

    def _write_next(self, batch: list[_File]) -> None:
        for alert, kind, write in batch:
            reason = self._write(alert, kind, write)
            self._lost += bool(reason)
            self._written += not reason
            if reason:
                self._error = f"{file_path(alert, kind)}: {reason}"
                self._on_lost(alert, kind, reason)

    def _prune(self) -> None:
        """Call the upkeep; an error of the database or the disk is kept for the counts."""
        try:
            self._upkeep()
        except (SQLAlchemyError, OSError) as error:
            self._error = error_text(error)

    def _write(self, alert: Alert, kind: str, write: Callable[[Path], None]) -> str:
        """Write one file; returns what went wrong, empty when nothing did."""
        path = file_path(alert, kind)
        try:
            # Old files make room for new ones before a new one is given up.
            if free_bytes(self._folder) < self._room_bytes:
                self._prune()
                if free_bytes(self._folder) < self._room_bytes:
                    # Events matter more than their pictures: the room is left to the database.
                    return "the disk has less room than is to be kept free"
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            with replace_file(self._folder / path) as temporary:
                write(temporary)
        except Exception as error:  # noqa: BLE001 - writing a clip may fail in any way; others wait
            # An error that nobody foresaw may say nothing but its name.
            is_ours = isinstance(error, OddframeError)
            return str(error) if is_ours else f"{type(error).__name__}: {error}"
        self._on_written(alert, kind, path)
        return ""


def free_bytes(folder: Path) -> int:
    """Measure the room on the disk of a folder, for those who are not root."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


@dataclass(frozen=True, slots=True)
class RepairedFiles:
    """What `reconcile_files` repaired between files and rows.

    Attributes:
        adopted: Files that the row of their event points at from now on.
        removed: Files of no event, and halves of files.
        missing: Rows that pointed at files which are gone, and do so no more.
    """

    adopted: int = 0
    removed: int = 0
    missing: int = 0


def reconcile_files(connection: Connection, folder: Path) -> RepairedFiles:
    """Bring files and rows together again after a kill; nobody may write files meanwhile.

    Args:
        connection: A connection of a writing engine.
        folder: The store's.
    """
    found = {
        path.relative_to(folder).as_posix()
        for path in (folder / FOLDER).rglob("*")
        if path.is_file()
    }
    missing = 0
    # Paths that rows point at, of snapshots and clips.
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
    # Only now: a row that has lost its file may be the one that another file was made for.
    adopted = removed = 0
    for path in sorted(found - known):
        if _adopt(connection, path):
            adopted += 1
        else:
            (folder / path).unlink(missing_ok=True)
            removed += 1
    return RepairedFiles(adopted, removed, missing)


def _adopt(connection: Connection, path: str) -> bool:
    """Have the event that a file was made for point at it; returns whether there is one."""
    *_, camera, name = path.split("/")
    kind = next((kind for kind, suffix in SUFFIXES.items() if name.endswith(suffix)), None)
    # Files that are not whole yet are hidden; see `replace_file`.
    if kind is None or name.startswith("."):
        return False
    identity = Path(name).stem.partition("-")[2]
    query = select(events.c.row, events.c.start_us, cameras.c.name).join(cameras)
    for row, start_us, source in connection.execute(
        query.where(events.c.id == identity, events.c[kind].is_(None))
    ):
        # The id alone is not enough: a file that is watched again has the same events.
        start = datetime.fromtimestamp(start_us // 1_000_000, UTC)
        day = f"{FOLDER}/{start:%Y-%m-%d}/{safe_name(source)}"
        expected = f"{day}/{start:%H%M%S}-{identity}{SUFFIXES[kind]}"
        if path == expected and camera == safe_name(source):
            connection.execute(update(events).where(events.c.row == row).values({kind: path}))
            return True
    return False
