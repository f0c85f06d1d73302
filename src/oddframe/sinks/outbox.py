"""A queue on disk: a file a message, in order, whole or not there at all.

    FOLDER/000000000042.json    a message that waits
    FOLDER/refused.jsonl        messages that the receiver will never take, with the reason

Where the disk takes no more, messages wait in memory and move to the disk when it does.
"""

import json
import threading
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from oddframe.errors import OutputError
from oddframe.files import output_error, write_bytes
from oddframe.sinks.sink import Message

REFUSED = "refused.jsonl"
"""Name of the file with refused messages."""

_REFUSED_BYTES = 10_000_000
"""Beyond this size the file of refused messages is begun anew, and the last one is kept."""


class QueuedMessage:
    """A message in an outbox.

    Attributes:
        number: Its place; later ones have higher numbers.
        message: The message; None while it is only on disk.
    """

    __slots__ = ("message", "number")

    def __init__(self, number: int, message: Message | None) -> None:
        self.number, self.message = number, message


class Outbox:
    """The messages that wait for one sink, in order.

    Two threads may share it: one that puts, one that takes.

    Attributes:
        dropped: Messages that were given up for newer ones.
    """

    def __init__(self, folder: Path | None, most: int) -> None:
        """Find what was left waiting.

        Args:
            folder: Where to keep messages, made where there is none; None keeps them in memory.
            most: How many may wait; beyond it the oldest is dropped and counted.

        Raises:
            OutputError: If the folder cannot be made.
        """
        self._folder, self._most = folder, most
        self._lock = threading.Lock()
        self._waiting: deque[QueuedMessage] = deque()
        self._unsaved: deque[QueuedMessage] = deque()
        self._next = 0
        self.dropped = 0
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.glob(".*.json"):  # halves that a kill left
                path.unlink(missing_ok=True)
            # Numbers have twelve digits, so names in order are messages in order.
            names = sorted(path.stem for path in folder.glob("*.json"))
        except OSError as error:
            raise output_error(folder, error) from error
        self._waiting.extend(QueuedMessage(int(name), None) for name in names if name.isdigit())
        if self._waiting:
            self._next = self._waiting[-1].number + 1

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Message) -> None:
        """Put a message at the end.

        It is on disk when this returns, or in memory where the disk takes nothing.
        """
        with self._lock:
            queued = QueuedMessage(self._next, message)
            self._next += 1
            if self._folder is not None:
                self._unsaved.append(queued)
        self.save()
        with self._lock:
            # Only now: what is taken and removed at once must not be written after that.
            self._waiting.append(queued)
            oldest = self._waiting.popleft() if len(self._waiting) > self._most else None
            self.dropped += oldest is not None
        if oldest is not None:
            self._forget(oldest)

    def save(self) -> None:
        """Move to the disk what waits in memory, as far as the disk takes it."""
        while self._unsaved and self._folder is not None:
            with self._lock:
                queued = self._unsaved[0] if self._unsaved else None
            if queued is None or queued.message is None:
                return
            # Not under the lock: a disk that hangs must not hold up whoever takes messages.
            try:
                text = json.dumps(queued.message, ensure_ascii=False)
                write_bytes(self._path(queued, self._folder), text.encode())
            except OutputError:
                return
            with self._lock:
                still_waits = queued in self._unsaved
                if still_waits:
                    self._unsaved.remove(queued)
            if not still_waits:  # it was delivered meanwhile
                self._forget(queued)

    @property
    def unsaved(self) -> int:
        """Messages that a kill would lose now."""
        return len(self._unsaved) if self._folder is not None else len(self._waiting)

    def first(self) -> QueuedMessage | None:
        """Return the oldest message, which stays in the outbox; None where nothing waits.

        Files that hold no message are removed on the way.
        """
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                queued = self._waiting[0]
            if queued.message is not None or self._load(queued):
                return queued
            self.remove(queued)

    def remove(self, queued: QueuedMessage) -> None:
        """Take a message out: it is delivered, or cannot be read."""
        with self._lock:
            # It may have been dropped meanwhile, and another one may be the first.
            if self._waiting and self._waiting[0] is queued:
                self._waiting.popleft()
        self._forget(queued)

    def clear(self) -> None:
        """Take all messages out; what was refused stays."""
        while True:
            with self._lock:
                if not self._waiting:
                    return
                queued = self._waiting.popleft()
            self._forget(queued)

    def refuse(self, queued: QueuedMessage, reason: str) -> None:
        """Take a message out, and keep it in ``refused.jsonl`` with the reason."""
        if self._folder is not None:
            line = {
                "at": datetime.now(UTC).isoformat(),
                "reason": reason,
                "message": queued.message,
            }
            path = self._folder / REFUSED
            # A full disk must not keep a refused message in front of all others.
            with suppress(OSError):
                if path.exists() and path.stat().st_size > _REFUSED_BYTES:
                    path.replace(path.with_suffix(".old.jsonl"))
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.remove(queued)

    def _forget(self, queued: QueuedMessage) -> None:
        """Remove a message from the list of unsaved ones and from the disk."""
        with self._lock:
            if queued in self._unsaved:
                self._unsaved.remove(queued)
        if self._folder is not None:
            # A file that stays is delivered again after a restart: at least once, not at most.
            with suppress(OSError):
                self._path(queued, self._folder).unlink(missing_ok=True)

    def _load(self, queued: QueuedMessage) -> bool:
        """Read a message from the disk; returns whether its file holds one."""
        assert self._folder is not None
        try:
            queued.message = json.loads(self._path(queued, self._folder).read_bytes())
        except (OSError, ValueError):
            return False
        return isinstance(queued.message, dict)

    @staticmethod
    def _path(queued: QueuedMessage, folder: Path) -> Path:
        return folder / f"{queued.number:012d}.json"
