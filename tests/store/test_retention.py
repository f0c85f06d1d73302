import numpy as np
import pytest

from oddframe.core.alerts import CameraStatus
from oddframe.errors import SettingsError
from oddframe.store.retention import Retention
from oddframe.store.store import Store, StoreConfig
from tests.support.alerting import NOON_US, made_alert
from tests.support.dying import dying_at

DAY_US = 86_400 * 1_000_000
PICTURE = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
ROOMY = StoreConfig(retention=Retention(keep_free_gb=0))


class Clock:
    """A wall clock to set."""

    def __init__(self) -> None:
        self.now_us = NOON_US + 60_000_000

    def __call__(self) -> int:
        return self.now_us


def fill(store, numbers, phase="end"):
    for number in numbers:
        store.put_event(made_alert(number, phase))
        store.put_snapshot(made_alert(number), PICTURE)
        store.put_score("yard", made_alert(number).start_us, 0.4)
        store.put_status(
            CameraStatus(
                camera="yard", at_us=made_alert(number).start_us, online=True, state=str(number)
            )
        )
    assert store.flush(120)


def files(store):
    return sorted(
        path.relative_to(store.folder).as_posix() for path in (store.folder / "events").rglob("*.*")
    )


def test_what_is_too_old_goes_whole(tmp_path):
    clock = Clock()
    with Store(tmp_path, ROOMY, clock=clock) as store:
        fill(store, range(3))
        fill(store, [4], "start")
        clock.now_us += 29 * DAY_US
        store.prune()
        assert len(store.reader.events()) == len(files(store)) == 4
        clock.now_us += DAY_US
        store.prune()
        left = store.reader.events()
        assert [one.alert.event.id[-1] for one in left] == ["4"], "an event that goes on stays"
        assert files(store) == [left[0].alert.snapshot]
        assert store.reader.scores("yard", NOON_US, NOON_US + 60_000_000) == []
        assert store.reader.states("yard", NOON_US, NOON_US + DAY_US) == []
    assert not list((tmp_path / "events").rglob("2026-09-20"))


def test_of_too_many_pictures_the_oldest_go_and_their_events_stay(tmp_path):
    with Store(tmp_path, ROOMY, clock=Clock()) as store:
        fill(store, range(8))
        size = (store.folder / files(store)[0]).stat().st_size
    small = StoreConfig(retention=Retention(pictures_gb=3.5 * size / 1e9, keep_free_gb=0))
    with Store(tmp_path, small, clock=Clock()) as store:
        store.flush(120)
        left = store.reader.events()
        assert [one.alert.snapshot is not None for one in left] == 3 * [True] + 5 * [False]
        assert files(store) == sorted(one.alert.snapshot for one in left[:3])


def test_a_disk_with_little_room_gets_no_new_pictures_and_loses_the_old_ones(tmp_path):
    with Store(tmp_path, ROOMY, clock=Clock()) as store:
        fill(store, range(2))
    greedy = StoreConfig(retention=Retention(keep_free_gb=1e9))
    with Store(tmp_path, greedy, clock=Clock()) as store:
        fill(store, [2])
        assert files(store) == []
        assert "less room" in store.counts()[1].error
        assert len(store.reader.events()) == 3


def test_a_kill_between_files_and_rows_is_noticed(tmp_path):
    clock = Clock()
    with Store(tmp_path, ROOMY, clock=clock) as store:
        fill(store, range(3))
        clock.now_us += 40 * DAY_US
        killed = 0
        for left in (2, 1):
            with dying_at(1, tmp_path) as watch:
                store.prune()
            killed += watch.count > 1
            assert len(files(store)) == left
            assert len(store.reader.events()) == 3
    assert killed == 2
    with Store(tmp_path, ROOMY, clock=Clock()) as store:
        assert store.repaired.missing == 2
        assert (
            sum(one.alert.snapshot is not None for one in store.reader.events())
            == len(files(store))
            == 1
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep_days": 0}, "keep_days must be above 0"),
        ({"keep_days": float("nan")}, "keep_days must be at least 0 and finite, got nan"),
        ({"pictures_gb": -1}, "pictures_gb must be at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        Retention(**settings)
