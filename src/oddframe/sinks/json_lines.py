"""Alerts as lines of JSON at the end of a file."""

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError
from oddframe.files import output_error
from oddframe.sinks.alert_sink import Message, Retry

__all__ = ["JsonLines", "JsonLinesConfig"]


@dataclass(frozen=True, kw_only=True)
class JsonLinesConfig:
    """Where lines go.

    Attributes:
        path: The file; it is made where there is none, and may be moved away at any time.
    """

    path: Path


class JsonLines:
    """Adds a line for each alert and pushes it to the disk."""

    retry = Retry(first_s=0.5, most_s=10.0)
    durable = True

    def __init__(self, config: JsonLinesConfig) -> None:
        self._path = config.path

    def deliver(self, message: Message) -> None:
        """Add a line.

        Raises:
            DeliveryError: If the disk takes none.
        """
        line = json.dumps(message, ensure_ascii=False).encode() + b"\n"
        try:
            self._append(line)
        except OSError as error:
            raise DeliveryError(str(output_error(self._path, error))) from error

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Opened each time, so that a file that was moved away by a log rotation is not written to any more.
        with self._path.open("a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size and not self._ends_well(file.fileno(), size):
                line = b"\n" + line
            if file.write(line) < len(line):
                file.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())

    @staticmethod
    def _ends_well(descriptor: int, size: int) -> bool:
        """Whether the last line is whole; a kill may have left half of one."""
        return os.pread(descriptor, 1, size - 1) == b"\n"

    def report(self, status: CameraStatus) -> None:
        """Not for this file."""

    def close(self) -> None:
        """Nothing is open between two alerts."""
