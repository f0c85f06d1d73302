"""What every route of the API shares: the server's parts, the present time, the length of a day."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from oddframe.web.people import AuditLog, NamedTokens, Person
from oddframe.web.supervisor import Supervisor
from oddframe.web.uploads import Uploads

if TYPE_CHECKING:
    from oddframe.sinks.push import Push

DAY_US = 86_400 * 1_000_000
"""A day in microseconds, the unit of all times in the API and the database."""

NO_EVENT = "there is no such event; old events are deleted after some time"
"""What is said of an event that is not there, or that somebody may not see."""

_NO_CAMERA = "there is no camera with this name"


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
        uploads: Recordings that people sent.
        tokens: The accounts.
        log: What was changed, and by whom.
        push: Tells browsers of alerts; None where its library is not installed.
        media: Folders beside the data folder whose files may be watched.
        began_s: When the server began, in seconds on a clock that never jumps.
        person: Who asks. A route is given the parts with who sent its request, and so meets the
            cameras that this person sees, whichever way it looks for them.
    """

    supervisor: Supervisor
    hub: EventHub
    access: Access
    pictures: LivePictures
    heat_pictures: HeatPictures
    learner: Learner
    links: Links
    uploads: Uploads
    tokens: NamedTokens
    log: AuditLog
    push: "Push | None" = None
    media: tuple[Path, ...] = ()
    # Monotonic: the uptime stays right when the machine's clock is set.
    began_s: float = field(default_factory=time.monotonic)
    person: Person = field(default_factory=Person)

    @property
    def store(self) -> Store:
        """The database of events, scores and reviews."""
        return self.supervisor.store

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """The cameras of the plan that the person sees, in the order of the file."""
        cameras = self.supervisor.plan.cameras
        return tuple(camera for camera in cameras if self.person.sees(camera.name))

    def camera(self, name: str) -> Camera:
        """Return a camera of the plan.

        Raises:
            HTTPException: 404 if there is none of this name, or the person does not see it.
        """
        self.check_seen(name)
        camera = self.supervisor.camera(name)
        if camera is None:
            raise HTTPException(404, _NO_CAMERA)
        return camera

    def check_seen(self, name: str) -> None:
        """Refuse the name of a camera that the person does not see, whether or not it exists.

        Raises:
            HTTPException: 404, as for a camera that is not there: its name is not confirmed.
        """
        if not self.person.sees(name):
            raise HTTPException(404, _NO_CAMERA)

    def event(self, row: int) -> StoredEvent:
        """Return an event by its row in the database.

        Raises:
            HTTPException: 404 if there is none, or it is of a camera that the person does not see.
        """
        events = self.store.reader.events(row=row, limit=1, cameras=self.person.cameras)
        if not events:
            raise HTTPException(404, NO_EVENT)
        return events[0]


def _context_of(request: Request) -> AppContext:
    context: AppContext = request.app.state.context
    return replace(context, person=request.scope["person"])


Context = Annotated[AppContext, Depends(_context_of)]
"""A route's parameter of this type is the context of the app that was asked."""


def _person_of(request: Request) -> Person:
    person: Person = request.scope["person"]
    return person


Asking = Annotated[Person, Depends(_person_of)]
"""A route's parameter of this type is who sent the request, as `SecurityMiddleware` knows it."""

CameraName = Annotated[str, InPath(min_length=1, max_length=100)]
"""The name of a camera in the path of a request."""
