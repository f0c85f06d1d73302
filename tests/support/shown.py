"""A camera that shows something unusual when it is told to, and waits until that has been told."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.support.alerting import Hook
from tests.support.rtsp import RtspServer
from tests.support.told import complete, received
from tests.support.udp_relay import UdpRelay


class Watching(Protocol):
    """Who watches."""

    def until(self, holds: Callable[[], object]) -> float:
        """Wait until something holds; gives the seconds that it took."""
        ...

    def until_frames(self, camera: str) -> float:
        """Wait until further frames of a camera came; gives the seconds that it took."""
        ...

    def metric(self, name: str, of: str) -> float:
        """A metric of a camera."""
        ...


@dataclass
class Shown:
    """A camera and what it shows.

    Attributes:
        name: What it is called.
        server: Where it is.
        watch: Who watches it.
        hook: Who is told.
        relay: What is between camera and watcher, if anything.
        sent: Unusual things that it showed so far.
        measured: For the table.
    """

    name: str
    server: RtspServer
    watch: Watching
    hook: Hook
    relay: UdpRelay | None = None
    sent: int = 0
    measured: dict[str, Any] = field(default_factory=dict)

    def show(self, scene: Path, *, until: str | None = "end") -> None:
        """Show something unusual once what was before is over, and wait until its start or end has been told."""
        if until is not None:
            self.watch.until(lambda: self.told() >= self.sent)
        self.server.order(f"once {scene}")
        self.sent += 1
        if until is not None:
            self.watch.until(lambda: self.told(until) >= self.sent)

    def told(self, phase: str = "end") -> int:
        """Of how many events this phase has been told."""
        return len(complete(received(self.hook), self.name, [phase]))

    def recovers(self) -> None:
        """The fault is over: wait for frames, and note how long that took."""
        began_s = time.monotonic()
        self.watch.until_frames(self.name)
        self.measured["recovered_s"] = time.monotonic() - began_s
