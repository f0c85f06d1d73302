"""What people say of events, and what follows from it for the thresholds of a camera.

A review of an event is what somebody said of it. Anomalies that somebody called normal make the
feedback set of their camera and model, from which a recalibration learns. For that their raw
scores are needed: scores are stored, so the thresholds that they were made with are stored too.
Each change to a camera is a revision, with the settings before it, so that it can be undone.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from oddframe._types import Float64
from oddframe.core.recalibration import raw_score
from oddframe.store.events import Review, StoredEvent, camera_number, find_events
from oddframe.store.schema import cameras, events, feedback, reviews, revisions, thresholds

NORMAL = "normal"
"""The verdict that puts an anomaly into the feedback set."""

# A score of 1 would have an infinite raw score.
_MAX_SCORE = 1 - 1e-12


class ThresholdPeriod(NamedTuple):
    """A threshold, and from when on it holds.

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
        number: Its number; later revisions have higher ones.
        at_us: When it was made, in microseconds since 1970-01-01 UTC.
        what: "recalibrated", "model", "budget", "zones", "armed", "cool_down", "name" or, of the
            site, "retention"; several are joined by commas.
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


def write_threshold(
    connection: Connection, camera: str, at_us: int, threshold: float, model: str
) -> None:
    """Write the threshold of a camera from a moment on, unless the same one holds already."""
    number = camera_number(connection, camera)
    newest = (
        select(thresholds)
        .where(thresholds.c.camera == number)
        .order_by(thresholds.c.at_us.desc())
        .limit(1)
    )
    # A row at each start of a watcher would say nothing new.
    before = connection.execute(newest).first()
    if before is not None and (before.threshold, before.model) == (threshold, model):
        return
    row = {"camera": number, "at_us": at_us, "threshold": threshold, "model": model}
    write = sqlite.insert(thresholds).values(row)
    # Two changes within a microsecond: the later one holds.
    connection.execute(write.on_conflict_do_update(index_elements=["camera", "at_us"], set_=row))


def read_thresholds(connection: Connection, camera: str) -> list[ThresholdPeriod]:
    """Read all thresholds that a camera has had, in order of time."""
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    query = select(thresholds).where(thresholds.c.camera == number).order_by(thresholds.c.at_us)
    return [
        ThresholdPeriod(row.at_us, row.threshold, row.model) for row in connection.execute(query)
    ]


def thresholds_at(
    periods: list[ThresholdPeriod], at_us: npt.NDArray[np.int64], model: str
) -> Float64:
    """Look up which threshold held at each of N moments.

    Args:
        periods: The thresholds of a camera, in order of time.
        at_us: The moments, int64 of shape (N,), in microseconds since 1970-01-01 UTC.
        model: Fingerprint of the model whose raw scores are wanted.

    Returns:
        float64 of shape (N,); NaN where the threshold was another model's or is not known.
    """
    if not periods:
        return np.full(len(at_us), np.nan)
    starts = np.array([period.at_us for period in periods])
    values = np.array([period.threshold if period.model == model else np.nan for period in periods])
    # The last period that starts at the moment or before it; -1 before the first.
    place = np.searchsorted(starts, at_us, side="right") - 1
    found: Float64 = np.where(place >= 0, values[np.maximum(place, 0)], np.nan)
    return found


def raw_peak(connection: Connection, event: StoredEvent) -> tuple[float, str] | None:
    """Compute the raw score at an event's peak.

    Returns:
        The raw score and the fingerprint of the model that gave it; None for an event that is no
        anomaly, and where the threshold of that time is not known.
    """
    alert = event.alert
    if alert.event.kind != "anomaly":
        return None
    periods = [
        period
        for period in read_thresholds(connection, alert.event.source)
        if period.at_us <= alert.peak_us
    ]
    if not periods:
        return None
    # The last threshold from before the peak is the one that held at the peak.
    score = min(alert.event.score, _MAX_SCORE)
    return raw_score(score, periods[-1].threshold), periods[-1].model


def write_review(connection: Connection, row: int, review: Review | None) -> StoredEvent | None:
    """Write what somebody says of an event, or take back what was said.

    "normal" puts an anomaly into the feedback set of its camera, anything else takes it out. The
    set outlives the event: what is too old to be kept stays normal.

    Args:
        connection: A connection of a writing engine.
        row: The event's row.
        review: What is said; None takes back what was said before.

    Returns:
        The event with its review; None where there is no such event.
    """
    found = find_events(connection, events.c.row == row)
    if not found:
        return None
    (event,) = found
    # An event has one review: a new one takes the place of the old one.
    connection.execute(delete(reviews).where(reviews.c.event == row))
    if review is not None:
        values = {
            "event": row,
            "verdict": review.verdict,
            "note": review.note,
            "at_us": review.at_us,
            "by": review.by or None,
        }
        connection.execute(sqlite.insert(reviews).values(values))
    _write_feedback(connection, event, is_normal=review is not None and review.verdict == NORMAL)
    return find_events(connection, events.c.row == row)[0]


class ReviewChange(NamedTuple):
    """A review to write, one of several.

    Attributes:
        row: The event's row.
        verdict: As in a `Review`; None takes back what was said before.
        note: As in a `Review`; None leaves the note as it is.
    """

    row: int
    verdict: str | None
    note: str | None = None


def write_reviews(
    connection: Connection, changes: Iterable[ReviewChange], at_us: int, by: str = ""
) -> list[tuple[StoredEvent, StoredEvent]]:
    """Write what somebody says of several events; see `write_review`.

    Args:
        connection: A connection of a writing engine.
        changes: What is said of which event.
        at_us: When it is said, in microseconds since 1970-01-01 UTC.
        by: Who says it, as in a `Review`.

    Returns:
        Each event as it was and as it is now; events that do not exist are left out.
    """
    written = []
    for change in changes:
        found = find_events(connection, events.c.row == change.row)
        if not found:
            continue
        (before,) = found
        kept = "" if before.review is None else before.review.note
        note = kept if change.note is None else change.note
        said = Review(change.verdict, note, at_us, by) if change.verdict or note else None
        after = write_review(connection, change.row, said)
        assert after is not None, "it was found in the same transaction"
        written.append((before, after))
    return written


def _write_feedback(connection: Connection, event: StoredEvent, *, is_normal: bool) -> None:
    """Take an event out of the feedback set and, where it is normal, put it in as it is now."""
    alert = event.alert
    # Not by its row: the set outlives the rows of old events, whose numbers may be given again.
    key = {
        "camera": camera_number(connection, alert.event.source),
        "id": alert.event.id,
        "start_us": alert.start_us,
    }
    same = (
        (feedback.c.camera == key["camera"])
        & (feedback.c.id == key["id"])
        & (feedback.c.start_us == key["start_us"])
    )
    connection.execute(delete(feedback).where(same))
    raw = raw_peak(connection, event) if is_normal else None
    if raw is not None:
        values = {**key, "end_us": alert.seen_us, "raw": raw[0], "model": raw[1]}
        connection.execute(sqlite.insert(feedback).values(values))


def read_normal_events(connection: Connection, camera: str, model: str) -> list[NormalEvent]:
    """Read the feedback set of a camera and a model, in order of time."""
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    query = select(feedback).where(feedback.c.camera == number, feedback.c.model == model)
    rows = connection.execute(query.order_by(feedback.c.start_us))
    return [NormalEvent(row.start_us, row.end_us, row.raw) for row in rows]


def write_revision(
    connection: Connection, camera: str, at_us: int, what: str, text: str, before: Mapping[str, Any]
) -> int:
    """Write a change to a camera, with the fields of a `Revision`; returns its number."""
    row = {"camera": camera_number(connection, camera), "at_us": at_us, "what": what, "text": text}
    write = insert(revisions).values(**row, before=json.dumps(dict(before)))
    return int(connection.execute(write.returning(revisions.c.number)).scalar_one())


def read_revisions(connection: Connection, camera: str, limit: int) -> list[Revision]:
    """Read the changes to a camera, the newest first, at most ``limit``."""
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


def read_recalibrations(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Read when each of some cameras was recalibrated last, in microseconds, by its name.

    What was undone does not count; a camera that never was recalibrated is left out.
    """
    query = (
        select(cameras.c.name, func.max(revisions.c.at_us).label("at_us"))
        .join(cameras)
        .where(
            cameras.c.name.in_(names),
            revisions.c.what == "recalibrated",
            revisions.c.undone_us.is_(None),
        )
        .group_by(cameras.c.name)
    )
    return {row.name: row.at_us for row in connection.execute(query)}


def mark_undone(connection: Connection, number: int, at_us: int) -> None:
    """Write that a revision was taken back; it stays in the list."""
    connection.execute(
        update(revisions).where(revisions.c.number == number).values(undone_us=at_us)
    )
