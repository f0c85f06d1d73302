import sqlite3

import pytest
from sqlalchemy import inspect

from oddframe.errors import StoreError
from oddframe.store.event_store import Store
from oddframe.store.schema import metadata, open_engine


def test_a_new_database_uses_a_write_ahead_log_and_waits_for_locks(tmp_path):
    engine = open_engine(tmp_path / "a.sqlite", writing=True)
    with engine.connect() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "busy_timeout", "synchronous", "foreign_keys", "auto_vacuum", "user_version")
        ]
    engine.dispose()
    assert values == ["wal", 10_000, 2, 1, 2, 1]


def add_marks(connection):
    connection.exec_driver_sql("CREATE TABLE marks (event INTEGER PRIMARY KEY, normal INTEGER)")


def fail(connection):
    add_marks(connection)
    raise RuntimeError("killed")


def tables(path, migrations):
    engine = open_engine(path, writing=True, migrations=migrations)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_an_older_database_is_brought_up_to_date_in_one_step(tmp_path):
    path = tmp_path / "a.sqlite"
    old = tables(path, ())
    with pytest.raises(RuntimeError):
        open_engine(path, writing=True, migrations=(fail,))
    assert tables(path, ()) == old
    assert tables(path, (add_marks,)) == old | {"marks"}
    assert tables(path, (add_marks,)) == old | {"marks"}


def test_a_newer_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "a.sqlite"
    tables(path, (add_marks,))
    with pytest.raises(StoreError, match=r"must be of version 1 or older, but it is of version 2.*update Oddframe"):
        open_engine(path, writing=True)


def test_reading_changes_no_version(tmp_path):
    path = tmp_path / "a.sqlite"
    tables(path, ())
    with pytest.raises(StoreError, match="`oddframe watch` brings it up to date"):
        open_engine(path, writing=False, migrations=(add_marks,))


def test_another_database_is_refused(tmp_path):
    path = tmp_path / "a.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (a)")
    connection.close()
    with pytest.raises(StoreError, match="it is another database"):
        open_engine(path, writing=True)


def test_a_damaged_file_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "oddframe.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="file is not a database; restore it from a copy"):
        Store(tmp_path)
    (tmp_path / "oddframe.sqlite").unlink()
    Store(tmp_path).close()


def test_a_change_of_the_tables_needs_a_migration():
    """Whoever changes this list adds a step to `MIGRATIONS` first: there are files of this version outside."""
    assert {table.name: [column.name for column in table.columns] for table in metadata.sorted_tables} == {
        "cameras": ["camera", "name"],
        "events": [
            *("row", "id", "camera", "kind", "start_us", "peak_us", "seen_us", "end_us", "start_s", "peak_s", "end_s"),
            *("score", "box", "reason", "parts", "snapshot", "clip", "cut"),
        ],
        "seconds": ["camera", "second", "peak", "mean"],
        "minutes": ["camera", "minute", "peak", "mean", "seconds"],
        "states": ["camera", "at_us", "online", "state"],
    }


def test_one_watcher_at_a_time(tmp_path):
    with Store(tmp_path), pytest.raises(StoreError, match="another process has it"):
        Store(tmp_path)
    Store(tmp_path).close()
