"""What a sink for alerts is: the one protocol behind webhooks, MQTT, metrics and lines in a file.

A new kind of sink is a file with a class that has the members of `AlertSink`; `Delivery` gives it a
thread and an outbox.
"""

import ssl
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Protocol, TypeAlias, get_args

from pydantic import Field

from oddframe.core.alerts import Alert, CameraStatus
from oddframe.core.records import Event
from oddframe.errors import SettingsError
from oddframe.settings import settings_dataclass

Message: TypeAlias = Mapping[str, Any]
"""An alert as a sink gets it, in plain values that JSON has; docs/sinks.md lists them."""

MessagePhase: TypeAlias = Literal["start", "update", "end", "description"]
"""What a receiver can ask for: phases of events, and what a model says of one."""


@settings_dataclass("retry")
class Retry:
    """When what failed is tried again: after twice as long each time, and for ever; see `Backoff`.

    Attributes:
        first_s: Pause after the first failure, in seconds.
        most_s: Longest pause, in seconds. Each pause is shortened at random by up to a half, so
            that many senders do not come at once.
    """

    first_s: Annotated[float, Field(gt=0)] = 1.0
    most_s: float = 60.0

    # The pause doubles from the one to the other, so the order of the two matters.
    def __post_init__(self) -> None:
        if self.most_s < self.first_s:
            raise SettingsError(
                f"the longest pause, most_s, must be at least first_s ({self.first_s}), "
                f"got {self.most_s}"
            )


class AlertSink(Protocol):
    """Takes alerts to the outside.

    All calls come from one thread that is the sink's own, so a call may take its time.

    Attributes:
        retry: When to try again what failed.
        durable: Whether alerts wait for it on disk, so that a kill loses none.
    """

    retry: Retry
    durable: bool

    def deliver(self, message: Message) -> None:
        """Deliver an alert; when this returns, the receiver has it.

        The same alert may come again: after a failure, and after a restart.

        Raises:
            DeliveryError: If it did not work now; it is tried again.
            DeliveryRefusedError: If it never will; the alert is put aside.
        """
        ...

    def report(self, status: CameraStatus) -> None:
        """Report how a camera is doing: only its latest status, which may get lost.

        Raises:
            DeliveryError: If the receiver cannot be reached; the report is not repeated.
        """
        ...

    def close(self) -> None:
        """Close connections, files and ports, within a second."""
        ...


def message_of(
    alert: Alert, links: Mapping[str, str | None] | None = None, description: str | None = None
) -> dict[str, Any]:
    """Make the message of an alert: its event's values, and wall-clock times in ISO 8601, UTC.

    Only ``when`` is for people: the start in the machine's time zone.

    Args:
        alert: The alert.
        links: ``link``, ``snapshot_url`` and ``clip_url``; all None where None.
        description: What a model says of the event's picture; None where none did, or not yet.
    """
    # Receivers depend on these names: docs/sinks.md promises them, and files of JSON have them.
    return {
        "key": alert.key,
        **alert.event.as_dict(),
        "start": utc(alert.start_us),
        "peak": utc(alert.peak_us),
        "end": None if alert.end_us is None else utc(alert.end_us),
        "snapshot": alert.snapshot,
        "clip": alert.clip,
        "text": _sentence(alert),
        "when": _local_time(alert.start_us),
        "description": description,
        "count": 1,
        **(links or {"link": None, "snapshot_url": None, "clip_url": None}),
    }


def trial_message() -> dict[str, Any]:
    """Make the message by which people see whether alerts arrive; its phase is "test"."""
    now_us = time.time_ns() // 1000
    event = Event(
        id="0",
        kind="anomaly",
        phase="start",
        source="Oddframe",
        start_s=0.0,
        end_s=0.0,
        peak_s=0.0,
        score=0.5,
        box=None,
        reason="test",
        parts={},
    )
    message = message_of(Alert(event, now_us, now_us, now_us))
    text = "This is a test: alerts of Oddframe arrive here."
    return {**message, "phase": "test", "key": f"test-{now_us}", "text": text}


def is_about_an_event(message: Message) -> bool:
    """Whether a message is a phase of one event; a digest and a test are not."""
    return message["phase"] in ("start", "update", "end")


def is_wanted(message: Message, phases: Collection[MessagePhase]) -> bool:
    """Whether a receiver that asks for some phases wants a message; all want digests and tests."""
    phase = message["phase"]
    return phase in phases or phase not in get_args(MessagePhase)


def _sentence(alert: Alert) -> str:
    """Say what happened, for people."""
    event = alert.event
    reason = event.reason.rstrip(".")
    what = f"{reason[:1].upper()}{reason[1:]} at {event.source}"
    return f"{what}; it is over." if event.phase == "end" else f"{what}."


def utc(at_us: int) -> str:
    """Write microseconds since 1970-01-01 UTC in ISO 8601."""
    return _moment(at_us).isoformat(timespec="microseconds")


def _local_time(at_us: int) -> str:
    """Write a moment for people as the app does, in the machine's time zone, which is named."""
    there = _moment(at_us).astimezone()
    return f"{there:%a}, {there.day} {there:%b %Y, %H:%M:%S} ({there:%Z})"


def _moment(at_us: int) -> datetime:
    # Not fromtimestamp: a float has no room for microseconds.
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)


def network_reason(error: BaseException | None, timeout_s: float | None = None) -> str:
    """Say why a receiver could not be reached, without an address or a library's names.

    Args:
        error: What the network raised; None where it is not known yet.
        timeout_s: How long was waited, in seconds, for an error that came of it.
    """
    match error:
        case None:
            return "it has not answered yet"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return "it does not speak TLS at this port, or another version of it"
        case TimeoutError():
            return "no answer" + (f" within {timeout_s:g} s" if timeout_s else " in time")
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError():
            return "it closed the connection"
        case OSError(strerror=str(text)) if text:
            return text
        case _:
            return "it closed the connection, or its answer is none"
