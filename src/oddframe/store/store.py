"""The store of a watcher: takes what it sees without making it wait, and gives it back.

    DIR/oddframe.sqlite     events, scores by the second, states of cameras
    DIR/events/...          pictures and clips
    DIR/lock                held by the one process that writes

Two threads do the writing: one for the database, in `writer`, and one for files, in `media_files`.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout
from sqlalchemy import select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from oddframe._types import Pixels
from oddframe.core.alerts import Alert, CameraStatus
from oddframe.errors import SourceNotFoundError, StoreError
from oddframe.files import output_error
from oddframe.store.events import (
    Review,
    StoredEvent,
    camera_number,
    close_open,
    rename_camera,
    write_clip_error,
    write_description,
    write_event,
    write_file,
    write_looks,
)
from oddframe.store.feedback import (
    ReviewChange,
    mark_undone,
    write_review,
    write_reviews,
    write_revision,
    write_threshold,
)
from oddframe.store.media_files import (
    FileCounts,
    FileWriter,
    RepairedFiles,
    file_path,
    jpeg,
    reconcile_files,
)
from oddframe.store.reader import DATABASE, StoreReader
from oddframe.store.retention import Retention, forget_camera, prune
from oddframe.store.schema import cameras, open_engine, states
from oddframe.store.scores import ScoreGatherer
from oddframe.store.stacks import write_apart
from oddframe.store.writer import Writer, WriterCounts

_BROKEN_OFF = "the program was killed before the event had ended"
"""Why an event has no clip that was open when a watcher was killed."""

_JUMP_US = 86_400 * 1_000_000
"""A clock that is set ahead by more than a day is taken for a wrong one."""


@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """What a store keeps.

    Attributes:
        pictures: Whether pictures and clips of events are kept at all.
        retention: How long and how much is kept.
        flush_s: Scores are written at least this often, in seconds; a kill loses at most that much
            of them.
    """

    pictures: bool = True
    retention: Retention = field(default_factory=Retention)
    flush_s: float = 2.0


def now_us() -> int:
    """Read the wall clock, in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


class Store:
    """Writes what a watcher sees.

    All ``put_*`` methods return at once and may be called by any thread. None of them raises
    because a disk is full or gone: what was put is kept in memory, tried again, and counted where
    it had to be given up. The other methods that write wait until it is written.

    Attributes:
        folder: The store's folder.
        config: What is kept.
        closed: Ends of the events that the last watcher left open, for the sinks.
        repaired: What the last watcher had left undone between files and rows.
        reader: Gives back what was written.
    """

    def __init__(
        self,
        folder: str | Path,
        config: StoreConfig | None = None,
        *,
        clock: Callable[[], int] = now_us,
        on_lost: Callable[[Alert, str, str], None] = lambda alert, kind, reason: None,
    ) -> None:
        """Open a store, or make one, and repair what a kill left.

        Args:
            folder: Its folder, which is made where there is none.
            config: What to keep.
            clock: Gives the time in microseconds since 1970-01-01 UTC; decides what is too old.
            on_lost: Called with the alert, the kind ("snapshot" or "clip") and the reason of each
                file that was given up, by any thread; it must not wait.

        Raises:
            StoreError: If it is in use, damaged, or made by a newer version.
            OutputError: If nothing can be written there.
        """
        self.folder, self.config, self._clock = Path(folder), config or StoreConfig(), clock
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.folder, error) from error
        self._lock = _lock_folder(self.folder)
        try:
            self._engine = open_engine(self.folder / DATABASE, writing=True)
        except BaseException:
            self._lock.release()
            raise
        # Before any thread starts: nobody may write files or events while a kill is repaired.
        try:
            self.closed, self.repaired = self._recover()
            self.reader = StoreReader(self.folder)
        except BaseException:
            self._engine.dispose()
            self._lock.release()
            raise
        self._scores = ScoreGatherer()
        # The last state of each camera, so that only changes become rows.
        self._states: dict[str, tuple[bool, str]] = {}
        self._writer = Writer(self._engine, self.config.flush_s)
        # How far the wall clock is ahead of the one that never jumps: a change of it is a jump.
        self._ahead_us = clock() - time.monotonic_ns() // 1000
        # Last, since its thread prunes at once.
        room_bytes = self.config.retention.keep_free_gb * 1e9
        self._on_lost = on_lost
        self._files = FileWriter(
            self.folder, room_bytes, self._put_path, self._put_loss, self._prune_unless_jumped
        )

    def put_event(self, alert: Alert) -> None:
        """Queue one phase of an event to be written."""
        self._writer.put(lambda connection: write_event(connection, alert))

    def put_score(self, camera: str, at_us: int, score: float) -> None:
        """Take a score, in (0, 1), into its second; a second that is over is queued."""
        if second := self._scores.add(camera, at_us, score):
            self._writer.put_second(second)

    def put_status(self, status: CameraStatus) -> None:
        """Queue the state of a camera where it is another than before."""
        if self._states.get(status.camera) == (status.online, status.state):
            return
        self._states[status.camera] = (status.online, status.state)

        def write(connection: Connection) -> None:
            row = {"at_us": status.at_us, "online": int(status.online), "state": status.state}
            row["camera"] = camera_number(connection, status.camera)
            # A change that failed is made again, and may find its own row.
            insert = sqlite.insert(states).values(row)
            connection.execute(
                insert.on_conflict_do_update(index_elements=["camera", "at_us"], set_=row)
            )

        self._writer.put(write)

    def put_threshold(self, camera: str, at_us: int, threshold: float, model: str) -> None:
        """Queue the threshold that a camera's scores have from now on, where it is another one.

        Args:
            camera: The camera's name.
            at_us: From when on, in microseconds since 1970-01-01 UTC.
            threshold: The threshold, a raw score.
            model: Fingerprint of the model whose raw score it is.
        """
        self._writer.put(
            lambda connection: write_threshold(connection, camera, at_us, threshold, model)
        )

    def put_description(self, alert: Alert, sentence: str) -> None:
        """Queue what a model says of an event's picture."""
        self._writer.put(lambda connection: write_description(connection, alert, sentence))

    def put_looks(self, rows: Collection[int], at_us: int) -> None:
        """Queue that somebody looked at some events, by their rows."""
        self._writer.put(lambda connection: write_looks(connection, rows, at_us))

    def put_snapshot(self, alert: Alert, picture: Pixels) -> None:
        """Queue a picture of an event, uint8 H x W x 1 or 3, which nobody may change any more."""
        self._put_file(alert, "snapshot", jpeg(picture))

    def put_clip(self, alert: Alert, write: Callable[[Path], None]) -> None:
        """Queue a clip of an event.

        Args:
            alert: The event.
            write: Called with the path to write the clip to, an ``.mp4``, by the thread for files.
        """
        self._put_file(alert, "clip", write)

    def path_of(self, alert: Alert, kind: str) -> str | None:
        """Compute where a file of an event will be, relative to the folder.

        Args:
            alert: The event.
            kind: "snapshot" or "clip".

        Returns:
            The path; None where no pictures are kept.
        """
        return file_path(alert, kind) if self.config.pictures else None

    def review_event(self, row: int, review: Review | None) -> StoredEvent | None:
        """Write what somebody says of an event; an anomaly called normal teaches its camera.

        Args:
            row: The event's row.
            review: What is said; None takes back what was said before.

        Returns:
            The event with its review; None where there is no such event.

        Raises:
            OperationalError: If the database takes no change.
        """
        with self._engine.begin() as connection:
            return write_review(connection, row, review)

    def review_events(
        self, changes: Iterable[ReviewChange], at_us: int, by: str = ""
    ) -> list[tuple[StoredEvent, StoredEvent]]:
        """Write what somebody says of several events, of all or of none.

        Args:
            changes: What is said of which event.
            at_us: When it is said, in microseconds since 1970-01-01 UTC.
            by: Who says it, as in a `Review`.

        Returns:
            Each event as it was and as it is now; events that do not exist are left out.

        Raises:
            OperationalError: If the database takes no change.
        """
        with self._engine.begin() as connection:
            return write_reviews(connection, changes, at_us, by)

    def set_apart(self, row: int, *, is_apart: bool) -> bool:
        """Take an event out of its stack, or let it be stacked again.

        Returns:
            Whether there is such an event.

        Raises:
            OperationalError: If the database takes no change.
        """
        with self._engine.begin() as connection:
            return write_apart(connection, row, is_apart=is_apart)

    def add_revision(
        self, camera: str, at_us: int, what: str, text: str, before: Mapping[str, Any]
    ) -> int:
        """Write a change to a camera, with the fields of a `Revision`.

        Returns:
            The number of the revision.

        Raises:
            OperationalError: If the database takes no change.
        """
        with self._engine.begin() as connection:
            return write_revision(connection, camera, at_us, what, text, before)

    def undo_revision(self, number: int, at_us: int) -> None:
        """Write that a revision was taken back; it stays in the list.

        Raises:
            OperationalError: If the database takes no change.
        """
        with self._engine.begin() as connection:
            mark_undone(connection, number, at_us)

    def counts(self) -> tuple[WriterCounts, FileCounts]:
        """Count what became of the rows and of the files."""
        return self._writer.counts(), self._files.counts()

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Write everything that was put before.

        Returns:
            Whether it is written; otherwise the time ran out, and it is still tried.
        """
        deadline = time.monotonic() + timeout_s
        for second in self._scores.take_all():
            self._writer.put_second(second)
        # Files first: each that is whole adds a row.
        files = self._files.flush(timeout_s)
        return self._writer.flush(max(0.0, deadline - time.monotonic())) and files

    def flush_files(self, timeout_s: float) -> bool:
        """Write the pictures and clips that were put before; returns whether that is done."""
        return self._files.flush(timeout_s)

    def prune(self) -> None:
        """Remove what is not to be kept any more; this happens every hour anyway.

        Raises:
            OperationalError: If the database took no change, as on a full disk.
        """
        prune(self._engine, self.folder, self.config.retention, self._clock())

    def forget(self, camera: str) -> None:
        """Remove everything that was kept of a camera.

        Raises:
            SourceNotFoundError: If the store knows no such camera.
        """
        # What waits may be of this camera, and would make it known again.
        self.flush()
        with self._engine.connect() as connection:
            number = connection.execute(
                select(cameras.c.camera).where(cameras.c.name == camera)
            ).scalar()
        if number is None:
            raise SourceNotFoundError(f"{self.folder} holds nothing of a camera {camera!r}")
        # The next state of a camera of this name is a new one.
        self._states.pop(camera, None)
        forget_camera(self._engine, self.folder, number)

    def rename(self, before: str, after: str) -> None:
        """Give a camera another name, with all that was kept of it; its files stay where they are.

        Raises:
            OperationalError: If the database takes no change.
        """
        # What waits would make the old name known again.
        self.flush()
        self._states.pop(before, None)
        with self._engine.begin() as connection:
            rename_camera(connection, before, after)

    def retain(self, retention: Retention) -> None:
        """Keep things for another time from now on; what is too much goes within the hour."""
        self.config = replace(self.config, retention=retention)
        self._files.keep_free(retention.keep_free_gb * 1e9)

    def close(self, timeout_s: float = 1.5) -> bool:
        """Write what is left, end the threads and free the folder for another process.

        Returns:
            Whether everything was written within the time.
        """
        deadline = time.monotonic() + timeout_s
        for second in self._scores.take_all():
            self._writer.put_second(second)
        # Files before rows, as in `flush`; half of the time is left for the rows.
        files = self._files.close(timeout_s / 2)
        written = self._writer.close(max(0.1, deadline - time.monotonic()))
        self.reader.close()
        # The lock last: whoever gets it finds a database that nobody else has open.
        self._engine.dispose()
        self._lock.release()
        return files and written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _put_file(self, alert: Alert, kind: str, write: Callable[[Path], None]) -> None:
        if self.config.pictures:
            self._files.put(alert, kind, write)

    def _put_path(self, alert: Alert, kind: str, path: str) -> None:
        event = alert.event
        self._writer.put(
            lambda connection: write_file(connection, event.source, event.id, kind, path)
        )

    def _put_loss(self, alert: Alert, kind: str, reason: str) -> None:
        event = alert.event
        if kind == "clip":
            self._writer.put(
                lambda connection: write_clip_error(connection, event.source, event.id, reason)
            )
        self._on_lost(alert, kind, reason)

    def _prune_unless_jumped(self) -> None:
        """Prune, unless the clock has just been set far ahead.

        A clock that is wrong once must not cost everything that was kept.
        """
        ahead_us = self._clock() - time.monotonic_ns() // 1000
        jumped, self._ahead_us = ahead_us - self._ahead_us > _JUMP_US, ahead_us
        if not jumped:
            self.prune()

    def _recover(self) -> tuple[list[Alert], RepairedFiles]:
        """End the events that a kill left open, and bring files and rows together."""
        with self._engine.begin() as connection:
            clip_error = _BROKEN_OFF if self.config.pictures else None
            return close_open(connection, clip_error), reconcile_files(connection, self.folder)


def _lock_folder(folder: Path) -> FileLock:
    """Lock a folder for this process; when the process is killed the lock is free again.

    Raises:
        StoreError: If another process has it.
        OutputError: If nothing can be written there.
    """
    path = folder / "lock"
    # Not thread-local, since a store may be closed by another thread; no soft lock, since that one
    # would outlive a kill.
    lock = FileLock(path, blocking=False, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            f"{folder} must be used by one watcher at a time, but another process has it; "
            "stop that one or choose another folder"
        ) from error
    except OSError as error:
        raise output_error(path, error) from error
    return lock
