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

_REFUSED_BYTES = 10_000_000


class QueuedMessage:
    """A message in the queue.

    Attributes:
        number: Its place; later ones have higher numbers.
        message: The message, where memory holds it.
    """

    __slots__ = ("message", "number")

    def __init__(self, number: int, message: Message | None) -> None:
        self.number, self.message = number, message


class Outbox:
    """Messages for one sink. Threads may share it: one that puts, one that takes."""

    def __init__(self, folder: Path | None, most: int) -> None:
        """Find what waits.

        Args:
            folder: Where to keep them, made where there is none; None keeps them in memory.
            most: Not more than these wait; the oldest goes for a new one.

        Raises:
            OutputError: If the folder cannot be made.
        """
        self._folder, self._most = folder, most
        self._lock = threading.Lock()
        self._waiting: deque[QueuedMessage] = deque()
        self._unsaved: deque[QueuedMessage] = deque()
        self._next = 0
        self.dropped = 0
        """Messages that went for newer ones."""
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.glob(".*.json"):  # halves that a kill left
                path.unlink(missing_ok=True)
            names = sorted(path.stem for path in folder.glob("*.json"))
        except OSError as error:
            raise output_error(folder, error) from error
        self._waiting.extend(QueuedMessage(int(name), None) for name in names if name.isdigit())
        if self._waiting:
            self._next = self._waiting[-1].number + 1

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Message) -> None:
        """Put a message at the end; it is on disk when this returns, or in memory where the disk is full."""
        with self._lock:
            one = QueuedMessage(self._next, message)
            self._next += 1
            if self._folder is not None:
                self._unsaved.append(one)
        self.save()
        with self._lock:
            # Only now: what is taken and removed at once must not be written after that.
            self._waiting.append(one)
            gone = self._waiting.popleft() if len(self._waiting) > self._most else None
            self.dropped += gone is not None
        if gone is not None:
            self._forget(gone)

    def save(self) -> None:
        """Move to the disk what waits in memory, as far as it takes it."""
        while self._unsaved and self._folder is not None:
            with self._lock:
                one = self._unsaved[0] if self._unsaved else None
            if one is None or one.message is None:
                return
            try:
                text = json.dumps(one.message, ensure_ascii=False)
                write_bytes(self._path(one, self._folder), text.encode())
            except OutputError:
                return
            with self._lock:
                stays = one in self._unsaved
                if stays:
                    self._unsaved.remove(one)
            if not stays:  # it was delivered meanwhile
                self._forget(one)

    @property
    def unsaved(self) -> int:
        """Messages that a kill would lose now."""
        return len(self._unsaved) if self._folder is not None else len(self._waiting)

    def first(self) -> QueuedMessage | None:
        """The oldest message, which stays; None where nothing waits. Files that are no messages are removed."""
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                one = self._waiting[0]
            if one.message is not None or self._load(one):
                return one
            self.remove(one)

    def remove(self, one: QueuedMessage) -> None:
        """Take a message out."""
        with self._lock:
            if self._waiting and self._waiting[0] is one:
                self._waiting.popleft()
        self._forget(one)

    def refuse(self, one: QueuedMessage, reason: str) -> None:
        """Take a message out, and keep it beside the queue with the reason."""
        if self._folder is not None:
            line = {"at": datetime.now(UTC).isoformat(), "reason": reason, "message": one.message}
            path = self._folder / REFUSED
            with suppress(OSError):
                if path.exists() and path.stat().st_size > _REFUSED_BYTES:
                    path.replace(path.with_suffix(".old.jsonl"))
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.remove(one)

    def _forget(self, one: QueuedMessage) -> None:
        with self._lock:
            if one in self._unsaved:
                self._unsaved.remove(one)
        if self._folder is not None:
            with suppress(OSError):
                self._path(one, self._folder).unlink(missing_ok=True)

    def _load(self, one: QueuedMessage) -> bool:
        assert self._folder is not None
        try:
            one.message = json.loads(self._path(one, self._folder).read_bytes())
        except (OSError, ValueError):
            return False
        return isinstance(one.message, dict)

    @staticmethod
    def _path(one: QueuedMessage, folder: Path) -> Path:
        return folder / f"{one.number:012d}.json"
