"""Work that nobody waits for: a queue in memory with a thread of its own behind it.

The store, the sinks and the web app hand over what they have and go on at once; a disk or a
receiver that hangs holds up this thread only.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TryAgainError(Exception):
    """Raised by the work of a `BackgroundQueue` that wants to be given the same items again.

    Attributes:
        wait_s: How long to wait before that, in seconds.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"to be tried again after {wait_s:g} s")
        self.wait_s = wait_s


class BackgroundQueue(Generic[T]):
    """Hands items to a function in the order in which they were put, in one thread of its own.

    The thread is a daemon: one that hangs keeps no program alive and may be left behind. Any
    thread may call any method; only `flush`, `join` and `close` wait. No exception of the
    functions that the queue calls ends its thread; one that nobody foresaw is shown by
    `threading.excepthook` and counted.

    Args:
        name: The thread's name.
        work: Takes the oldest items, at least one. When it returns they are done; when it raises
            `TryAgainError` it is given them again, before all others; any other exception gives
            them up and counts them.
        most: Items that may wait; beyond it the oldest goes and is counted.
        batch: Most items that `work` takes at a time.
        upkeep: Done at the start, then every `every_s`, and when `wake` asks for it; between two
            batches, never during one. It may raise what `work` may.
        every_s: From the end of one upkeep to the next, in seconds.
        finish: The last thing that the thread does.
        on_drop: Called with each item that is never worked on: it went for a newer one, or still
            waited when the queue was closed. It must not wait, and must not call the queue.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[T]], object],
        *,
        most: int,
        batch: int = 1,
        upkeep: Callable[[], object] | None = None,
        every_s: float = math.inf,
        finish: Callable[[], object] | None = None,
        on_drop: Callable[[T], object] = lambda item: None,
    ) -> None:
        self._on_drop = on_drop
        self._work, self._most, self._batch = work, most, batch
        self._upkeep, self._every_s, self._finish = upkeep, every_s, finish
        self._changed = threading.Condition()
        self._waiting: deque[T] = deque()
        self._taken: list[T] = []
        self._put = self._dropped = self._failed = 0
        # Items are numbered as they are put; this is the oldest of those that are worked on.
        self._oldest_taken = 0
        # When the next upkeep is due, on the monotonic clock.
        self._upkeep_at_s = -math.inf if upkeep is not None else math.inf
        # True from the start, so that a flush waits for the first one.
        self._upkeep_runs = upkeep is not None
        self._busy_since_s: float | None = None
        self._is_stopping = self._drains = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; what was put before waits for it."""
        self._thread.start()

    def put(self, item: T) -> bool:
        """Put an item at the end.

        Returns:
            Whether there was room for it; otherwise the oldest that waited is gone.
        """
        with self._changed:
            self._waiting.append(item)
            self._put += 1
            dropped = self._drop_excess()
            self._changed.notify_all()
        return not dropped

    def wake(self, after_s: float = 0.0) -> None:
        """Have the upkeep done after so many seconds, unless it is due sooner."""
        with self._changed:
            self._upkeep_at_s = min(self._upkeep_at_s, time.monotonic() + after_s)
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Items that are not done, those that are being worked on among them."""
        with self._changed:
            return len(self._waiting) + len(self._taken)

    @property
    def dropped(self) -> int:
        """Items that went for newer ones because too many waited."""
        return self._dropped

    @property
    def failed(self) -> int:
        """Items given up, and upkeeps that failed, because of an exception that nobody foresaw."""
        return self._failed

    @property
    def busy_s(self) -> float:
        """How long the thread has been at its batch or upkeep, in seconds; 0 when it is idle."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def flush(self, timeout_s: float, until: Callable[[], bool] = lambda: True) -> bool:
        """Wait until all items that were put before are done or dropped, and no upkeep runs.

        Args:
            timeout_s: Longest wait, in seconds.
            until: A further condition; it is checked now and after each batch and upkeep. It must
                not block, and must not call the queue.

        Returns:
            Whether all of this was so before the time ran out.
        """
        with self._changed:
            number = self._put

            def is_flushed() -> bool:
                return until() and self._oldest_open() >= number and not self._upkeep_runs

            return self._changed.wait_for(is_flushed, max(0.0, timeout_s))

    def stop(self, *, drain: bool = False) -> None:
        """Have the thread end after the batch or upkeep that it is working on.

        Args:
            drain: Whether it first works on all items that wait, and does an upkeep that is due. A
                batch that would have to be tried again ends the thread even so.
        """
        with self._changed:
            self._is_stopping, self._drains = True, drain
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end after `stop`; returns whether it has."""
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def close(self, timeout_s: float) -> bool:
        """Flush, then end the thread; items that still wait are left undone.

        Returns:
            Whether everything was done before the time ran out.
        """
        deadline_s = time.monotonic() + timeout_s
        done = self.flush(timeout_s)
        self.stop()
        # A thread that has nothing left to do deserves the moment that it takes to end.
        ended = self.join(max(0.1, deadline_s - time.monotonic()))
        with self._changed:
            for item in (*([] if ended else self._taken), *self._waiting):
                self._on_drop(item)
        return done

    def _run(self) -> None:
        """Work until told to stop: this is the thread."""
        while self._take():
            # None are taken where only an upkeep is due.
            if self._taken:
                self._do_batch()
            self._do_upkeep()
        if self._finish is not None:
            self._call(self._finish, 1)

    def _take(self) -> bool:
        """Wait for something to do and take the next items; returns whether to go on."""
        with self._changed:
            while not (self._is_stopping or self._has_work()):
                # `wait` refuses infinity, which is the wait where no upkeep is due.
                self._changed.wait(min(self._upkeep_wait_s(), threading.TIMEOUT_MAX))
            if self._is_stopping and not (self._drains and self._has_work()):
                return False
            self._oldest_taken = self._oldest_open()
            count = min(self._batch, len(self._waiting))
            self._taken = [self._waiting.popleft() for _ in range(count)]
            return True

    def _do_batch(self) -> None:
        """Work on the items taken; put them back, and wait, where they are to be tried again."""
        # Outside the lock: others may put and ask while the work hangs.
        wait_s = self._call(lambda: self._work(self._taken), len(self._taken))
        with self._changed:
            if wait_s is not None:
                self._waiting.extendleft(reversed(self._taken))
            self._taken = []
            self._drop_excess()
            self._changed.notify_all()
            if wait_s is not None:
                # A receiver that is away must not hold up the end of the program.
                self._drains = self._drains and not self._is_stopping
                self._changed.wait_for(lambda: self._is_stopping, wait_s)

    def _do_upkeep(self) -> None:
        """Do the upkeep if it is due."""
        with self._changed:
            is_ending = self._is_stopping and not self._drains
            if self._upkeep is None or is_ending or self._upkeep_wait_s() > 0.0:
                return
            # Before the call: a `wake` that comes meanwhile asks for one more.
            self._upkeep_at_s, self._upkeep_runs = math.inf, True
        wait_s = self._call(self._upkeep, 1)
        self.wake(self._every_s if wait_s is None else wait_s)
        with self._changed:
            self._upkeep_runs = False
            self._changed.notify_all()

    def _call(self, work: Callable[[], object], items: int) -> float | None:
        """Call a function that may raise anything, and count its items if it does.

        Returns:
            The seconds to wait before it is tried again; None where it is not.
        """
        self._busy_since_s = time.monotonic()
        try:
            work()
        except TryAgainError as error:
            return error.wait_s
        except Exception as error:  # noqa: BLE001 - the thread must live for what comes next
            self._failed += items
            # It is a bug: show it as the exception of a thread that ends with it.
            details = (type(error), error, error.__traceback__, self._thread)
            threading.excepthook(threading.ExceptHookArgs(details))
        finally:
            self._busy_since_s = None
        return None

    def _has_work(self) -> bool:
        """Say whether items wait or an upkeep is due."""
        return bool(self._waiting) or self._upkeep_wait_s() == 0.0

    def _upkeep_wait_s(self) -> float:
        """Give the seconds until the next upkeep, 0 where it is due."""
        return max(0.0, self._upkeep_at_s - time.monotonic())

    def _oldest_open(self) -> int:
        """Give the number of the oldest item that is not done, or of the next one."""
        return self._oldest_taken if self._taken else self._put - len(self._waiting)

    def _drop_excess(self) -> int:
        """Drop the oldest of the items that wait beyond the bound; returns how many."""
        count = max(0, len(self._waiting) - self._most)
        for _ in range(count):
            self._on_drop(self._waiting.popleft())
        self._dropped += count
        return count
