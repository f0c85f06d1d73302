"""Alerts as lines of JSON at the end of a file.

`JsonLines` writes the alerts of all cameras to one file. `EventFiles` writes a file for each live
camera, with the same lines that a scored recording has. Both append with `append_line`, which works
on a file that others may move away, and that a kill or a full disk may have left half written.
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
    """Append a line and force it to the disk, unless it is the last line already.

    That may be so where a kill or an error came after the line was written and before its alert
    left the outbox.

    Args:
        path: The file; it is made where there is none, with its folder.
        line: The line, with its line break.

    Raises:
        OSError: If the disk takes none; then nothing of the line is left.
    """
    data = line.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened each time: a log rotation may have moved the file away since. Unbuffered, so that a
    # short write is seen here.
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        # One byte more than the line, to tell a whole line from the end of a longer one.
        end = os.pread(file.fileno(), len(data) + 1, max(0, size - len(data) - 1))
        if end in (data, b"\n" + data):
            os.fsync(file.fileno())
            return
        # Half a line, which a kill left, stays a line of its own and spoils no other.
        if end and not end.endswith(b"\n"):
            data = b"\n" + data
        if file.write(data) < len(data):
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())


@settings_dataclass()
class JsonLinesConfig:
    """Which file the lines are appended to.

    Attributes:
        path: The file; it is made where there is none, and may be moved away at any time.
    """

    path: AnyPath


class JsonLines:
    """Appends a line to one file for each alert, and forces it to the disk."""

    retry = Retry(first_s=0.5, most_s=10.0)
    durable = True

    def __init__(self, config: JsonLinesConfig) -> None:
        self._path = config.path

    def deliver(self, message: Message) -> None:
        """Append the line of an alert.

        Raises:
            DeliveryError: If the disk takes none.
        """
        try:
            append_line(self._path, json.dumps(message, ensure_ascii=False) + "\n")
        except OSError as error:
            raise DeliveryError(str(output_error(self._path, error))) from error

    def report(self, status: CameraStatus) -> None:
        """Write nothing: the file has alerts only."""

    def close(self) -> None:
        """Do nothing: no file is open between two alerts."""


class EventFiles:
    """Appends a line to ``<folder>/<camera>.events.jsonl`` for each alert of a camera.

    Times in it are the stream's seconds, which begin anew with each start of the watching.

    Attributes:
        cameras: Names of the cameras that get a file; may be replaced at any time.
    """

    retry = Retry(first_s=0.5, most_s=10.0)
    durable = True

    def __init__(self, folder: Path, cameras: Collection[str]) -> None:
        """Remember where the files belong; none is opened before the first alert.

        Args:
            folder: Where the files are; made where there is none.
            cameras: Names of the cameras that get a file, without slashes; alerts of others are
                left out.
        """
        self._folder, self.cameras = folder, frozenset(cameras)

    def deliver(self, message: Message) -> None:
        """Append the line of an alert.

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
        """Write nothing: the files have events only."""

    def close(self) -> None:
        """Do nothing: no file is open between two alerts."""
