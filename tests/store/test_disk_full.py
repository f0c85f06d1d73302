"""A disk that fills up and has room again, and a database that takes nothing for a while."""

import threading

import numpy as np

from oddframe.store.retention import Retention
from oddframe.store.schema import open_engine
from oddframe.store.store import Store, StoreConfig
from oddframe.store.writer import Writer
from tests.support.alerting import NOON_US, made_alert, until
from tests.support.ballast import fill_up

ROOMY = StoreConfig(retention=Retention(keep_free_gb=0))


def test_a_full_disk_loses_no_event_once_there_is_room(small_disk):
    with Store(small_disk, ROOMY, clock=lambda: NOON_US) as store:
        store.put_event(made_alert(0, "end"))
        assert store.flush(120)
        ballast = fill_up(small_disk)
        for number in range(1, 250):
            store.put_event(made_alert(number, "start"))
            store.put_event(made_alert(number, "end"))
            store.put_score("yard", NOON_US + number * 1_000_000, 0.5)
        until(lambda: store.counts()[0].failures)
        assert "full" in store.counts()[0].error
        assert len(store.reader.events(limit=1000)) < 250
        store.put_snapshot(made_alert(0), np.zeros((480, 640, 3), np.uint8))
        until(lambda: store.counts()[1].lost)
        ballast.unlink()
        assert store.flush(120)
        counts = store.counts()[0]
        assert (counts.waiting, counts.lost, counts.error) == (0, 0, "")
        assert [int(one.alert.event.id, 16) for one in store.reader.events(limit=1000)] == list(
            range(249, -1, -1)
        )
        assert len(store.reader.scores("yard", NOON_US, NOON_US + 500 * 1_000_000)) == 249
        assert not list(small_disk.rglob(".*.jpg"))


def test_pruning_works_on_a_full_disk(small_disk):
    clock = [NOON_US]
    with Store(small_disk, ROOMY, clock=lambda: clock[0]) as store:
        for number in range(4):
            store.put_event(made_alert(number, "end"))
            store.put_snapshot(
                made_alert(number),
                np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8),
            )
        assert store.flush(120)
        fill_up(small_disk)
        clock[0] += 40 * 86_400 * 1_000_000
        store.prune()
        assert store.reader.events() == []
        assert not list((small_disk / "events").rglob("*.jpg"))


def test_what_the_database_refuses_for_good_takes_nothing_else_with_it(tmp_path):
    engine = open_engine(tmp_path / "a.sqlite", writing=True)
    writer = Writer(engine, 0.1)
    ready = threading.Event()
    writer.put(lambda connection: ready.wait(60))
    writer.put(
        lambda connection: connection.exec_driver_sql("INSERT INTO cameras (name) VALUES ('a')")
    )
    writer.put(
        lambda connection: connection.exec_driver_sql("INSERT INTO cameras (name) VALUES ('a')")
    )
    writer.put(
        lambda connection: connection.exec_driver_sql("INSERT INTO cameras (name) VALUES ('b')")
    )
    ready.set()
    assert writer.flush(120)
    assert writer.counts().lost == 1
    assert writer.close(60)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(
            "SELECT name FROM cameras ORDER BY 1"
        ).scalars().all() == ["a", "b"]
    engine.dispose()


def test_putting_never_waits_for_a_lock_that_another_program_holds(tmp_path):
    with Store(tmp_path, ROOMY, clock=lambda: NOON_US) as store:
        other = open_engine(tmp_path / "oddframe.sqlite", writing=True)
        with other.begin():
            putting = threading.Thread(
                target=lambda: [store.put_event(made_alert(n, "end")) for n in range(100)]
            )
            putting.start()
            putting.join(8)
            assert not putting.is_alive()
            assert store.reader.events() == []
        other.dispose()
        assert store.flush(120)
        assert len(store.reader.events()) == 100


def test_what_is_held_in_memory_is_bounded_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("oddframe.store.writer.MOST_CHANGES", 10)
    with Store(tmp_path, ROOMY, clock=lambda: NOON_US) as store:
        other = open_engine(tmp_path / "oddframe.sqlite", writing=True)
        with other.begin():
            for number in range(100):
                store.put_event(made_alert(number, "end"))
        other.dispose()
        assert store.flush(120)
        left = [int(one.alert.event.id, 16) for one in store.reader.events()]
        lost = store.counts()[0].lost
    assert left[:10] == list(range(99, 89, -1))
    assert len(left) + lost >= 100
