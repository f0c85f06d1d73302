"""The API of a morning's review: stacks of like events, many verdicts at once, and tables of all.

Stacks are computed when they are asked for (`store.stacks`). An export has every event that fits
the filters of the request, as a table for a spreadsheet or for a program.
"""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response

from oddframe.core.budget import FalseAlarmBudget
from oddframe.extras import require_extra
from oddframe.monitoring.config import Camera
from oddframe.sinks.sink import utc
from oddframe.store.events import StoredEvent
from oddframe.store.feedback import NORMAL, ReviewChange
from oddframe.store.stacks import EventStack, is_near
from oddframe.web.api_events import Filters, Row
from oddframe.web.context import NO_EVENT, AppContext, Asking, Context, now_us
from oddframe.web.schemas import (
    MOST_US,
    ApartGiven,
    EventRecord,
    Lesson,
    LooksGiven,
    ReviewOfEvent,
    ReviewsGiven,
    ReviewsWritten,
    StackList,
    StackRecord,
)
from oddframe.web.serializers import event_record
from oddframe.web.thresholds import MOST_EVENTS, propose, threshold_now, with_raw_peaks

MOST_EXPORTED = 100_000
"""A table has at most so many events, the newest."""

MOST_LIKE = 40
"""Most alarms that are compared with the one that somebody judged, the newest."""

_FILTER_NAMES = {
    "min_score": "lowest score",
    "note": "text",
    "from_us": "from",
    "to_us": "to",
}
"""What some filters are called in a page for people."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula, and would run it."""

_DOWNLOAD = {"cache-control": "no-store"}

router = APIRouter(prefix="/api/v1", responses={401: {}})


@router.get("/stacks")
def stacks(
    context: Context,
    filters: Filters,
    sort: Literal["newest", "oldest", "score", "rarity"] = "newest",
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> StackList:
    """Events that meet all conditions, with those that are alike on one stack.

    For the next page, give the number of stacks that are there already as `offset`.
    """
    page = context.store.reader.stacks(sort=sort, offset=offset, limit=limit, **filters)
    return StackList(
        stacks=[_stack_record(context, stack) for stack in page.stacks],
        stack_count=page.stack_count,
        event_count=page.event_count,
        cut=page.is_cut,
    )


@router.put("/reviews")
def reviews(context: Context, asking: Asking, given: ReviewsGiven) -> ReviewsWritten:
    """Review several events; sending `before` of the answer takes it back.

    Events that do not exist any more, or that are not seen, are left out.
    """
    changes = [
        ReviewChange(one.row, one.verdict, one.note)
        for one in given.reviews
        if _may_see(context, one.row)
    ]
    written = context.store.review_events(changes, now_us(), asking.name)
    context.hub.publish("changed", {"what": "reviews", "rows": [new.row for _, new in written]})
    return ReviewsWritten(
        events=[_record(context, after) for _, after in written],
        before=[_review_of(before) for before, _ in written],
    )


@router.post("/looks", status_code=204)
def look(context: Context, given: LooksGiven) -> Response:
    """Note that somebody looks at some events, for receivers that are told of unseen ones."""
    seen = [row for row in given.rows if _may_see(context, row)]
    context.store.put_looks(seen, now_us())
    return Response(status_code=204)


@router.put("/events/{row}/apart", responses={404: {}})
def set_apart(context: Context, row: Row, given: ApartGiven) -> EventRecord:
    """Take an event out of its stack, or let it be stacked again."""
    context.event(row)
    if not context.store.set_apart(row, is_apart=given.apart):
        raise HTTPException(404, NO_EVENT)
    context.hub.publish("changed", {"what": "reviews", "rows": [row]})
    return _record(context, context.event(row))


@router.get("/events/{row}/lesson", responses={404: {}})
def lesson(context: Context, row: Row) -> Lesson:
    """What the verdict on an event changes for alarms like it, or has changed already."""
    return _lesson_of(context, context.event(row))


@router.get("/export/events.csv", response_class=Response)
def export_csv(context: Context, filters: Filters) -> Response:
    """Events that meet all conditions as CSV in UTF-8, the newest first."""
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\r\n")
    table.writeheader()
    for row in _rows(context, filters):
        table.writerow({name: _plain_cell(value) for name, value in row.items()})
    # The byte order mark tells spreadsheets that it is UTF-8.
    return _file("\ufeff" + text.getvalue(), "text/csv; charset=utf-8", "csv")


@router.get("/export/events.parquet", response_class=Response)
def export_parquet(context: Context, filters: Filters) -> Response:
    """Events that meet all conditions as Parquet, the newest first."""
    with require_extra("writing Parquet"):
        import pyarrow
        from pyarrow import parquet
    types = {
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        str: pyarrow.string(),
        datetime: pyarrow.timestamp("us", tz="UTC"),
    }
    schema = pyarrow.schema([(name, types[kind]) for name, kind in _COLUMNS.items()])
    content = io.BytesIO()
    parquet.write_table(
        pyarrow.Table.from_pylist(list(_rows(context, filters)), schema=schema), content
    )
    return _file(content.getvalue(), "application/vnd.apache.parquet", "parquet")


@router.get("/export/events.html", response_class=Response)
def export_page(
    context: Context,
    filters: Filters,
    sort: Literal["newest", "oldest", "score", "rarity"] = "newest",
) -> Response:
    """Events that meet all conditions as a page with pictures, which needs no other file."""
    # Imported here: most servers are never asked for one, and it brings the charts of reports.
    from oddframe.report.events_page import MOST_STACKS, events_page

    page = context.store.reader.stacks(sort=sort, limit=MOST_STACKS, **filters)
    made = datetime.now().astimezone()
    shown = {
        _FILTER_NAMES.get(name, name): _time(value).astimezone().strftime("%Y-%m-%d %H:%M")
        if name.endswith("_us") and isinstance(value, int)
        else str(value)
        for name, value in filters.items()
        if value is not None and name != "cameras"
    }
    text = events_page(page, context.store.folder, shown, made)
    return _file(text, "text/html; charset=utf-8", "html")


def _may_see(context: AppContext, row: int) -> bool:
    """Whether the person sees the camera of an event; most people see all."""
    cameras = context.person.cameras
    return cameras is None or bool(context.store.reader.events(row=row, cameras=cameras, limit=1))


def _stack_record(context: AppContext, stack: EventStack) -> StackRecord:
    return StackRecord(
        rows=list(stack.rows),
        event=_record(context, stack.shown),
        pictured=[_record(context, event) for event in stack.pictured],
        first_us=stack.first_us,
        last_us=stack.last_us,
        score=stack.score,
        rarity=stack.rarity,
    )


def _record(context: AppContext, event: StoredEvent) -> EventRecord:
    return event_record(event, context.supervisor.plan.settings.clip_before_s)


def _review_of(event: StoredEvent) -> ReviewOfEvent:
    review = event.review
    if review is None:
        return ReviewOfEvent(row=event.row, verdict=None, note="")
    return ReviewOfEvent(row=event.row, verdict=review.verdict, note=review.note)  # type: ignore[arg-type]


_COLUMNS: dict[str, type] = {
    "row": int,
    "camera": str,
    "kind": str,
    "reason": str,
    "start": datetime,
    "peak": datetime,
    "end": datetime,
    "duration_s": float,
    "score": float,
    "rarity": float,
    "x_min": float,
    "y_min": float,
    "x_max": float,
    "y_max": float,
    "verdict": str,
    "note": str,
    "reviewed": datetime,
    "reviewed_by": str,
    "description": str,
}
"""The columns of a table of events; times are UTC."""


def _rows(context: AppContext, filters: Filters) -> Iterator[dict[str, Any]]:
    """Yield the events as rows of a table; None where there is no value."""
    # By start, the latest first.
    filters["before_us"] = MOST_US
    for stored in context.store.reader.events(limit=MOST_EXPORTED, **filters):
        alert, review = stored.alert, stored.review
        event = alert.event
        box = event.box or (None,) * 4
        end_us = alert.end_us
        values = (
            stored.row,
            event.source,
            event.kind,
            event.reason,
            _time(alert.start_us),
            _time(alert.peak_us),
            None if end_us is None else _time(end_us),
            None if end_us is None else (end_us - alert.start_us) / 1e6,
            event.score,
            max(event.parts.values(), default=None),
            *box,
            None if review is None else review.verdict,
            None if review is None else review.note,
            None if review is None else _time(review.at_us),
            None if review is None else review.by,
            stored.description,
        )
        yield dict(zip(_COLUMNS, values, strict=True))


def _time(at_us: int) -> datetime:
    return datetime.fromisoformat(utc(at_us))


def _plain_cell(value: Any) -> Any:
    """Return what a cell of a spreadsheet holds; a text never becomes a formula."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # Six digits are more than a score is worth, and keep the columns narrow.
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def _file(content: str | bytes, kind: str, suffix: str) -> Response:
    # The server's own day, as people there name their files.
    day = datetime.now().strftime("%Y-%m-%d")
    name = f'attachment; filename="oddframe-events-{day}.{suffix}"'
    return Response(content, media_type=kind, headers={**_DOWNLOAD, "content-disposition": name})


def _lesson_of(context: AppContext, stored: StoredEvent) -> Lesson:
    """Say what the verdict on an event would change for alarms like it, or has changed.

    Like it are alarms of its camera and model with the same reason, at about the same place.

    Raises:
        InputError: If the model keeps no scores of normal footage.
    """
    event, review = stored.alert.event, stored.review
    camera = context.camera(event.source)
    if event.kind != "anomaly" or review is None or review.verdict is None:
        return Lesson(like=0, silenced=0, applied_us=None, sentence="")
    if review.verdict != NORMAL:
        text = "Alarms like this are raised as before: only “Normal” teaches the camera."
        return Lesson(like=0, silenced=0, applied_us=None, sentence=text)
    current = threshold_now(context, camera)
    peaks = _like_peaks(context, camera, stored)
    applied_us = next(
        (
            revision.at_us
            for revision in context.store.reader.revisions(camera.name)
            if revision.what == "recalibrated"
            and not revision.undone
            and revision.at_us >= review.at_us
        ),
        None,
    )
    if applied_us is not None:
        silenced = sum(peak <= current.threshold for peak in peaks)
        text = f"Learnt: {silenced} of the last {len(peaks)} alarms like this would not have come."
        return Lesson(like=len(peaks), silenced=silenced, applied_us=applied_us, sentence=text)
    budget = FalseAlarmBudget.parse(camera.false_alarms or current.budget)
    then = propose(context, camera, budget).calibration
    # What the threshold of now leaves out anyway is not the work of this verdict.
    silenced = sum(current.threshold < peak <= then.threshold for peak in peaks)
    text = f"{silenced} of the last {len(peaks)} alarms like this would not be raised."
    if not peaks:
        text = "Of alarms like this nothing is known yet for the present model and threshold."
    elif not silenced:
        text = "This changes no threshold: alarms like this are below the one of now already."
    return Lesson(like=len(peaks), silenced=silenced, applied_us=None, sentence=text)


def _like_peaks(context: AppContext, camera: Camera, stored: StoredEvent) -> list[float]:
    """Return the raw scores of the newest alarms that are like one, at most `MOST_LIKE`."""
    event = stored.alert.event
    found = context.store.reader.events(
        camera=camera.name, kind="anomaly", reason=event.reason, limit=MOST_EVENTS
    )
    near = [one for one in found if is_near(one.alert.event.box, event.box)]
    model = context.supervisor.model(camera).bundle.fingerprint
    return [peak for _, peak in with_raw_peaks(context, near[:MOST_LIKE], model)]
