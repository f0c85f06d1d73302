"""One camera on its way from frames to events, and what people are shown of it meanwhile.

The loop of the watcher drives a `CameraPipeline`: `take` a frame, give it to the model, `detect`
events in its score. What it shows to people are plain records: `CameraView`, `CameraSnapshot`.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from oddframe._types import AnomalyMap, Pixels
from oddframe.core.alerts import Alert, CameraStatus, Phase, StreamStatus
from oddframe.core.calibration import Calibration
from oddframe.core.clips import rate_notice
from oddframe.core.clocks import WallClock
from oddframe.core.events import EventDetector
from oddframe.core.records import Event, Frame, FrameTiming, Score
from oddframe.inference.model import Model
from oddframe.inference.stream_scorer import PendingFrame, StreamScorer
from oddframe.media.stream_set import FrameStream
from oddframe.monitoring.config import Camera

_RECENT_S = 60
"""Seconds of scores that a view shows."""

_MAP_STAYS_S = 1.0
"""So long the last frame with a map is shown where none with one follows, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraView:
    """A camera at one moment.

    Attributes:
        name: What its results are filed under.
        state: How its stream is doing.
        score: The latest score, in (0, 1); None where there is none.
        recent: The highest score of each of the last 60 seconds, oldest first; None for a second
            without a score.
        clips: Clips scored since the start.
        inference_ms: Milliseconds of the model for a clip, on average; None before the first.
        last_event: The last alert of it; None before the first.
        open_event: Whether an event goes on.
        unusual: Whether that is an anomaly, and not a fault of the camera.
        fault: What is wrong with the camera's picture, such as "covered"; None where nothing is.
        events: Events that have begun since the start.
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
    unusual: bool = False
    fault: str | None = None
    events: int = 0
    is_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraSnapshot:
    """What a camera shows at one moment.

    Attributes:
        time_s: The time of its frame, in seconds of its stream; another frame has another one.
        picture: The picture, uint8 h x w x 3.
        map: The anomaly map of the same frame, float32 H x W of the network's size; None where
            there is none.
        map_level: Value of the map that normal pictures hardly reach.
    """

    time_s: float
    picture: Pixels
    map: AnomalyMap | None
    map_level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchHeader:
    """What is shown of all cameras together.

    Attributes:
        models: The models that score, as people call them.
        now_us: The moment, in microseconds since 1970-01-01 UTC.
        uptime_s: Seconds since the start.
        events_today: Events that have begun since midnight.
        lagging: What has trouble or has not delivered everything, by name, and why.
        troubles: What is wrong now with sinks, database and pictures, by name; a text is the same
            as long as the trouble is.
    """

    models: Sequence[str]
    now_us: int
    uptime_s: float = 0.0
    events_today: int = 0
    lagging: Mapping[str, str] = field(default_factory=dict)
    troubles: Mapping[str, str] = field(default_factory=dict)


class CameraPipeline:
    """Makes events of the frames of a camera while it is watched.

    All calls but `view`, `snapshot` and `state` come from the thread that scores.

    Args:
        camera: Its settings.
        stream: Where its frames come from.
        model: The model that scores them.
        calibration: Its threshold; its budget may be another than the model's.
        since_us: When it begins to be watched, in microseconds since 1970-01-01 UTC.

    Attributes:
        camera: Its settings.
        stream: Where its frames come from.
        model: The model that scores them.
        calibration: Its threshold.
        wall: Gives the wall-clock time of a second of its stream.
        time_s: The time of its last frame, or later where time has passed without one.
        picture: The last frame with a score, for people to look at; None where none was asked for.
        peak_picture: The frame at the highest score of the event in progress, for people.
        score: The last score, in (0, 1); None where there is none.
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
        self.peak_picture: Pixels | None = None
        self.crashed: str | None = None
        self.calibration = calibration
        # A recording that is watched again has the same events; a camera's seconds begin anew with
        # each watching, and its events must not get ids of earlier ones. No name has a line break.
        self._identity = camera.name if camera.is_file else f"{camera.name}\n{since_us}"
        self._detector = self._new_detector()
        # Made with the first frame: only then the rate of the stream is known.
        self._chain: StreamScorer | None = None
        self._chain_fps = 0.0
        # The last frame and when it came, on the clock that never jumps.
        self._last: tuple[Frame, float] | None = None
        # The last frame whose anomaly map is known, for `snapshot`.
        self._mapped: CameraSnapshot | None = None
        self._clips, self._inference_s = 0, 0.0
        self.score: float | None = None
        self._recent: deque[float | None] = deque(maxlen=_RECENT_S)
        self._second = -1
        self._alert: Alert | None = None
        self._events = 0
        self._open: dict[str, Event] = {}

    @property
    def name(self) -> str:
        """The name that its results are filed under."""
        return self.camera.name

    def take(self, frame: Frame, now_s: float, now_us: int) -> list[PendingFrame]:
        """Take the next frame.

        Args:
            frame: The frame.
            now_s: The moment, in seconds on a clock that never jumps.
            now_us: The moment, in microseconds since 1970-01-01 UTC.

        Returns:
            The frames that are ready for the model, in order.
        """
        # The times of a file are those of its first frame and its own seconds, however fast it
        # is played.
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
            # The rate of a live stream is measured, and becomes more exact.
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
            The scores that are final now and ready for `detect`, in order.
        """
        assert self._chain is not None, "frames are taken before their results come"
        return self._chain.resolve(results)

    def detect(self, score: Score, inference_s: float) -> list[Event]:
        """Detect events in the score of the next frame.

        Args:
            score: The score as the model gave it, for the model's own threshold.
            inference_s: How long the model took for it, in seconds.

        Returns:
            The phases of events that are known now, in order.
        """
        if score.raw is not None:
            score = replace(score, score=self.calibration.score(score.raw))
            self._clips += 1
            self._inference_s += inference_s
        self._note_recent(score)
        self.picture = score.picture
        self._note_mapped(score)
        events = self._detector.push(score)
        if self._detector.peak_s == score.time_s:
            self.peak_picture = score.picture
        return events

    def pass_time(self, now_s: float) -> list[Event]:
        """Let time pass for a live camera from which no frame has come for a while.

        Args:
            now_s: The moment, in seconds on a clock that never jumps.

        Returns:
            The phases of events that are known now, in order: silence is a fault of the camera.
        """
        if self.camera.is_file or self._last is None or self._chain is None:
            return []
        frame, arrived_s = self._last
        time_s = frame.time_s + now_s - arrived_s
        changes = self._chain.tick(time_s)
        if not changes:
            return []
        # The frames that wait come first: events are detected in order of time.
        events = self._let_go()
        self.time_s = max(self.time_s, time_s)
        self.score = None
        return [
            *events,
            *self._detector.push(Score(frame.index, time_s, health="no signal", changes=changes)),
        ]

    def recalibrate(self, camera: Camera, calibration: Calibration) -> list[Event]:
        """Go on with another threshold, and close what is open: scores mean something else now.

        Args:
            camera: Its settings, the same but for what decides the threshold.
            calibration: The new threshold.

        Returns:
            The ends of the events that were open.
        """
        closed = self._detector.finish()
        self.camera, self.calibration = camera, calibration
        self._detector = self._new_detector()
        self._recent.clear()
        self._second = -1
        return closed

    def finish(self) -> list[Event]:
        """Score what waits and close what is open, when the camera is watched no more."""
        return [*self._let_go(), *self._detector.finish()]

    def _new_detector(self) -> EventDetector:
        cool_down_s = None if self.camera.zones is None else self.camera.zones.cool_down_s
        return EventDetector(self.name, self.calibration, cool_down_s, self._identity)

    def _let_go(self) -> list[Event]:
        """Detect events in the frames that wait for a clip, which will not be complete any more."""
        if self._chain is None:
            return []
        scores = self._chain.resolve(self.model.scored(self._chain.finish(), maps=False))
        return [event for score in scores for event in self.detect(score, 0.0)]

    def record_alert(self, alert: Alert) -> None:
        """Keep an alert of the camera, for `view`."""
        event = alert.event
        self._alert = alert
        self._events += event.phase == "start"
        if event.phase == "end":
            self._open.pop(event.id, None)
        else:
            self._open[event.id] = event

    def state(self) -> StreamStatus:
        """Return how its stream is doing; "failed" where it is not scored any more."""
        rates = None if self._chain is None else self._chain.rates
        slow = None if rates is None or not rates.is_slow else rates.timing.rate_fps
        state = self.stream.state()
        if slow is not None:
            state = replace(state, notice=rate_notice(slow, self.model.bundle.rate_fps))
        if self.crashed is None:
            return state
        return replace(state, phase=Phase.FAILED, error=self.crashed)

    def slow_notice(self) -> str | None:
        """Say what of all its frames so far came more slowly than wanted; None where nothing."""
        return None if self._chain is None else self._chain.rates.notice()

    def status(self, now_us: int) -> CameraStatus:
        """Return how it is doing, for the sinks: its stream, and what became of its frames."""
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
        """Return how it is doing, for people; may be called from any thread."""
        # Read once: the thread that scores may change it between two uses.
        clips, open_ = self._clips, tuple(self._open.values())
        faults = [event.reason for event in open_ if event.kind == "health"]
        return CameraView(
            name=self.name,
            state=self.state(),
            score=self.score,
            recent=tuple(self._recent),
            clips=clips,
            inference_ms=1000 * self._inference_s / clips if clips else None,
            last_event=self._alert,
            open_event=bool(open_),
            unusual=len(faults) < len(open_),
            fault=faults[-1] if faults else None,
            events=self._events,
            is_file=self.camera.is_file,
        )

    def snapshot(self, *, mapped: bool = False) -> CameraSnapshot | None:
        """Return what it shows now; may be called from any thread.

        Args:
            mapped: Whether the last frame with an anomaly map is wanted. It is a little older than
                the last one that came, and there are only as many as are scored.

        Returns:
            None before the first frame, and where no pictures are made for people.
        """
        if mapped and (found := self._mapped) is not None:
            return found
        # Straight from the stream: the scoring takes frames in batches, which nobody should see.
        frame = self.stream.newest
        if frame is None or frame.picture is None:
            return None
        return CameraSnapshot(
            time_s=frame.time_s,
            picture=frame.picture,
            map=None,
            map_level=self.calibration.map_level,
        )

    def _note_mapped(self, score: Score) -> None:
        """Keep the frame of a score for `snapshot`, with its map."""
        before = self._mapped
        # Frames between two clips have no map: the one before, which has one, stays for a moment.
        # Not where the picture shows nothing of the scene: heat would be seen that is not there.
        stays = (
            score.map is None
            and score.health == "ok"
            and before is not None
            and before.map is not None
            and score.time_s - before.time_s < _MAP_STAYS_S
        )
        if score.picture is not None and not stays:
            self._mapped = CameraSnapshot(
                time_s=score.time_s,
                picture=score.picture,
                map=score.map,
                map_level=self.calibration.map_level,
            )

    def _note_recent(self, score: Score) -> None:
        """Keep the highest score of each second, for `view`."""
        self.score = score.score
        second = int(score.time_s)
        if second != self._second:
            self._second = second
            self._recent.append(score.score)
        elif score.score is not None:
            before = self._recent.pop()
            self._recent.append(score.score if before is None else max(before, score.score))
