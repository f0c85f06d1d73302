"""How long and how much is kept: the oldest goes first, and files before their rows."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.engine import Engine

from oddframe.errors import SettingsError
from oddframe.settings import settings_dataclass
from oddframe.store.media_files import FOLDER, free_bytes
from oddframe.store.schema import (
    cameras,
    events,
    feedback,
    revisions,
    scores_by_hour,
    scores_by_minute,
    scores_by_second,
    states,
    thresholds,
)

_DAY_US = 86_400 * 1_000_000

_BATCH = 500
"""Events removed in one transaction: whoever else writes waits for the lock only for a moment."""


@settings_dataclass()
class Retention:
    """How long and how much is kept.

    Attributes:
        keep_days: Events, pictures, clips, scores and states older than this are removed.
        pictures_gb: Pictures and clips beyond this are removed, the oldest first; their events
            stay.
        keep_free_gb: While the disk has less room than this, pictures and clips are removed too,
            and new ones are not written.
    """

    keep_days: Annotated[float, Field(ge=0)] = 30.0
    pictures_gb: Annotated[float, Field(ge=0)] = 10.0
    keep_free_gb: Annotated[float, Field(ge=0)] = 1.0

    def __post_init__(self) -> None:
        if self.keep_days == 0:
            raise SettingsError(
                "keep_days must be above 0, got 0; `pictures = false` keeps no pictures"
            )


@dataclass(frozen=True, slots=True)
class PruneCounts:
    """How much a pruning removed.

    Attributes:
        events: Events, with all that belongs to them.
        files: Pictures and clips.
        scores: Seconds of scores.
    """

    events: int = 0
    files: int = 0
    scores: int = 0


def prune(engine: Engine, folder: Path, kept: Retention, now_us: int) -> PruneCounts:
    """Remove what is too old, and then pictures that are too many. Events that still go on stay.

    Files are removed before their rows, since that works on a full disk too. A kill in between
    leaves rows that point at nothing, which `reconcile_files` repairs at the next start.

    Args:
        engine: A writing engine; see `open_engine`.
        folder: The store's.
        kept: What to keep.
        now_us: The time, in microseconds since 1970-01-01 UTC.

    Raises:
        OperationalError: If the database took no change; what was removed is gone all the same.
    """
    border_us = now_us - int(kept.keep_days * _DAY_US)
    removed = files = 0
    while batch := _oldest_events(
        engine, events.c.start_us < border_us, events.c.end_us < border_us
    ):
        files += _unlink(folder, (path for row in batch for path in row[1:]))
        with engine.begin() as connection:
            connection.execute(delete(events).where(events.c.row.in_([row[0] for row in batch])))
        removed += len(batch)
    files += _prune_files(engine, folder, kept)
    scores = _prune_scores(engine, border_us)
    if removed or scores:
        _shrink_file(engine)
    _remove_empty(folder / FOLDER)
    return PruneCounts(removed, files, scores)


def _shrink_file(engine: Engine) -> None:
    """Give the disk the pages that hold nothing any more."""
    connection = engine.raw_connection()
    try:
        # A script, since execute() stops after the first page.
        connection.cursor().executescript("PRAGMA incremental_vacuum")
    finally:
        connection.close()


def _prune_files(engine: Engine, folder: Path, kept: Retention) -> int:
    """Remove pictures and clips, the oldest first, until the rest fits and the disk has room."""
    files = 0
    paths = (path for path in (folder / FOLDER).rglob("*") if path.is_file())
    size_bytes = sum(path.stat().st_size for path in paths)

    def fits() -> bool:
        has_room = free_bytes(folder) >= kept.keep_free_gb * 1e9
        return has_room and size_bytes <= kept.pictures_gb * 1e9

    with_files = or_(events.c.snapshot.is_not(None), events.c.clip.is_not(None))
    while not fits():
        # Few at a time: how much room a file gives back is known only afterwards.
        batch = _oldest_events(engine, with_files, events.c.end_us.is_not(None), limit=20)
        if not batch:
            break
        rows = []
        for row, *event_paths in batch:
            if fits():
                break
            size_bytes -= sum(_size_bytes(folder / path) for path in event_paths if path)
            files += _unlink(folder, event_paths)
            rows.append(row)
        with engine.begin() as connection:
            connection.execute(
                update(events).where(events.c.row.in_(rows)).values(snapshot=None, clip=None)
            )
    return files


def _prune_scores(engine: Engine, border_us: int) -> int:
    """Remove scores and states from before a moment; returns how many seconds of scores."""
    with engine.connect() as connection:
        numbers = connection.execute(select(cameras.c.camera)).scalars().all()
    scores = 0
    for number in numbers:
        border = border_us // 1_000_000
        # A day at a time, so that nobody waits long for the lock.
        while True:
            with engine.begin() as connection:
                oldest = select(func.min(scores_by_second.c.second)).where(
                    scores_by_second.c.camera == number
                )
                first = connection.execute(oldest).scalar()
                if first is None or first >= border:
                    break
                old = (scores_by_second.c.camera == number) & (
                    scores_by_second.c.second < min(border, first + 86_400)
                )
                scores += connection.execute(delete(scores_by_second).where(old)).rowcount
        with engine.begin() as connection:
            old = (scores_by_minute.c.camera == number) & (scores_by_minute.c.minute < border // 60)
            connection.execute(delete(scores_by_minute).where(old))
            old = (scores_by_hour.c.camera == number) & (scores_by_hour.c.hour < border // 3_600)
            connection.execute(delete(scores_by_hour).where(old))
            connection.execute(
                delete(states).where((states.c.camera == number) & (states.c.at_us < border_us))
            )
    return scores


def forget_camera(engine: Engine, folder: Path, number: int) -> None:
    """Remove all that there is of a camera, files before rows.

    Args:
        engine: A writing engine; see `open_engine`.
        folder: The store's.
        number: The camera's number in the database.
    """
    while batch := _oldest_events(engine, events.c.camera == number):
        _unlink(folder, (path for row in batch for path in row[1:]))
        with engine.begin() as connection:
            connection.execute(delete(events).where(events.c.row.in_([row[0] for row in batch])))
    # The camera itself last: the other rows refer to it.
    tables = (
        scores_by_second,
        scores_by_minute,
        scores_by_hour,
        states,
        thresholds,
        feedback,
        revisions,
        cameras,
    )
    with engine.begin() as connection:
        for table in tables:
            connection.execute(delete(table).where(table.c.camera == number))
    _remove_empty(folder / FOLDER)


def _oldest_events(
    engine: Engine, *conditions: object, limit: int = _BATCH
) -> list[tuple[int, str, str]]:
    """Find the oldest events that meet all conditions: row, snapshot, clip."""
    query = select(events.c.row, events.c.snapshot, events.c.clip).where(*conditions)  # type: ignore[arg-type]
    with engine.connect() as connection:
        return [
            tuple(row) for row in connection.execute(query.order_by(events.c.start_us).limit(limit))
        ]


def _unlink(folder: Path, paths: Iterable[str | None]) -> int:
    """Remove files; returns how many there were."""
    count = 0
    for path in paths:
        if path is not None and (folder / path).is_file():
            (folder / path).unlink(missing_ok=True)
            count += 1
    return count


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _remove_empty(folder: Path) -> None:
    """Remove folders of days and cameras that hold nothing any more."""
    # In reverse order of their names, so that inner folders come before the outer ones.
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            # One that is not empty refuses, and stays.
            with suppress(OSError):
                path.rmdir()
