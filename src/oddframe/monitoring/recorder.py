"""What becomes of events: lines, alerts, pictures, clips."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from oddframe.core.alerts import Alert, alert
from oddframe.core.clocks import WallClock
from oddframe.core.records import Event
from oddframe.media.clip_export import Cut, cut_recording, write_event_clip
from oddframe.media.playback import PlaybackStream
from oddframe.monitoring.camera import CameraPipeline
from oddframe.monitoring.config import WatchSettings
from oddframe.monitoring.outputs import WatchOutputs
from oddframe.results.event_files import EventLines, event_lines


@dataclass(frozen=True, slots=True)
class _OpenClip:
    """A clip that is to be written once the camera's time is there."""

    due_s: float
    alert: Alert
    cut: Cut


class Recorder:
    """Takes what happened at cameras to the database, the files and the sinks; never waits for any of them.

    Use it in a `with` block: files of events of recordings appear whole at its end.

    Args:
        out: Folder for the lines.
        settings: What is kept.
        outlets: The database and the sinks.
        now_us: Microseconds since 1970-01-01 UTC.
        on_alert: Told each alert.
    """

    def __init__(
        self,
        out: Path,
        settings: WatchSettings,
        outlets: WatchOutputs,
        now_us: Callable[[], int],
        on_alert: Callable[[Alert], None],
    ) -> None:
        self._out, self._settings, self._now_us, self._on_alert = out, settings, now_us, on_alert
        self._store, self._delivery = outlets.store, outlets.delivery
        self._files: dict[str, ExitStack] = {}
        self._lines: dict[str, EventLines] = {}
        self._walls: dict[str, WallClock] = {}
        self._pictured: dict[str, float] = {}
        self._clips: dict[str, list[_OpenClip]] = {}

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *failure: object) -> None:
        left = ExitStack()
        for files in self._files.values():
            left.push(files)
        # Told of a failure, files that are not whole are taken back.
        left.__exit__(*failure)  # type: ignore[arg-type]

    def begin(self, camera: CameraPipeline) -> None:
        """A camera is going to be watched.

        Raises:
            OutputError: If its file cannot be written.
        """
        self.calibrated(camera)
        if camera.camera.is_file:
            path = self._out / f"{camera.name}.events.jsonl"
            files = self._files[camera.name] = ExitStack()
            self._lines[camera.name] = files.enter_context(event_lines(path))

    def calibrated(self, camera: CameraPipeline) -> None:
        """A camera has another threshold from now on: scores from before cannot be compared with those to come."""
        if self._store is not None:
            model = camera.model.bundle.fingerprint
            self._store.put_threshold(
                camera.name, self._now_us(), camera.calibration.threshold, model
            )

    def take(self, camera: CameraPipeline, events: list[Event]) -> None:
        """Tell what has become known of a camera, and cut the clips whose time has come."""
        for event in events:
            if (told := self._wanted(camera, event)) is not None:
                self._tell(camera, told)
        if waiting := self._clips.get(camera.name):
            self._cut(camera, [clip for clip in waiting if clip.due_s <= camera.time_s])

    def note(self, camera: CameraPipeline, time_s: float) -> None:
        """Keep the score that a camera has since a time of its own, in seconds."""
        if self._store is not None and camera.score is not None:
            self._store.put_score(camera.name, camera.wall(time_s), camera.score)

    def finish(self, camera: CameraPipeline) -> None:
        """A camera is watched no more: close what is open, cut what waits."""
        self.take(camera, camera.finish())
        self._cut(camera, list(self._clips.pop(camera.name, ())))
        self._lines.pop(camera.name, None)
        if (files := self._files.pop(camera.name, None)) is not None:
            files.close()

    def _wanted(self, camera: CameraPipeline, event: Event) -> Event | None:
        """The event as it is to be told; None outside armed hours.

        One that goes on when the hours begin starts then, for those who are told.
        """
        if event.id in self._walls:
            return event
        zones = camera.camera.zones
        armed = (
            None
            if zones is None or camera.camera.is_file or event.kind == "health"
            else zones.armed
        )
        if armed is not None and not armed.armed(self._now_us() / 1e6):
            return None
        if event.phase == "end" and armed is not None:
            return None
        return event if armed is None else replace(event, phase="start")

    def _tell(self, camera: CameraPipeline, event: Event) -> None:
        if (lines := self._lines.get(camera.name)) is not None:
            lines.write(event)
        # Start, updates and end of an event share one mapping, so that its times do not move when a
        # clock is set.
        wall = self._walls.setdefault(event.id, camera.wall.snapshot())
        told = alert(event, wall)
        if self._store is not None:
            clip = self._store.path_of(told, "clip") if self._has_video(camera) else None
            told = replace(told, snapshot=self._store.path_of(told, "snapshot"), clip=clip)
            self._store.put_event(told)
            self._picture(camera, told)
            if event.phase == "end":
                self._plan_clip(camera, told)
        self._delivery.offer(told)
        camera.told(told)
        self._on_alert(told)
        if event.phase == "end":
            del self._walls[event.id]
            self._pictured.pop(event.id, None)

    def _picture(self, camera: CameraPipeline, told: Alert) -> None:
        """Keep the picture of the peak; a later and higher one takes the place of the first."""
        event = told.event
        picture = camera.peak_picture if event.kind == "anomaly" else camera.picture
        if self._store is None or picture is None or self._pictured.get(event.id) == event.peak_s:
            return
        self._pictured[event.id] = event.peak_s
        self._store.put_snapshot(told, picture)

    def _has_video(self, camera: CameraPipeline) -> bool:
        return self._recording(camera) is not None or camera.stream.ring is not None

    @staticmethod
    def _recording(camera: CameraPipeline) -> Path | None:
        path = Path(camera.camera.address.secret)
        return path if camera.camera.address.kind == "file" and path.is_file() else None

    def _plan_clip(self, camera: CameraPipeline, told: Alert) -> None:
        if told.clip is None:
            return
        settings, event = self._settings, told.event
        start_s = max(0.0, event.start_s - settings.clip_before_s)
        end_s = min(event.end_s, event.start_s + settings.clip_most_s) + settings.clip_after_s
        recording, ring = self._recording(camera), camera.stream.ring
        cut: Cut
        if recording is not None:
            stream = camera.stream
            round_s = (
                stream.round_start_s(event.start_s) if isinstance(stream, PlaybackStream) else 0.0
            )
            cut = partial(
                cut_recording, recording, start_s=max(0.0, start_s - round_s), end_s=end_s - round_s
            )
        elif ring is not None:
            cut = partial(ring.write_clip, start_s=start_s, end_s=end_s)
        else:
            return
        self._clips.setdefault(camera.name, []).append(_OpenClip(end_s, told, cut))

    def _cut(self, camera: CameraPipeline, clips: list[_OpenClip]) -> None:
        waiting = self._clips.get(camera.name, [])
        for clip in clips:
            if clip in waiting:
                waiting.remove(clip)
            if self._store is not None:
                self._store.put_clip(clip.alert, partial(write_event_clip, clip.cut))
