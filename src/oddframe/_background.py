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
    """What the work of a `BackgroundQueue` raises to be given the same items again.

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
    ) -> None:
        self._work, self._most, self._batch = work, most, batch
        self._upkeep, self._every_s, self._finish = upkeep, every_s, finish
        self._changed = threading.Condition()
        self._waiting: deque[T] = deque()
        self._taken: list[T] = []
        self._put = self._dropped = self._failed = 0
        # Items are numbered as they are put; this is the oldest of those that are worked on.
        self._oldest_taken = 0
        self._upkeep_at_s = -math.inf if upkeep is not None else math.inf
        # From the start, so that a flush waits for the first one.
        self._keeps_up = upkeep is not None
        self._busy_since_s: float | None = None
        self._stopping = self._drains = False
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
            dropped = self._drop_what_is_too_much()
            self._changed.notify_all()
        return not dropped

    def wake(self, after_s: float = 0.0) -> None:
        """Have the upkeep done after so many seconds, if it is not to be done sooner."""
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
        """Wait until all that was put before is done or gone and no upkeep is at work.

        Args:
            timeout_s: Longest wait, in seconds.
            until: What must hold as well; asked now and after each batch and upkeep. It must not
                wait, nor ask anything of the queue.

        Returns:
            Whether it came to that before the time ran out.
        """
        with self._changed:
            number = self._put

            def is_flushed() -> bool:
                return until() and self._oldest_open() >= number and not self._keeps_up

            return self._changed.wait_for(is_flushed, max(0.0, timeout_s))

    def stop(self, *, drain: bool = False) -> None:
        """Have the thread end after what it is at.

        Args:
            drain: Whether it first does all that waits, and an upkeep that is due. A batch that
                would have to be tried again ends it even so.
        """
        with self._changed:
            self._stopping, self._drains = True, drain
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end after `stop`; returns whether it has."""
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def close(self, timeout_s: float) -> bool:
        """Flush, and end the thread; what still waits then is left undone.

        Returns:
            Whether all was done before the time ran out.
        """
        deadline_s = time.monotonic() + timeout_s
        done = self.flush(timeout_s)
        self.stop()
        # A thread that has nothing left to do deserves the moment that it takes to end.
        self.join(max(0.1, deadline_s - time.monotonic()))
        return done

    def _run(self) -> None:
        while self._take():
            if self._taken:
                self._do_batch()
            self._do_upkeep()
        if self._finish is not None:
            self._call(self._finish, 1)

    def _take(self) -> bool:
        """Wait for something to do and take the next items; returns whether to go on."""
        with self._changed:
            while not (self._stopping or self._waiting or self._upkeep_wait_s() == 0.0):
                self._changed.wait(min(self._upkeep_wait_s(), threading.TIMEOUT_MAX))
            is_left = bool(self._waiting) or self._upkeep_wait_s() == 0.0
            if self._stopping and not (self._drains and is_left):
                return False
            self._oldest_taken = self._oldest_open()
            count = min(self._batch, len(self._waiting))
            self._taken = [self._waiting.popleft() for _ in range(count)]
            return True

    def _do_batch(self) -> None:
        wait_s = self._call(lambda: self._work(self._taken), len(self._taken))
        with self._changed:
            if wait_s is not None:
                self._waiting.extendleft(reversed(self._taken))
            self._taken = []
            self._drop_what_is_too_much()
            self._changed.notify_all()
            if wait_s is not None:
                self._drains = self._drains and not self._stopping
                self._changed.wait_for(lambda: self._stopping, wait_s)

    def _do_upkeep(self) -> None:
        with self._changed:
            is_ending = self._stopping and not self._drains
            if self._upkeep is None or is_ending or self._upkeep_wait_s() > 0.0:
                return
            self._upkeep_at_s, self._keeps_up = math.inf, True
        wait_s = self._call(self._upkeep, 1)
        self.wake(self._every_s if wait_s is None else wait_s)
        with self._changed:
            self._keeps_up = False
            self._changed.notify_all()

    def _call(self, work: Callable[[], object], items: int) -> float | None:
        """Call what may raise anything.

        Returns:
            How long to wait before it is tried again, in seconds; None where it is not to be.
        """
        self._busy_since_s = time.monotonic()
        try:
            work()
        except TryAgainError as error:
            return error.wait_s
        except Exception as error:  # noqa: BLE001 - the thread must live for what comes next
            self._failed += items
            # Shown as that of a thread that ends with it would be: it is a bug.
            shown = (type(error), error, error.__traceback__, self._thread)
            threading.excepthook(threading.ExceptHookArgs(shown))
        finally:
            self._busy_since_s = None
        return None

    def _upkeep_wait_s(self) -> float:
        return max(0.0, self._upkeep_at_s - time.monotonic())

    def _oldest_open(self) -> int:
        """The number of the oldest item that is not done, or of the next one."""
        return self._oldest_taken if self._taken else self._put - len(self._waiting)

    def _drop_what_is_too_much(self) -> int:
        """Drop the oldest items that wait beyond the bound; returns how many."""
        count = max(0, len(self._waiting) - self._most)
        for _ in range(count):
            self._waiting.popleft()
        self._dropped += count
        return count
