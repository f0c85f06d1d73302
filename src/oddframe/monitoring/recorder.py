"""What becomes of events: lines in files, alerts for the sinks, rows, pictures and clips."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from oddframe.core.alerts import Alert, alert
from oddframe.core.clocks import WallClock
from oddframe.core.records import Event
from oddframe.media.clip_export import write_event_clip
from oddframe.media.packet_buffer import PacketBuffer
from oddframe.media.playback import PlaybackStream
from oddframe.media.source import FrameSource
from oddframe.monitoring.camera import CameraPipeline
from oddframe.monitoring.config import WatchSettings
from oddframe.monitoring.outputs import WatchOutputs
from oddframe.results.event_files import EventLines, event_lines


@dataclass(frozen=True, slots=True)
class _OpenClip:
    """A clip that is written once the camera's time has come.

    Attributes:
        due_s: When its last frame has come, in seconds of the stream.
        alert: The event that it shows.
        write: Writes it to a path, from the recording or from the video in memory.
    """

    due_s: float
    alert: Alert
    write: Callable[[Path], None]


class Recorder:
    """Takes what happened at cameras to the files, the database and the sinks, without waiting.

    Use it in a `with` block: the event files of recordings appear whole at its end.

    Args:
        out: Folder for the lines.
        settings: What is kept.
        outputs: The database and the sinks.
        now_us: Reads the wall clock, in microseconds since 1970-01-01 UTC.
        on_alert: Called with each alert.
    """

    def __init__(
        self,
        out: Path,
        settings: WatchSettings,
        outputs: WatchOutputs,
        now_us: Callable[[], int],
        on_alert: Callable[[Alert], None],
    ) -> None:
        self._out, self._settings, self._now_us, self._on_alert = out, settings, now_us, on_alert
        self._store, self._outputs = outputs.store, outputs
        # By camera.
        self._files: dict[str, ExitStack] = {}
        self._lines: dict[str, EventLines] = {}
        # By event: the clock that gives its times, and the peak that its picture shows.
        self._walls: dict[str, WallClock] = {}
        self._picture_peaks: dict[str, float] = {}
        # By camera.
        self._clips: dict[str, list[_OpenClip]] = {}

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *failure: object) -> None:
        left = ExitStack()
        for files in self._files.values():
            left.push(files)
        # With an exception at hand they remove files that are not whole.
        left.__exit__(*failure)  # type: ignore[arg-type]

    def begin(self, camera: CameraPipeline) -> None:
        """Begin with a camera that is going to be watched.

        Raises:
            OutputError: If its file cannot be written.
        """
        self.note_threshold(camera)
        if camera.camera.is_file:
            path = self._out / f"{camera.name}.events.jsonl"
            files = self._files[camera.name] = ExitStack()
            self._lines[camera.name] = files.enter_context(event_lines(path))

    def note_threshold(self, camera: CameraPipeline) -> None:
        """Keep the threshold that a camera has from now on; its scores mean nothing without it."""
        if self._store is not None:
            model = camera.model.bundle.fingerprint
            self._store.put_threshold(
                camera.name, self._now_us(), camera.calibration.threshold, model
            )

    def take(self, camera: CameraPipeline, events: list[Event]) -> None:
        """Record what has become known of a camera, and write the clips whose time has come."""
        for event in events:
            wanted = self._wanted(camera, event)
            if wanted is not None:
                self._record(camera, wanted)
        if open_clips := self._clips.get(camera.name):
            self._write_clips(camera, [clip for clip in open_clips if clip.due_s <= camera.time_s])

    def note_score(self, camera: CameraPipeline, time_s: float) -> None:
        """Keep the latest score of a camera, which it has since a time of its stream in seconds."""
        if self._store is not None and camera.score is not None:
            self._store.put_score(camera.name, camera.wall(time_s), camera.score)

    def finish(self, camera: CameraPipeline) -> None:
        """End with a camera that is watched no more: close what is open, write what waits."""
        self.take(camera, camera.finish())
        self._write_clips(camera, list(self._clips.pop(camera.name, ())))
        self._lines.pop(camera.name, None)
        if (files := self._files.pop(camera.name, None)) is not None:
            files.close()

    def _wanted(self, camera: CameraPipeline, event: Event) -> Event | None:
        """Return the event as it is to be recorded; None outside armed hours.

        An event that goes on when the hours begin starts then, for those who are alerted.
        """
        # An event that was recorded once is recorded to its end, whatever the hour.
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

    def _record(self, camera: CameraPipeline, event: Event) -> None:
        """Record one phase of an event in every place."""
        if (lines := self._lines.get(camera.name)) is not None:
            lines.write(event)
        # Start, updates and end of an event share one mapping, so that its times do not move when a
        # clock is set.
        wall = self._walls.setdefault(event.id, camera.wall.snapshot())
        record = alert(event, wall)
        if self._store is not None:
            clip = self._store.path_of(record, "clip") if self._video(camera) is not None else None
            record = replace(record, snapshot=self._store.path_of(record, "snapshot"), clip=clip)
            self._store.put_event(record)
            self._put_picture(camera, record)
            if event.phase == "end":
                self._plan_clip(camera, record)
        self._outputs.offer(record)
        camera.record_alert(record)
        self._on_alert(record)
        if event.phase == "end":
            del self._walls[event.id]
            self._picture_peaks.pop(event.id, None)

    def _put_picture(self, camera: CameraPipeline, record: Alert) -> None:
        """Keep the picture of the peak; a later and higher peak takes the place of the first."""
        event = record.event
        # A fault of the camera has no peak: its picture is that of now.
        picture = camera.peak_picture if event.kind == "anomaly" else camera.picture
        if (
            self._store is None
            or picture is None
            or self._picture_peaks.get(event.id) == event.peak_s
        ):
            return
        self._picture_peaks[event.id] = event.peak_s
        self._store.put_snapshot(record, picture)

    @staticmethod
    def _video(camera: CameraPipeline) -> FrameSource | PacketBuffer | None:
        """Return what clips are made of: what is played, or the video of a camera in memory."""
        stream = camera.stream
        return stream.source if isinstance(stream, PlaybackStream) else stream.ring

    def _plan_clip(self, camera: CameraPipeline, record: Alert) -> None:
        """Have the clip of an event written once the seconds after it have come."""
        if record.clip is None:
            return
        settings, event = self._settings, record.event
        end_s = min(event.end_s, event.start_s + settings.clip_most_s)
        stream, video = camera.stream, self._video(camera)
        assert video is not None, "an event has a path for its clip only then"
        # A file that is played again and again: its own seconds begin anew in each round.
        round_s = stream.round_start_s(event.start_s) if isinstance(stream, PlaybackStream) else 0.0
        write = partial(
            write_event_clip,
            video,
            start_s=event.start_s - round_s,
            end_s=end_s - round_s,
            before_s=settings.clip_before_s,
            after_s=settings.clip_after_s,
        )
        clip = _OpenClip(end_s + settings.clip_after_s, record, write)
        self._clips.setdefault(camera.name, []).append(clip)

    def _write_clips(self, camera: CameraPipeline, clips: list[_OpenClip]) -> None:
        """Hand clips to the store's thread, which cuts and writes them."""
        open_clips = self._clips.get(camera.name, [])
        for clip in clips:
            if clip in open_clips:
                open_clips.remove(clip)
            if self._store is not None:
                self._store.put_clip(clip.alert, clip.write)
