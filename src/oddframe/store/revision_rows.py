"""Thresholds that held, and changes to cameras that can be undone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from oddframe.store.event_rows import camera_number
from oddframe.store.schema import cameras, revisions, thresholds

__all__ = [
    "Held",
    "Revision",
    "read_revisions",
    "thresholds_at",
    "thresholds_of",
    "undo",
    "write_revision",
    "write_threshold",
]


class Held(NamedTuple):
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


def write_threshold(connection: Connection, camera: str, at_us: int, threshold: float, model: str) -> None:
    """Note a threshold from a moment on, unless it holds already."""
    number = camera_number(connection, camera)
    newest = select(thresholds).where(thresholds.c.camera == number).order_by(thresholds.c.at_us.desc()).limit(1)
    before = connection.execute(newest).first()
    if before is not None and (before.threshold, before.model) == (threshold, model):
        return
    row = {"camera": number, "at_us": at_us, "threshold": threshold, "model": model}
    write = sqlite.insert(thresholds).values(row)
    connection.execute(write.on_conflict_do_update(index_elements=["camera", "at_us"], set_=row))


def thresholds_of(connection: Connection, camera: str) -> list[Held]:
    """All thresholds that a camera has had, in order."""
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    query = select(thresholds).where(thresholds.c.camera == number).order_by(thresholds.c.at_us)
    return [Held(row.at_us, row.threshold, row.model) for row in connection.execute(query)]


def thresholds_at(held: list[Held], at_us: npt.NDArray[np.int64], model: str) -> npt.NDArray[np.float64]:
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
    query = select(revisions).where(revisions.c.camera == number).order_by(revisions.c.number.desc()).limit(limit)
    return [
        Revision(row.number, row.at_us, row.what, row.text, json.loads(row.before), row.undone_us is not None)
        for row in connection.execute(query)
    ]


def undo(connection: Connection, number: int, at_us: int) -> None:
    """Note that a change was taken back."""
    connection.execute(update(revisions).where(revisions.c.number == number).values(undone_us=at_us))
