"""The API of health: the server, its disk and sinks, and whether a camera's scores have drifted.

Drift is judged from whole days: the normal scores of each day, in shares of today's threshold.
"""

import os
import resource
import threading
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter

from oddframe._types import Float64
from oddframe.core.recalibration import outside
from oddframe.monitoring.camera import CameraView
from oddframe.monitoring.config import Camera
from oddframe.sinks.factory import rules_of
from oddframe.store.reader import DATABASE
from oddframe.web.context import DAY_US, AppContext, CameraName, Context, now_us
from oddframe.web.schemas import (
    CameraHealth,
    DayRecord,
    Disk,
    Drift,
    Health,
    ProcessHealth,
    SinkHealth,
)
from oddframe.web.thresholds import anomalies, score_history, seconds_of, threshold_now

LEAST_SECONDS = 600
"""A day with fewer scored seconds is left out: its quantiles would say nothing."""

DRIFT_DAYS = 30
"""How many days are judged."""

_RATIO = 1.5
"""A level that is so many times that of before, or the inverse, counts as drift."""

_KEPT_S = 300.0
"""The scores of a month are read at most this often for each camera, in seconds."""

router = APIRouter(prefix="/api/v1", responses={401: {}})

# By the server and the camera: tests run several servers in one process.
_drifts: dict[tuple[int, str], tuple[float, Drift]] = {}
_drifts_lock = threading.Lock()


@router.get("/health")
def health(context: Context) -> Health:
    """The state of the cameras, the disk, the sinks and the process."""
    watcher, store = context.supervisor.watcher, context.store
    views = {view.name: view for view in watcher.views()}
    configs = context.supervisor.plan.settings.sinks
    sinks = {
        name: SinkHealth(
            waiting=counts.waiting,
            error=counts.error or None,
            testable=name in configs and rules_of(configs[name]) is not None,
        )
        for name, counts in watcher.outputs.delivery.counts().items()
    }
    # The database is listed only when it fails: unlike the sinks it is always there.
    database, _ = store.counts()
    if database.error:
        sinks["database"] = SinkHealth(waiting=database.waiting, error=database.error)
    # Receivers get the alerts of all cameras, and their errors may name those.
    if context.person.cameras is not None:
        sinks = {}
    return Health(
        cameras=[
            _camera_health(context, camera, views[camera.name])
            for camera in context.cameras
            # A camera that was added a moment ago may not be watched yet.
            if camera.name in views
        ],
        disk=_disk(store.folder),
        sinks=sinks,
        process=ProcessHealth(
            rss_mb=_rss_mb(),
            uptime_s=round(time.monotonic() - context.began_s, 1),
            listeners=context.hub.listeners,
            watching=context.supervisor.is_watching,
        ),
    )


@router.get("/cameras/{name}/drift", responses={404: {}})
def drift(context: Context, name: CameraName) -> Drift:
    """Whether the scores of a camera have moved, and whether it should be learnt again."""
    return _drift(context, context.camera(name))


def _camera_health(context: AppContext, camera: Camera, view: CameraView) -> CameraHealth:
    state = view.state
    return CameraHealth(
        name=camera.name,
        state=str(state.phase),
        error=state.error,
        rate_fps=round(state.rate_fps, 2),
        dropped=state.dropped,
        damaged=state.damaged,
        reconnects=state.reconnects,
        online_share_24h=_online_share(context, camera.name),
        drift=_drift(context, camera),
    )


def _online_share(context: AppContext, name: str) -> float | None:
    """Return the share of the last day with frames, 0 to 1; None where nothing is known.

    Time before the first stored state is not counted.
    """
    end_us = now_us()
    start_us = end_us - DAY_US
    states = context.store.reader.states(name, start_us, end_us)
    if not states:
        return None
    # Each state lasts until the next one, the last one until now. The first may be older than a
    # day: it is the one that held when the day began.
    moments = [max(start_us, state.at_us) for state in states] + [end_us]
    known_us = moments[-1] - moments[0]
    online_us = 0
    for index, state in enumerate(states):
        if state.online:
            online_us += moments[index + 1] - moments[index]
    return round(online_us / known_us, 4) if known_us > 0 else None


def _drift(context: AppContext, camera: Camera) -> Drift:
    key = (id(context.supervisor), camera.name)
    with _drifts_lock:
        cached = _drifts.get(key)
        if cached is not None and time.monotonic() - cached[0] < _KEPT_S:
            return cached[1]
    end_us = now_us()
    start_us = end_us - DRIFT_DAYS * DAY_US
    history = score_history(context, camera, start_us, end_us)
    # Alarms are left out: many alarms on a day must not look like a drift of what is normal.
    events = anomalies(context, camera, start_us, end_us)
    calm = outside(history.seconds, [seconds_of(event) for event in events])
    threshold = threshold_now(context, camera).threshold
    days = split_days(history.seconds[calm], history.raw[calm], threshold)
    records = [
        DayRecord(
            day=day.day.isoformat(), median=day.median, p95=day.p95, hours=round(day.hours, 2)
        )
        for day in days
    ]
    found = Drift(
        days=records, sentence=drift_sentence(days), learn_again=find_step(days).log_ratio > 0
    )
    with _drifts_lock:
        _drifts[key] = (time.monotonic(), found)
    return found


def _disk(folder: Path) -> Disk:
    room = os.statvfs(folder)
    pictures = sum(path.stat().st_size for path in (folder / "events").rglob("*") if path.is_file())
    # With the write-ahead log and its index, which lie beside the database.
    database = sum(path.stat().st_size for path in folder.glob(f"{DATABASE}*"))
    return Disk(
        # Blocks that this process may use: root's reserve does not count as free.
        free_gb=round(room.f_bavail * room.f_frsize / 1e9, 3),
        used_by_pictures_gb=round(pictures / 1e9, 6),
        database_mb=round(database / 1e6, 3),
    )


def _rss_mb() -> float:
    """Return the memory that the process holds now, in MB."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        # Without /proc the system tells only the highest value so far.
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)
    return round(pages * resource.getpagesize() / 1e6, 1)


@dataclass(frozen=True, slots=True)
class Day:
    """The normal scores of one day.

    Attributes:
        day: The day in the machine's time zone.
        median: Median of the highest raw scores of its seconds, in shares of today's threshold: 1
            is the threshold.
        p95: Their 95th percentile, likewise.
        hours: How many hours of the day were scored.
    """

    day: date
    median: float
    p95: float
    hours: float


def split_days(seconds: npt.NDArray[np.int64], raw: Float64, threshold: float) -> list[Day]:
    """Split scores into days, in order; days with fewer than `LEAST_SECONDS` are left out.

    Args:
        seconds: Seconds since 1970-01-01 UTC, N, increasing, without those of alarms.
        raw: The highest raw score of each second, N.
        threshold: The raw threshold that holds today.
    """
    if not len(seconds):
        return []
    days = []
    # Days of the machine's time zone, as people count them; some have 23 or 25 hours.
    day = _local_day(int(seconds[0]))
    while (start := _start_of(day)) <= seconds[-1]:
        first, last = np.searchsorted(seconds, [start, _start_of(day + timedelta(days=1))])
        if last - first >= LEAST_SECONDS:
            median, p95 = np.quantile(raw[first:last] / threshold, [0.5, 0.95])
            days.append(Day(day, float(median), float(p95), (last - first) / 3600))
        day += timedelta(days=1)
    return days


class DriftStep(NamedTuple):
    """How the level of a camera's scores has changed.

    Attributes:
        since: The first day of the new level; None where there is one level.
        log_ratio: Logarithm of the new level in shares of the one before; 0 where there is one.
    """

    since: date | None
    log_ratio: float


def find_step(days: list[Day]) -> DriftStep:
    """Find out whether and when the scores have drifted.

    The level of a day is the logarithm of the geometric mean of its median and its 95th percentile.
    The days are cut in two where both parts vary least around their medians; the later part has at
    least two days where there are more than two. The step between the medians is the drift.
    """
    if len(days) < 2:
        return DriftStep(None, 0.0)
    # The least product keeps the logarithm finite where a camera has shown scores of 0 only.
    levels = np.log([max(day.median * day.p95, 1e-12) for day in days]) / 2
    # One day alone at the end may be a holiday: two days are needed to call it a change.
    least_after = 2 if len(days) > 2 else 1
    cut = min(
        range(1, len(days) - least_after + 1),
        key=lambda cut: _deviation(levels[:cut]) + _deviation(levels[cut:]),
    )
    step = float(np.median(levels[cut:]) - np.median(levels[:cut]))
    return DriftStep(None, 0.0) if abs(step) < np.log(_RATIO) else DriftStep(days[cut].day, step)


def drift_sentence(days: list[Day]) -> str:
    """Say in words whether the scores have drifted, since when, and what to do."""
    if len(days) < 2:
        return "There are not enough days yet to see drift."
    step = find_step(days)
    if step.since is None:
        return "Scores have not changed."
    since = _day_text(step.since, days[-1].day)
    if step.log_ratio > 0:
        return (
            f"Scores have risen since {since}: the scene or the camera has changed. "
            "Check the camera. If it is as it should be, train a new model with newer footage."
        )
    return (
        f"Scores have fallen since {since}: there is less activity, or the camera sees less. "
        "Check the camera. If it is as it should be, recalibrate it."
    )


def _deviation(levels: Float64) -> float:
    """Return the sum of absolute deviations from the median, which one outlier hardly moves."""
    return float(np.abs(levels - np.median(levels)).sum())


def _day_text(day: date, last: date) -> str:
    """Return the weekday within a week before the last day, else the date."""
    return f"{day:%A}" if (last - day).days < 7 else f"{day.day} {day:%b} {day.year}"


def _local_day(second: int) -> date:
    return date(*time.localtime(second)[:3])


def _start_of(day: date) -> int:
    # -1: the system knows whether that night had summer time.
    return int(time.mktime((day.year, day.month, day.day, 0, 0, 0, 0, 0, -1)))
