"""Alerts as lines of JSON at the end of a file."""

import json

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError
from oddframe.files import output_error
from oddframe.settings import AnyPath, settings_dataclass
from oddframe.sinks.alert_sink import Message, Retry
from oddframe.sinks.line_file import append_line

__all__ = ["JsonLines", "JsonLinesConfig"]


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
