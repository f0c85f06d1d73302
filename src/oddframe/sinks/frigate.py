"""Alerts as events in Frigate: one is opened when an event starts, and ended when it ends.

Frigate calls them manual events. What is sent follows its published OpenAPI description
(blakeblackshear/frigate, docs/static/frigate-api.yaml): ``POST /events/{camera}/{label}/create``,
``PUT /events/{id}/end``, and ``GET /events`` for those that are open.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from pydantic import Field

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError, DeliveryRefusedError, SettingsError
from oddframe.settings import settings_dataclass
from oddframe.sinks.http_client import Answer, Receiver, check_address, secrets_in
from oddframe.sinks.sink import Message, Retry


@settings_dataclass("frigate")
class FrigateConfig:
    """Which Frigate to tell, and what its cameras are called.

    Attributes:
        url: Frigate's address, such as ``http://frigate:5000``; without ``/api``.
        cameras: Frigate's names for cameras that have another name here.
        label: What Frigate calls the events; of letters, digits, ``-`` and ``_``. All open events
            with this label are taken for ours, so nobody else may use it.
        headers: More headers to send, such as one with a login.
        late_s: How old the start of an event may be, in seconds. Frigate begins an event when it is
            told of it; an older one would lie at a wrong time.
        timeout_s: Longest time from the connection to the end of the answer, in seconds.
        retry: When to try again.
    """

    url: str = field(repr=False)
    cameras: Mapping[str, str] = field(default_factory=dict)
    label: str = "anomaly"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    late_s: Annotated[float, Field(gt=0)] = 60.0
    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    retry: Retry = field(default_factory=Retry)

    def __post_init__(self) -> None:
        check_address("a Frigate", self.url, self.headers)
        plain = self.label.replace("-", "").replace("_", "")
        if not plain.isascii() or not plain.isalnum():
            raise SettingsError(
                "a Frigate's label must be of letters, digits, - and _, such as anomaly, "
                f"got {self.label!r}"
            )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts of the address and the headers that nobody may be shown."""
        return secrets_in(self.url, self.headers)


@dataclass(frozen=True, slots=True)
class OpenedEvent:
    """An event that is open in Frigate.

    Attributes:
        id: Frigate's name for it.
        since_s: When it began there, in seconds since 1970-01-01 UTC.
    """

    id: str
    since_s: float


class Frigate:
    """Opens an event in Frigate for each anomaly and ends it with the anomaly.

    A camera has one anomaly at a time, so it has one open event. Where the sink cannot know which
    that is (after a start of the program, or after an answer that did not come), it asks Frigate
    for the open events of the camera with its label. So none stays open for ever.
    """

    durable = True

    def __init__(self, config: FrigateConfig, now: Callable[[], float] = time.time) -> None:
        """Remember where to send; nothing is sent yet.

        Args:
            config: The settings.
            now: The time of day in seconds since 1970-01-01 UTC.
        """
        self.retry = config.retry
        self._config, self._now = config, now
        self._receiver = Receiver("Frigate", config.url, config.headers, timeout_s=config.timeout_s)
        self._api = self._receiver.path.rstrip("/") + "/api/events"
        # By Frigate's name of the camera; a camera that is not in it has to be asked for.
        self._opened: dict[str, OpenedEvent | None] = {}

    def deliver(self, message: Message) -> None:
        """Open or end an event; updates and events of a camera's health are left out.

        Raises:
            DeliveryError: If there was no answer, or one that may be another later.
            DeliveryRefusedError: If Frigate refuses it for good, or the event began too long ago.
        """
        if message["kind"] != "anomaly" or message["phase"] == "update":
            return
        camera = self._config.cameras.get(message["source"], message["source"])
        if message["phase"] == "start":
            self._end(camera, _seconds(message["start"]))
            self._create(camera, message)
        else:
            self._end(camera, _seconds(message["end"]))

    def report(self, status: CameraStatus) -> None:
        """Send nothing: Frigate watches the cameras itself."""

    def close(self) -> None:
        """Do nothing: no connection is open between two requests."""

    def _create(self, camera: str, message: Message) -> None:
        """Open an event of a camera, and remember it."""
        now_s = self._now()
        late_s = now_s - _seconds(message["start"])
        if late_s > self._config.late_s:
            raise DeliveryRefusedError(
                "Frigate begins an event when it is told of it, so it must be told within "
                f"late_s ({self._config.late_s:g} s), but this one began {late_s:.0f} s ago"
            )
        wanted: dict[str, Any] = {
            "sub_label": message["reason"],
            "score": message["score"],
            "duration": None,  # until it is ended
            "include_recording": True,
        }
        if message["box"] is not None:
            left, top, right, bottom = message["box"]
            percent = round(100 * message["score"])
            box = {"box": [left, top, right - left, bottom - top], "score": percent}
            wanted["draw"] = {"boxes": [box]}
        # Until the answer is here, nobody knows whether there is an event.
        self._opened.pop(camera, None)
        path = f"{self._api}/{quote(camera, safe='')}/{self._config.label}/create"
        answer = self._receiver.send("POST", path, *_as_json(wanted), read=True)
        if answer.status == 404:
            raise DeliveryRefusedError(
                f"Frigate at {self._receiver.host} must have the camera {camera!r}, but it knows "
                "none of that name: say in the sink's table cameras what it is called there"
            )
        self._check(answer)
        made = self._read(answer)
        if not isinstance(made, dict) or not isinstance(made.get("event_id"), str):
            raise self._stranger()
        self._opened[camera] = OpenedEvent(made["event_id"], now_s)

    def _end(self, camera: str, at_s: float) -> None:
        """End what is open of a camera, at a time in seconds since 1970-01-01 UTC."""
        for opened in self._open_events(camera):
            # Frigate began it a little later than it began here: it must not end before that.
            wanted = {"end_time": max(at_s, opened.since_s)}
            path = f"{self._api}/{quote(opened.id, safe='')}/end"
            answer = self._receiver.send("PUT", path, *_as_json(wanted))
            # Frigate ends or deletes events itself too, and then knows none of that name.
            if answer.status != 404:
                self._check(answer)
        self._opened[camera] = None

    def _open_events(self, camera: str) -> list[OpenedEvent]:
        """Return the events of ours that are open for a camera, from memory or from Frigate."""
        if camera in self._opened:
            known = self._opened[camera]
            return [] if known is None else [known]
        asked = {
            "cameras": camera,
            "labels": self._config.label,
            "in_progress": 1,
            "include_thumbnails": 0,
        }
        answer = self._receiver.send("GET", f"{self._api}?{urlencode(asked)}", read=True)
        self._check(answer)
        try:
            return [
                OpenedEvent(str(event["id"]), float(event["start_time"]))
                for event in self._read(answer)
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise self._stranger() from error

    def _check(self, answer: Answer) -> None:
        """Raise what an answer means that is no receipt."""
        host = self._receiver.host
        if answer.status in (401, 403):
            raise DeliveryRefusedError(
                f"Frigate at {host} must let us make events, but it wants a login "
                f"(answer {answer.status}): use its port 5000, which needs none, or headers"
            )
        if answer.is_final:
            raise DeliveryRefusedError(
                f"Frigate at {host} must take the alert, but it answered {answer.status}"
            )
        if not answer.is_taken:
            raise DeliveryError(
                f"Frigate at {host} answered {answer.status}; the alert is sent again",
                answer.wait_s,
            )

    def _read(self, answer: Answer) -> Any:
        """Return what an answer says in JSON."""
        try:
            return json.loads(answer.body)
        except ValueError as error:
            raise self._stranger() from error

    def _stranger(self) -> DeliveryError:
        """Return the error for an answer that Frigate would not give."""
        return DeliveryError(
            f"the sink's url must be Frigate's own address, such as http://frigate:5000, but "
            f"{self._receiver.host} answered what Frigate does not; the alert is sent again"
        )


def _as_json(value: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return a body of JSON and the header that says so."""
    return json.dumps(value, ensure_ascii=False).encode(), {"Content-Type": "application/json"}


def _seconds(when: str) -> float:
    """Return the seconds since 1970-01-01 UTC of a message's time in ISO 8601."""
    return datetime.fromisoformat(when).timestamp()
