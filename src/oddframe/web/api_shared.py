"""What a link in an alert leads to: an event by its lasting key, and its files by a signed link.

Files under ``/shared/`` are shown to whoever has the link, without a token: the signature says that
this server made it for this file, and until when. Everything else of the app stays closed to them.
"""

import re
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from oddframe.sinks.links import FILES
from oddframe.store.events import StoredEvent
from oddframe.web.api_events import event_file
from oddframe.web.context import NO_EVENT, AppContext, Context
from oddframe.web.schemas import MOST_US, EventRecord
from oddframe.web.serializers import event_record

Key = Annotated[str, InPath(max_length=100)]
Until = Annotated[int, Query(ge=0, le=MOST_US)]
Signature = Annotated[str, Query(max_length=200)]

_KEY = re.compile(r"([0-9a-zA-Z_]{1,64})-(-?\d{1,18})")

_HEADERS = {
    "cache-control": "private, max-age=300",
    # A page of another server, such as a dashboard, may show it: that is what the link is for.
    "cross-origin-resource-policy": "cross-origin",
}

_KINDS: dict[str, Literal["snapshot", "clip"]] = {
    file: kind  # type: ignore[misc]
    for kind, file in FILES.items()
}

router = APIRouter()


@router.get("/api/v1/events/by-key/{key}", responses={401: {}, 404: {}})
def event_by_key(context: Context, key: Key) -> EventRecord:
    """The event that a link in an alert leads to."""
    before_s = context.supervisor.plan.settings.clip_before_s
    stored = _event(context, key)
    if not context.person.sees(stored.alert.event.source):
        raise HTTPException(404, NO_EVENT)
    return event_record(stored, before_s)


@router.get(
    "/shared/{key}/{file}", response_class=FileResponse, responses={403: {}, 404: {}, 410: {}}
)
def shared_file(
    context: Context,
    key: Key,
    file: Literal["snapshot.jpg", "clip.mp4"],
    until: Until,
    signature: Signature,
) -> FileResponse:
    """The picture or the clip of an event, by a link that was in an alert."""
    match context.links.check(key, file, until, signature):
        case "forged":
            raise HTTPException(403, "this link was not made by this server, or was changed")
        case "expired":
            raise HTTPException(410, "this link has ended; open the event in the app instead")
        case "valid":
            path = event_file(context, _event(context, key), _KINDS[file])
    kind = "video/mp4" if file == "clip.mp4" else "image/jpeg"
    return FileResponse(path, media_type=kind, headers=_HEADERS)


def _event(context: AppContext, key: str) -> StoredEvent:
    """Return an event by its key; 404 where there is none."""
    match = _KEY.fullmatch(key)
    found = (
        context.store.reader.events(id=match[1], start_us=int(match[2]), limit=1) if match else []
    )
    if not found:
        raise HTTPException(404, NO_EVENT)
    return found[0]
