"""One camera on its way from frames to events.

What people are shown of the cameras while they are watched, as plain records.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from oddframe._types import Pixels
from oddframe.core.alerts import Alert, CameraStatus, Phase, StreamStatus
from oddframe.core.calibration import Calibration
from oddframe.core.clocks import WallClock
from oddframe.core.events import EventDetector
from oddframe.core.records import Event, Frame, FrameTiming, Score
from oddframe.inference.model import Model
from oddframe.inference.stream_scorer import PendingFrame, StreamScorer
from oddframe.media.stream_set import FrameStream
from oddframe.monitoring.config import Camera


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
    state: StreamStatus
    score: float | None = None
    recent: Sequence[float | None] = ()
    clips: int = 0
    inference_ms: float | None = None
    last_event: Alert | None = None
    open_event: bool = False
    events: int = 0
    is_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraSnapshot:
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


_RECENT_S = 60


class CameraPipeline:
    """What is known of a camera while it is watched. All calls but `view` come from the thread that scores.

    Args:
        camera: Its settings.
        stream: Where its frames come from.
        model: What scores them.
        calibration: Its threshold; its budget may be another than the model's.
        since_us: When it begins to be watched, in microseconds since 1970-01-01 UTC.

    Attributes:
        camera: Its settings.
        stream: Where its frames come from.
        model: What scores them.
        calibration: Its threshold.
        wall: From its seconds to the wall clock.
        time_s: The time of its last frame, or later where time has passed without one.
        picture: The last frame for people to look at; None where none was asked for.
        peak_picture: The same at the highest score of the event in progress.
        score: The last score, in (0, 1); None where there is none.
        map: The last anomaly map; None where there is none, or the picture shows nothing of the
            scene.
        crashed: Why it is not scored any more; its stream may go on.
    """

    def __init__(
        self,
        camera: Camera,
        stream: FrameStream,
        model: Model,
        calibration: Calibration,
        since_us: int,
    ) -> None:
        self.camera, self.stream, self.model = camera, stream, model
        self.wall = WallClock()
        self.time_s = 0.0
        self.picture: Pixels | None = None
        self.map: npt.NDArray[np.float32] | None = None
        self.peak_picture: Pixels | None = None
        self.crashed: str | None = None
        self.calibration = calibration
        # A recording that is watched again has the same events; a camera's seconds begin anew with
        # each watching.
        once = camera.is_file and not camera.loop
        self._identity = camera.name if once else f"{camera.name}\n{since_us}"
        self._machine = self._new_machine()
        self._chain: StreamScorer | None = None
        self._chain_fps = 0.0
        self._last: tuple[Frame, float] | None = None
        self._clips, self._inference_s = 0, 0.0
        self.score: float | None = None
        self._recent: deque[float | None] = deque(maxlen=_RECENT_S)
        self._second = -1
        self._alert: Alert | None = None
        self._events = 0
        self._open: set[str] = set()

    @property
    def name(self) -> str:
        """What its results are filed under."""
        return self.camera.name

    def take(self, frame: Frame, now_s: float, now_us: int) -> list[PendingFrame]:
        """Take the next frame; returns those that are ready for the model, in order.

        Args:
            frame: The frame.
            now_s: The moment, in seconds on a clock that never jumps.
            now_us: The moment, in microseconds since 1970-01-01 UTC.
        """
        if not self.camera.is_file or self._last is None:
            self.wall.see(frame.time_s, now_us)
        rate_fps = self.stream.rate_fps or self.model.bundle.rate_fps
        if self._chain is None:
            self._chain = self.model.stream(
                rate_fps,
                self.stream.gap_s,
                watch_health=self.camera.health,
                zones=self.camera.zones,
            )
        elif rate_fps != self._chain_fps:
            self._chain.retime(FrameTiming(rate_fps, self.stream.gap_s))
        self._chain_fps = rate_fps
        self._last, self.time_s = (frame, now_s), frame.time_s
        return self._chain.push(frame)

    def resolve(self, results: Iterable[Score]) -> list[Score]:
        """Take what the model says of the next frames.

        Args:
            results: One for each frame that `take` returned, in the same order; some now and the
                others in later calls is fine.

        Returns:
            The scores that are final now and ready for `judge`, in order.
        """
        assert self._chain is not None, "frames are taken before their results come"
        return self._chain.resolve(results)

    def judge(self, score: Score, inference_s: float) -> list[Event]:
        """Take the score of a frame; returns what is known now.

        Args:
            score: As the model gave it, for the model's own threshold.
            inference_s: What it cost, in seconds of the model.
        """
        if score.raw is not None:
            score = replace(score, score=self.calibration.score(score.raw))
            self._clips += 1
            self._inference_s += inference_s
        self._note(score)
        self.picture = score.picture
        if score.map is not None or score.health != "ok":
            self.map = score.map
        events = self._machine.push(score)
        if self._machine.peak_s == score.time_s:
            self.peak_picture = score.picture
        return events

    def pass_time(self, now_s: float) -> list[Event]:
        """No frame has come for a while: time passes all the same for a live camera; returns what is known now."""
        if self.camera.is_file or self._last is None or self._chain is None:
            return []
        frame, came_s = self._last
        time_s = frame.time_s + now_s - came_s
        changes = self._chain.tick(time_s)
        if not changes:
            return []
        told = self._let_go()
        self.time_s = max(self.time_s, time_s)
        self.score = None
        return [
            *told,
            *self._machine.push(Score(frame.index, time_s, health="no signal", changes=changes)),
        ]

    def recalibrate(self, camera: Camera, calibration: Calibration) -> list[Event]:
        """Go on with another threshold; what is open is closed, since its scores mean something else now.

        Args:
            camera: Its settings, the same but for what decides the threshold.
            calibration: The new one.
        """
        closed = self._machine.finish()
        self.camera, self.calibration = camera, calibration
        self._machine = self._new_machine()
        self._recent.clear()
        self._second = -1
        return closed

    def finish(self) -> list[Event]:
        """It is watched no more: close what is open."""
        return [*self._let_go(), *self._machine.finish()]

    def _new_machine(self) -> EventDetector:
        cool_down_s = None if self.camera.zones is None else self.camera.zones.cool_down_s
        return EventDetector(self.name, self.calibration, cool_down_s, self._identity)

    def _let_go(self) -> list[Event]:
        """No clip will score the frames that wait for one; returns what is known now."""
        if self._chain is None:
            return []
        scores = self._chain.resolve(self.model.scored(self._chain.finish(), maps=False))
        return [event for score in scores for event in self.judge(score, 0.0)]

    def told(self, alert: Alert) -> None:
        """Note what was told of it, for `view`."""
        event = alert.event
        self._alert = alert
        self._events += event.phase == "start"
        if event.phase == "end":
            self._open.discard(event.id)
        else:
            self._open.add(event.id)

    def state(self) -> StreamStatus:
        """How its stream is doing."""
        state = self.stream.state()
        return (
            state
            if self.crashed is None
            else replace(state, phase=Phase.FAILED, error=self.crashed)
        )

    def status(self, now_us: int) -> CameraStatus:
        """The same for the outside, with what became of its frames."""
        state = self.state()
        return CameraStatus(
            camera=self.name,
            at_us=now_us,
            online=state.phase is Phase.LIVE,
            state=str(state.phase),
            rate_fps=state.rate_fps,
            frames=state.frames,
            dropped=state.dropped,
            reconnects=state.reconnects,
            clips=self._clips,
            inference_s=self._inference_s,
            score=self.score if state.phase is Phase.LIVE else None,
        )

    def view(self) -> CameraView:
        """The same for people; may be called from any thread."""
        clips = self._clips
        return CameraView(
            name=self.name,
            state=self.state(),
            score=self.score,
            recent=tuple(self._recent),
            clips=clips,
            inference_ms=1000 * self._inference_s / clips if clips else None,
            last_event=self._alert,
            open_event=bool(self._open),
            events=self._events,
            is_file=self.camera.is_file,
        )

    def glimpse(self) -> CameraSnapshot | None:
        """What it shows now, for any thread. None before the first frame and where no picture is made."""
        picture = self.picture
        if picture is None:
            return None
        return CameraSnapshot(
            time_s=self.time_s, picture=picture, map=self.map, map_level=self.calibration.map_level
        )

    def _note(self, score: Score) -> None:
        """Keep the highest score of each second."""
        self.score = score.score
        second = int(score.time_s)
        if second != self._second:
            self._second = second
            self._recent.append(score.score)
        elif score.score is not None:
            before = self._recent.pop()
            self._recent.append(score.score if before is None else max(before, score.score))
