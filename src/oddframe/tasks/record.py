"""Record cameras: the verb `oddframe record`."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oddframe._types import Progress, silent
from oddframe.errors import OutputError, RunError, SettingsError, SourceError
from oddframe.media.live_config import hide_in_process_title
from oddframe.media.stream_set import StreamSet
from oddframe.monitoring.config import Camera
from oddframe.monitoring.footage import (
    PROGRESS_FILE,
    footage_folder,
    list_segments,
    recording_into,
    remove_oldest,
)
from oddframe.monitoring.footage_recorder import SEGMENT_S, FootageRecorder
from oddframe.monitoring.recording_order import RecordingOrder, has_order, live_cameras, read_order
from oddframe.training.progress import ProgressFile, TrainingProgress, ignore_record
from oddframe.training.run_folder import RunFolder

_POLL_S = 0.25
_COLLECT_S = 1.0
_SAVE_S = 15.0


@dataclass(frozen=True, kw_only=True)
class RecordedCamera:
    """What was recorded of one camera by one call.

    Attributes:
        name: The camera.
        folder: Where its segments are.
        segments: How many there are of this call.
        seconds: How many seconds of video they hold.
        size_bytes: How large they are.
        bytes_per_s: How many bytes a second of its video is; None where nothing came.
        error: What went wrong last with the camera; None where nothing did.
    """

    name: str
    folder: Path
    segments: int
    seconds: float
    size_bytes: int
    bytes_per_s: float | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class RecordReport:
    """What a call of `record` did.

    Example:
        >>> report = oddframe.record(f"door={address}", "footage", for_s=2)
        >>> report.cameras[0].name
        'door'

    Attributes:
        out: The folder of footage.
        cameras: What was recorded of each camera.
        seconds: How long the recording ran in all, before an interruption included.
        stopped: Whether it was stopped before its time.
        removed: How many segments were removed for newer ones.
        notices: What is worth knowing, a sentence each.
    """

    out: Path
    cameras: tuple[RecordedCamera, ...]
    seconds: float
    stopped: bool
    removed: int
    notices: tuple[str, ...]


def record(
    what: str | Camera | Sequence[str | Camera],
    out: str | Path,
    *,
    for_s: float | None = None,
    stretch_s: float | None = None,
    every_s: float | None = None,
    armed: Sequence[str] = (),
    time_zone: str | None = None,
    most_gb: float | None = None,
    most_days: float | None = None,
    keep_free_gb: float = 1.0,
    segment_s: float = SEGMENT_S,
    resume: bool = False,
    stop: threading.Event | None = None,
    on_notice: Callable[[str], None] = lambda notice: None,
    on_progress: Progress = silent,
    on_record: Callable[[TrainingProgress], None] = ignore_record,
) -> RecordReport:
    """Record live cameras into a folder that `train` takes: their video as they send it, no sound.

    A camera that is lost is tried again and again; what is missing then is left out. Each segment
    is a complete file, so a kill costs at most the minute that is in memory.

    Args:
        what: Cameras, or addresses of them; ``NAME=ADDRESS`` gives one a name.
        out: The folder of footage; each camera gets a folder in it. What is there stays.
        for_s: How long to record, in seconds, with pauses. When None until it is stopped, which
            needs ``most_gb``; with ``resume`` as long as before.
        stretch_s: Record so many seconds of every ``every_s`` only.
        every_s: Seconds from the start of one stretch to that of the next.
        armed: Record in these periods of the week only, such as "mon-fri 08:00-18:00".
        time_zone: IANA name of their time zone.
        most_gb: Most gigabytes in ``out``; the oldest segments go for newer ones.
        most_days: Segments that are older go.
        keep_free_gb: While the disk has less room than this, in gigabytes, nothing is written.
        segment_s: How long a segment is, in seconds; it is in memory until it is written.
        resume: Go on with the recording in ``out`` for the time that is left of it.
        stop: Set it to end the recording before its time.
        on_notice: Called at once with what is worth knowing, a sentence each: first how much disk
            it takes, then what happens to the cameras and the disk.
        on_progress: Called with the phase "record", the seconds that have passed and all of them.
        on_record: Called with the records that ``progress.json`` in ``out`` gets.

    Example:
        >>> address = "rtsp://10.0.0.7/stream1"  # doctest: +SKIP
        >>> report = oddframe.record(f"door={address}", "footage", for_s=2)  # NAME=ADDRESS
        >>> report.stopped
        False

    Raises:
        SettingsError: If a setting cannot be.
        SourceError: If an address cannot be recorded, or nothing came from any camera.
        RunError: If there is nothing to resume.
        OutputError: If the folder cannot be written to, or another process records into it.
    """
    cameras = live_cameras(what)
    if not (most_gb is None or most_gb > 0) or not (most_days is None or most_days > 0):
        raise SettingsError(f"bounds must be above 0, got {most_gb} GB and {most_days} days")
    if not (1 <= segment_s <= 600 and keep_free_gb >= 0):
        raise SettingsError(
            "a segment must be 1 to 600 s long and the room to keep free at least 0 GB, "
            f"got {segment_s:g} s and {keep_free_gb:g} GB"
        )
    given: dict[str, Any] = {
        "for_s": for_s,
        "stretch_s": stretch_s,
        "every_s": every_s,
        "armed": tuple(armed) or None,
        "time_zone": time_zone,
    }
    # What is not given again stays as it was when the recording began.
    given = {name: value for name, value in given.items() if value is not None}
    order = replace(read_order(out), **given) if resume else RecordingOrder(**given)
    order = replace(order, cameras=tuple(camera.name for camera in cameras))
    if order.is_endless and most_gb is None:
        raise SettingsError(
            "a recording must have an end or a bound: say how long (8h), or give most_gb, beyond "
            "which the oldest video goes"
        )
    # Other users of the machine can read a command line, and so the passwords in it.
    notices = [*hide_in_process_title(s for camera in cameras for s in camera.address.secrets)]
    with recording_into(out) as folder:
        recorders = [
            FootageRecorder(camera, folder, segment_s=segment_s, keep_free_bytes=keep_free_gb * 1e9)
            for camera in cameras
        ]
        session = _Session(
            order=order,
            folder=folder,
            recorders=recorders,
            bounds=(most_gb, most_days),
            stop=stop or threading.Event(),
            notices=notices,
            on_notice=on_notice,
        )
        # A stop is no error: the report says what there is.
        with suppress(_StoppedError):
            progress = ProgressFile(
                folder / PROGRESS_FILE,
                resume=resume,
                on_progress=on_progress,
                on_record=on_record,
            )
            with progress:
                session.run(progress)
    return _report(session, folder)


class _StoppedError(KeyboardInterrupt):
    """Ends a recording that is to stop before its time, so that its progress says so."""


@dataclass(kw_only=True)
class _Session:
    """A recording that runs."""

    order: RecordingOrder
    folder: Path
    recorders: Sequence[FootageRecorder]
    bounds: tuple[float | None, float | None]
    stop: threading.Event
    notices: list[str]
    on_notice: Callable[[str], None]
    removed: int = 0
    was_stopped: bool = False
    earlier_s: float = 0.0
    began_s: float = field(default_factory=time.monotonic)
    saved_s: float = -math.inf
    announced: set[str] = field(default_factory=set)

    def run(self, on_progress: Progress) -> None:
        """Record until the time is over or it is stopped."""
        for notice in self.notices:
            self.on_notice(notice)
        self.earlier_s, self.began_s = self.order.seconds, time.monotonic()
        # A folder that cannot be written to is found out before the first picture.
        self.order.write(self.folder)
        streams: StreamSet | None = None
        looked_s = -math.inf
        try:
            while self.seconds < self.order.for_s:
                if self.stop.is_set():
                    raise _StoppedError
                if self.order.wants(self.seconds, time.time()):
                    if streams is None:
                        streams = StreamSet([one.begin() for one in self.recorders])
                        streams.start()
                    self._see(streams)
                elif streams is not None:
                    self._end_stretch()
                    streams = None
                else:
                    # Between two stretches nothing is open, so that the camera is free for others.
                    self.stop.wait(_POLL_S)
                # Rare enough to cost little with many cameras, often enough to be soon said.
                if time.monotonic() - looked_s >= _COLLECT_S:
                    looked_s = time.monotonic()
                    self._look(streams, on_progress)
        except KeyboardInterrupt:
            self.was_stopped = True
            raise
        finally:
            self._end_stretch()
            self._trim()
            is_done = self.seconds >= self.order.for_s
            self._save(replace(self.order, seconds=self.seconds, is_done=is_done))
        self._report_progress(on_progress)

    @property
    def seconds(self) -> float:
        """How long the recording has run, with what it ran before it was interrupted."""
        return self.earlier_s + time.monotonic() - self.began_s

    def _see(self, streams: StreamSet) -> None:
        for arrival in streams.poll(64, _POLL_S):
            self.recorders[arrival.stream].see(arrival.frame, time.time_ns() // 1000)

    def _look(self, streams: StreamSet | None, on_progress: Progress) -> None:
        """Write what is complete, say what is new, and note how far the recording is."""
        written = [recorder.collect() for recorder in self.recorders]
        if any(written):
            self._trim()
            if streams is not None:
                # Frames that waited while the disk was written to would tell a time that is late.
                streams.poll(10_000, 0.0)
        for recorder in self.recorders:
            self._announce(recorder)
            for notice in recorder.news():
                self._tell(notice)
        if time.monotonic() - self.saved_s >= _SAVE_S:
            self._save(replace(self.order, seconds=self.seconds))
        self._report_progress(on_progress)

    def _end_stretch(self) -> None:
        """Write what is in memory, and let go of the cameras, all at the same time."""
        # Each may wait a second for its camera: one after another would take long.
        ending = [threading.Thread(target=recorder.end, daemon=True) for recorder in self.recorders]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()

    def _announce(self, recorder: FootageRecorder) -> None:
        """Say how much disk a camera will take, as soon as that is known."""
        rate = recorder.bytes_per_s
        if rate is None or recorder.camera.name in self.announced:
            return
        self.announced.add(recorder.camera.name)
        self._tell(recorder.describe_need(rate, self.order, self.bounds[0]))

    def _tell(self, notice: str) -> None:
        self.notices.append(notice)
        self.on_notice(notice)

    def _trim(self) -> None:
        """Remove the oldest footage beyond the bounds."""
        most_gb, most_days = self.bounds
        if most_gb is None and most_days is None:
            return
        try:
            removed = remove_oldest(
                self.folder,
                most_bytes=None if most_gb is None else most_gb * 1e9,
                oldest_us=(
                    None if most_days is None else round((time.time() - most_days * 86400) * 1e6)
                ),
            )
        except OutputError as error:
            # It is tried again each second, and should be told once.
            if str(error) not in self.notices:
                self._tell(str(error))
            return
        self.removed += len(removed)

    def _save(self, order: RecordingOrder) -> None:
        self.saved_s = time.monotonic()
        # On a full disk the recording goes on; what is lost is how far it was.
        with suppress(OutputError):
            order.write(self.folder)

    def _report_progress(self, on_progress: Progress) -> None:
        total = 0 if self.order.is_endless else math.ceil(self.order.for_s)
        done = int(min(self.seconds, self.order.for_s))
        amounts = [recorder.amount() for recorder in self.recorders]
        video_s, size = (sum(one[part] for one in amounts) for part in (0, 1))
        long, large = video_s >= 3600, size >= 1e9
        figures = {
            "h of video" if long else "min of video": video_s / (3600 if long else 60),
            "GB" if large else "MB": size / (1e9 if large else 1e6),
        }
        on_progress("record", done, total, figures)


def _report(session: _Session, folder: Path) -> RecordReport:
    recorders = session.recorders
    cameras = tuple(
        RecordedCamera(
            name=one.camera.name,
            folder=footage_folder(folder, one.camera.name),
            segments=one.segments,
            seconds=one.seconds,
            size_bytes=one.size_bytes,
            bytes_per_s=one.bytes_per_s,
            error=one.error,
        )
        for one in recorders
    )
    if not session.was_stopped and not list_segments(folder):
        # Nothing at all is no recording; whoever stops it by hand knows.
        raise SourceError(
            "there must be a picture to record, but none came: "
            + "; ".join(
                one.trouble or one.error or f"{one.camera.name} sent nothing" for one in recorders
            )
        )
    return RecordReport(
        out=folder,
        cameras=cameras,
        seconds=session.seconds,
        stopped=session.was_stopped,
        removed=session.removed,
        notices=tuple(session.notices),
    )


def record_first(
    cameras: Sequence[str],
    footage: Path,
    run: RunFolder,
    record_s: float | None,
    *,
    resume: bool,
    overwrite: bool,
    on_notice: Callable[[str], None],
    on_progress: Progress,
) -> None:
    """Record cameras for a training into a folder, unless that is done already.

    Args:
        cameras: Their addresses.
        footage: The folder for the video.
        run: The run folder of the training.
        record_s: How long to record, in seconds; needed for a new recording.
        resume: Whether to go on with the recording that is there.
        overwrite: Whether what is there may be replaced.
        on_notice: Told what people should know, a sentence each.
        on_progress: Told how far it is.

    Raises:
        RunError: If there is nothing to resume, or the folder holds a recording already.
        SettingsError: If a new recording has no length.
    """
    if resume:
        if run.holds_training and not has_order(footage):
            raise RunError(
                f"{run.path} was trained on what cameras showed, which is removed; there is "
                "nothing to resume: record and train anew with --overwrite"
            )
        order = read_order(footage)
        if order.is_done or run.holds_training:
            return
    else:
        run.check_free(overwrite=overwrite)
        if record_s is None:
            names = ", ".join(camera.name for camera in live_cameras(cameras))
            raise SettingsError(
                f"{names} must be recorded before a training can read it; say how long, such as "
                "--for 2h"
            )
        if has_order(footage) and not overwrite:
            raise RunError(
                f"{footage} must be new, but holds a recording; go on with --resume, train on it "
                f"with oddframe train {footage}, or record more with --overwrite"
            )
    on_notice(
        f"recording into {footage} first; oddframe record has more ways to do that, such as "
        "stretches spread over the day"
    )
    # Says how far it is, as for the training itself.
    run.path.mkdir(parents=True, exist_ok=True)
    record(
        cameras,
        footage,
        for_s=record_s,
        resume=resume,
        on_notice=on_notice,
        on_progress=on_progress,
    )
