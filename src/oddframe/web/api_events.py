"""The API of events: the list, one of them, what people say of it, its picture and clip."""

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from oddframe.store.events import Review
from oddframe.web.context import AppContext, now_us, site_of
from oddframe.web.schemas import MOST_US, EventList, EventRecord, ReviewGiven
from oddframe.web.serializers import event_record

router = APIRouter(prefix="/api/v1/events", responses={401: {}, 404: {}})

Here = Annotated[AppContext, Depends(site_of)]
Row = Annotated[int, InPath(ge=0, le=MOST_US)]
Moment = Annotated[int | None, Query(ge=-MOST_US, le=MOST_US)]
Word = Annotated[str | None, Query(max_length=200)]


@router.get("")
def events(
    site: Here,
    camera: Word = None,
    kind: Literal["anomaly", "health"] | None = None,
    reason: Word = None,
    verdict: Literal["normal", "important", "unsure", "none"] | None = None,
    from_us: Moment = None,
    to_us: Moment = None,
    before_us: Moment = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> EventList:
    """Events that meet all of these, the newest first; `before_us` of the last one's start gives the next page."""
    found = site.store.reader.events(
        camera=camera,
        kind=kind,
        reason=reason,
        verdict=verdict,
        from_us=from_us,
        to_us=to_us,
        before_us=MOST_US if before_us is None else before_us,
        limit=limit + 1,
    )
    before_s = site.supervisor.plan.settings.clip_before_s
    return EventList(
        events=[event_record(one, before_s) for one in found[:limit]], more=len(found) > limit
    )


@router.get("/{row}")
def event(site: Here, row: Row) -> EventRecord:
    """One event."""
    return event_record(site.event(row), site.supervisor.plan.settings.clip_before_s)


@router.put("/{row}/review")
def review(site: Here, row: Row, given: ReviewGiven) -> EventRecord:
    """Say whether it was normal; normal ones are what a recalibration learns from."""
    said = Review(given.verdict, given.note, now_us()) if given.verdict or given.note else None
    stored = site.store.review_event(row, said)
    if stored is None:
        raise HTTPException(404, "there is no such event; old events are deleted after some time")
    record = event_record(stored, site.supervisor.plan.settings.clip_before_s)
    site.hub.publish("changed", {"what": "review", "camera": record.camera, "row": row})
    return record


@router.get("/{row}/snapshot.jpg", response_class=FileResponse)
def snapshot(site: Here, row: Row) -> FileResponse:
    """The picture of its peak."""
    return _file(site, site.event(row).alert.snapshot, "image/jpeg")


@router.get("/{row}/clip.mp4", response_class=FileResponse)
def clip(site: Here, row: Row) -> FileResponse:
    """Its clip; may be asked for in parts."""
    return _file(site, site.event(row).alert.clip, "video/mp4")


def _file(site: AppContext, path: str | None, kind: str) -> FileResponse:
    """A file of the store. The path is the database's own, and is checked all the same."""
    folder = (site.store.folder / "events").resolve()
    found = None if path is None else (site.store.folder / Path(path)).resolve()
    if found is None or not found.is_relative_to(folder) or not found.is_file():
        raise HTTPException(404, "there is no such file; it is not written yet, or was deleted")
    return FileResponse(found, media_type=kind, headers={"cache-control": "private, max-age=60"})
