import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oddframe.core.alerts import CameraStatus
from oddframe.errors import OutputError, SourceNotFoundError
from oddframe.store.media_files import MOST_WAITING
from oddframe.store.reader import DATABASE, StatePeriod, StoreReader
from oddframe.store.retention import Retention
from oddframe.store.schema import open_engine
from oddframe.store.store import Store, StoreConfig
from tests.support.alerting import NOON_US, made_alert, until, wall

ROOT = Path(__file__).parents[2]

ROOMY = StoreConfig(retention=Retention(keep_free_gb=0))
PICTURE = np.full((48, 64, 3), 90, np.uint8)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store", ROOMY, clock=lambda: NOON_US) as opened:
        yield opened


def stored(store, **conditions):
    """The events that the database has once everything is written."""
    assert store.flush(120)
    return store.reader.events(**conditions)


def test_an_event_is_one_row_that_grows(store):
    store.put_event(made_alert(phase="start"))
    (one,) = stored(store)
    assert one.alert.end_us is None
    assert one.alert.event.phase == "update"
    store.put_event(made_alert(phase="update", score=0.9))
    assert [one.alert.event.score for one in stored(store)] == [0.9]
    store.put_event(made_alert(phase="end", box=None))
    (one,) = stored(store)
    assert one.alert == made_alert(phase="end", box=None)
    assert not one.cut


def test_an_end_whose_start_never_came_is_kept(store):
    store.put_event(made_alert(phase="end"))
    assert [one.alert for one in stored(store)] == [made_alert(phase="end")]


def test_a_camera_keeps_everything_under_another_name(store):
    store.put_event(made_alert(0, "end"))
    store.put_score("yard", NOON_US, 0.25)
    store.put_threshold("yard", NOON_US, 2.0, "model")
    # What was seen since it has the new name joins the rest.
    store.put_event(made_alert(1, "end", source="gate"))
    store.put_score("gate", NOON_US + 5_000_000, 0.5)
    store.put_threshold("gate", NOON_US, 3.0, "model")
    store.rename("yard", "gate")
    assert store.reader.cameras() == ["gate"]
    assert [one.alert.event.id for one in stored(store, camera="gate")] == [
        f"{1:016x}",
        f"{0:016x}",
    ]
    seconds, peaks = store.reader.peaks("gate", NOON_US, NOON_US + 10_000_000)
    assert [second - NOON_US // 1_000_000 for second in seconds] == [0, 5]
    assert peaks.tolist() == [0.25, 0.5]
    assert [period.threshold for period in store.reader.thresholds("gate")] == [3.0]
    store.rename("nobody", "else")
    assert store.reader.cameras() == ["gate"]


def test_what_is_kept_can_be_changed_while_it_runs(tmp_path):
    with Store(tmp_path, ROOMY, clock=lambda: NOON_US + 3_600_000_000) as store:
        store.put_event(made_alert(0, "end"))
        store.prune()
        assert len(stored(store)) == 1
        store.retain(Retention(keep_days=1 / 48, keep_free_gb=0))
        store.prune()
        assert stored(store) == []


def test_a_file_that_is_watched_twice_has_two_rows(store):
    for _ in range(2):
        store.put_event(made_alert(phase="start"))
        store.put_event(made_alert(phase="end"))
    assert [one.alert for one in stored(store)] == 2 * [made_alert(phase="end")]


def test_an_end_finds_its_start_after_the_clock_was_set(store):
    store.put_event(made_alert(phase="start"))
    end = made_alert(phase="end")
    store.put_event(replace(end, start_us=end.start_us - 10**10, seen_us=end.seen_us - 10**10))
    (one,) = stored(store)
    assert one.alert.end_us == end.seen_us - 10**10


def test_events_are_found_by_camera_kind_time_and_page(store):
    for number in range(6):
        source, kind = ("yard", "gate")[number % 2], ("anomaly", "health")[number // 3]
        store.put_event(made_alert(number, "end", source=source, kind=kind))
    store.put_event(made_alert(6, "start"))

    def found(**conditions):
        return [int(event.alert.event.id, 16) for event in stored(store, **conditions)]

    assert found() == [6, 5, 4, 3, 2, 1, 0]
    assert found(camera="gate") == [5, 3, 1]
    assert found(kind="health") == [5, 4, 3]
    assert found(to_us=wall(20)) == [1, 0]
    assert found(from_us=wall(45)) == [6, 5]
    assert found(from_us=wall(44)) == [6, 5, 4]
    page = stored(store, limit=3)
    assert found(limit=3, before_row=page[-1].row) == [3, 2, 1]
    assert store.reader.cameras() == ["gate", "yard"]


def test_the_last_event_of_each_camera_is_the_one_that_became_known_last(store):
    for number, source in ((3, "yard"), (1, "yard"), (2, "gate"), (4, "vault")):
        store.put_event(made_alert(number, "end", source=source))
    assert store.flush(120)
    found = store.reader.last_events(["yard", "gate", "none"])
    assert {name: event.alert for name, event in found.items()} == {
        "yard": made_alert(1, "end", source="yard"),
        "gate": made_alert(2, "end", source="gate"),
    }


def test_open_events_are_closed_at_the_next_start_and_given_to_the_sinks(tmp_path):
    with Store(tmp_path, ROOMY, clock=lambda: NOON_US) as store:
        assert store.closed == []
        store.put_event(made_alert(0, "end"))
        store.put_event(made_alert(1, "start"))
        store.put_event(made_alert(1, "update"))
        store.put_event(made_alert(2, "start", kind="health"))
    with Store(tmp_path, ROOMY, clock=lambda: NOON_US) as store:
        assert [(int(one.event.id, 16), one.event.phase, one.end_us) for one in store.closed] == [
            (1, "end", wall(12.0)),
            (2, "end", wall(20.5)),
        ]
        ended = stored(store)
        assert [one.cut for one in ended] == [True, True, False]
        killed = "the program was killed before the event had ended"
        assert [one.clip_error for one in ended] == [killed, killed, None]
    with Store(tmp_path, ROOMY, clock=lambda: NOON_US) as store:
        assert store.closed == []


WATCHER = """
import sys
from pathlib import Path
from tests.support.alerting import made_alert
from oddframe.store.store import Store
store = Store(Path(sys.argv[1]), clock=lambda: 1_790_000_000_000_000)
for number in range(100_000):
    store.put_event(made_alert(number, "start"))
    store.put_score("yard", 1_790_000_000_000_000 + number * 100_000, 0.3)
    store.put_event(made_alert(number, "update"))
    store.put_event(made_alert(number, "end"))
    if number % 3 == 0:
        assert store.flush(120)
        print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 5])
def test_a_kill_loses_nothing_that_was_written_and_leaves_nothing_open(tmp_path, after):
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHER, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    last = [process.stdout.readline() for _ in range(after)][-1]
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().split()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    sure = int(rest[-1]) if rest else int(last)
    with Store(tmp_path, clock=lambda: NOON_US) as store:
        rows = stored(store, limit=100_000)
    assert sorted(int(one.alert.event.id, 16) for one in rows) == list(range(len(rows)))
    assert len(rows) > sure
    assert all(one.alert.end_us is not None for one in rows)
    assert sum(one.cut for one in rows) == len(store.closed) <= 1


def test_states_are_written_when_they_change(store):
    for time_s, online, state in [
        (10, True, "live"),
        (20, True, "live"),
        (30, False, "stalled"),
        (40, True, "live"),
    ]:
        store.put_status(
            CameraStatus(
                camera="yard", at_us=wall(time_s), online=online, state=state, frames=time_s
            )
        )
    store.flush(120)
    live, stalled, again = (
        StatePeriod(wall(time_s), online, state)
        for time_s, online, state in [
            (10, True, "live"),
            (30, False, "stalled"),
            (40, True, "live"),
        ]
    )
    assert store.reader.states("yard", wall(35), wall(100)) == [stalled, again]
    assert store.reader.states("yard", wall(0), wall(35)) == [live, stalled]
    assert store.reader.states("gate", wall(0), wall(100)) == []


def test_pictures_and_clips_lie_by_day_and_camera(store):
    one = made_alert(phase="start", source="Hof 1")
    store.put_event(one)
    store.put_snapshot(one, PICTURE)
    store.put_clip(one, lambda path: path.write_bytes(b"a clip"))
    (row,) = stored(store)
    assert (
        row.alert.snapshot
        == "events/2026-09-21/Hof_1-d415d6/141320-0000000000000000.jpg"
        == store.path_of(one, "snapshot")
    )
    assert row.alert.clip == row.alert.snapshot.replace(".jpg", ".mp4")
    with Image.open(store.folder / row.alert.snapshot) as picture:
        assert (picture.format, picture.size) == ("JPEG", (64, 48))
    assert (store.folder / row.alert.clip).read_bytes() == b"a clip"


def test_grey_pictures_are_kept_too(store):
    store.put_event(made_alert())
    store.put_snapshot(made_alert(), PICTURE[:, :, :1])
    (row,) = stored(store)
    with Image.open(store.folder / row.alert.snapshot) as picture:
        assert picture.mode == "L"


def test_no_pictures_means_none(tmp_path):
    with Store(tmp_path, StoreConfig(pictures=False), clock=lambda: NOON_US) as store:
        store.put_event(made_alert())
        store.put_snapshot(made_alert(), PICTURE)
        store.put_clip(made_alert(), lambda path: path.write_bytes(b"a clip"))
        (row,) = stored(store)
        assert row.alert.snapshot is row.alert.clip is store.path_of(made_alert(), "clip") is None
    assert not (tmp_path / "events").exists()


def test_a_clip_that_cannot_be_made_is_counted_and_stops_nothing(store):
    def fail(path):
        path.write_bytes(b"half")
        raise ValueError("no key frame")

    store.put_event(made_alert())
    store.put_clip(made_alert(), fail)
    store.flush(120)
    assert store.counts()[1].error.endswith("no key frame")
    assert stored(store)[0].clip_error == "ValueError: no key frame"
    store.put_snapshot(made_alert(), PICTURE)
    (row,) = stored(store)
    assert row.alert.clip is None
    assert row.alert.snapshot is not None
    assert (store.counts()[1].written, store.counts()[1].lost) == (1, 1)
    assert [path.suffix for path in (store.folder / "events").rglob("*.*")] == [".jpg"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OutputError("the video must hold 3.0 to 5.0 s"), "the video must hold 3.0 to 5.0 s"),
        (SourceNotFoundError("door.mp4 is not there"), "door.mp4 is not there"),
        (KeyError("codec"), "KeyError: 'codec'"),
    ],
)
def test_why_there_is_no_clip_is_told_and_kept(tmp_path, error, told):
    losses = []

    def fail(path):
        raise error

    config = {"clock": lambda: NOON_US, "on_lost": lambda *loss: losses.append(loss)}
    with Store(tmp_path, ROOMY, **config) as store:
        for number in range(2):
            store.put_event(made_alert(number, "end"))
        store.put_clip(made_alert(0), fail)
        store.put_clip(made_alert(1), lambda path: path.write_bytes(b"a clip"))
        second, first = stored(store)
        assert losses == [(made_alert(0), "clip", told)]
        assert (first.clip_error, first.alert.clip) == (told, None)
        assert (second.clip_error, second.alert.clip is None) == (None, False)
    with Store(tmp_path, ROOMY, clock=lambda: NOON_US) as store:
        assert [event.clip_error for event in store.reader.events()] == [None, told]


def test_a_clip_whose_turn_never_came_has_a_reason_too(tmp_path):
    begun, go, losses = threading.Event(), threading.Event(), []

    def write(path):
        begun.set()
        go.wait(120)

    config = {"clock": lambda: NOON_US, "on_lost": lambda *loss: losses.append(loss[2])}
    store = Store(tmp_path, ROOMY, **config)
    for number in range(MOST_WAITING + 2):
        store.put_event(made_alert(number, "end"))
        store.put_clip(made_alert(number), write)
        # The first one is being written, and the others wait.
        assert begun.wait(120)
    assert losses == ["too many files waited for the disk"]
    store.close(0.1)
    go.set()
    assert losses[1:] == ["the program was ended before its turn came"] * (MOST_WAITING + 1)


def test_a_slow_clip_delays_no_event(store):
    go = threading.Event()
    store.put_event(made_alert(0))
    store.put_clip(made_alert(0), lambda path: (go.wait(120), path.write_bytes(b"late")))
    store.put_event(made_alert(1))
    until(lambda: len(store.reader.events()) == 2)
    go.set()
    assert [one.alert.clip is None for one in stored(store)] == [True, False]


def test_what_a_kill_left_between_files_and_rows_is_repaired(tmp_path):
    with Store(tmp_path, ROOMY, clock=lambda: NOON_US) as store:
        for number in range(3):
            store.put_event(made_alert(number, "end"))
            store.put_snapshot(made_alert(number), PICTURE)
        rows = stored(store)
    day = tmp_path / "events" / "2026-09-21" / "yard"
    (tmp_path / rows[0].alert.snapshot).unlink()
    (day / "141320-0000000000000000.mp4").write_bytes(b"written, and killed before the row knew")
    (day / ".141340-half.mp4").write_bytes(b"half")
    (day / "141340-00000000000000ff.jpg").write_bytes(b"of no event")
    with Store(tmp_path, ROOMY, clock=lambda: NOON_US) as store:
        assert (store.repaired.adopted, store.repaired.removed, store.repaired.missing) == (1, 2, 1)
        rows = stored(store)
    assert [one.alert.snapshot is None for one in rows] == [True, False, False]
    assert [one.alert.clip is None for one in rows] == [True, True, False]
    assert len(list(day.iterdir())) == 3
    with Store(tmp_path, ROOMY, clock=lambda: NOON_US) as store:
        assert (store.repaired.adopted, store.repaired.removed, store.repaired.missing) == (0, 0, 0)


def test_a_camera_is_forgotten_with_all_that_was_kept_of_it(store):
    for source in ("yard", "gate"):
        one = made_alert(phase="end", source=source)
        store.put_event(one)
        store.put_snapshot(one, PICTURE)
        store.put_score(source, NOON_US, 0.5)
        store.put_status(CameraStatus(camera=source, at_us=5, online=True, state="live"))
    store.flush(120)
    store.forget("yard")
    assert store.reader.cameras() == ["gate"]
    assert [one.alert.event.source for one in store.reader.events()] == ["gate"]
    assert store.reader.scores("yard", NOON_US, NOON_US + 10**6) == []
    assert [path.parent.name for path in (store.folder / "events").rglob("*.jpg")] == ["gate"]
    with pytest.raises(SourceNotFoundError, match="nothing of a camera 'yard'"):
        store.forget("yard")


def test_readers_need_a_store_and_hold_up_nobody(store):
    with pytest.raises(SourceNotFoundError, match="must be the folder of a store"):
        StoreReader(store.folder / "none")
    reader = StoreReader(store.folder)
    reading = open_engine(store.folder / DATABASE, writing=False)
    with reading.begin() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM events").all()
        store.put_event(made_alert())
        assert len(stored(store)) == 1
    reading.dispose()
    reader.close()


def test_a_store_that_cannot_be_made_says_why(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="a file stands where"):
        Store(tmp_path / "file" / "store")
