"""Alerts to a function of the caller: the sink for whoever watches from Python."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

from oddframe.core.alerts import CameraStatus
from oddframe.sinks.sink import AlertSink, Message, Retry

AlertFunction: TypeAlias = Callable[[Mapping[str, Any]], object]
"""Takes an alert in plain values, as docs/sinks.md lists them; what it returns is ignored."""


class FunctionSink:
    """Calls a function for each alert, in a thread of its own.

    The alerts wait in memory: what a function was not called for when the watching ends is lost,
    and said so. A function that raises is called again with the same alert.
    """

    retry = Retry(first_s=0.5, most_s=10.0)
    durable = False

    def __init__(self, function: AlertFunction) -> None:
        self._function = function

    def deliver(self, message: Message) -> None:
        """Call the function with an alert."""
        self._function(message)

    def report(self, status: CameraStatus) -> None:
        """Do nothing: the function is for alerts only."""

    def close(self) -> None:
        """Do nothing: a function needs no end."""


def function_sinks(
    functions: Sequence[AlertFunction], taken: Collection[str]
) -> dict[str, AlertSink]:
    """Make a sink of each function, named after it.

    Args:
        functions: The functions.
        taken: Names that other sinks have.
    """
    sinks: dict[str, AlertSink] = {}
    for function in functions:
        stem = name = getattr(function, "__name__", type(function).__name__)
        number = 2
        while name in sinks or name in taken:
            name, number = f"{stem}-{number}", number + 1
        sinks[name] = FunctionSink(function)
    return sinks
