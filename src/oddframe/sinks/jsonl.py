"""Alerts as lines of JSON at the end of a file.

The events of live cameras as lines of JSON: a file a camera, the same lines that a scored recording
has.

Lines at the end of a file that others may move away, and that a kill or a full disk may have left
half written.
"""

import errno
import json
import os
from collections.abc import Collection
from pathlib import Path

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError
from oddframe.files import output_error
from oddframe.results.event_files import line_of_message
from oddframe.settings import AnyPath, settings_dataclass
from oddframe.sinks.sink import Message, Retry


def append_line(path: Path, line: str) -> None:
    """Add a line and push it to the disk, unless it is the last one already.

    That may be so where a kill or an error came between the writing and its receipt.

    Args:
        path: The file; it is made where there is none, with its folder.
        line: With its line break.

    Raises:
        OSError: If the disk takes none; then nothing of the line is left.
    """
    data = line.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened each time, so that a file that was moved away by a log rotation is not written to any
    # more.
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        end = os.pread(file.fileno(), len(data) + 1, max(0, size - len(data) - 1))
        if end in (data, b"\n" + data):
            os.fsync(file.fileno())
            return
        if end and not end.endswith(b"\n"):
            data = b"\n" + data
        if file.write(data) < len(data):
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())


@settings_dataclass()
class JsonLinesConfig:
    """Where lines go.

    Attributes:
        path: The file; it is made where there is none, and may be moved away at any time.
    """

    path: AnyPath


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
        try:
            append_line(self._path, json.dumps(message, ensure_ascii=False) + "\n")
        except OSError as error:
            raise DeliveryError(str(output_error(self._path, error))) from error

    def report(self, status: CameraStatus) -> None:
        """Not for this file."""

    def close(self) -> None:
        """Nothing is open between two alerts."""


class EventFiles:
    """Adds a line to ``<folder>/<camera>.events.jsonl`` for each alert and pushes it to the disk.

    Times in it are the stream's seconds, which begin anew with each start of the watching.

    Attributes:
        cameras: Those that get one; may be set anew at any time.
    """

    retry = Retry(first_s=0.5, most_s=10.0)
    durable = True

    def __init__(self, folder: Path, cameras: Collection[str]) -> None:
        """Nothing is opened before the first alert.

        Args:
            folder: Where the files are; made where there is none.
            cameras: Names of those that get one, without slashes; what is told of others is left
                out.
        """
        self._folder, self.cameras = folder, frozenset(cameras)

    def deliver(self, message: Message) -> None:
        """Add a line.

        Raises:
            DeliveryError: If the disk takes none.
        """
        if message["source"] not in self.cameras:
            return
        path = self._folder / f"{message['source']}.events.jsonl"
        try:
            append_line(path, line_of_message(message))
        except OSError as error:
            raise DeliveryError(str(output_error(path, error))) from error

    def report(self, status: CameraStatus) -> None:
        """Not for these files."""

    def close(self) -> None:
        """Nothing is open between two alerts."""
