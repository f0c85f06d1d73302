"""What people are shown of the cameras while they are watched, as plain records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from oddframe.core.alerts import Alert
from oddframe.core.records import Pixels
from oddframe.core.stream_state import StreamState

__all__ = ["CameraView", "Glimpse", "WatchHeader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraView:
    """A camera at one moment.

    Attributes:
        name: What its results are filed under.
        state: How its stream is doing.
        score: The latest score, in (0, 1); None where there is none.
        recent: The highest score of each second of late, oldest first; None where there was none.
        clips: Clips scored since the start.
        inference_ms: Milliseconds of the model for a clip, on average; None before the first.
        last_event: The last thing told of it; None before the first.
        open_event: Whether an event goes on.
        events: Events that have started since the start.
        is_file: Whether it is a file, which has no wall-clock times of its own.
    """

    name: str
    state: StreamState
    score: float | None = None
    recent: Sequence[float | None] = ()
    clips: int = 0
    inference_ms: float | None = None
    last_event: Alert | None = None
    open_event: bool = False
    events: int = 0
    is_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Glimpse:
    """What a camera shows at one moment.

    Attributes:
        time_s: Which moment, in seconds of its stream: tells one glimpse from another.
        picture: The picture, uint8 h x w x 3.
        map: The anomaly map, float32 H x W of the network's size; None where there is none.
        map_level: Height of the map that normal pictures hardly reach.
    """

    time_s: float
    picture: Pixels
    map: npt.NDArray[np.float32] | None
    map_level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchHeader:
    """What is shown of all cameras together.

    Attributes:
        models: The models that score, as people call them.
        now_us: The moment, in microseconds since 1970-01-01 UTC.
        uptime_s: Seconds since the start.
        events_today: Events that have started since midnight.
        lagging: Sinks that have not told everything, by name, and why.
    """

    models: Sequence[str]
    now_us: int
    uptime_s: float = 0.0
    events_today: int = 0
    lagging: Mapping[str, str] = field(default_factory=dict)
