"""One thread that writes to the database, so that nobody who has something to write ever waits for the disk."""

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
from oddframe.store.scores import Second, write_seconds

Change = Callable[[Connection], object]
"""Something to write, in the transaction of a batch. It may be called again when the batch failed."""

MOST_CHANGES = 20_000
MOST_SECONDS = 200_000
"""What is held in memory while the disk takes nothing: hours of eight cameras, at most some 50 MB."""

_BATCH = 200
"""Changes in a transaction: after a long outage each one that goes is progress."""

_WAIT_S = 1.0
"""Pause before a failed batch is tried again."""


@dataclass(frozen=True, slots=True)
class WriterCounts:
    """What became of the things to write.

    Attributes:
        waiting: Not written yet.
        failures: Batches that failed; each was tried again.
        lost: Changes and seconds given up: there were too many, or the database refused them for
            good.
        error: What the last failure said; empty when the last batch went well.
    """

    waiting: int
    failures: int
    lost: int
    error: str


class Writer:
    """Takes changes at once and writes them in batches, in order.

    It survives a disk that is full or gone for a while.
    """

    def __init__(self, engine: Engine, flush_s: float) -> None:
        """Start the thread.

        Args:
            engine: A writing one.
            flush_s: Seconds of scores wait at most this long; changes are written at once.
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
        """Have a change written; never waits."""
        self._queue.put(change)

    def put_second(self, second: Second) -> None:
        """Have the scores of a second written with one of the next batches; never waits."""
        with self._lock:
            self._seconds.append(second)
            self._seconds_put += 1
            if len(self._seconds) > MOST_SECONDS:
                self._seconds.popleft()
                self._seconds_lost += 1

    def counts(self) -> WriterCounts:
        """Say how many things wait, failed and were lost so far."""
        lost = self._queue.dropped + self._queue.failed + self._seconds_lost + self._refused
        waiting = self._queue.waiting + len(self._seconds)
        return WriterCounts(waiting, self._failures, lost, self._error)

    def flush(self, timeout_s: float) -> bool:
        """Write all that was put before this call.

        Returns:
            Whether it is written; otherwise the time ran out, and it is still tried.
        """
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
        """Write the scores that no change took along."""
        self._write_batch([])

    def _write_batch(self, changes: list[Change]) -> None:
        """Write changes, and seconds with them.

        Raises:
            TryAgainError: If the database takes nothing now.
        """
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
            self._queue.wake()

    def _write(self, changes: list[Change], seconds: list[Second]) -> tuple[str, list[str]]:
        """Write a batch in one transaction; gives why all of it failed, and why some of it will never do."""
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
            # The disk is full or gone, or another program holds the lock: later it may go.
            return _said(error), []
        return "", refused

    def _write_one_by_one(self, batch: list[Change]) -> list[str]:
        """Write what can be written; gives why the rest cannot."""
        refused = []
        with self._engine.begin() as connection:
            for change in batch:
                try:
                    with connection.begin_nested():
                        change(connection)
                except OperationalError:
                    raise
                except (SQLAlchemyError, TypeError, ValueError) as error:
                    refused.append(_said(error))
        return refused


def _said(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)


def _remove(queue: deque[Second], done: list[Second]) -> None:
    """Take what is done off the front; some of it may have been pushed out since."""
    remaining = {id(item) for item in done}
    while queue and id(queue[0]) in remaining:
        queue.popleft()
