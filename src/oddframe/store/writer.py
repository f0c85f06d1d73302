"""One thread that writes to the database, so that nobody else ever waits for the disk."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from oddframe._background import BackgroundQueue, TryAgainError
from oddframe.store.schema import error_text
from oddframe.store.scores import Second, write_seconds

Change = Callable[[Connection], object]
"""Something to write, in the transaction of a batch; it is called again when the batch failed."""

# Both bounds hold hours of eight cameras while the disk takes nothing, in some 50 MB of memory.
MOST_CHANGES = 20_000
"""Changes that may wait; beyond it the oldest goes and is counted."""

MOST_SECONDS = 200_000
"""Seconds of scores that may wait; beyond it the oldest goes and is counted."""

_BATCH = 200
"""Most changes in a transaction: after a long outage each batch that is written is progress."""

_WAIT_S = 1.0
"""Pause before a failed batch is tried again."""


@dataclass(frozen=True, slots=True)
class WriterCounts:
    """What became of the changes and seconds to write.

    Attributes:
        waiting: Changes and seconds that are not written yet.
        failures: Batches that failed; each was tried again.
        lost: Changes and seconds given up: too many waited, or the database refused them for good.
        error: What the last failure said; empty when the last batch went well.
    """

    waiting: int
    failures: int
    lost: int
    error: str


class Writer:
    """Takes changes without waiting and writes them in batches, in order.

    Nothing is lost while the disk is full or gone for a while: a batch that fails is tried again.
    """

    def __init__(self, engine: Engine, flush_s: float) -> None:
        """Start the thread.

        Args:
            engine: A writing engine; see `open_engine`.
            flush_s: How long seconds of scores wait at most, in seconds; changes are written at
                once.
        """
        self._engine = engine
        self._lock = threading.Lock()
        self._seconds: deque[Second] = deque()
        self._seconds_put = self._seconds_lost = self._refused = self._failures = 0
        self._error = ""
        self._queue = BackgroundQueue(
            "store",
            self._write_batch,
            most=MOST_CHANGES,
            batch=_BATCH,
            upkeep=self._write_seconds,
            every_s=flush_s,
        )
        self._queue.start()

    def put(self, change: Change) -> None:
        """Queue a change to be written; never waits."""
        self._queue.put(change)

    def put_second(self, second: Second) -> None:
        """Queue the scores of a second, for one of the next batches; never waits."""
        with self._lock:
            self._seconds.append(second)
            self._seconds_put += 1
            if len(self._seconds) > MOST_SECONDS:
                self._seconds.popleft()
                self._seconds_lost += 1

    def counts(self) -> WriterCounts:
        """Count what waits, failed and was lost so far."""
        lost = self._queue.dropped + self._queue.failed + self._seconds_lost + self._refused
        waiting = self._queue.waiting + len(self._seconds)
        return WriterCounts(waiting, self._failures, lost, self._error)

    def flush(self, timeout_s: float) -> bool:
        """Write all that was put before this call.

        Returns:
            Whether it is written; otherwise the time ran out, and it is still tried.
        """
        # Seconds are numbered as they are put: those of later calls need not be waited for.
        with self._lock:
            number = self._seconds_put
        self._queue.wake()

        def has_no_older_seconds() -> bool:
            return self._seconds_put - len(self._seconds) >= number

        return self._queue.flush(timeout_s, until=has_no_older_seconds)

    def close(self, timeout_s: float) -> bool:
        """Write what is left and end the thread.

        Returns:
            Whether all was written before the time ran out.
        """
        deadline = time.monotonic() + timeout_s
        written = self.flush(timeout_s)
        # What failed just now and waits to be tried again gets its last chance.
        self._queue.wake()
        self._queue.stop(drain=True)
        self._queue.join(max(0.1, deadline - time.monotonic()))
        return written

    def _write_seconds(self) -> None:
        """Write the seconds that no batch of changes took along."""
        self._write_batch([])

    def _write_batch(self, changes: list[Change]) -> None:
        """Write changes, and seconds with them.

        Raises:
            TryAgainError: If the database takes nothing now.
        """
        # Copied and not taken out: seconds are removed only once they are written.
        with self._lock:
            seconds = list(islice(self._seconds, 10 * _BATCH))
        error, refused = self._write(changes, seconds) if changes or seconds else ("", [])
        self._error = error or "; ".join(refused[:1])
        if error:
            self._failures += 1
            raise TryAgainError(_WAIT_S)
        self._refused += len(refused)
        with self._lock:
            _remove(self._seconds, seconds)
        if len(seconds) == 10 * _BATCH:
            # There may be more of them than fit in a batch.
            self._queue.wake()

    def _write(self, changes: list[Change], seconds: list[Second]) -> tuple[str, list[str]]:
        """Write a batch in one transaction.

        Returns:
            Why all of it failed, empty where it did not; and why parts of it can never be written.
        """
        batch: list[Change] = [*changes, partial(write_seconds, seconds)]
        refused: list[str] = []
        try:
            try:
                with self._engine.begin() as connection:
                    for change in batch:
                        change(connection)
            except OperationalError:
                raise
            except (SQLAlchemyError, TypeError, ValueError):
                # Something in it can never be written, and must take nothing else with it.
                refused = self._write_one_by_one(batch)
        except (SQLAlchemyError, OSError) as error:
            # The disk is full or gone, or another program holds the lock: later it may work.
            return error_text(error), []
        return "", refused

    def _write_one_by_one(self, batch: list[Change]) -> list[str]:
        """Write what can be written; returns why the rest cannot."""
        refused = []
        with self._engine.begin() as connection:
            for change in batch:
                try:
                    # A savepoint each, so that what fails takes nothing else back with it.
                    with connection.begin_nested():
                        change(connection)
                except OperationalError:
                    raise
                except (SQLAlchemyError, TypeError, ValueError) as error:
                    refused.append(error_text(error))
        return refused


def _remove(queue: deque[Second], written: list[Second]) -> None:
    """Remove what is written from the front of a queue."""
    # By identity: newer seconds may have pushed some of them out since, and equal ones may follow.
    written_ids = {id(second) for second in written}
    while queue and id(queue[0]) in written_ids:
        queue.popleft()
