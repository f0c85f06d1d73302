"""The loop: frames of all cameras, in batches, through their models, to the recorder.

From the cameras that are watched to those of another plan: who stays, who gets another threshold,
who is new.
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
from oddframe.inference.model import MOST_WAITING, Model
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


@dataclass(frozen=True, eq=False)
class PlanChange:
    """What the loop is to do.

    Attributes:
        plan: What is to be watched.
        cameras: The same, in the plan's order: those that stay, and new ones whose streams have not
            started.
        recalibrated: Those of them that get another threshold, with their settings and the
            threshold.
        done: Set once it is done.
    """

    plan: WatchPlan
    cameras: Sequence[CameraPipeline]
    recalibrated: Sequence[tuple[CameraPipeline, Camera, Calibration]]
    done: threading.Event = field(default_factory=threading.Event)


def changed(
    watched: Sequence[CameraPipeline],
    plan: WatchPlan,
    models: Mapping[str, Model],
    make: Callable[[Camera, Model], CameraPipeline],
) -> PlanChange:
    """What leads from the cameras that are watched to a plan. Nothing has changed yet when this raises.

    Args:
        watched: Those that are watched.
        plan: What is to be watched.
        models: The models by the names that the plan gives them.
        make: Makes a new one.

    Raises:
        OddframeError: If a camera cannot be made or its threshold cannot be read.
    """
    before = {one.name: one for one in watched}
    cameras, recalibrated = [], []
    for camera in plan.cameras:
        model, known = models[plan.model_of(camera)], before.get(camera.name)
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


def _same_pictures(one: Camera, other: Camera) -> bool:
    """Whether two differ in nothing but their threshold."""
    return replace(one, false_alarms=None, calibration=None) == replace(
        other, false_alarms=None, calibration=None
    )


PICTURE_WIDTH = 640
"""Width in pixels of the pictures of events."""

_LOOK_S = 0.25
"""Longest time between two looks at what is no frame: a stop, silence, how cameras are doing."""

_REPORT_S = 1.0

_GOODBYE_S = 1.0
"""How long a stop waits for disks and networks."""

_FLUSH_S = 60.0
"""The same where all cameras have ended by themselves."""


class Watcher:
    """Watches cameras until it is stopped or, unless the plan stays, all of them have ended.

    `run` is the loop and may be called in any thread; the other methods may be called from any
    other.

    Args:
        plan: What to watch, and how.
        models: The models by the names that the plan gives them.
        out: Folder for everything that is kept.
        now_s: Seconds on a clock that never jumps.
        now_us: Microseconds since 1970-01-01 UTC.
        on_alert: Told every phase of every event, by the thread of the loop; it must not wait.
        sinks: More sinks than the plan has, by name.

    Attributes:
        outlets: Where everything goes.
        notices: What to know before it starts, a sentence each.

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
        sinks: Mapping[str, AlertSink] | None = None,
    ) -> None:
        self._plan, self._out, self._now_s, self._now_us = plan, Path(out), now_s, now_us
        self._on_alert = on_alert
        self._cameras = [
            self._watched(camera, models[plan.model_of(camera)]) for camera in plan.cameras
        ]
        self._streams = StreamSet([camera.stream for camera in self._cameras])
        self._stopping = threading.Event()
        self._changes: SimpleQueue[PlanChange] = SimpleQueue()
        try:
            self._out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self._out, error) from error
        self.outlets = WatchOutputs(plan, self._out, now_us, sinks)
        self.notices = (*self.outlets.notices, *self._slow_files())

    def run(self) -> None:
        """Watch.

        Raises:
            SourceError: If a file could not be read or scored; everything else was watched to its
                end.
            OutputError: If the events of a file could not be written.
        """
        try:
            with Recorder(
                self._out, self._plan.settings, self.outlets, self._now_us, self._on_alert
            ) as recorder:
                for camera in self._cameras:
                    recorder.begin(camera)
                self._streams.start()
                self._loop(recorder)
                for camera in self._cameras:
                    recorder.finish(camera)
        finally:
            # A connection that hangs and a sink that hangs are waited for at the same time.
            leaving = threading.Thread(target=self._streams.stop, daemon=True)
            leaving.start()
            self.outlets.close(_GOODBYE_S if self._stopping.is_set() else _FLUSH_S)
            leaving.join(_GOODBYE_S)
        failed = [
            camera
            for camera in self._cameras
            if camera.camera.is_file and camera.state().phase is Phase.FAILED
        ]
        if failed:
            raise SourceError("; ".join(str(camera.state().error) for camera in failed))

    def stop(self) -> None:
        """Make `run` return, within about a second."""
        self._stopping.set()
        self._streams.wake()

    def views(self) -> list[CameraView]:
        """How every camera is doing."""
        return [camera.view() for camera in self._cameras]

    def glimpse(self, name: str) -> CameraSnapshot | None:
        """What a camera shows now; None where there is no such camera or no picture of it."""
        camera = next((one for one in self._cameras if one.name == name), None)
        return None if camera is None else camera.glimpse()

    def calibration(self, name: str) -> Calibration | None:
        """The threshold that holds for a camera; None where there is no such camera."""
        return next((camera.calibration for camera in self._cameras if camera.name == name), None)

    def change(self, plan: WatchPlan, models: Mapping[str, Model], timeout_s: float = 10.0) -> bool:
        """Watch what another plan says; its settings and sinks are not looked at. One call at a time.

        Cameras that stay the same are not disturbed, and where nothing but the threshold differs
        the stream goes on.

        Args:
            plan: Another plan that stays.
            models: As at the start.
            timeout_s: How long to wait for the loop, which may be in the middle of a batch.

        Returns:
            Whether it was done within the time; otherwise it will be as soon as the loop comes to
            it.

        Raises:
            InputError: As at the start; then nothing changes.
            SettingsError: Likewise.
            SourceError: Likewise.
        """
        change = changed(self._cameras, plan, models, self._watched)
        self._changes.put(change)
        self._streams.wake()
        return change.done.wait(timeout_s)

    def _follow(self, change: PlanChange, recorder: Recorder) -> None:
        """Go over to other cameras."""
        for camera in self._cameras:
            if camera not in change.cameras:
                with _isolated(camera):
                    recorder.finish(camera)
        for camera, settings, calibration in change.recalibrated:
            with _isolated(camera):
                recorder.take(camera, camera.recalibrate(settings, calibration))
                recorder.calibrated(camera)
        for camera in change.cameras:
            if camera not in self._cameras:
                with _isolated(camera):
                    recorder.begin(camera)
        self.outlets.follow(change.plan)
        self._cameras = list(change.cameras)
        self._streams.replace([camera.stream for camera in self._cameras])
        change.done.set()

    def _loop(self, recorder: Recorder) -> None:
        reported_s = -_REPORT_S
        while not self._stopping.is_set() and (self._plan.stays or not self._streams.are_over):
            while not self._changes.empty():
                self._follow(self._changes.get(), recorder)
            if self._streams.are_over:
                self._stopping.wait(_LOOK_S)
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
                self.outlets.report(camera.status(self._now_us()))

    def _batch(self, most: int) -> list[tuple[CameraPipeline, PendingFrame]]:
        """Frames that wait, until there are enough for the network; those that it need not see take no place."""
        batch: list[tuple[CameraPipeline, PendingFrame]] = []
        new = taken = 0
        while new < most and taken < MOST_WAITING:
            arrivals = self._streams.poll(most - new, 0.0 if taken else _LOOK_S)
            if not arrivals:
                break
            taken += len(arrivals)
            now_s, now_us = self._now_s(), self._now_us()
            for arrival in arrivals:
                camera = self._cameras[arrival.stream]
                if camera.crashed is None:
                    with _isolated(camera):
                        ready = camera.take(arrival.frame, now_s, now_us)
                        batch += [(camera, one) for one in ready]
                        new += sum(one.is_new for one in ready)
        return batch

    def _score(
        self, arrived: Sequence[tuple[CameraPipeline, PendingFrame]], recorder: Recorder
    ) -> None:
        """Score frames of any cameras, those of one model together."""
        batches: dict[int, list[tuple[CameraPipeline, PendingFrame]]] = {}
        for camera, waiting in arrived:
            batches.setdefault(id(camera.model), []).append((camera, waiting))
        for batch in batches.values():
            began_s = time.perf_counter()
            scores = list(batch[0][0].model.scored([waiting for _, waiting in batch], maps=True))
            clips = sum(waiting.clip is not None for _, waiting in batch)
            spent_s = (time.perf_counter() - began_s) / max(clips, 1)
            for (camera, _), score in zip(batch, scores, strict=True):
                with _isolated(camera):
                    for one in camera.resolve([score]):
                        recorder.take(camera, camera.judge(one, spent_s))
                        recorder.note(camera, one.time_s)

    def _slow_files(self) -> Iterator[str]:
        for camera in self._cameras:
            told = (
                rate_notice(camera.stream.rate_fps, camera.model.bundle.rate_fps)
                if camera.stream.rate_fps
                else None
            )
            if told is not None:
                yield f"{camera.name} {told}"

    def _watched(self, camera: Camera, model: Model) -> CameraPipeline:
        # Who stays shows pictures to people, whether or not any are kept.
        pictures = self._plan.stays or (self._plan.settings.store and self._plan.settings.pictures)
        wanted = model.wanted(PICTURE_WIDTH if pictures else None)
        calibration = calibration_of(camera, model.bundle)
        return CameraPipeline(
            camera, self._stream(camera, model, wanted), model, calibration, self._now_us()
        )

    def _stream(self, camera: Camera, model: Model, wanted: FrameFormat) -> FrameStream:
        settings = self._plan.settings
        rate_fps = model.bundle.rate_fps
        if camera.address.kind == "file":
            source = open_source(camera.address.secret, camera.fps or rate_fps)
            queue, fast = 2 * model.scorer.batch_size, settings.fast and camera.is_file
            return PlaybackStream(
                source, wanted, fast=fast, loop=camera.loop, queue=queue, name=camera.name
            )
        keeps = settings.store and settings.pictures
        live = (
            replace(camera.live, keep_s=max(camera.live.keep_s, settings.keep_s))
            if keeps
            else camera.live
        )
        return LiveStream(camera.address, wanted, live, keep_fps=rate_fps, name=camera.name)


@contextmanager
def _isolated(camera: CameraPipeline) -> Iterator[None]:
    """What goes wrong with one camera is its own state, not the end of the others."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the other cameras go on; the state tells
        said = (
            str(error) if isinstance(error, OddframeError) else f"{type(error).__name__}: {error}"
        )
        camera.crashed = camera.camera.address.scrub(f"{camera.name} crashed: {said}")
