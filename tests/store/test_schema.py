import sqlite3
import subprocess
import sys
import threading

import pytest
from sqlalchemy import inspect

from oddframe.errors import OutputError, StoreError
from oddframe.store.events import Review
from oddframe.store.reader import DATABASE
from oddframe.store.schema import MIGRATIONS, metadata, open_engine
from oddframe.store.store import Store

PRAGMAS = ("table_info", "foreign_key_list", "index_list")

VERSION_1 = """
PRAGMA application_id = 1331979334;
PRAGMA user_version = 1;
CREATE TABLE cameras (camera INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (camera),
    UNIQUE (name));
CREATE TABLE events ("row" INTEGER NOT NULL, id TEXT NOT NULL, camera INTEGER NOT NULL,
    kind TEXT NOT NULL, start_us INTEGER NOT NULL, peak_us INTEGER NOT NULL,
    seen_us INTEGER NOT NULL, end_us INTEGER, start_s FLOAT NOT NULL, peak_s FLOAT NOT NULL,
    end_s FLOAT NOT NULL, score FLOAT NOT NULL, box TEXT, reason TEXT NOT NULL,
    parts TEXT NOT NULL, snapshot TEXT, clip TEXT, cut INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY ("row"), FOREIGN KEY(camera) REFERENCES cameras (camera));
CREATE INDEX events_open ON events (camera) WHERE end_us IS NULL;
CREATE INDEX events_by_camera ON events (camera, start_us);
CREATE INDEX events_by_time ON events (start_us);
CREATE INDEX events_pictured ON events (start_us)
    WHERE snapshot IS NOT NULL OR clip IS NOT NULL;
CREATE INDEX events_by_id ON events (id);
CREATE TABLE seconds (camera INTEGER NOT NULL, second INTEGER NOT NULL, peak INTEGER NOT NULL,
    mean INTEGER NOT NULL, PRIMARY KEY (camera, second),
    FOREIGN KEY(camera) REFERENCES cameras (camera)) WITHOUT ROWID;
CREATE TABLE minutes (camera INTEGER NOT NULL, minute INTEGER NOT NULL, peak INTEGER NOT NULL,
    mean INTEGER NOT NULL, seconds INTEGER NOT NULL, PRIMARY KEY (camera, minute),
    FOREIGN KEY(camera) REFERENCES cameras (camera)) WITHOUT ROWID;
CREATE TABLE states (camera INTEGER NOT NULL, at_us INTEGER NOT NULL, online INTEGER NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (camera, at_us),
    FOREIGN KEY(camera) REFERENCES cameras (camera)) WITHOUT ROWID;
INSERT INTO cameras VALUES (1, 'yard');
INSERT INTO events VALUES (1, 'ab', 1, 'anomaly', 1, 2, 3, 3, 0.0, 1.0, 2.0, 0.75, NULL,
    'moves wrong', '{}', NULL, NULL, 0);
INSERT INTO seconds VALUES (1, 5, 7500, 5000);
INSERT INTO minutes VALUES (1, 0, 7500, 5000, 1);
"""
"""A store as the first release that kept one wrote it, with an event and a score."""


def test_a_new_database_uses_a_write_ahead_log_and_waits_for_locks(tmp_path):
    engine = open_engine(tmp_path / "a.sqlite", writing=True)
    with engine.connect() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in (
                "journal_mode",
                "busy_timeout",
                "synchronous",
                "foreign_keys",
                "auto_vacuum",
                "user_version",
            )
        ]
    engine.dispose()
    assert values == ["wal", 10_000, 2, 1, 2, 7]


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
    tables(path, (*MIGRATIONS, add_marks))
    with pytest.raises(
        StoreError, match=r"must be of version 7 or older, but it is of version 8.*update Oddframe"
    ):
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
    """Whoever changes this list adds a step to `MIGRATIONS` first: people have such files."""
    assert {
        table.name: [column.name for column in table.columns] for table in metadata.sorted_tables
    } == {
        "cameras": ["camera", "name"],
        "events": [
            *(
                "row",
                "id",
                "camera",
                "kind",
                "start_us",
                "peak_us",
                "seen_us",
                "end_us",
                "start_s",
                "peak_s",
                "end_s",
            ),
            *("score", "box", "reason", "parts", "snapshot", "clip", "cut", "clip_error"),
            *("description", "looked_us"),
        ],
        "seconds": ["camera", "second", "peak", "mean"],
        "minutes": ["camera", "minute", "peak", "mean", "seconds"],
        "hours": ["camera", "hour", "peak", "mean", "seconds"],
        "states": ["camera", "at_us", "online", "state"],
        "thresholds": ["camera", "at_us", "threshold", "model"],
        "reviews": ["event", "verdict", "note", "at_us", "by"],
        "apart": ["event"],
        "feedback": ["camera", "id", "start_us", "end_us", "raw", "model"],
        "revisions": ["number", "camera", "at_us", "what", "text", "before", "undone_us"],
    }


def test_a_store_of_version_1_becomes_one_of_today_and_keeps_what_it_has(tmp_path):
    old = sqlite3.connect(tmp_path / DATABASE)
    old.executescript(VERSION_1)
    old.close()
    with Store(tmp_path, clock=lambda: 10**9) as store:
        (event,) = store.reader.events()
        assert (event.alert.event.source, event.review) == ("yard", None)
        assert store.review_event(event.row, Review("normal", "", 5)) is not None
        assert store.reader.scores("yard", 0, 10**9)[0].peak == 0.75
        (hour,) = store.reader.scores("yard", 0, 3_600 * 10**6, 1)
        assert (hour.start_us, hour.peak, hour.mean) == (0, 0.75, 0.5)
    with Store(tmp_path / "new"):
        pass
    assert described(tmp_path / DATABASE) == described(tmp_path / "new" / DATABASE)


def described(path):
    """Tables with their columns, keys and indices, but for how their text is laid out."""
    connection = sqlite3.connect(path)
    names = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    ]
    found = {
        # The first column counts, indices in the order in which they were made.
        name: [
            sorted(str(row[1:]) for row in connection.execute(f"PRAGMA {kind}({name})"))
            for kind in PRAGMAS
        ]
        for name in names
    }
    connection.close()
    return found


def test_one_watcher_at_a_time(tmp_path):
    with Store(tmp_path), pytest.raises(StoreError, match="another process has it"):
        Store(tmp_path)
    Store(tmp_path).close()


HOLDS_A_STORE = """
import sys
from oddframe.store.store import Store
store = Store(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_kill_lets_go_of_a_folder_and_another_process_may_have_it(tmp_path):
    command = [sys.executable, "-c", HOLDS_A_STORE, str(tmp_path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(StoreError, match="another process has it"):
            Store(tmp_path)
        holder.kill()
    Store(tmp_path).close()


def test_another_thread_may_close_a_store(tmp_path):
    store = Store(tmp_path)
    closing = threading.Thread(target=store.close)
    closing.start()
    closing.join()
    Store(tmp_path).close()


def test_a_folder_in_which_no_file_can_be_made_is_an_error(tmp_path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(OutputError, match="lock"):
        Store(tmp_path)
