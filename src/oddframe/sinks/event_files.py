"""The events of live cameras as lines of JSON: a file a camera, the same lines that a scored recording has."""

from collections.abc import Collection
from pathlib import Path

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError
from oddframe.files import output_error
from oddframe.sinks.alert_sink import Message, Retry
from oddframe.sinks.event_lines import line_of_message
from oddframe.sinks.line_file import append_line

__all__ = ["EventFiles"]


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
            cameras: Names of those that get one, without slashes; what is told of others is left out.
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
