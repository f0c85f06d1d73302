"""The API of the server's health: cameras, drift, disk, sinks.

Whether a camera's normal scores have moved over the days.
"""

import os
import resource
import threading
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Depends

from oddframe.core.recalibration import outside
from oddframe.monitoring.camera import CameraView
from oddframe.monitoring.config import Camera
from oddframe.store.reader import DATABASE
from oddframe.web.context import AppContext, now_us, site_of
from oddframe.web.schemas import Schema
from oddframe.web.thresholds import anomalies, seen_of, threshold_now

LEAST_SECONDS = 600
"""A day with fewer scores says nothing."""

_RATIO = 1.5
"""So many times the raw score of before is a rise."""


@dataclass(frozen=True, slots=True)
class Day:
    """The scores of a day outside of alarms.

    Attributes:
        day: The day, where the machine is.
        median: Median of its seconds' peaks, raw and in shares of today's threshold: 1 is the
            threshold.
        p95: What one in twenty of them reaches.
        hours: How much of the day was scored.
    """

    day: date
    median: float
    p95: float
    hours: float


def days_of(
    seconds: npt.NDArray[np.int64], raw: npt.NDArray[np.float64], threshold: float
) -> list[Day]:
    """The days of a camera, in order; those with little in them are left out.

    Args:
        seconds: Seconds since 1970-01-01 UTC, in order, without those of alarms.
        raw: The highest raw score of each.
        threshold: The raw threshold of today.
    """
    if not len(seconds):
        return []
    found = []
    day = _local_day(int(seconds[0]))
    while (start := _start_of(day)) <= seconds[-1]:
        first, last = np.searchsorted(seconds, [start, _start_of(day + timedelta(days=1))])
        if last - first >= LEAST_SECONDS:
            median, p95 = np.quantile(raw[first:last] / threshold, [0.5, 0.95])
            found.append(Day(day, float(median), float(p95), (last - first) / 3600))
        day += timedelta(days=1)
    return found


def drift_sentence(days: list[Day]) -> str:
    """What to make of it, for people.

    The level of each day is its median and its upper twentieth together, on a logarithmic scale.
    The days are cut in two where that leaves the least unevenness in both parts, with two days
    behind, unless there are only two.
    """
    if len(days) < 2:
        return "There are not enough days yet to see drift."
    levels = np.log([max(day.median * day.p95, 1e-12) for day in days]) / 2
    least_behind = 2 if len(days) > 2 else 1
    place = min(
        range(1, len(days) - least_behind + 1),
        key=lambda place: _unevenness(levels[:place]) + _unevenness(levels[place:]),
    )
    step = float(np.median(levels[place:]) - np.median(levels[:place]))
    if abs(step) < np.log(_RATIO):
        return "Scores have not changed."
    since = _called(days[place].day, days[-1].day)
    if step > 0:
        return (
            f"Scores have risen since {since}: the scene or the camera has changed. "
            "Check the camera. If it is as it should be, train a new model with newer footage."
        )
    return (
        f"Scores have fallen since {since}: there is less activity, or the camera sees less. "
        "Check the camera. If it is as it should be, recalibrate it."
    )


def _unevenness(levels: npt.NDArray[np.float64]) -> float:
    return float(np.abs(levels - np.median(levels)).sum())


def _called(day: date, last: date) -> str:
    return f"{day:%A}" if (last - day).days < 7 else f"{day.day} {day:%B}"


def _local_day(second: int) -> date:
    return date(*time.localtime(second)[:3])


def _start_of(day: date) -> int:
    return int(time.mktime((day.year, day.month, day.day, 0, 0, 0, 0, 0, -1)))


router = APIRouter(prefix="/api/v1", responses={401: {}})

Here = Annotated[AppContext, Depends(site_of)]
DAY_US = 86_400 * 1_000_000
DRIFT_US = 30 * DAY_US
_KEPT_S = 300.0
"""A month of scores is read at most this often for each camera."""

_drifts: dict[tuple[int, str], tuple[float, "Drift"]] = {}
_drifting = threading.Lock()


class DayRecord(Schema):
    """The normal scores of a day, in shares of the threshold."""

    day: str
    median: float
    p95: float
    hours: float


class Drift(Schema):
    """Whether normal scores have moved."""

    days: list[DayRecord]
    sentence: str


class CameraHealth(Schema):
    """How a camera has been."""

    name: str
    state: str
    error: str | None
    rate_fps: float
    dropped: int
    damaged: int
    reconnects: int
    online_share_24h: float | None
    drift: Drift


class Disk(Schema):
    """The disk of the data folder."""

    free_gb: float
    used_by_pictures_gb: float
    database_mb: float


class SinkHealth(Schema):
    """A sink, and what has not been told yet."""

    waiting: int
    error: str | None


class ProcessHealth(Schema):
    """The program."""

    rss_mb: float
    uptime_s: float
    listeners: int
    watching: bool


class Health(Schema):
    """All of it."""

    cameras: list[CameraHealth]
    disk: Disk
    sinks: dict[str, SinkHealth]
    process: ProcessHealth


@router.get("/health")
def health(site: Here) -> Health:
    """How everything is doing."""
    watcher, store = site.supervisor.watcher, site.store
    views = {view.name: view for view in watcher.views()}
    sinks = {
        name: SinkHealth(waiting=counts.waiting, error=counts.error or None)
        for name, counts in watcher.outputs.delivery.counts().items()
    }
    database, _ = store.counts()
    if database.error:
        sinks["database"] = SinkHealth(waiting=database.waiting, error=database.error)
    return Health(
        cameras=[
            _camera(site, camera, views[camera.name])
            for camera in site.supervisor.plan.cameras
            if camera.name in views
        ],
        disk=_disk(store.folder),
        sinks=sinks,
        process=ProcessHealth(
            rss_mb=_rss_mb(),
            uptime_s=round(time.monotonic() - site.began_s, 1),
            listeners=site.hub.listeners,
            watching=site.supervisor.is_watching,
        ),
    )


def _camera(site: AppContext, camera: Camera, view: CameraView) -> CameraHealth:
    state = view.state
    return CameraHealth(
        name=camera.name,
        state=str(state.phase),
        error=state.error,
        rate_fps=round(state.rate_fps, 2),
        dropped=state.dropped,
        damaged=state.damaged,
        reconnects=state.reconnects,
        online_share_24h=_online(site, camera.name),
        drift=_drift(site, camera),
    )


def _online(site: AppContext, name: str) -> float | None:
    """The share of the last day, as far as it is known, in which frames came."""
    end_us = now_us()
    start_us = end_us - DAY_US
    states = site.store.reader.states(name, start_us, end_us)
    if not states:
        return None
    moments = [max(start_us, state.at_us) for state in states] + [end_us]
    known = moments[-1] - moments[0]
    online = sum(
        moments[place + 1] - moments[place] for place, state in enumerate(states) if state.online
    )
    return round(online / known, 4) if known > 0 else None


def _drift(site: AppContext, camera: Camera) -> Drift:
    key = (id(site), camera.name)
    with _drifting:
        before = _drifts.get(key)
        if before is not None and time.monotonic() - before[0] < _KEPT_S:
            return before[1]
    end_us = now_us()
    seen = seen_of(site, camera, end_us - DRIFT_US, end_us)
    events = anomalies(site, camera, end_us - DRIFT_US, end_us)
    calm = outside(
        seen.seconds, [(one.alert.start_us / 1e6, one.alert.seen_us / 1e6) for one in events]
    )
    days = days_of(seen.seconds[calm], seen.raw[calm], threshold_now(site, camera).threshold)
    records = [
        DayRecord(
            day=day.day.isoformat(), median=day.median, p95=day.p95, hours=round(day.hours, 2)
        )
        for day in days
    ]
    found = Drift(days=records, sentence=drift_sentence(days))
    with _drifting:
        _drifts[key] = (time.monotonic(), found)
    return found


def _disk(folder: Path) -> Disk:
    room = os.statvfs(folder)
    pictures = sum(path.stat().st_size for path in (folder / "events").rglob("*") if path.is_file())
    database = sum(path.stat().st_size for path in folder.glob(f"{DATABASE}*"))
    return Disk(
        free_gb=round(room.f_bavail * room.f_frsize / 1e9, 3),
        used_by_pictures_gb=round(pictures / 1e9, 6),
        database_mb=round(database / 1e6, 3),
    )


def _rss_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)
    return round(pages * resource.getpagesize() / 1e6, 1)
