"""The loop: frames of all cameras, in batches, through their models, to the recorder.

While it runs, `Watcher.change` goes over to the cameras of another plan: `plan_change` says which
cameras stay, which get another threshold and which are new, and the loop carries it out between two
batches.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

from oddframe.core.alerts import Alert, Phase
from oddframe.core.calibration import Calibration
from oddframe.core.clips import rate_notice
from oddframe.errors import OddframeError, SourceError
from oddframe.files import output_error
from oddframe.inference.model import Model
from oddframe.inference.score_stream import MOST_WAITING
from oddframe.inference.stream_scorer import PendingFrame
from oddframe.media.discovery import open_source
from oddframe.media.live_stream import LiveStream
from oddframe.media.playback import PlaybackStream
from oddframe.media.source import FrameFormat
from oddframe.media.stream_set import FrameStream, StreamSet
from oddframe.monitoring.camera import CameraPipeline, CameraSnapshot, CameraView
from oddframe.monitoring.camera_threshold import calibration_of
from oddframe.monitoring.config import Camera, WatchPlan
from oddframe.monitoring.outputs import WatchOutputs
from oddframe.monitoring.recorder import Recorder
from oddframe.sinks.sink import AlertSink

PICTURE_WIDTH = 640
"""Width in pixels of the pictures of events."""

_POLL_S = 0.25
"""Longest wait for a frame, in seconds: then stops, changes and silent cameras are looked at."""

_MEASURED_S = 4.0
"""How much of a stream tells its bit rate, in seconds."""

_REPORT_S = 1.0
"""Seconds between two reports of how cameras are doing."""

GOODBYE_S = 1.0
"""How long a stop waits for disks and networks, in seconds."""

FLUSH_S = 60.0
"""How long the end waits for them where all cameras have ended by themselves, in seconds."""

_CLIPS_S = 1800.0
"""How long that end waits for clips before, in seconds."""


@dataclass(frozen=True, eq=False)
class PlanChange:
    """What the loop has to do to watch what another plan says.

    Attributes:
        plan: The other plan.
        cameras: Its cameras in order: those that stay, and new ones whose streams have not started.
        recalibrated: The cameras that stay and get another threshold, with their settings and the
            threshold.
        done: Set once the loop has done it.
    """

    plan: WatchPlan
    cameras: Sequence[CameraPipeline]
    recalibrated: Sequence[tuple[CameraPipeline, Camera, Calibration]]
    done: threading.Event = field(default_factory=threading.Event)


class Watcher:
    """Watches cameras until it is stopped or, unless the plan stays, all of them have ended.

    `run` is the loop and may be called in any thread; the other methods may be called from any
    other.

    Args:
        plan: What to watch, and how.
        models: The models by the names that the plan gives them.
        out: Folder for everything that is kept.
        now_s: Reads a clock that never jumps, in seconds.
        now_us: Reads the wall clock, in microseconds since 1970-01-01 UTC.
        on_alert: Called with every phase of every event, by the thread of the loop; it must not
            wait.
        on_notice: Called with a sentence about what could not be kept, by any thread; it must not
            wait.
        sinks: More sinks than the plan has, by name.

    Attributes:
        outputs: The database and the sinks.
        notices: What people should know before it starts, a sentence each.

    Raises:
        InputError: If a camera's budget needs scores that its model does not keep.
        SettingsError: If a camera's own threshold cannot be read, or is one of another model.
        SourceError: If a file cannot be read.
        OutputError: If nothing can be written to the folder.
        StoreError: If another watcher uses it.
    """

    def __init__(
        self,
        plan: WatchPlan,
        models: Mapping[str, Model],
        out: str | Path,
        *,
        now_s: Callable[[], float] = time.monotonic,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        on_alert: Callable[[Alert], None] = lambda alert: None,
        on_notice: Callable[[str], None] = lambda notice: None,
        sinks: Mapping[str, AlertSink] | None = None,
    ) -> None:
        self._plan, self._out, self._now_s, self._now_us = plan, Path(out), now_s, now_us
        self._on_alert = on_alert
        self._cameras = [
            self._new_camera(camera, models[plan.model_of(camera)]) for camera in plan.cameras
        ]
        self._streams = StreamSet([camera.stream for camera in self._cameras])
        self._stopping = threading.Event()
        self._changes: SimpleQueue[PlanChange] = SimpleQueue()
        try:
            self._out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self._out, error) from error
        self.outputs = WatchOutputs(plan, self._out, now_us, sinks, on_notice)
        self.notices = (*self.outputs.notices, *self._source_notices())

    def run(self) -> None:
        """Watch until `stop` is called or, unless the plan stays, all cameras have ended.

        Raises:
            SourceError: If a file could not be read or scored; everything else was watched to its
                end.
            OutputError: If the events of a file could not be written.
        """
        try:
            with Recorder(
                self._out, self._plan.settings, self.outputs, self._now_us, self._on_alert
            ) as recorder:
                for camera in self._cameras:
                    recorder.begin(camera)
                self._streams.start()
                self._loop(recorder)
                for camera in self._cameras:
                    recorder.finish(camera)
            self._write_files()
        finally:
            # A connection that hangs and a sink that hangs are waited for at the same time.
            # The thread is a daemon, so that one of them keeps no program alive.
            leaving = threading.Thread(target=self._streams.stop, daemon=True)
            leaving.start()
            self.outputs.close(GOODBYE_S if self._stopping.is_set() else FLUSH_S)
            leaving.join(GOODBYE_S)
        failed = [
            camera
            for camera in self._cameras
            if camera.camera.is_file and camera.state().phase is Phase.FAILED
        ]
        if failed:
            raise SourceError("; ".join(str(camera.state().error) for camera in failed))

    def _write_files(self) -> None:
        """Wait for the clips of files that have ended, which may have to be encoded."""
        store = self.outputs.store
        deadline_s = time.monotonic() + _CLIPS_S
        while store is not None and not self._stopping.is_set():
            if store.flush_files(_POLL_S) or time.monotonic() > deadline_s:
                return

    def stop(self) -> None:
        """Make `run` return, within about a second."""
        self._stopping.set()
        self._streams.wake()

    def views(self) -> list[CameraView]:
        """Return how every camera is doing."""
        return [camera.view() for camera in self._cameras]

    def snapshot(self, name: str, *, mapped: bool = False) -> CameraSnapshot | None:
        """Return what a camera shows; None where there is no such camera or no picture of it.

        Args:
            name: The camera.
            mapped: As for `CameraPipeline.snapshot`.
        """
        found = next((camera for camera in self._cameras if camera.name == name), None)
        return None if found is None else found.snapshot(mapped=mapped)

    def bytes_per_s(self, name: str) -> float | None:
        """Return how many bytes a second of a camera's video is; None where that is not known."""
        found = next((camera for camera in self._cameras if camera.name == name), None)
        ring = None if found is None else found.stream.ring
        return None if ring is None else ring.bytes_per_s(_MEASURED_S)

    def calibration(self, name: str) -> Calibration | None:
        """Return the threshold that holds for a camera; None where there is no such camera."""
        return next((camera.calibration for camera in self._cameras if camera.name == name), None)

    def change(self, plan: WatchPlan, models: Mapping[str, Model], timeout_s: float = 10.0) -> bool:
        """Watch the cameras of another plan; its settings are not looked at.

        Only one thread may call this at a time. Cameras that stay the same are not disturbed, and
        where nothing but the threshold differs the stream goes on.

        Args:
            plan: Another plan that stays.
            models: The models by the names that the plan gives them.
            timeout_s: How long to wait for the loop, which may be in the middle of a batch.

        Returns:
            Whether it was done within the time; otherwise the loop will do it as soon as it can.

        Raises:
            InputError: As at the start; then nothing changes.
            SettingsError: Likewise.
            SourceError: Likewise.
        """
        # Made by the caller's thread, where an error belongs and opening files delays no batch.
        change = plan_change(self._cameras, plan, models, self._new_camera)
        self._changes.put(change)
        self._streams.wake()
        return change.done.wait(timeout_s)

    def _follow(self, change: PlanChange, recorder: Recorder) -> None:
        """Carry out a change: end cameras, change thresholds, begin cameras."""
        # First the ends, so that a camera that is begun anew does not meet its own open files.
        for camera in self._cameras:
            if camera not in change.cameras:
                with _isolated(camera):
                    recorder.finish(camera)
        for camera, settings, calibration in change.recalibrated:
            with _isolated(camera):
                recorder.take(camera, camera.recalibrate(settings, calibration))
                recorder.note_threshold(camera)
        for camera in change.cameras:
            if camera not in self._cameras:
                with _isolated(camera):
                    recorder.begin(camera)
        self.outputs.follow(change.plan)
        self._cameras = list(change.cameras)
        self._streams.replace([camera.stream for camera in self._cameras])
        change.done.set()

    def _loop(self, recorder: Recorder) -> None:
        """Score batches until the end; between them changes, silence and reports get their turn."""
        reported_s = -_REPORT_S
        while not self._stopping.is_set() and (self._plan.stays or not self._streams.are_over):
            while not self._changes.empty():
                self._follow(self._changes.get(), recorder)
            # Without streams a poll returns at once, and the loop would spin.
            if self._streams.are_over:
                self._stopping.wait(_POLL_S)
            most = min((camera.model.scorer.batch_size for camera in self._cameras), default=1)
            self._score(self._batch(most), recorder)
            now_s = self._now_s()
            if now_s - reported_s < _REPORT_S:
                continue
            reported_s = now_s
            for camera in self._cameras:
                with _isolated(camera):
                    recorder.take(camera, camera.pass_time(now_s))
                    if self._plan.stays and camera.stream.is_over:
                        # A file has ended, and nothing will come that closes what is open.
                        recorder.finish(camera)
                self.outputs.report(camera.status(self._now_us()))

    def _batch(self, most: int) -> list[tuple[CameraPipeline, PendingFrame]]:
        """Take frames that wait, until there are enough for the network.

        Args:
            most: How many clips the network scores at a time. Frames of repeated pictures, which
                it need not see, do not count.
        """
        batch: list[tuple[CameraPipeline, PendingFrame]] = []
        new = taken = 0
        while new < most and taken < MOST_WAITING:
            arrivals = self._streams.poll(most - new, 0.0 if taken else _POLL_S)
            if not arrivals:
                break
            taken += len(arrivals)
            now_s, now_us = self._now_s(), self._now_us()
            for arrival in arrivals:
                camera = self._cameras[arrival.stream]
                # The stream of a camera that crashed may go on; its frames go nowhere.
                if camera.crashed is None:
                    with _isolated(camera):
                        ready = camera.take(arrival.frame, now_s, now_us)
                        batch += [(camera, pending) for pending in ready]
                        new += sum(pending.is_new for pending in ready)
        return batch

    def _score(
        self, arrived: Sequence[tuple[CameraPipeline, PendingFrame]], recorder: Recorder
    ) -> None:
        """Score frames of any cameras, those of one model together."""
        batches: dict[int, list[tuple[CameraPipeline, PendingFrame]]] = {}
        for camera, pending in arrived:
            batches.setdefault(id(camera.model), []).append((camera, pending))
        for batch in batches.values():
            began_s = time.perf_counter()
            scores = list(batch[0][0].model.scored([pending for _, pending in batch], maps=True))
            # The time is shared out equally: which clip took how long is not known.
            clips = sum(pending.clip is not None for _, pending in batch)
            spent_s = (time.perf_counter() - began_s) / max(clips, 1)
            for (camera, _), score in zip(batch, scores, strict=True):
                with _isolated(camera):
                    for final in camera.resolve([score]):
                        recorder.take(camera, camera.detect(final, spent_s))
                        recorder.note_score(camera, final.time_s)

    def _source_notices(self) -> Iterator[str]:
        """Yield what is known of the sources before their first frame."""
        for camera in self._cameras:
            yield from _file_notices(camera)
            if camera.camera.fps is not None and camera.camera.address.kind != "file":
                yield f"{camera.name}: fps has no effect on a live camera, whose frames have times"
            if not camera.stream.rate_fps:
                continue
            notice = rate_notice(camera.stream.rate_fps, camera.model.bundle.rate_fps)
            if notice is not None:
                yield f"{camera.name} {notice}"

    def frame_notices(self) -> Iterator[str]:
        """Yield what was found out about the sources from their frames."""
        for camera in self._cameras:
            yield from _file_notices(camera)
            if notice := camera.slow_notice():
                yield f"{camera.name} {notice}"

    def _new_camera(self, camera: Camera, model: Model) -> CameraPipeline:
        """Make a camera, whose stream has not started yet."""
        # A server shows pictures to people, whether or not any are kept.
        pictures = self._plan.stays or (self._plan.settings.store and self._plan.settings.pictures)
        wanted = model.wanted(PICTURE_WIDTH if pictures else None)
        calibration = calibration_of(camera, model.bundle)
        return CameraPipeline(
            camera, self._stream(camera, model, wanted), model, calibration, self._now_us()
        )

    def _stream(self, camera: Camera, model: Model, wanted: FrameFormat) -> FrameStream:
        """Make the stream of a camera: a playback of a file, or a connection."""
        settings = self._plan.settings
        rate_fps = model.bundle.rate_fps
        if camera.address.kind == "file":
            source = open_source(camera.address.secret, camera.fps, rate_fps)
            queue, fast = 2 * model.scorer.batch_size, settings.fast and camera.is_file
            return PlaybackStream(
                source, wanted, fast=fast, loop=camera.loop, queue=queue, name=camera.name
            )
        live = camera.live
        if settings.store and settings.pictures:
            # Clips are cut from the video in memory, which must reach back far enough.
            live = replace(live, keep_s=max(live.keep_s, settings.keep_s))
        return LiveStream(camera.address, wanted, live, keep_fps=rate_fps, name=camera.name)


def _file_notices(camera: CameraPipeline) -> Iterator[str]:
    if isinstance(camera.stream, PlaybackStream):
        yield from (f"{camera.name}: {notice}" for notice in camera.stream.source.notices)


def plan_change(
    watched: Sequence[CameraPipeline],
    plan: WatchPlan,
    models: Mapping[str, Model],
    make: Callable[[Camera, Model], CameraPipeline],
) -> PlanChange:
    """Work out how to get from the cameras that are watched to those of another plan.

    Nothing is changed by this, so nothing has changed where it raises.

    Args:
        watched: The cameras that are watched.
        plan: The other plan.
        models: The models by the names that the plan gives them.
        make: Makes a new camera.

    Raises:
        OddframeError: If a camera cannot be made or its threshold cannot be read.
    """
    before = {camera.name: camera for camera in watched}
    cameras, recalibrated = [], []
    for camera in plan.cameras:
        model, known = models[plan.model_of(camera)], before.get(camera.name)
        # A camera that crashed is begun anew by any change, and that is how people repair it.
        if (
            known is None
            or known.crashed
            or known.model is not model
            or not _same_pictures(known.camera, camera)
        ):
            cameras.append(make(camera, model))
            continue
        cameras.append(known)
        calibration = calibration_of(camera, model.bundle)
        if calibration != known.calibration:
            recalibrated.append((known, camera, calibration))
    return PlanChange(plan, cameras, recalibrated)


def _same_pictures(before: Camera, after: Camera) -> bool:
    """Return whether two settings of a camera differ in nothing but their threshold."""
    return replace(before, false_alarms=None, calibration=None) == replace(
        after, false_alarms=None, calibration=None
    )


@contextmanager
def _isolated(camera: CameraPipeline) -> Iterator[None]:
    """Turn what goes wrong with one camera into its state, so that the others go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the other cameras go on
        kind = "" if isinstance(error, OddframeError) else f"{type(error).__name__}: "
        # The text of a foreign error may hold the address, with its password.
        camera.crashed = camera.camera.address.scrub(f"{camera.name} crashed: {kind}{error}")
