"""What people say of events, and the feedback set that comes of it: normal events, by camera and model."""

from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from oddframe.store.event_rows import Review, StoredEvent, camera_number, find_events
from oddframe.store.revision_rows import thresholds_of
from oddframe.store.schema import cameras, events, feedback, reviews

__all__ = ["NORMAL", "VERDICTS", "NormalEvent", "normal_events", "raw_peak", "write_review"]

NORMAL = "normal"
VERDICTS = (NORMAL, "important", "unsure")

_MOST_SCORE = 1 - 1e-12
"""Scores beyond have no raw score to speak of."""


class NormalEvent(NamedTuple):
    """An event that somebody called normal.

    Attributes:
        start_us: When it started, in microseconds since 1970-01-01 UTC.
        end_us: When it ended.
        raw: Raw score at its peak.
    """

    start_us: int
    end_us: int
    raw: float


def raw_peak(connection: Connection, event: StoredEvent) -> tuple[float, str] | None:
    """The raw score at an event's peak and the model whose it is; None where the threshold then is not known."""
    alert = event.alert
    held = [one for one in thresholds_of(connection, alert.event.source) if one.at_us <= alert.peak_us]
    if alert.event.kind != "anomaly" or not held:
        return None
    score = min(alert.event.score, _MOST_SCORE)
    return held[-1].threshold * score / (1 - score), held[-1].model


def write_review(connection: Connection, row: int, review: Review | None) -> StoredEvent | None:
    """Say something of an event, or take back what was said; gives the event as it is then, None where there is none.

    "normal" puts an anomaly into the feedback set of its camera, anything else takes it out. The set outlives the
    event: what is too old to be kept stays normal.
    """
    found = find_events(connection, events.c.row == row)
    if not found:
        return None
    (event,) = found
    connection.execute(delete(reviews).where(reviews.c.event == row))
    if review is not None:
        values = {"event": row, "verdict": review.verdict, "note": review.note, "at_us": review.at_us}
        connection.execute(sqlite.insert(reviews).values(values))
    alert = event.alert
    camera = camera_number(connection, alert.event.source)
    same = (feedback.c.camera == camera) & (feedback.c.id == alert.event.id) & (feedback.c.start_us == alert.start_us)
    connection.execute(delete(feedback).where(same))
    raw = raw_peak(connection, event) if review is not None and review.verdict == NORMAL else None
    if raw is not None:
        key = {"camera": camera, "id": alert.event.id, "start_us": alert.start_us}
        connection.execute(sqlite.insert(feedback).values(**key, end_us=alert.seen_us, raw=raw[0], model=raw[1]))
    return find_events(connection, events.c.row == row)[0]


def normal_events(connection: Connection, camera: str, model: str) -> list[NormalEvent]:
    """The feedback set of a camera, as far as it is the model's, in order of time."""
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    query = select(feedback).where(feedback.c.camera == number, feedback.c.model == model)
    rows = connection.execute(query.order_by(feedback.c.start_us))
    return [NormalEvent(row.start_us, row.end_us, row.raw) for row in rows]
