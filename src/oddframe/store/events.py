"""Events as rows: written phase by phase, read back as alerts."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypedDict

from sqlalchemy import Row, Select, delete, func, insert, select, update
from sqlalchemy.engine import Connection

from oddframe.core.alerts import Alert
from oddframe.core.records import Event
from oddframe.store.schema import cameras, events, metadata, reviews


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody said of an event.

    Attributes:
        verdict: "normal", "important" or "unsure"; None where there is a note alone.
        note: Anything else, in the person's own words.
        at_us: When it was said, in microseconds since 1970-01-01 UTC.
        by: Name of the token of who said it; empty where it had none.
    """

    verdict: str | None
    note: str
    at_us: int
    by: str = ""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as the store has it.

    Attributes:
        row: Its number in this store; later rows have higher ones.
        alert: The event in its latest phase, with paths of its files relative to the store's
            folder.
        cut: Whether a restart ended it, so that its end is the last moment known of it.
        review: What somebody said of it; None where nobody did.
        clip_error: Why its clip could not be made; None where nothing went wrong.
        description: What a model says of its picture; None where none did.
        looked_us: When somebody looked at it first, in microseconds since 1970-01-01 UTC; None
            where nobody did.
    """

    row: int
    alert: Alert
    cut: bool
    review: Review | None = None
    clip_error: str | None = None
    description: str | None = None
    looked_us: int | None = None

    @property
    def is_seen(self) -> bool:
        """Whether somebody has looked at it, or judged it."""
        return self.looked_us is not None or self.review is not None

    def clip_start_us(self, before_s: float) -> int:
        """Compute when its clip begins, in microseconds since 1970-01-01 UTC.

        Args:
            before_s: How long before an event its clip begins, in seconds.
        """
        # A clip cannot begin before its stream did.
        return self.alert.start_us - round(min(before_s, max(0.0, self.alert.event.start_s)) * 1e6)


class EventFilters(TypedDict, total=False):
    """Which events are wanted: those that meet all conditions that are given and not None.

    Attributes:
        camera: Only events of this camera.
        cameras: Only events of these cameras.
        kind: Only events of this kind, "anomaly" or "health".
        reason: Only events with this reason.
        verdict: Only events with this verdict, or "none": those without one.
        min_score: Only events with this score or a higher one.
        note: Only events with this text in their note or description, in capitals or small
            letters.
        from_us: Only events that end at this time or later, or still go on.
        to_us: Only events that start before this time.
        before_us: Only events that start before this time; the order is by start then.
        before_row: Only events of lower rows; that of a page's last event gives the next page.
        row: Only the event of this row.
        id: Only events with this id; a file that is watched again has the same ids.
        start_us: Only events that start at this time.
    """

    camera: str | None
    cameras: Collection[str] | None
    kind: str | None
    reason: str | None
    verdict: str | None
    min_score: float | None
    note: str | None
    from_us: int | None
    to_us: int | None
    before_us: int | None
    before_row: int | None
    row: int | None
    id: str | None
    start_us: int | None


def conditions_of(filters: EventFilters) -> list[Any]:
    """Make the conditions of filters, for `find_events`."""
    conditions: dict[str, Callable[[Any], Any]] = {
        "camera": lambda name: cameras.c.name == name,
        "cameras": lambda names: cameras.c.name.in_(sorted(names)),
        "kind": lambda kind: events.c.kind == kind,
        "reason": lambda reason: events.c.reason == reason,
        # The outer join gives NULL for an event without a review, as for a note alone.
        "verdict": lambda verdict: (
            reviews.c.verdict.is_(None) if verdict == "none" else reviews.c.verdict == verdict
        ),
        "min_score": lambda score: events.c.score >= score,
        "note": lambda text: (
            reviews.c.note.icontains(text, autoescape=True)
            | events.c.description.icontains(text, autoescape=True)
        ),
        # An event that goes on has no end yet, and belongs to every time after its start.
        "from_us": lambda at_us: events.c.end_us.is_(None) | (events.c.end_us >= at_us),
        "to_us": lambda at_us: events.c.start_us < at_us,
        "before_us": lambda at_us: events.c.start_us < at_us,
        "before_row": lambda row: events.c.row < row,
        "row": lambda row: events.c.row == row,
        "id": lambda identity: events.c.id == identity,
        "start_us": lambda at_us: events.c.start_us == at_us,
    }
    return [conditions[name](value) for name, value in filters.items() if value is not None]


def camera_number(connection: Connection, name: str) -> int:
    """Look up the number of a camera; a new camera gets one, so the connection must be writing."""
    known = select(cameras.c.camera).where(cameras.c.name == name)
    number = connection.execute(known).scalar()
    if number is None:
        number = connection.execute(
            insert(cameras).values(name=name).returning(cameras.c.camera)
        ).scalar_one()
    return int(number)


def rename_camera(connection: Connection, before: str, after: str) -> None:
    """Give a camera another name, with all that there is of it.

    What stands under the new name already, such as what was seen since it has it, joins the rest.

    Args:
        connection: A connection of a writing engine.
        before: The name that it had; of a camera that is not known nothing is to be done.
        after: The name that it gets.
    """
    numbers = {
        name: connection.execute(select(cameras.c.camera).where(cameras.c.name == name)).scalar()
        for name in (before, after)
    }
    kept, newer = numbers[before], numbers[after]
    if kept is None:
        return
    if newer is not None:
        for table in metadata.tables.values():
            if table is not cameras and "camera" in table.c:
                # Of two rows for one moment the later one holds.
                move = update(table).prefix_with("OR REPLACE").where(table.c.camera == newer)
                connection.execute(move.values(camera=kept))
        connection.execute(delete(cameras).where(cameras.c.camera == newer))
    connection.execute(update(cameras).where(cameras.c.camera == kept).values(name=after))


def write_event(connection: Connection, alert: Alert) -> None:
    """Write one phase of an event: a new row at its start, or what is new into its open row.

    An end without a start, which a full disk may have kept out, makes a row too. So does a second
    start of the same id, such as a file that is watched twice.
    """
    event = alert.event
    camera = camera_number(connection, event.source)
    values = {
        "peak_us": alert.peak_us,
        "seen_us": alert.seen_us,
        "end_us": alert.end_us,
        "peak_s": event.peak_s,
        "end_s": event.end_s,
        "score": event.score,
        "box": None if event.box is None else json.dumps(event.box),
        "reason": event.reason,
        "parts": json.dumps(dict(event.parts)),
    }
    # The row is found by id alone and not by its start: the wall clock may have been set since.
    row = None
    if event.phase != "start":
        row = connection.execute(
            _newest(camera, event.id).where(events.c.end_us.is_(None))
        ).scalar()
    # Identity and start are written once; the rest is that of the latest phase.
    if row is None:
        known = {"id": event.id, "camera": camera, "kind": event.kind}
        start = {"start_us": alert.start_us, "start_s": event.start_s}
        connection.execute(insert(events).values(**known, **start, **values))
    else:
        connection.execute(update(events).where(events.c.row == row).values(**values))


def write_file(connection: Connection, source: str, identity: str, kind: str, path: str) -> bool:
    """Write the path of a file into the latest row of its event.

    Args:
        connection: A connection of a writing engine.
        source: Name of the event's source.
        identity: The event's id.
        kind: "snapshot" or "clip".
        path: Where the file is, relative to the store's folder.

    Returns:
        Whether there is such an event.
    """
    # It may be gone: a full disk can keep an event out, or it was forgotten meanwhile.
    camera = camera_number(connection, source)
    row = connection.execute(_newest(camera, identity)).scalar()
    if row is not None:
        connection.execute(update(events).where(events.c.row == row).values({kind: path}))
    return row is not None


def write_clip_error(connection: Connection, source: str, identity: str, reason: str) -> None:
    """Write into the latest row of an event why its clip could not be made.

    Args:
        connection: A connection of a writing engine.
        source: Name of the event's source.
        identity: The event's id.
        reason: Why, as a sentence.
    """
    camera = camera_number(connection, source)
    row = connection.execute(_newest(camera, identity)).scalar()
    connection.execute(update(events).where(events.c.row == row).values(clip_error=reason))


def write_description(connection: Connection, alert: Alert, sentence: str) -> None:
    """Write what a model says of an event's picture into the row of the event."""
    camera = camera_number(connection, alert.event.source)
    connection.execute(
        update(events)
        .where(
            events.c.camera == camera,
            events.c.id == alert.event.id,
            events.c.start_us == alert.start_us,
        )
        .values(description=sentence)
    )


def write_looks(connection: Connection, rows: Collection[int], at_us: int) -> None:
    """Write that somebody looked at some events; the first look of each counts."""
    connection.execute(
        update(events)
        .where(events.c.row.in_(rows), events.c.looked_us.is_(None))
        .values(looked_us=at_us)
    )


def close_open(connection: Connection, clip_error: str | None) -> list[Alert]:
    """End every open event at the last moment known of it.

    Args:
        connection: A connection of a writing engine.
        clip_error: Why these events have no clip; None where none are kept.

    Returns:
        The ends of these events, the oldest first.
    """
    open_events = find_events(connection, events.c.end_us.is_(None))
    connection.execute(
        update(events)
        .where(events.c.end_us.is_(None))
        .values(end_us=events.c.seen_us, cut=1, clip_error=clip_error)
    )
    # Read again: what the sinks are told must be what the database says.
    closed = find_events(connection, events.c.row.in_([event.row for event in open_events]))
    return [event.alert for event in reversed(closed)]


def find_events(
    connection: Connection, *conditions: Any, limit: int | None = None, by_start: bool = False
) -> list[StoredEvent]:
    """Find the events that meet all conditions, the newest first.

    Args:
        connection: Any connection.
        *conditions: Conditions on the tables ``events``, ``cameras`` and ``reviews``.
        limit: How many events at most; None for all.
        by_start: Whether the newest is the one that started last, or else the one that became
            known last.
    """
    review = (
        reviews.c.verdict,
        reviews.c.note,
        reviews.c.at_us.label("reviewed_us"),
        reviews.c.by.label("reviewed_by"),
    )
    query = (
        select(events, cameras.c.name, *review)
        .join(cameras)
        # Most events have no review.
        .join(reviews, isouter=True)
        .where(*conditions)
    )
    order = (events.c.start_us.desc(), events.c.row.desc()) if by_start else (events.c.row.desc(),)
    query = query.order_by(*order).limit(limit)
    return [_event_of_row(row) for row in connection.execute(query).all()]


def find_last_events(connection: Connection, names: Collection[str]) -> dict[str, StoredEvent]:
    """Find the event of each of some cameras that became known last, by the camera's name."""
    newest = (
        select(func.max(events.c.row))
        .join(cameras)
        .where(cameras.c.name.in_(names))
        .group_by(events.c.camera)
    )
    found = find_events(connection, events.c.row.in_(newest))
    return {event.alert.event.source: event for event in found}


def _newest(camera: int, identity: str) -> Select[Any]:
    """Select the latest row of an id; there are several where a file was watched again."""
    return select(func.max(events.c.row)).where(events.c.id == identity, events.c.camera == camera)


def _event_of_row(row: Row[Any]) -> StoredEvent:
    """Make an event of a row of the query in `find_events`."""
    event = Event(
        id=row.id,
        kind=row.kind,
        # The row says how far the event has come, not which phase was written last.
        phase="update" if row.end_us is None else "end",
        source=row.name,
        start_s=row.start_s,
        end_s=row.end_s,
        peak_s=row.peak_s,
        score=row.score,
        box=None if row.box is None else tuple(json.loads(row.box)),
        reason=row.reason,
        parts=json.loads(row.parts),
    )
    seen_us = row.seen_us if row.end_us is None else row.end_us
    alert = Alert(event, row.start_us, row.peak_us, seen_us, row.snapshot, row.clip)
    review = None
    if row.reviewed_us is not None:
        review = Review(row.verdict, row.note, row.reviewed_us, row.reviewed_by or "")
    return StoredEvent(
        row.row, alert, bool(row.cut), review, row.clip_error, row.description, row.looked_us
    )
