"""How long and how much is kept: the oldest goes first, files before the rows that point at them."""

from collections.abc import Iterable, Iterator
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
    minutes,
    revisions,
    seconds,
    states,
    thresholds,
)

_DAY_US = 86_400 * 1_000_000
_ROWS_AT_A_TIME = 500


@settings_dataclass()
class Retention:
    """What is kept.

    Attributes:
        keep_days: Events, pictures, clips, scores and states older than this go.
        pictures_gb: Pictures and clips beyond this go, the oldest first; their events stay.
        keep_free_gb: So do they while the disk has less room than this, and new ones are not
            written.
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
class Pruned:
    """What went.

    Attributes:
        events: Events with all that belongs to them.
        files: Pictures and clips.
        scores: Seconds of scores.
    """

    events: int = 0
    files: int = 0
    scores: int = 0


def prune(engine: Engine, folder: Path, kept: Retention, now_us: int) -> Pruned:
    """Remove what is too old and, after it, pictures that are too many. Events that still go on stay.

    Files go first, since that works on a full disk too. A kill in between leaves rows that point at
    nothing, which ``mend`` finds at the next start.

    Args:
        engine: A writing one.
        folder: The store's.
        kept: What to keep.
        now_us: The time, in microseconds since 1970-01-01 UTC.

    Raises:
        OperationalError: If the database took no change; what went is gone all the same.
    """
    border_us = now_us - int(kept.keep_days * _DAY_US)
    gone = files = 0
    while batch := _batch(engine, events.c.start_us < border_us, events.c.end_us < border_us):
        files += _unlink(folder, (path for row in batch for path in row[1:]))
        with engine.begin() as connection:
            connection.execute(delete(events).where(events.c.row.in_([row[0] for row in batch])))
        gone += len(batch)
    files += _prune_files(engine, folder, kept)
    scores = _prune_scores(engine, border_us)
    if gone or scores:
        _give_back(engine)
    _remove_empty(folder / FOLDER)
    return Pruned(gone, files, scores)


def _give_back(engine: Engine) -> None:
    """Give the disk the pages that hold nothing any more."""
    connection = engine.raw_connection()
    try:
        # A script, since execute() stops after the first page.
        connection.cursor().executescript("PRAGMA incremental_vacuum")
    finally:
        connection.close()


def _prune_files(engine: Engine, folder: Path, kept: Retention) -> int:
    """Remove pictures and clips, the oldest first, until they are few enough and the disk has its room."""
    files = 0
    paths = (path for path in (folder / FOLDER).rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in paths)
    with_files = or_(events.c.snapshot.is_not(None), events.c.clip.is_not(None))
    while size > kept.pictures_gb * 1e9 or free_bytes(folder) < kept.keep_free_gb * 1e9:
        batch = _batch(engine, with_files, events.c.end_us.is_not(None), limit=20)
        if not batch:
            break
        done = []
        for row, *paths_of_it in batch:
            if size <= kept.pictures_gb * 1e9 and free_bytes(folder) >= kept.keep_free_gb * 1e9:
                break
            size -= sum(_size(folder / path) for path in paths_of_it if path)
            files += _unlink(folder, paths_of_it)
            done.append(row)
        with engine.begin() as connection:
            connection.execute(
                update(events).where(events.c.row.in_(done)).values(snapshot=None, clip=None)
            )
    return files


def _prune_scores(engine: Engine, border_us: int) -> int:
    """Remove what is older of every camera, a day at a time: nobody waits long for the lock."""
    with engine.connect() as connection:
        numbers = connection.execute(select(cameras.c.camera)).scalars().all()
    scores = 0
    for number in numbers:
        border = border_us // 1_000_000
        while True:
            with engine.begin() as connection:
                oldest = select(func.min(seconds.c.second)).where(seconds.c.camera == number)
                first = connection.execute(oldest).scalar()
                if first is None or first >= border:
                    break
                old = (seconds.c.camera == number) & (
                    seconds.c.second < min(border, first + 86_400)
                )
                scores += connection.execute(delete(seconds).where(old)).rowcount
        with engine.begin() as connection:
            old = (minutes.c.camera == number) & (minutes.c.minute < border // 60)
            connection.execute(delete(minutes).where(old))
            connection.execute(
                delete(states).where((states.c.camera == number) & (states.c.at_us < border_us))
            )
    return scores


def forget_camera(engine: Engine, folder: Path, number: int) -> None:
    """Remove all that there is of a camera: files, then rows."""
    while batch := _batch(engine, events.c.camera == number):
        _unlink(folder, (path for row in batch for path in row[1:]))
        with engine.begin() as connection:
            connection.execute(delete(events).where(events.c.row.in_([row[0] for row in batch])))
    with engine.begin() as connection:
        for table in (seconds, minutes, states, thresholds, feedback, revisions, cameras):
            connection.execute(delete(table).where(table.c.camera == number))
    _remove_empty(folder / FOLDER)


def _batch(
    engine: Engine, *conditions: object, limit: int = _ROWS_AT_A_TIME
) -> list[tuple[int, str, str]]:
    """The oldest events that meet all conditions: row, snapshot, clip."""
    query = select(events.c.row, events.c.snapshot, events.c.clip).where(*conditions)  # type: ignore[arg-type]
    with engine.connect() as connection:
        return [
            tuple(row) for row in connection.execute(query.order_by(events.c.start_us).limit(limit))
        ]


def _unlink(folder: Path, paths: Iterable[str | None]) -> int:
    count = 0
    for path in paths:
        if path is not None and (folder / path).is_file():
            (folder / path).unlink(missing_ok=True)
            count += 1
    return count


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _remove_empty(folder: Path) -> None:
    """Remove folders of days and cameras that hold nothing any more."""
    for inner in _folders(folder):
        with suppress(OSError):
            inner.rmdir()


def _folders(folder: Path) -> Iterator[Path]:
    """Folders below a folder, the inner ones first."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            yield path
