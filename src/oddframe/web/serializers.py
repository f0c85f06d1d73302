"""From the records of the watcher and the store to those of the API."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from oddframe.core.alerts import Phase, StreamStatus
from oddframe.monitoring.camera import CameraView
from oddframe.monitoring.config import Camera
from oddframe.store.events import StoredEvent
from oddframe.web.context import AppContext
from oddframe.web.schemas import CameraRecord, EventRecord, StoredState


def camera_path(name: str) -> str:
    """Where the API has a camera."""
    return f"/api/v1/cameras/{quote(name, safe='')}"


def event_record(
    stored: StoredEvent, clip_before_s: float, phase: str | None = None
) -> EventRecord:
    """An event as the API tells it.

    Args:
        stored: The event.
        clip_before_s: How much before the event its clip begins.
        phase: What has just happened to it; "update" or "end" when None, as the store knows it.
    """
    alert, review = stored.alert, stored.review
    event = alert.event
    place = f"/api/v1/events/{stored.row}"
    before_us = round(min(clip_before_s, max(0.0, event.start_s)) * 1e6)
    return EventRecord(
        row=stored.row,
        id=event.id,
        camera=event.source,
        kind=event.kind,
        phase=phase or event.phase,
        start_us=alert.start_us,
        peak_us=alert.peak_us,
        end_us=alert.end_us,
        score=event.score,
        reason=event.reason,
        parts=dict(event.parts),
        box=event.box,
        snapshot=None if alert.snapshot is None else f"{place}/snapshot.jpg",
        clip=None if alert.clip is None else f"{place}/clip.mp4",
        clip_start_us=None if alert.clip is None else alert.start_us - before_us,
        cut=stored.cut,
        verdict=None if review is None else review.verdict,  # type: ignore[arg-type]
        note="" if review is None else review.note,
        reviewed_us=None if review is None else review.at_us,
    )


def camera_records(site: AppContext) -> list[CameraRecord]:
    """All cameras."""
    tables = site.supervisor.book.tables()
    views = {view.name: view for view in site.supervisor.watcher.views()}
    return [
        camera_record(site, camera, tables.get(camera.name, {}), views.get(camera.name))
        for camera in site.supervisor.plan.cameras
    ]


def camera_record(
    site: AppContext,
    camera: Camera,
    table: Mapping[str, Any] | None = None,
    view: CameraView | None = None,
) -> CameraRecord:
    """A camera.

    Args:
        site: Where it is.
        camera: Its settings.
        table: What the file says of it; looked up when None.
        view: How it is doing; looked up when None.
    """
    supervisor, store = site.supervisor, site.store
    if table is None:
        table = supervisor.book.table(camera.name) or {}
    if view is None:
        views = (one for one in supervisor.watcher.views() if one.name == camera.name)
        view = next(
            views, CameraView(name=camera.name, state=StreamStatus(camera.name, Phase.CONNECTING))
        )
    state = view.state
    calibration = (
        supervisor.watcher.calibration(camera.name) or supervisor.model(camera).bundle.calibration
    )
    before_s = supervisor.plan.settings.clip_before_s
    last = store.reader.events(camera=camera.name, limit=1)
    revisions = store.reader.revisions(camera.name)
    recalibrated = (one.at_us for one in revisions if one.what == "recalibrated" and not one.undone)
    return CameraRecord(
        name=camera.name,
        source=camera.address.shown,
        kind=camera.address.kind,
        loop=camera.loop,
        model=model_name(site, camera),
        false_alarms=camera.false_alarms,
        zones=table.get("zones"),
        health=camera.health,
        fps=camera.fps,
        state=StoredState(
            phase=str(state.phase),
            error=state.error,
            rate_fps=round(state.rate_fps, 2),
            size=state.size,
            frames=state.frames,
            dropped=state.dropped,
            damaged=state.damaged,
            reconnects=state.reconnects,
            silent_s=state.silent_s,
            retry_s=state.retry_s,
        ),
        score=view.score,
        recent=list(view.recent),
        inference_ms=view.inference_ms,
        events=view.events,
        open_event=view.open_event,
        last_event=event_record(last[0], before_s) if last else None,
        threshold=calibration.threshold,
        budget=calibration.budget,
        calibrated_at_us=next(recalibrated, None),
    )


def model_name(site: AppContext, camera: Camera) -> str:
    """The name of a camera's model, as the list of models has it."""
    return site.supervisor.shelf.name_of(site.supervisor.plan.model_of(camera))


def status_record(view: CameraView) -> dict[str, Any]:
    """What is told of a camera every second."""
    return {
        "name": view.name,
        "phase": str(view.state.phase),
        "score": view.score,
        "rate_fps": round(view.state.rate_fps, 2),
        "dropped": view.state.dropped,
        "open_event": view.open_event,
    }
