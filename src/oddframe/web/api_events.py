"""The API of events: search them, review one, and get its snapshot and its clip."""

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from oddframe.store.events import EventFilters, Review
from oddframe.web.context import AppContext, Context, now_us
from oddframe.web.schemas import MOST_US, EventList, EventRecord, ReviewGiven
from oddframe.web.serializers import event_record

router = APIRouter(prefix="/api/v1/events", responses={401: {}, 404: {}})

# SQLite holds integers of 64 bits: anything beyond must be refused before it gets there.
Row = Annotated[int, InPath(ge=0, le=MOST_US)]
Moment = Annotated[int | None, Query(ge=-MOST_US, le=MOST_US)]
Word = Annotated[str | None, Query(max_length=200)]


def _filters(
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
def review(context: Context, row: Row, given: ReviewGiven) -> EventRecord:
    """Review an event; a recalibration learns from those that were normal."""
    said = Review(given.verdict, given.note, now_us()) if given.verdict or given.note else None
    stored = context.store.review_event(row, said)
    if stored is None:
        raise HTTPException(404, "there is no such event; old events are deleted after some time")
    record = event_record(stored, context.supervisor.plan.settings.clip_before_s)
    context.hub.publish("changed", {"what": "review", "camera": record.camera, "row": row})
    return record


@router.get("/{row}/snapshot.jpg", response_class=FileResponse)
def snapshot(context: Context, row: Row) -> FileResponse:
    """The picture at the event's peak."""
    return _file(context, context.event(row).alert.snapshot, "image/jpeg")


@router.get("/{row}/clip.mp4", response_class=FileResponse)
def clip(context: Context, row: Row) -> FileResponse:
    """The event's clip; ranges of bytes can be asked for."""
    return _file(context, context.event(row).alert.clip, "video/mp4")


def _file(context: AppContext, path: str | None, kind: str) -> FileResponse:
    """Return a file of the store; 404 where it is not there."""
    # The path comes from the database and not from the request. It is checked all the same:
    # a changed database must not open other files of the machine.
    folder = (context.store.folder / "events").resolve()
    found = None if path is None else (context.store.folder / Path(path)).resolve()
    if found is None or not found.is_relative_to(folder) or not found.is_file():
        raise HTTPException(404, "there is no such file; it is not written yet, or was deleted")
    return FileResponse(found, media_type=kind, headers={"cache-control": "private, max-age=60"})
