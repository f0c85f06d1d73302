"""One thread that writes to the database, so that nobody who has something to write ever waits for the disk."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from oddframe.store.score_rows import Second, write_seconds

__all__ = ["Change", "Writer", "WriterCounts"]

Change = Callable[[Connection], object]
"""Something to write, in the transaction of a batch. It may be called again when the batch failed."""

T = TypeVar("T")

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
        lost: Changes and seconds given up: there were too many, or the database refused them for good.
        error: What the last failure said; empty when the last batch went well.
    """

    waiting: int
    failures: int
    lost: int
    error: str


class Writer:
    """Takes changes at once and writes them in batches, in order; survives a disk that is full or gone for a while."""

    def __init__(self, engine: Engine, flush_s: float) -> None:
        """Start the thread.

        Args:
            engine: A writing one.
            flush_s: Seconds of scores wait at most this long; changes are written at once.
        """
        self._engine, self._flush_s = engine, flush_s
        self._ready = threading.Condition()
        self._changes: deque[Change] = deque()
        self._seconds: deque[Second] = deque()
        self._failures = self._lost = self._asked = self._answered = 0
        self._error = ""
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def put(self, change: Change) -> None:
        """Have a change written; never waits."""
        with self._ready:
            self._lost += _append(self._changes, change, MOST_CHANGES)
            self._ready.notify_all()

    def put_second(self, second: Second) -> None:
        """Have the scores of a second written with one of the next batches; never waits."""
        with self._ready:
            self._lost += _append(self._seconds, second, MOST_SECONDS)

    def counts(self) -> WriterCounts:
        """How it is going."""
        with self._ready:
            return WriterCounts(len(self._changes) + len(self._seconds), self._failures, self._lost, self._error)

    def flush(self, timeout_s: float) -> bool:
        """Write all that was put before this call.

        Returns:
            Whether it is written; otherwise the time ran out, and it is still tried.
        """
        with self._ready:
            self._asked += 1
            number = self._asked
            self._ready.notify_all()
            return self._ready.wait_for(lambda: self._answered >= number, timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Write what is left and end the thread.

        Returns:
            Whether all was written before the time ran out.
        """
        deadline = time.monotonic() + timeout_s
        written = self.flush(timeout_s)
        with self._ready:
            self._closing = True
            self._ready.notify_all()
        self._thread.join(max(0.1, deadline - time.monotonic()))
        return written

    def _run(self) -> None:
        last = time.monotonic()
        while True:
            with self._ready:
                wait_s = max(0.0, last + self._flush_s - time.monotonic())
                self._ready.wait_for(self._is_due, wait_s)
                changes, seconds = list(islice(self._changes, _BATCH)), list(islice(self._seconds, 10 * _BATCH))
                everything = len(changes) == len(self._changes) and len(seconds) == len(self._seconds)
                asked = self._asked if everything else self._answered
                if self._closing and not changes and not seconds:
                    return
            last = time.monotonic()
            error, refused = self._write(changes, seconds) if changes or seconds else ("", [])
            with self._ready:
                self._error = error or "; ".join(refused[:1])
                if error:
                    self._failures += 1
                    if self._closing:
                        return
                    self._ready.wait_for(lambda: self._closing, _WAIT_S)
                    continue
                _remove(self._changes, changes)
                _remove(self._seconds, seconds)
                self._lost += len(refused)
                self._answered = asked
                self._ready.notify_all()

    def _is_due(self) -> bool:
        return bool(self._changes) or self._asked > self._answered or self._closing

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


def _append(queue: deque[T], item: T, most: int) -> int:
    """Put an item at the end; the oldest goes when there are too many. Gives how many went."""
    queue.append(item)
    if len(queue) <= most:
        return 0
    queue.popleft()
    return 1


def _remove(queue: deque[T], done: list[T]) -> None:
    """Take what is done off the front; some of it may have been pushed out since."""
    remaining = {id(item) for item in done}
    while queue and id(queue[0]) in remaining:
        queue.popleft()
