"""Reading a store, also while a watcher writes to it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.engine import Connection

from oddframe._types import Float64
from oddframe.errors import SourceNotFoundError
from oddframe.store.events import (
    EventFilters,
    StoredEvent,
    conditions_of,
    find_events,
    find_last_events,
)
from oddframe.store.feedback import (
    NormalEvent,
    Revision,
    ThresholdPeriod,
    raw_peak,
    read_normal_events,
    read_recalibrations,
    read_revisions,
    read_thresholds,
)
from oddframe.store.schema import cameras, open_engine, states
from oddframe.store.scores import (
    ScoreColumns,
    ScoreSpan,
    read_peaks,
    read_score_columns,
    read_scores,
)
from oddframe.store.stacks import StackOrder, StackPage, read_stacks

DATABASE = "oddframe.sqlite"
"""Name of the database in the store's folder."""


@dataclass(frozen=True, slots=True)
class StatePeriod:
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
    """Answers questions about what was written.

    Threads may share one, and whoever writes never waits for it. All times are in microseconds
    since 1970-01-01 UTC.
    """

    def __init__(self, folder: str | Path) -> None:
        """Open the store of a folder.

        Raises:
            SourceNotFoundError: If there is none.
            StoreError: If it is damaged or of another version.
        """
        path = Path(folder) / DATABASE
        # SQLite would make an empty database where there is none.
        if not path.is_file():
            raise SourceNotFoundError(
                f"{folder} must be the folder of a store, but {DATABASE} is not in it"
            )
        self._engine = open_engine(path, writing=False)

    def cameras(self) -> list[str]:
        """Return the names of all cameras, sorted."""
        with self._reading() as connection:
            return list(
                connection.execute(select(cameras.c.name).order_by(cameras.c.name)).scalars()
            )

    def events(self, *, limit: int = 100, **filters: Unpack[EventFilters]) -> list[StoredEvent]:
        """Find events, the newest first.

        Args:
            limit: How many at most.
            **filters: Which events; see `EventFilters`.
        """
        by_start = filters.get("before_us") is not None
        with self._reading() as connection:
            conditions = conditions_of(filters)
            return find_events(connection, *conditions, limit=limit, by_start=by_start)

    def last_events(self, names: Collection[str]) -> dict[str, StoredEvent]:
        """Return the event of each of some cameras that became known last, by camera."""
        with self._reading() as connection:
            return find_last_events(connection, names)

    def stacks(
        self,
        *,
        sort: StackOrder = "newest",
        offset: int = 0,
        limit: int = 50,
        **filters: Unpack[EventFilters],
    ) -> StackPage:
        """Find events and put those that are alike onto stacks.

        Args:
            sort: The order of the stacks.
            offset: How many stacks to leave out at the front.
            limit: How many stacks at most.
            **filters: Which events; see `EventFilters`.
        """
        with self._reading() as connection:
            return read_stacks(connection, conditions_of(filters), sort, offset, limit)

    def raw_peak(self, event: StoredEvent) -> tuple[float, str] | None:
        """Compute the raw score at an event's peak, with the fingerprint of its model.

        Returns:
            None for an event that is no anomaly, and where the threshold of that time is not known.
        """
        with self._reading() as connection:
            return raw_peak(connection, event)

    def normal_events(self, camera: str, model: str) -> list[NormalEvent]:
        """Return the feedback set of a camera and a model, in order of time.

        Args:
            camera: The camera's name.
            model: Fingerprint of the model.
        """
        with self._reading() as connection:
            return read_normal_events(connection, camera, model)

    def thresholds(self, camera: str) -> list[ThresholdPeriod]:
        """Return all thresholds that a camera has had, in order of time."""
        with self._reading() as connection:
            return read_thresholds(connection, camera)

    def revisions(self, camera: str, limit: int = 100) -> list[Revision]:
        """Return the changes to a camera, the newest first, at most ``limit``."""
        with self._reading() as connection:
            return read_revisions(connection, camera, limit)

    def recalibrations(self, names: Collection[str]) -> dict[str, int]:
        """Return when each of some cameras was recalibrated last, in microseconds, by camera.

        What was undone does not count; a camera that never was recalibrated is left out.
        """
        with self._reading() as connection:
            return read_recalibrations(connection, names)

    def scores(self, camera: str, from_us: int, to_us: int, most: int = 1000) -> list[ScoreSpan]:
        """Return the scores of a camera, in at most ``most`` spans of one length.

        Spans without a score are left out. A span is whole seconds, minutes or hours.

        Raises:
            InputError: If ``to_us`` is not after ``from_us``, or ``most`` is below 1.
        """
        with self._reading() as connection:
            return read_scores(connection, camera, from_us, to_us, most)

    def score_columns(
        self, names: Collection[str], from_us: int, to_us: int, most: int = 1000
    ) -> dict[str, ScoreColumns]:
        """Return the scores of many cameras at once, as `scores`, by their names.

        Cameras without a score are left out.

        Raises:
            InputError: As `scores`.
        """
        with self._reading() as connection:
            return read_score_columns(connection, names, from_us, to_us, most)

    def peaks(self, camera: str, from_us: int, to_us: int) -> tuple[npt.NDArray[np.int64], Float64]:
        """Return the seconds of a camera that have a score, in order, and their highest scores.

        Returns:
            N seconds since 1970-01-01 UTC, and the highest score of each, in (0, 1).
        """
        with self._reading() as connection:
            return read_peaks(connection, camera, from_us, to_us)

    def states(self, camera: str, from_us: int, to_us: int) -> list[StatePeriod]:
        """Return the states of a camera in order, from the one that holds at the beginning on."""
        with self._reading() as connection:
            number = select(cameras.c.camera).where(cameras.c.name == camera).scalar_subquery()
            of_camera = select(states).where(states.c.camera == number, states.c.at_us < to_us)
            # States are written when they change: the one at the beginning is older than that.
            first = connection.execute(
                of_camera.where(states.c.at_us <= from_us).order_by(states.c.at_us.desc()).limit(1)
            ).all()
            later = connection.execute(
                of_camera.where(states.c.at_us > from_us).order_by(states.c.at_us)
            ).all()
        return [StatePeriod(row.at_us, bool(row.online), row.state) for row in (*first, *later)]

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Open a transaction: all that is read in it is of one moment, whoever writes meanwhile."""
        with self._engine.begin() as connection:
            yield connection
