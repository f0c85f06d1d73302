"""Reading a store, also while a watcher writes to it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.engine import Connection

from oddframe.errors import SourceNotFoundError
from oddframe.store.events import StoredEvent, find_events
from oddframe.store.schema import cameras, events, open_engine, reviews, states
from oddframe.store.scores import ScoreSpan, read_scores

T = TypeVar("T")

DATABASE = "oddframe.sqlite"


@dataclass(frozen=True, slots=True)
class StoredState:
    """What a camera was doing from a moment on, until its next one.

    Attributes:
        at_us: That moment, in microseconds since 1970-01-01 UTC.
        online: Whether frames came in.
        state: The same in a word or two.
    """

    at_us: int
    online: bool
    state: str


class StoreReader:
    """Answers questions about what was written; threads may share one. It never holds up whoever writes."""

    def __init__(self, folder: str | Path) -> None:
        """Open the store of a folder.

        Raises:
            SourceNotFoundError: If there is none.
            StoreError: If it is damaged or of another version.
        """
        path = Path(folder) / DATABASE
        if not path.is_file():
            raise SourceNotFoundError(
                f"{folder} must be the folder of a store, but {DATABASE} is not in it"
            )
        self._engine = open_engine(path, writing=False)

    def cameras(self) -> list[str]:
        """Names of all cameras, sorted."""
        with self._engine.begin() as connection:
            return list(
                connection.execute(select(cameras.c.name).order_by(cameras.c.name)).scalars()
            )

    def events(
        self,
        *,
        camera: str | None = None,
        kind: str | None = None,
        reason: str | None = None,
        verdict: str | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        before_us: int | None = None,
        before_row: int | None = None,
        row: int | None = None,
        limit: int = 100,
    ) -> list[StoredEvent]:
        """Events, the newest first.

        Args:
            camera: Of this one alone.
            kind: "anomaly" or "health" alone.
            reason: With this reason alone.
            verdict: Those that somebody said this of, or "none": that nobody said anything of.
            from_us: That end at this time or later, or go on.
            to_us: That start before this time.
            before_us: That start before this time; the newest start is first then.
            before_row: Of lower rows than this; the last one's of a page gives the next page.
            row: That one alone.
            limit: Not more than these.
        """
        conditions: list[Any] = []
        if camera is not None:
            conditions.append(cameras.c.name == camera)
        if kind is not None:
            conditions.append(events.c.kind == kind)
        if from_us is not None:
            conditions.append(events.c.end_us.is_(None) | (events.c.end_us >= from_us))
        if to_us is not None:
            conditions.append(events.c.start_us < to_us)
        if before_row is not None:
            conditions.append(events.c.row < before_row)
        if before_us is not None:
            conditions.append(events.c.start_us < before_us)
        if reason is not None:
            conditions.append(events.c.reason == reason)
        if verdict is not None:
            conditions.append(
                reviews.c.verdict.is_(None) if verdict == "none" else reviews.c.verdict == verdict
            )
        if row is not None:
            conditions.append(events.c.row == row)
        by_start = before_us is not None
        with self._engine.begin() as connection:
            return find_events(connection, *conditions, limit=limit, by_start=by_start)

    def scores(self, camera: str, from_us: int, to_us: int, most: int = 1000) -> list[ScoreSpan]:
        """Scores of a camera over a stretch of time, in at most ``most`` spans of one length.

        Spans without a score are left out. Below a minute a span is whole seconds, else whole
        minutes.

        Raises:
            InputError: If the stretch is empty or ``most`` is below 1.
        """
        with self._engine.begin() as connection:
            return read_scores(connection, camera, from_us, to_us, most)

    def states(self, camera: str, from_us: int, to_us: int) -> list[StoredState]:
        """States of a camera from the one that holds at the beginning on, in order."""
        with self._engine.begin() as connection:
            number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
            mine = select(states).where(states.c.camera == number, states.c.at_us < to_us)
            first = connection.execute(
                mine.where(states.c.at_us <= from_us).order_by(states.c.at_us.desc()).limit(1)
            ).all()
            later = connection.execute(
                mine.where(states.c.at_us > from_us).order_by(states.c.at_us)
            ).all()
        return [StoredState(row.at_us, bool(row.online), row.state) for row in (*first, *later)]

    def ask(self, question: Callable[[Connection], T]) -> T:
        """What a question that only reads finds, in a transaction of its own."""
        with self._engine.begin() as connection:
            return question(connection)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()
