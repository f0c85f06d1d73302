"""What the parts of the API share."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import HTTPException, Request

from oddframe.monitoring.config import Camera
from oddframe.store.events import StoredEvent
from oddframe.store.store import Store
from oddframe.web.auth import Access
from oddframe.web.live_updates import EventHub, LivePictures
from oddframe.web.supervisor import Supervisor


def now_us() -> int:
    """The time, in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


@dataclass(frozen=True, eq=False)
class AppContext:
    """The server's parts.

    Attributes:
        supervisor: The watcher and its cameras.
        hub: Who listens.
        access: Who may come in.
        pictures: The last picture of each camera.
        media: Folders beside the data folder whose files may be watched.
        began_s: When it began, on a clock that never jumps.
    """

    supervisor: Supervisor
    hub: EventHub
    access: Access
    pictures: LivePictures
    media: tuple[Path, ...] = ()
    began_s: float = field(default_factory=time.monotonic)

    @property
    def store(self) -> Store:
        """The database."""
        return self.supervisor.store

    def camera(self, name: str) -> Camera:
        """A camera of the plan.

        Raises:
            HTTPException: 404 if there is none.
        """
        camera = self.supervisor.camera(name)
        if camera is None:
            raise HTTPException(404, "there is no camera with this name")
        return camera

    def event(self, row: int) -> StoredEvent:
        """An event.

        Raises:
            HTTPException: 404 if there is none.
        """
        found = self.store.reader.events(row=row, limit=1)
        if not found:
            raise HTTPException(
                404, "there is no such event; old events are deleted after some time"
            )
        return found[0]


def site_of(request: Request) -> AppContext:
    """The site that a request came to."""
    site: AppContext = request.app.state.site
    return site
