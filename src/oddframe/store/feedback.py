"""Thresholds that held, and changes to cameras that can be undone.

What people say of events, and the feedback set that comes of it: normal events, by camera and
model.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from oddframe.core.recalibration import raw_score
from oddframe.store.events import Review, StoredEvent, camera_number, find_events
from oddframe.store.schema import cameras, events, feedback, reviews, revisions, thresholds


class ThresholdPeriod(NamedTuple):
    """A threshold from a moment on.

    Attributes:
        at_us: That moment, in microseconds since 1970-01-01 UTC.
        threshold: Raw score; a score s was threshold * s / (1 - s).
        model: Fingerprint of the model whose raw scores these are.
    """

    at_us: int
    threshold: float
    model: str


@dataclass(frozen=True, slots=True)
class Revision:
    """A change to a camera.

    Attributes:
        number: Later ones have higher ones.
        at_us: When, in microseconds since 1970-01-01 UTC.
        what: "recalibrated", "model" or "budget".
        text: The same as a sentence.
        before: The settings that it changed, as they were.
        undone: Whether it was taken back.
    """

    number: int
    at_us: int
    what: str
    text: str
    before: Mapping[str, Any]
    undone: bool


def write_threshold(
    connection: Connection, camera: str, at_us: int, threshold: float, model: str
) -> None:
    """Note a threshold from a moment on, unless it holds already."""
    number = camera_number(connection, camera)
    newest = (
        select(thresholds)
        .where(thresholds.c.camera == number)
        .order_by(thresholds.c.at_us.desc())
        .limit(1)
    )
    before = connection.execute(newest).first()
    if before is not None and (before.threshold, before.model) == (threshold, model):
        return
    row = {"camera": number, "at_us": at_us, "threshold": threshold, "model": model}
    write = sqlite.insert(thresholds).values(row)
    connection.execute(write.on_conflict_do_update(index_elements=["camera", "at_us"], set_=row))


def thresholds_of(connection: Connection, camera: str) -> list[ThresholdPeriod]:
    """All thresholds that a camera has had, in order."""
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    query = select(thresholds).where(thresholds.c.camera == number).order_by(thresholds.c.at_us)
    return [
        ThresholdPeriod(row.at_us, row.threshold, row.model) for row in connection.execute(query)
    ]


def thresholds_at(
    held: list[ThresholdPeriod], at_us: npt.NDArray[np.int64], model: str
) -> npt.NDArray[np.float64]:
    """The threshold that held at each of N moments; NaN where it was another model's, or none is known."""
    if not held:
        return np.full(len(at_us), np.nan)
    starts = np.array([one.at_us for one in held])
    values = np.array([one.threshold if one.model == model else np.nan for one in held])
    place = np.searchsorted(starts, at_us, side="right") - 1
    found: npt.NDArray[np.float64] = np.where(place >= 0, values[np.maximum(place, 0)], np.nan)
    return found


def write_revision(
    connection: Connection, camera: str, at_us: int, what: str, text: str, before: Mapping[str, Any]
) -> int:
    """Note a change; gives its number."""
    row = {"camera": camera_number(connection, camera), "at_us": at_us, "what": what, "text": text}
    write = insert(revisions).values(**row, before=json.dumps(dict(before)))
    return int(connection.execute(write.returning(revisions.c.number)).scalar_one())


def read_revisions(connection: Connection, camera: str, limit: int = 100) -> list[Revision]:
    """Changes to a camera, the newest first."""
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    query = (
        select(revisions)
        .where(revisions.c.camera == number)
        .order_by(revisions.c.number.desc())
        .limit(limit)
    )
    return [
        Revision(
            row.number,
            row.at_us,
            row.what,
            row.text,
            json.loads(row.before),
            row.undone_us is not None,
        )
        for row in connection.execute(query)
    ]


def undo(connection: Connection, number: int, at_us: int) -> None:
    """Note that a change was taken back."""
    connection.execute(
        update(revisions).where(revisions.c.number == number).values(undone_us=at_us)
    )


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
    held = [
        one for one in thresholds_of(connection, alert.event.source) if one.at_us <= alert.peak_us
    ]
    if alert.event.kind != "anomaly" or not held:
        return None
    score = min(alert.event.score, _MOST_SCORE)
    return raw_score(score, held[-1].threshold), held[-1].model


def write_review(connection: Connection, row: int, review: Review | None) -> StoredEvent | None:
    """Say something of an event, or take back what was said; gives the event as it is then, None where there is none.

    "normal" puts an anomaly into the feedback set of its camera, anything else takes it out. The
    set outlives the
    event: what is too old to be kept stays normal.
    """
    found = find_events(connection, events.c.row == row)
    if not found:
        return None
    (event,) = found
    connection.execute(delete(reviews).where(reviews.c.event == row))
    if review is not None:
        values = {
            "event": row,
            "verdict": review.verdict,
            "note": review.note,
            "at_us": review.at_us,
        }
        connection.execute(sqlite.insert(reviews).values(values))
    alert = event.alert
    camera = camera_number(connection, alert.event.source)
    same = (
        (feedback.c.camera == camera)
        & (feedback.c.id == alert.event.id)
        & (feedback.c.start_us == alert.start_us)
    )
    connection.execute(delete(feedback).where(same))
    raw = raw_peak(connection, event) if review is not None and review.verdict == NORMAL else None
    if raw is not None:
        key = {"camera": camera, "id": alert.event.id, "start_us": alert.start_us}
        connection.execute(
            sqlite.insert(feedback).values(**key, end_us=alert.seen_us, raw=raw[0], model=raw[1])
        )
    return find_events(connection, events.c.row == row)[0]


def normal_events(connection: Connection, camera: str, model: str) -> list[NormalEvent]:
    """The feedback set of a camera, as far as it is the model's, in order of time."""
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    query = select(feedback).where(feedback.c.camera == number, feedback.c.model == model)
    rows = connection.execute(query.order_by(feedback.c.start_us))
    return [NormalEvent(row.start_us, row.end_us, row.raw) for row in rows]
