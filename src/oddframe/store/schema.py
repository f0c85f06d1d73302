"""The tables of the store, their version, and how an older file becomes a newer one.

`open_engine` is the one door to the database: it sets up each connection, checks that the file is
a store of ours, and brings an older one up to date.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    inspect,
)
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from oddframe.errors import StoreError

APPLICATION_ID = 0x4F646446
"""Marks the file as ours (SQLite's ``application_id``)."""

BUSY_MS = 10_000
"""How long a connection waits for another one's lock."""

SCORE_SCALE = 10_000
"""Scores are kept as whole ten-thousandths: two bytes each instead of eight."""

# The definitions below are those of the newest version. A file of an older version gets there by
# `MIGRATIONS`, which repeat them in SQL: a migration must stay as it was when it was written.
metadata = MetaData()

cameras = Table(
    "cameras",
    metadata,
    Column("camera", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

events = Table(
    "events",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("camera", ForeignKey(cameras.c.camera), nullable=False),
    Column("kind", Text, nullable=False),
    Column("start_us", Integer, nullable=False),
    Column("peak_us", Integer, nullable=False),
    Column("seen_us", Integer, nullable=False),
    Column("end_us", Integer),  # NULL while the event goes on
    Column("start_s", Float, nullable=False),
    Column("peak_s", Float, nullable=False),
    Column("end_s", Float, nullable=False),  # so far, as in an Event
    Column("score", Float, nullable=False),
    Column("box", Text),  # JSON
    Column("reason", Text, nullable=False),
    Column("parts", Text, nullable=False),  # JSON
    Column("snapshot", Text),  # relative to the store's folder
    Column("clip", Text),
    # 1 where a restart ended the event, and not its footage.
    Column("cut", Integer, nullable=False, server_default="0"),
    Column("clip_error", Text),  # why there is no clip
    Column("description", Text),  # what a model says of its picture
    Column("looked_us", Integer),  # when somebody looked at it first
    Index("events_by_camera", "camera", "start_us"),
    Index("events_by_time", "start_us"),
    Index("events_by_id", "id"),
)
# Partial indices: few events are open, and only those with files matter to the pruning of files.
Index("events_open", events.c.camera, sqlite_where=events.c.end_us.is_(None))
Index(
    "events_pictured",
    events.c.start_us,
    sqlite_where=events.c.snapshot.is_not(None) | events.c.clip.is_not(None),
)

scores_by_second = Table(
    "seconds",
    metadata,
    Column("camera", ForeignKey(cameras.c.camera), primary_key=True),
    Column("second", Integer, primary_key=True),
    Column("peak", Integer, nullable=False),  # times SCORE_SCALE, as mean
    Column("mean", Integer, nullable=False),
    sqlite_with_rowid=False,
)


def _gathered_scores(name: str, unit: str) -> Table:
    """Make a table of scores by the ``unit``, each made of the seconds in it that have a score."""
    return Table(
        name,
        metadata,
        Column("camera", ForeignKey(cameras.c.camera), primary_key=True),
        Column(unit, Integer, primary_key=True),
        Column("peak", Integer, nullable=False),
        Column("mean", Integer, nullable=False),
        Column("seconds", Integer, nullable=False),  # how many of them have a score
        sqlite_with_rowid=False,
    )


scores_by_minute = _gathered_scores("minutes", "minute")
scores_by_hour = _gathered_scores("hours", "hour")

states = Table(
    "states",
    metadata,
    Column("camera", ForeignKey(cameras.c.camera), primary_key=True),
    Column("at_us", Integer, primary_key=True),
    Column("online", Integer, nullable=False),
    Column("state", Text, nullable=False),
    sqlite_with_rowid=False,
)

thresholds = Table(
    "thresholds",
    metadata,
    Column("camera", ForeignKey(cameras.c.camera), primary_key=True),
    Column("at_us", Integer, primary_key=True),
    Column("threshold", Float, nullable=False),  # raw: a score s was t * s / (1 - s)
    Column("model", Text, nullable=False),  # whose raw scores these are
    sqlite_with_rowid=False,
)

reviews = Table(
    "reviews",
    metadata,
    Column("event", ForeignKey(events.c.row, ondelete="CASCADE"), primary_key=True),
    Column("verdict", Text),  # NULL: a note alone
    Column("note", Text, nullable=False),
    Column("at_us", Integer, nullable=False),
    Column("by", Text),  # NULL: whoever had the server's one token
    sqlite_with_rowid=False,
)

apart = Table(
    "apart",
    metadata,
    # An event that somebody took out of its stack.
    Column("event", ForeignKey(events.c.row, ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)

feedback = Table(
    "feedback",
    metadata,
    Column("camera", ForeignKey(cameras.c.camera), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("start_us", Integer, primary_key=True),
    Column("end_us", Integer, nullable=False),
    Column("raw", Float, nullable=False),  # at its peak
    Column("model", Text, nullable=False),
    sqlite_with_rowid=False,
)

revisions = Table(
    "revisions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("camera", ForeignKey(cameras.c.camera), nullable=False),
    Column("at_us", Integer, nullable=False),
    Column("what", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("before", Text, nullable=False),  # JSON: the camera's settings that it changed
    Column("undone_us", Integer),
    Index("revisions_by_camera", "camera", "number"),
)

Migration = Callable[[Connection], None]


def _add_judgements(connection: Connection) -> None:
    """Bring version 1 to version 2: what people say of events, and what follows from it."""
    for statement in (
        "CREATE TABLE thresholds (camera INTEGER NOT NULL, at_us INTEGER NOT NULL, "
        "threshold FLOAT NOT NULL, model TEXT NOT NULL, PRIMARY KEY (camera, at_us), "
        "FOREIGN KEY(camera) REFERENCES cameras (camera)) WITHOUT ROWID",
        "CREATE TABLE reviews (event INTEGER NOT NULL, verdict TEXT, note TEXT NOT NULL, "
        "at_us INTEGER NOT NULL, PRIMARY KEY (event), "
        'FOREIGN KEY(event) REFERENCES events ("row") ON DELETE CASCADE) WITHOUT ROWID',
        "CREATE TABLE feedback (camera INTEGER NOT NULL, id TEXT NOT NULL, "
        "start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, raw FLOAT NOT NULL, "
        "model TEXT NOT NULL, PRIMARY KEY (camera, id, start_us), "
        "FOREIGN KEY(camera) REFERENCES cameras (camera)) WITHOUT ROWID",
        "CREATE TABLE revisions (number INTEGER NOT NULL, camera INTEGER NOT NULL, "
        "at_us INTEGER NOT NULL, what TEXT NOT NULL, text TEXT NOT NULL, before TEXT NOT NULL, "
        "undone_us INTEGER, PRIMARY KEY (number), "
        "FOREIGN KEY(camera) REFERENCES cameras (camera))",
        "CREATE INDEX revisions_by_camera ON revisions (camera, number)",
    ):
        connection.exec_driver_sql(statement)


def _add_clip_errors(connection: Connection) -> None:
    """Bring version 2 to version 3: why an event has no clip."""
    connection.exec_driver_sql("ALTER TABLE events ADD COLUMN clip_error TEXT")


def _add_apart(connection: Connection) -> None:
    """Bring version 3 to version 4: which events stand apart from others like them."""
    connection.exec_driver_sql(
        "CREATE TABLE apart (event INTEGER NOT NULL, PRIMARY KEY (event), "
        'FOREIGN KEY(event) REFERENCES events ("row") ON DELETE CASCADE) WITHOUT ROWID'
    )


def _add_judges(connection: Connection) -> None:
    """Bring version 4 to version 5: who gave a verdict."""
    connection.exec_driver_sql('ALTER TABLE reviews ADD COLUMN "by" TEXT')


def _add_looks(connection: Connection) -> None:
    """Bring version 5 to version 6: what a model says of an event, and whether somebody looked."""
    connection.exec_driver_sql("ALTER TABLE events ADD COLUMN description TEXT")
    connection.exec_driver_sql("ALTER TABLE events ADD COLUMN looked_us INTEGER")


def _add_hours(connection: Connection) -> None:
    """Bring version 6 to version 7: scores by the hour, made of those by the minute."""
    connection.exec_driver_sql(
        "CREATE TABLE hours (camera INTEGER NOT NULL, hour INTEGER NOT NULL, "
        "peak INTEGER NOT NULL, mean INTEGER NOT NULL, seconds INTEGER NOT NULL, "
        "PRIMARY KEY (camera, hour), "
        "FOREIGN KEY(camera) REFERENCES cameras (camera)) WITHOUT ROWID"
    )
    connection.exec_driver_sql(
        "INSERT INTO hours SELECT camera, minute / 60, max(peak), "
        "round(sum(mean * seconds) * 1.0 / sum(seconds)), sum(seconds) "
        "FROM minutes GROUP BY camera, minute / 60"
    )


MIGRATIONS: tuple[Migration, ...] = (
    _add_judgements,
    _add_clip_errors,
    _add_apart,
    _add_judges,
    _add_looks,
    _add_hours,
)
"""Step n makes version n + 2 of version n + 1.

A change of a table above needs one: add it at the end.
"""


def open_engine(
    path: Path, *, writing: bool, migrations: Sequence[Migration] = MIGRATIONS
) -> Engine:
    """Open a store's database.

    A writing engine makes the database where there is none, and brings an old one up to date.

    Args:
        path: The file.
        writing: Whether to write. Transactions of a writing engine take the lock at once, those of
            a reading one never write.
        migrations: The steps from version 1 on.

    Raises:
        StoreError: If the file is no store, damaged, newer than this program, or older while not
            writing.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)))
    _prepare(engine, writing)
    try:
        with engine.begin() as connection:
            _bring_up_to_date(connection, path, writing, migrations)
    except BaseException as error:
        # Whatever went wrong, a file that was not opened must not stay locked.
        engine.dispose()
        if isinstance(error, DBAPIError):
            is_full = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            advice = (
                "make room and try again"
                if is_full
                else "restore it from a copy, or move it away to begin a new one"
            )
            raise StoreError(
                f"{path} must be a database that can be opened, but: {error.orig}; {advice}"
            ) from error
        raise
    return engine


def _prepare(engine: Engine, writing: bool) -> None:
    """Set up each new connection, and begin every transaction ourselves."""

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver would begin no transaction for DDL, and half a migration could be written.
        connection.isolation_level = None
        run = connection.execute
        run(f"PRAGMA busy_timeout = {BUSY_MS}")
        run("PRAGMA foreign_keys = ON")
        if writing:
            # Room goes back to the disk when old rows do; it must be said before the first table.
            run("PRAGMA auto_vacuum = INCREMENTAL")
            # With a write-ahead log readers and the writer do not wait for each other.
            run("PRAGMA journal_mode = WAL")
            # A power cut, too, takes nothing that was committed.
            run("PRAGMA synchronous = FULL")
            # The log shrinks to 8 MiB after a burst instead of keeping its greatest size.
            run("PRAGMA journal_size_limit = 8388608")
        else:
            run("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and asks for the lock later may be refused at once; one
        # that takes it at the start waits for it.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _bring_up_to_date(
    connection: Connection, path: Path, writing: bool, migrations: Sequence[Migration]
) -> None:
    """Check whose database it is and of which version, and make or migrate its tables."""
    newest = len(migrations) + 1
    owner = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    fresh = not owner and not version and not inspect(connection).get_table_names()
    if owner != APPLICATION_ID and not (fresh and writing):
        raise StoreError(
            f"{path} must be an Oddframe store, but it is another database; choose another folder"
        )
    if version > newest:
        raise StoreError(
            f"{path} must be of version {newest} or older, but it is of version {version}, made by "
            "a newer Oddframe; update Oddframe, or choose another folder"
        )
    if version == newest:
        return
    if not writing:
        raise StoreError(
            f"{path} must be of version {newest}, but it is of version {version}; "
            "`oddframe watch` brings it up to date"
        )
    if fresh:
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    else:
        for step in migrations[version - 1 :]:
            step(connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {newest}")


def error_text(error: Exception) -> str:
    """Say what the database said, without the statement that SQLAlchemy adds to it."""
    return str(getattr(error, "orig", None) or error)
