"""Scores by the second: gathered as they come, written in batches, read as coarsely as needed.

A month of one camera is 2.6 million seconds. Minutes are kept beside them, so that a page over days
reads sixty times fewer rows, and hours for a page over a month of many cameras.
"""

import json
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Table,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from oddframe._types import Float64
from oddframe.errors import InputError
from oddframe.store.events import camera_number
from oddframe.store.schema import (
    SCORE_SCALE,
    cameras,
    scores_by_hour,
    scores_by_minute,
    scores_by_second,
)

_MICRO = 1_000_000
"""Microseconds in a second."""

_HOURS_FROM = 45 * 60
"""From this length on, spans are whole hours: a bit coarser, and read sixty times faster."""


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


class ScoreColumns(NamedTuple):
    """The scores of spans of time: as N `ScoreSpan`, with a list for each of their parts."""

    starts_us: list[int]
    peaks: list[float]
    means: list[float]


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
    """Write seconds, and the minutes and hours that they belong to.

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
    for camera, hour in sorted({(row["camera"], row["second"] // 3_600) for row in values}):
        _gather_hour(connection, camera, hour)


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
    _replace(connection, scores_by_minute, camera, minute, (peak, int(mean), count))


def _gather_hour(connection: Connection, camera: int, hour: int) -> None:
    """Make an hour of its minutes."""
    inside = (scores_by_minute.c.camera == camera) & scores_by_minute.c.minute.between(
        hour * 60, hour * 60 + 59
    )
    count = func.sum(scores_by_minute.c.seconds)
    mean = func.sum(scores_by_minute.c.mean * scores_by_minute.c.seconds) * 1.0 / count
    peak, mean, count = connection.execute(
        select(func.max(scores_by_minute.c.peak), func.round(mean), count).where(inside)
    ).one()
    _replace(connection, scores_by_hour, camera, hour, (peak, int(mean), count))


def _replace(
    connection: Connection, table: Table, camera: int, at: int, scores: tuple[int, int, int]
) -> None:
    """Write a minute or an hour: its peak, its mean, and how many of its seconds have a score."""
    _, time = table.primary_key.columns
    connection.execute(delete(table).where(table.c.camera == camera, time == at))
    connection.execute(insert(table).values((camera, at, *scores)))


def read_scores(
    connection: Connection, camera: str, start_us: int, end_us: int, most: int
) -> list[ScoreSpan]:
    """Read the scores of a camera, in at most ``most`` spans of one length.

    Spans without a score are left out. Spans are whole seconds, minutes or hours, see
    `span_seconds`.

    Args:
        connection: Any connection.
        camera: The camera's name.
        start_us: Where to begin, in microseconds since 1970-01-01 UTC.
        end_us: Where to end.
        most: How many spans at most.

    Raises:
        InputError: If the end is not after the start, or ``most`` is below 1.
    """
    query, first_us, width_us = _select_spans([camera], start_us, end_us, most)
    return [
        ScoreSpan(first_us + at * width_us, peak / SCORE_SCALE, mean / SCORE_SCALE)
        for _, at, peak, mean in connection.execute(query)
    ]


def read_score_columns(
    connection: Connection, names: Collection[str], start_us: int, end_us: int, most: int
) -> dict[str, ScoreColumns]:
    """Read the scores of many cameras at once; as `read_scores`, by camera.

    Cameras without a score are left out.

    Raises:
        InputError: As `read_scores`.
    """
    query, first_us, width_us = _select_spans(names, start_us, end_us, most)
    # The database makes the lists: as rows, a month of many cameras takes several times as long.
    spans = query.subquery()
    lists = [func.json_group_array(column) for column in spans.c[1:]]
    found = connection.execute(select(spans.c.camera, *lists).group_by(spans.c.camera)).all()
    known = {row.camera: row.name for row in connection.execute(select(cameras))}
    columns = {known[number]: [json.loads(text) for text in texts] for number, *texts in found}
    return {
        name: ScoreColumns(
            [first_us + at * width_us for at in places],
            [peak / SCORE_SCALE for peak in peaks],
            [mean / SCORE_SCALE for mean in means],
        )
        for name, (places, peaks, means) in columns.items()
    }


def _select_spans(
    names: Collection[str], start_us: int, end_us: int, most: int
) -> tuple[Select[Any], int, int]:
    """Make the query for the spans of some cameras, and say when and how long spans are.

    Returns:
        The query for the number of the camera, that of the span, its peak and its mean, both times
        `SCORE_SCALE`, by camera and time; when span 0 begins, and how long each is, in
        microseconds.

    Raises:
        InputError: As `read_scores`.
    """
    if end_us <= start_us or most < 1:
        raise InputError(
            f"scores must be asked for from an earlier to a later time and in at least 1 span, "
            f"got {start_us} to {end_us} in {most}"
        )
    width = span_seconds(start_us, end_us, most)
    # The unit is that of the table's time, in seconds.
    if width % 60:
        table, unit = scores_by_second, 1
    else:
        table, unit = (scores_by_minute, 60) if width % 3_600 else (scores_by_hour, 3_600)
    _, time = table.primary_key.columns
    # -(-a // b) rounds up: the last unit counts even where only a part of it is asked for.
    first, last = start_us // (_MICRO * unit), -(-end_us // (_MICRO * unit))
    peak: ColumnElement[int] = table.c.peak
    mean: ColumnElement[int] = table.c.mean
    span = (time - first).label("span")
    if width > unit:
        # A minute or an hour counts for the mean as often as it has seconds with a score.
        weight = table.c.seconds if unit > 1 else literal(1)
        peak, span = func.max(peak), ((time - first) // (width // unit)).label("span")
        mean = cast(func.round(func.sum(mean * weight) * 1.0 / func.sum(weight)), Integer)
    numbers = select(cameras.c.camera).where(cameras.c.name.in_(names))
    query = select(table.c.camera, span, peak.label("peak"), mean.label("mean")).where(
        table.c.camera.in_(numbers), time >= first, time < last
    )
    if width > unit:
        query = query.group_by(table.c.camera, span).order_by(table.c.camera, span)
    else:
        # The order of the table's key, so that nothing has to be sorted.
        query = query.order_by(table.c.camera, time)
    return query, first * unit * _MICRO, width * _MICRO


def span_seconds(start_us: int, end_us: int, most: int) -> int:
    """Compute the length of the spans of `read_scores`, in seconds.

    Whole seconds below a minute, whole hours from `_HOURS_FROM` on, and whole minutes between.
    """
    width = 1
    for unit, least in ((1, 0), (60, 60), (3_600, _HOURS_FROM)):
        if width >= least:
            # Whole units, since one on a border would be lost or counted twice.
            first, last = start_us // (_MICRO * unit), -(-end_us // (_MICRO * unit))
            width = unit * max(-(-width // unit), -(-(last - first) // most))
    return width


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
