"""The API of the server's health: cameras, drift, disk, sinks."""

import os
import resource
import threading
import time
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends

from oddframe.core.feedback import outside
from oddframe.serve.drift import days_of, drift_sentence
from oddframe.serve.past import anomalies, seen_of, threshold_now
from oddframe.serve.shapes import Shape
from oddframe.serve.site import Site, now_us, site_of
from oddframe.store.reading import DATABASE
from oddframe.watching.cameras import Camera
from oddframe.watching.views import CameraView

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", responses={401: {}})

Here = Annotated[Site, Depends(site_of)]
DAY_US = 86_400 * 1_000_000
DRIFT_US = 30 * DAY_US
_KEPT_S = 300.0
"""A month of scores is read at most this often for each camera."""

_drifts: dict[tuple[int, str], tuple[float, "Drift"]] = {}
_drifting = threading.Lock()


class DayRecord(Shape):
    """The normal scores of a day, in shares of the threshold."""

    day: str
    median: float
    p95: float
    hours: float


class Drift(Shape):
    """Whether normal scores have moved."""

    days: list[DayRecord]
    sentence: str


class CameraHealth(Shape):
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


class Disk(Shape):
    """The disk of the data folder."""

    free_gb: float
    used_by_pictures_gb: float
    database_mb: float


class SinkHealth(Shape):
    """A sink, and what has not been told yet."""

    waiting: int
    error: str | None


class ProcessHealth(Shape):
    """The program."""

    rss_mb: float
    uptime_s: float
    listeners: int
    watching: bool


class Health(Shape):
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
        for name, counts in watcher.outlets.delivery.counts().items()
    }
    database, _ = store.counts()
    if database.error:
        sinks["database"] = SinkHealth(waiting=database.waiting, error=database.error)
    return Health(
        cameras=[
            _camera(site, camera, views[camera.name]) for camera in site.supervisor.plan.cameras if camera.name in views
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


def _camera(site: Site, camera: Camera, view: CameraView) -> CameraHealth:
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


def _online(site: Site, name: str) -> float | None:
    """The share of the last day, as far as it is known, in which frames came."""
    end_us = now_us()
    start_us = end_us - DAY_US
    states = site.store.reader.states(name, start_us, end_us)
    if not states:
        return None
    moments = [max(start_us, state.at_us) for state in states] + [end_us]
    known = moments[-1] - moments[0]
    online = sum(moments[place + 1] - moments[place] for place, state in enumerate(states) if state.online)
    return round(online / known, 4) if known > 0 else None


def _drift(site: Site, camera: Camera) -> Drift:
    key = (id(site), camera.name)
    with _drifting:
        before = _drifts.get(key)
        if before is not None and time.monotonic() - before[0] < _KEPT_S:
            return before[1]
    end_us = now_us()
    seen = seen_of(site, camera, end_us - DRIFT_US, end_us)
    events = anomalies(site, camera, end_us - DRIFT_US, end_us)
    calm = outside(seen.seconds, [(one.alert.start_us / 1e6, one.alert.seen_us / 1e6) for one in events])
    days = days_of(seen.seconds[calm], seen.raw[calm], threshold_now(site, camera).threshold)
    records = [
        DayRecord(day=day.day.isoformat(), median=day.median, p95=day.p95, hours=round(day.hours, 2)) for day in days
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
