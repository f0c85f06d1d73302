"""Turns records of the watcher and the store into those of the API."""

from collections.abc import Mapping
from typing import Any

from oddframe.core.alerts import Phase, StreamStatus
from oddframe.monitoring.camera import CameraView
from oddframe.monitoring.config import Camera
from oddframe.store.events import StoredEvent
from oddframe.web.context import AppContext
from oddframe.web.learning_order import Learning
from oddframe.web.schemas import CameraRecord, CameraState, EventRecord


def event_record(
    stored: StoredEvent, clip_before_s: float, phase: str | None = None
) -> EventRecord:
    """Return an event as a record of the API.

    Args:
        stored: The event.
        clip_before_s: How long before the event its clip begins, in seconds.
        phase: What has just happened to it; None takes the phase that the store has.
    """
    alert, review = stored.alert, stored.review
    event = alert.event
    place = f"/api/v1/events/{stored.row}"
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
        clip_start_us=None if alert.clip is None else stored.clip_start_us(clip_before_s),
        clip_error=stored.clip_error,
        cut=stored.cut,
        verdict=None if review is None else review.verdict,  # type: ignore[arg-type]
        note="" if review is None else review.note,
        reviewed_us=None if review is None else review.at_us,
        reviewed_by="" if review is None else review.by,
        description=stored.description,
        looked_us=stored.looked_us,
    )


def camera_records(context: AppContext) -> list[CameraRecord]:
    """Return the cameras that the person sees, in the order of the file."""
    supervisor = context.supervisor
    plan = supervisor.plan
    # Looked up once for all cameras: the file, the views and the names of models.
    tables = supervisor.cameras_file.tables()
    views = {view.name: view for view in supervisor.watcher.views()}
    models = supervisor.registry.names(map(plan.model_of, plan.cameras))
    learnings = {one.name: one for one in context.learner.learnings()}
    names = [camera.name for camera in context.cameras]
    last = context.store.reader.last_events(names)
    recalibrations = context.store.reader.recalibrations(names)
    return [
        _camera_record(
            context,
            camera,
            table=tables.get(camera.name, {}),
            view=views.get(camera.name, _unwatched(camera)),
            model=models[plan.model_of(camera)],
            learning=learnings.get(camera.name),
            last=last.get(camera.name),
            recalibrated_us=recalibrations.get(camera.name),
        )
        for camera in context.cameras
    ]


def camera_record(context: AppContext, camera: Camera) -> CameraRecord:
    """Return one camera as a record of the API."""
    supervisor = context.supervisor
    views = {view.name: view for view in supervisor.watcher.views()}
    return _camera_record(
        context,
        camera,
        table=supervisor.cameras_file.tables().get(camera.name, {}),
        view=views.get(camera.name, _unwatched(camera)),
        model=model_name(context, camera),
        learning=context.learner.learning(camera.name),
        last=context.store.reader.last_events([camera.name]).get(camera.name),
        recalibrated_us=context.store.reader.recalibrations([camera.name]).get(camera.name),
    )


def model_name(context: AppContext, camera: Camera) -> str:
    """Return the name of a camera's model, as the list of models has it."""
    plan = context.supervisor.plan
    names = context.supervisor.registry.names(map(plan.model_of, plan.cameras))
    return names[plan.model_of(camera)]


def status_record(view: CameraView) -> dict[str, Any]:
    """Return what browsers are sent of a camera every second."""
    return {
        "name": view.name,
        "phase": str(view.state.phase),
        "score": view.score,
        "rate_fps": round(view.state.rate_fps, 2),
        "dropped": view.state.dropped,
        "open_event": view.open_event,
        "unusual": view.unusual,
        "fault": view.fault,
        "silent_s": view.state.silent_s,
        "retry_s": view.state.retry_s,
        "error": view.state.error,
        "notice": view.state.notice,
    }


def _unwatched(camera: Camera) -> CameraView:
    """Return the view of a camera that the watcher has not begun with yet."""
    return CameraView(name=camera.name, state=StreamStatus(camera.name, Phase.CONNECTING))


def _camera_record(
    context: AppContext,
    camera: Camera,
    *,
    table: Mapping[str, Any],
    view: CameraView,
    model: str,
    learning: Learning | None,
    last: StoredEvent | None,
    recalibrated_us: int | None,
) -> CameraRecord:
    supervisor = context.supervisor
    state = view.state
    calibration = (
        supervisor.watcher.calibration(camera.name) or supervisor.model(camera).bundle.calibration
    )
    before_s = supervisor.plan.settings.clip_before_s
    return CameraRecord(
        name=camera.name,
        # Without its password and token: no answer ever holds them.
        source=camera.address.shown,
        kind=camera.address.kind,
        loop=camera.loop,
        model=model,
        false_alarms=camera.false_alarms,
        zones=table.get("zones"),
        health=camera.health,
        fps=camera.fps,
        state=CameraState(
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
            notice=state.notice,
        ),
        score=view.score,
        recent=list(view.recent),
        inference_ms=view.inference_ms,
        events=view.events,
        open_event=view.open_event,
        unusual=view.unusual,
        fault=view.fault,
        last_event=event_record(last, before_s) if last else None,
        threshold=calibration.threshold,
        budget=calibration.budget,
        calibrated_at_us=recalibrated_us,
        learning=None if learning is None or learning.is_over else learning.state,
    )
