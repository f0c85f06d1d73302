"""Scores by the second: gathered as they come, written in batches, read back as coarsely as a page needs.

A month of one camera is 2.6 million seconds. Minutes are kept beside them, so that a page over days
reads sixty times fewer rows.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from oddframe.errors import InputError
from oddframe.store.events import camera_number
from oddframe.store.schema import SCORE_SCALE, cameras, minutes, seconds

_MICRO = 1_000_000


class Second(NamedTuple):
    """The scores of one camera in one second.

    Attributes:
        camera: Its name.
        second: Seconds since 1970-01-01 UTC.
        peak: Highest score, in (0, 1).
        mean: Their mean.
    """

    camera: str
    second: int
    peak: float
    mean: float


@dataclass(frozen=True, slots=True)
class ScoreSpan:
    """The scores of a stretch of time.

    Attributes:
        start_us: Its start, in microseconds since 1970-01-01 UTC.
        peak: Highest score in it, in (0, 1), rounded to 0.0001.
        mean: Mean of its seconds' means, rounded likewise.
    """

    start_us: int
    peak: float
    mean: float


class Seconds:
    """Gathers scores until their second is over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, tuple[int, float, float, int]] = {}

    def add(self, camera: str, at_us: int, score: float) -> Second | None:
        """Take a score; gives the camera's last second when this score begins another one."""
        second = at_us // _MICRO
        with self._lock:
            at, peak, total, count = self._open.get(camera, (second, 0.0, 0.0, 0))
            done = None
            if at != second:
                done, peak, total, count = Second(camera, at, peak, total / count), 0.0, 0.0, 0
            self._open[camera] = (second, max(peak, score), total + score, count + 1)
        return done

    def take_all(self) -> list[Second]:
        """Give what there is of the seconds that are not over, and forget it."""
        with self._lock:
            left, self._open = self._open, {}
        return [
            Second(camera, at, peak, total / count)
            for camera, (at, peak, total, count) in left.items()
        ]


def write_seconds(rows: Sequence[Second], connection: Connection) -> None:
    """Write seconds, and their minutes anew.

    A second that is there already, after a restart or a clock that was set back, keeps the higher
    peak.
    """
    if not rows:
        return
    numbers = {name: camera_number(connection, name) for name in {row.camera for row in rows}}
    write = sqlite.insert(seconds)
    write = write.on_conflict_do_update(
        index_elements=["camera", "second"],
        set_={"peak": func.max(seconds.c.peak, write.excluded.peak), "mean": write.excluded.mean},
    )
    values = [
        {
            "camera": numbers[row.camera],
            "second": row.second,
            "peak": round(row.peak * SCORE_SCALE),
            "mean": round(row.mean * SCORE_SCALE),
        }
        for row in rows
    ]
    connection.execute(write, values)
    for camera, minute in sorted({(row["camera"], row["second"] // 60) for row in values}):
        _gather_minute(connection, camera, minute)


def _gather_minute(connection: Connection, camera: int, minute: int) -> None:
    """Make a minute of its seconds; again after each batch, which cannot count a second twice."""
    inside = (seconds.c.camera == camera) & seconds.c.second.between(minute * 60, minute * 60 + 59)
    peak, mean, count = connection.execute(
        select(func.max(seconds.c.peak), func.round(func.avg(seconds.c.mean)), func.count()).where(
            inside
        )
    ).one()
    connection.execute(
        delete(minutes).where(minutes.c.camera == camera, minutes.c.minute == minute)
    )
    row = {"camera": camera, "minute": minute, "peak": peak, "mean": int(mean), "seconds": count}
    connection.execute(insert(minutes).values(row))


def read_scores(
    connection: Connection, camera: str, start_us: int, end_us: int, most: int
) -> list[ScoreSpan]:
    """Scores of a camera in a stretch of time, in at most ``most`` equal spans; those without a score are left out.

    Raises:
        InputError: If the stretch is empty or ``most`` is below 1.
    """
    if end_us <= start_us or most < 1:
        raise InputError(
            f"scores must be asked for from an earlier to a later time and in at least 1 span, "
            f"got {start_us} to {end_us} in {most}"
        )
    first, last = start_us // _MICRO, -(-end_us // _MICRO)
    width = span_seconds(start_us, end_us, most)
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    if width % 60:
        table, time, unit, weight = seconds, seconds.c.second, 1, None
    else:
        table, time, unit, weight = minutes, minutes.c.minute, 60, minutes.c.seconds
        width, first, last = width // 60, first // 60, -(-last // 60)
    span = ((time - first) // width).label("span")
    mean = (
        func.avg(table.c.mean)
        if weight is None
        else func.sum(table.c.mean * weight) * 1.0 / func.sum(weight)
    )
    query = (
        select(span, func.max(table.c.peak), mean)
        .where(table.c.camera == number, time >= first, time < last)
        .group_by(span)
        .order_by(span)
    )
    return [
        ScoreSpan(
            (first + at * width) * unit * _MICRO, peak / SCORE_SCALE, round(mean / SCORE_SCALE, 4)
        )
        for at, peak, mean in connection.execute(query)
    ]


def span_seconds(start_us: int, end_us: int, most: int) -> int:
    """The length of the spans of `read_scores` in seconds: whole minutes from a minute on.

    Else a minute on a border would be lost or counted twice.
    """
    first, last = start_us // _MICRO, -(-end_us // _MICRO)
    width = -(-(last - first) // most)
    if width < 60:
        return max(1, width)
    first, last = first // 60, -(-last // 60)
    return 60 * max(-(-width // 60), -(-(last - first) // most))


def read_peaks(
    connection: Connection, camera: str, start_us: int, end_us: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The seconds of a camera that have a score, since 1970-01-01 UTC and in order, and the highest score of each."""
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    inside = seconds.c.second.between(start_us // _MICRO, end_us // _MICRO)
    query = select(seconds.c.second, seconds.c.peak).where(seconds.c.camera == number, inside)
    found = connection.execute(query.order_by(seconds.c.second))
    # Not an array of the rows themselves: numpy would ask each of them for its length, for seconds.
    rows = np.fromiter((value for row in found for value in row), np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1] / SCORE_SCALE
