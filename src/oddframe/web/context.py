"""What every route of the API shares: the server's parts, the present time, the length of a day."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi import Path as InPath

from oddframe.monitoring.config import Camera
from oddframe.sinks.links import Links
from oddframe.store.events import StoredEvent
from oddframe.store.store import Store
from oddframe.web.auth import Access
from oddframe.web.event_pictures import HeatPictures
from oddframe.web.learning import Learner
from oddframe.web.live_updates import EventHub, LivePictures
from oddframe.web.people import Person
from oddframe.web.supervisor import Supervisor

DAY_US = 86_400 * 1_000_000
"""A day in microseconds, the unit of all times in the API and the database."""


def now_us() -> int:
    """Return the present time in microseconds since 1970-01-01 UTC."""
    # From nanoseconds: a float of seconds would round to half a microsecond.
    return time.time_ns() // 1000


@dataclass(frozen=True, eq=False)
class AppContext:
    """The server's parts, made once and handed to every route.

    Attributes:
        supervisor: The watcher and its cameras.
        hub: Sends messages to all browsers that listen.
        access: Checks tokens and sessions.
        pictures: The last picture of each camera.
        heat_pictures: Pictures of stored events with their heat maps.
        learner: Learns cameras.
        links: Checks the links to files that were in alerts.
        media: Folders beside the data folder whose files may be watched.
        began_s: When the server began, in seconds on a clock that never jumps.
    """

    supervisor: Supervisor
    hub: EventHub
    access: Access
    pictures: LivePictures
    heat_pictures: HeatPictures
    learner: Learner
    links: Links
    media: tuple[Path, ...] = ()
    # Monotonic: the uptime stays right when the machine's clock is set.
    began_s: float = field(default_factory=time.monotonic)

    @property
    def store(self) -> Store:
        """The database of events, scores and reviews."""
        return self.supervisor.store

    def camera(self, name: str) -> Camera:
        """Return a camera of the plan.

        Raises:
            HTTPException: 404 if there is none of this name.
        """
        camera = self.supervisor.camera(name)
        if camera is None:
            raise HTTPException(404, "there is no camera with this name")
        return camera

    def event(self, row: int) -> StoredEvent:
        """Return an event by its row in the database.

        Raises:
            HTTPException: 404 if there is none.
        """
        events = self.store.reader.events(row=row, limit=1)
        if not events:
            raise HTTPException(
                404, "there is no such event; old events are deleted after some time"
            )
        return events[0]


def _context_of(request: Request) -> AppContext:
    context: AppContext = request.app.state.context
    return context


Context = Annotated[AppContext, Depends(_context_of)]
"""A route's parameter of this type is the context of the app that was asked."""


def _person_of(request: Request) -> Person:
    person: Person = request.scope["person"]
    return person


Asking = Annotated[Person, Depends(_person_of)]
"""A route's parameter of this type is who sent the request, as `SecurityMiddleware` knows it."""

CameraName = Annotated[str, InPath(min_length=1, max_length=100)]
"""The name of a camera in the path of a request."""
