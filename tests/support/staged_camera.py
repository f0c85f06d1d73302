"""A camera that shows something unusual on demand, and waits until its event was delivered."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.support.alerting import Hook
from tests.support.delivered import complete, received
from tests.support.rtsp import RtspServer
from tests.support.udp_relay import UdpRelay


class CameraWatcher(Protocol):
    """What watches the camera: a process, or a watcher in this one."""

    def until(self, condition: Callable[[], object]) -> float:
        """Wait until a condition holds; returns the seconds that it took."""
        ...

    def until_frames(self, camera: str) -> float:
        """Wait until further frames of a camera came; returns the seconds that it took."""
        ...

    def metric(self, name: str, label: str) -> float:
        """Return a metric of a camera."""
        ...


@dataclass
class StagedCamera:
    """A camera and what it shows.

    Attributes:
        name: Its name in the settings.
        server: The RTSP server that plays it.
        watch: What watches it.
        hook: The webhook's receiver, which gets its events.
        relay: What stands between camera and watcher; None where nothing does.
        sent: How many unusual things it has shown.
        measured: Further columns of its row in the table of faults.
    """

    name: str
    server: RtspServer
    watch: CameraWatcher
    hook: Hook
    relay: UdpRelay | None = None
    sent: int = 0
    measured: dict[str, Any] = field(default_factory=dict)

    def show(self, scene: Path, *, until: str | None = "end") -> None:
        """Show something unusual after everything before it is over.

        Args:
            scene: Folder of the encoded pictures.
            until: Phase of its event to wait for, "start" or "end"; None waits for nothing, not
                even for what was shown before.
        """
        if until is not None:
            self.watch.until(lambda: self.count_events() >= self.sent)
        self.server.order(f"once {scene}")
        self.sent += 1
        if until is not None:
            self.watch.until(lambda: self.count_events(until) >= self.sent)

    def count_events(self, phase: str = "end") -> int:
        """Count the events of which this phase was delivered."""
        return len(complete(received(self.hook), self.name, [phase]))

    def wait_for_recovery(self) -> None:
        """Wait for frames after a fault, and note how long that took."""
        began_s = time.monotonic()
        self.watch.until_frames(self.name)
        self.measured["recovered_s"] = time.monotonic() - began_s
