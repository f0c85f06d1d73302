"""The API of events: search them, review one, and get its snapshot and its clip."""

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response

from oddframe.core.alerts import safe_name
from oddframe.sinks.sink import utc
from oddframe.store.events import EventFilters, Review, StoredEvent
from oddframe.web.context import NO_EVENT, AppContext, Asking, Context, now_us
from oddframe.web.schemas import MOST_US, EventList, EventRecord, ReviewGiven
from oddframe.web.serializers import event_record

router = APIRouter(prefix="/api/v1/events", responses={401: {}, 404: {}})

# SQLite holds integers of 64 bits: anything beyond must be refused before it gets there.
Row = Annotated[int, InPath(ge=0, le=MOST_US)]
Moment = Annotated[int | None, Query(ge=-MOST_US, le=MOST_US)]
Word = Annotated[str | None, Query(max_length=200)]
Download = Annotated[bool, Query(description="Whether to save it as a file of its own name.")]


def _filters(
    asking: Asking,
    camera: Word = None,
    kind: Literal["anomaly", "health"] | None = None,
    reason: Word = None,
    verdict: Literal["normal", "important", "unsure", "none"] | None = None,
    min_score: Annotated[float | None, Query(ge=0, le=1)] = None,
    note: Word = None,
    from_us: Moment = None,
    to_us: Moment = None,
) -> EventFilters:
    return EventFilters(
        camera=camera,
        cameras=asking.cameras,
        kind=kind,
        reason=reason,
        verdict=verdict,
        min_score=min_score,
        note=note,
        from_us=from_us,
        to_us=to_us,
    )


Filters = Annotated[EventFilters, Depends(_filters)]
"""A route's parameter of this type is which events are asked for."""


@router.get("")
def events(
    context: Context,
    filters: Filters,
    before_us: Moment = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> EventList:
    """Events that meet all conditions, the newest first.

    For the next page, give the start of the last event as `before_us`.
    """
    filters["before_us"] = MOST_US if before_us is None else before_us
    # One more than is shown tells whether there is another page.
    found = context.store.reader.events(limit=limit + 1, **filters)
    before_s = context.supervisor.plan.settings.clip_before_s
    return EventList(
        events=[event_record(event, before_s) for event in found[:limit]], more=len(found) > limit
    )


@router.get("/{row}")
def event(context: Context, row: Row) -> EventRecord:
    """One event, with its verdict and the paths of its media."""
    return event_record(context.event(row), context.supervisor.plan.settings.clip_before_s)


@router.put("/{row}/review")
def review(context: Context, asking: Asking, row: Row, given: ReviewGiven) -> EventRecord:
    """Review an event; a recalibration learns from those that were normal."""
    said = None
    if given.verdict or given.note:
        said = Review(given.verdict, given.note, now_us(), asking.name)
    context.event(row)
    stored = context.store.review_event(row, said)
    if stored is None:
        raise HTTPException(404, NO_EVENT)
    record = event_record(stored, context.supervisor.plan.settings.clip_before_s)
    context.hub.publish("changed", {"what": "review", "camera": record.camera, "row": row})
    return record


@router.get("/{row}/snapshot.jpg", response_class=FileResponse)
def snapshot(context: Context, row: Row, download: Download = False) -> FileResponse:
    """The picture at the event's peak."""
    stored = context.event(row)
    return _answer(stored, event_file(context, stored, "snapshot"), download=download)


@router.get("/{row}/clip.mp4", response_class=FileResponse)
def clip(context: Context, row: Row, download: Download = False) -> FileResponse:
    """The event's clip; ranges of bytes can be asked for."""
    stored = context.event(row)
    return _answer(stored, event_file(context, stored, "clip"), download=download)


@router.get("/{row}/heat.jpg", response_class=Response)
def heat(context: Context, row: Row, download: Download = False) -> Response:
    """The picture at the event's peak with unusual places coloured, computed from the clip."""
    stored = context.event(row)
    event = stored.alert.event
    path = event_file(context, stored, "clip")
    camera = context.camera(event.source)
    calibration = context.supervisor.model(camera).bundle.calibration
    clip_start_us = stored.clip_start_us(context.supervisor.plan.settings.clip_before_s)
    picture = context.heat_pictures.picture(
        context.supervisor.plan.model_of(camera),
        path,
        (stored.alert.peak_us - clip_start_us) / 1e6,
        camera.zones,
        calibration.map_level,
    )
    if picture is None:
        raise HTTPException(404, "there is no heat map: the clip does not show the event's peak")
    headers = {"cache-control": "private, max-age=60"}
    if download:
        headers["content-disposition"] = f'attachment; filename="{_file_name(stored)}_heat.jpg"'
    return Response(picture, media_type="image/jpeg", headers=headers)


def event_file(context: AppContext, stored: StoredEvent, kind: str) -> Path:
    """Return the file of an event.

    Args:
        context: The server's parts.
        stored: The event.
        kind: "snapshot" or "clip".

    Raises:
        HTTPException: 404 where it is not there.
    """
    path = stored.alert.snapshot if kind == "snapshot" else stored.alert.clip
    # The path comes from the database and not from the request. It is checked all the same:
    # a changed database must not open other files of the machine.
    folder = (context.store.folder / "events").resolve()
    found = None if path is None else (context.store.folder / Path(path)).resolve()
    if found is None or not found.is_relative_to(folder) or not found.is_file():
        raise HTTPException(404, "there is no such file; it is not written yet, or was deleted")
    return found


def _answer(stored: StoredEvent, path: Path, *, download: bool) -> FileResponse:
    kind = "video/mp4" if path.suffix == ".mp4" else "image/jpeg"
    return FileResponse(
        path,
        media_type=kind,
        headers={"cache-control": "private, max-age=60"},
        filename=f"{_file_name(stored)}{path.suffix}" if download else None,
    )


def _file_name(stored: StoredEvent) -> str:
    """Return a name for a file of an event, without its suffix: camera and start, in UTC."""
    start = utc(stored.alert.start_us)[:19].replace(":", "-").replace("T", "_")
    return f"{safe_name(stored.alert.event.source)}_{start}"
