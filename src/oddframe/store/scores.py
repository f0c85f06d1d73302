"""Scores by the second: gathered as they come, written in batches, read as coarsely as needed.

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

from oddframe._types import Float64
from oddframe.errors import InputError
from oddframe.store.events import camera_number
from oddframe.store.schema import SCORE_SCALE, cameras, scores_by_minute, scores_by_second

_MICRO = 1_000_000
"""Microseconds in a second."""


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
    """The scores of a span of time.

    Attributes:
        start_us: The span's start, in microseconds since 1970-01-01 UTC.
        peak: Highest score in it, in (0, 1), rounded to 0.0001.
        mean: Mean of its seconds' means, rounded likewise.
    """

    start_us: int
    peak: float
    mean: float


class ScoreGatherer:
    """Gathers the scores of each camera until their second is over; threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By camera: the second, and the peak, the sum and the number of its scores so far.
        self._open: dict[str, tuple[int, float, float, int]] = {}

    def add(self, camera: str, at_us: int, score: float) -> Second | None:
        """Take a score.

        Args:
            camera: The camera's name.
            at_us: When it was, in microseconds since 1970-01-01 UTC.
            score: The score, in (0, 1).

        Returns:
            The camera's last second when this score begins another one, else None.
        """
        second = at_us // _MICRO
        with self._lock:
            at, peak, total, count = self._open.get(camera, (second, 0.0, 0.0, 0))
            done = None
            if at != second:
                done, peak, total, count = Second(camera, at, peak, total / count), 0.0, 0.0, 0
            self._open[camera] = (second, max(peak, score), total + score, count + 1)
        return done

    def take_all(self) -> list[Second]:
        """Return what there is of the seconds that are not over, and begin anew."""
        with self._lock:
            unfinished, self._open = self._open, {}
        return [
            Second(camera, at, peak, total / count)
            for camera, (at, peak, total, count) in unfinished.items()
        ]


def write_seconds(rows: Sequence[Second], connection: Connection) -> None:
    """Write seconds, and the minutes that they belong to.

    A second that is there already, after a restart or a clock that was set back, keeps the higher
    peak.

    Args:
        rows: The seconds. They come before the connection so that a `partial` can bind them.
        connection: A connection of a writing engine.
    """
    if not rows:
        return
    numbers = {name: camera_number(connection, name) for name in {row.camera for row in rows}}
    write = sqlite.insert(scores_by_second)
    write = write.on_conflict_do_update(
        index_elements=["camera", "second"],
        set_={
            "peak": func.max(scores_by_second.c.peak, write.excluded.peak),
            "mean": write.excluded.mean,
        },
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
    """Make a minute of its seconds."""
    # Made anew after each batch instead of added up: so no second can be counted twice.
    inside = (scores_by_second.c.camera == camera) & scores_by_second.c.second.between(
        minute * 60, minute * 60 + 59
    )
    peak, mean, count = connection.execute(
        select(
            func.max(scores_by_second.c.peak),
            func.round(func.avg(scores_by_second.c.mean)),
            func.count(),
        ).where(inside)
    ).one()
    connection.execute(
        delete(scores_by_minute).where(
            scores_by_minute.c.camera == camera, scores_by_minute.c.minute == minute
        )
    )
    row = {"camera": camera, "minute": minute, "peak": peak, "mean": int(mean), "seconds": count}
    connection.execute(insert(scores_by_minute).values(row))


def read_scores(
    connection: Connection, camera: str, start_us: int, end_us: int, most: int
) -> list[ScoreSpan]:
    """Read the scores of a camera, in at most ``most`` spans of one length.

    Spans without a score are left out. Below a minute a span is whole seconds, else whole minutes.

    Args:
        connection: Any connection.
        camera: The camera's name.
        start_us: Where to begin, in microseconds since 1970-01-01 UTC.
        end_us: Where to end.
        most: How many spans at most.

    Raises:
        InputError: If the end is not after the start, or ``most`` is below 1.
    """
    if end_us <= start_us or most < 1:
        raise InputError(
            f"scores must be asked for from an earlier to a later time and in at least 1 span, "
            f"got {start_us} to {end_us} in {most}"
        )
    # -(-a // b) rounds up: the last second counts even where only a part of it is asked for.
    first, last = start_us // _MICRO, -(-end_us // _MICRO)
    width = span_seconds(start_us, end_us, most)
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    if width % 60:
        # The unit is that of the table's time, in seconds. A minute counts for the mean as often
        # as it has seconds with a score.
        table, time, unit, weight = scores_by_second, scores_by_second.c.second, 1, None
    else:
        table, time, unit, weight = (
            scores_by_minute,
            scores_by_minute.c.minute,
            60,
            scores_by_minute.c.seconds,
        )
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
    """Compute the length of the spans of `read_scores`, in seconds; whole minutes from 60 on."""
    first, last = start_us // _MICRO, -(-end_us // _MICRO)
    width = -(-(last - first) // most)
    if width < 60:
        return max(1, width)
    # Whole minutes, since a minute on a border would be lost or counted twice.
    first, last = first // 60, -(-last // 60)
    return 60 * max(-(-width // 60), -(-(last - first) // most))


def read_peaks(
    connection: Connection, camera: str, start_us: int, end_us: int
) -> tuple[npt.NDArray[np.int64], Float64]:
    """Read the highest score of each second of a camera that has one.

    Returns:
        The N seconds since 1970-01-01 UTC in order, int64, and the highest score of each, in
        (0, 1).
    """
    number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
    inside = scores_by_second.c.second.between(start_us // _MICRO, end_us // _MICRO)
    query = select(scores_by_second.c.second, scores_by_second.c.peak).where(
        scores_by_second.c.camera == number, inside
    )
    found = connection.execute(query.order_by(scores_by_second.c.second))
    # Flat, and then N x 2: of an array of rows numpy would ask each row for its length, which takes
    # seconds for a week.
    rows = np.fromiter((value for row in found for value in row), np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1] / SCORE_SCALE
