"""Writes what a camera sends to a folder of footage, as it was encoded.

The stream of the camera is the same as for watching: it connects again after a fault, and keeps the
last packets in memory. From there whole groups of pictures go to disk as segments, each a complete
file as soon as it is there. So a kill loses at most the segment that is in memory.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from oddframe.core.alerts import Phase
from oddframe.core.clocks import WallClock, hours_text
from oddframe.core.records import Frame
from oddframe.errors import OutputError
from oddframe.files import output_error
from oddframe.media.live_stream import LiveStream
from oddframe.media.packet_buffer import PictureGroup
from oddframe.media.source import FrameFormat
from oddframe.monitoring.config import Camera
from oddframe.monitoring.footage import footage_folder, segment_path, size_text
from oddframe.monitoring.recording_order import RecordingOrder

SEGMENT_S = 60.0
"""How long a segment is, in seconds, unless its pictures are large."""

_SEGMENT_BYTES = 64_000_000
"""A segment is cut when it is this large; it is in memory until then."""

_LEAST_S = 0.5
"""Shorter segments are not worth a file, in seconds."""

_KEPT_SEGMENTS = 4
"""How many segments may wait in memory for a disk that is full or slow."""

_MEASURED_S = 8.0
"""How much of the stream tells its bit rate, in seconds."""

_SILENT_S = 10.0
"""A camera that sends nothing for so long is said to be lost, in seconds."""

_RETRY_S = 10.0
"""Wait after a failed write, in seconds."""

_LOOKED_AT_FPS = 2.0
"""Of so many frames a second the time is looked at; their pictures are thrown away."""


class FootageRecorder:
    """Records one camera, in one or more stretches.

    One thread calls the methods; the stream has threads of its own.

    Args:
        camera: The camera.
        folder: The folder of footage.
        segment_s: How long a segment is, in seconds.
        keep_free_bytes: While the disk has less room than this nothing is written.
        now_s: Reads a clock that never jumps, in seconds.

    Attributes:
        camera: The camera.
        stream: Its stream of the present stretch; None between stretches.
        segments: How many segments were written.
        seconds: How many seconds of video they are.
        size_bytes: How large they are together.
        trouble: Why nothing can be written, as a sentence; empty while it can.
    """

    def __init__(
        self,
        camera: Camera,
        folder: str | Path,
        *,
        segment_s: float = SEGMENT_S,
        keep_free_bytes: float = 0.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.camera = camera
        self.stream: LiveStream | None = None
        self.segments = self.size_bytes = 0
        self.seconds = 0.0
        self.trouble = ""
        self._folder, self._segment_s, self._now_s = Path(folder), segment_s, now_s
        self._keep_free_bytes = keep_free_bytes
        self._wall = WallClock()
        self._has_seen = False
        self._measured: float | None = None
        self._retry_at_s = 0.0
        self._connected_s = self._lost_since_s = 0.0
        self._is_lost = False
        self._told_trouble = ""
        self._last_error: str | None = None

    def begin(self) -> LiveStream:
        """Make the stream of a new stretch, which the caller starts."""
        live = replace(
            self.camera.live,
            keep_s=_KEPT_SEGMENTS * self._segment_s,
            keep_mb=_KEPT_SEGMENTS * _SEGMENT_BYTES / 1e6,
        )
        self.stream = LiveStream(
            self.camera.address,
            # Nobody looks at the pictures, only at when they come.
            FrameFormat(2, 2, "grey"),
            live,
            keep_fps=_LOOKED_AT_FPS,
            name=self.camera.name,
            now_s=self._now_s,
        )
        self._wall, self._has_seen = WallClock(), False
        self._connected_s, self._is_lost = self._now_s(), False
        return self.stream

    def see(self, frame: Frame, now_us: int) -> None:
        """Learn from a frame of the stream that has just come which moment its time is.

        Args:
            frame: The frame.
            now_us: Microseconds since 1970-01-01 UTC.
        """
        self._wall.see(frame.time_s, now_us)
        self._has_seen = True

    def collect(self, *, is_over: bool = False) -> bool:
        """Write the segments that are complete; what could not be written stays in memory.

        Args:
            is_over: Whether the stretch is over, so that what is there goes to disk at once.

        Returns:
            Whether anything was written or tried, which may have taken long.
        """
        ring = None if self.stream is None else self.stream.ring
        if ring is None or not self._has_seen or (self._now_s() < self._retry_at_s and not is_over):
            return False
        # Once is enough: day and night differ more than two measurements of a minute.
        if self._measured is None:
            self._measured = ring.bytes_per_s(_MEASURED_S)
        runs = list(self._runs(ring.groups()))
        if not (is_over or self._is_silent()):
            # More of the last one may come.
            runs = runs[:-1]
        for run in runs:
            try:
                self._write(run)
            except OutputError as error:
                self.trouble = str(error)
                # The packets stay where they are, and newer ones push the oldest out of memory.
                self._retry_at_s = self._now_s() + _RETRY_S
                break
            ring.drop_until(run[-1].start_s)
            self.trouble = ""
        return bool(runs)

    def end(self) -> None:
        """Write what is there and stop the stream; returns within a second or so."""
        self.collect(is_over=True)
        if self.stream is not None:
            self._last_error = self.stream.state().error
            self.stream.stop()
        self.stream = None

    def amount(self) -> tuple[float, int]:
        """Return how many seconds and bytes of video there are, those in memory among them."""
        ring = None if self.stream is None else self.stream.ring
        span_s = None if ring is None else ring.span_s
        if ring is None or span_s is None:
            return self.seconds, self.size_bytes
        return self.seconds + span_s[1] - span_s[0], self.size_bytes + ring.held_bytes

    @property
    def bytes_per_s(self) -> float | None:
        """How many bytes a second of video is; None while that is not known."""
        if self._measured is not None:
            return self._measured
        return self.size_bytes / self.seconds if self.seconds else None

    @property
    def error(self) -> str | None:
        """What went wrong last with the camera, as a sentence without secrets."""
        return self._last_error if self.stream is None else self.stream.state().error

    def describe_need(self, rate: float, order: RecordingOrder, most_gb: float | None) -> str:
        """Say how much disk the camera takes and how much there is, and what takes less if it must.

        Args:
            rate: Bytes of a second of its video.
            order: When and how long is recorded.
            most_gb: Most gigabytes of the folder; None where it has no bound.
        """
        name = self.camera.name
        state = None if self.stream is None else self.stream.state()
        size = "" if state is None or state.size is None else f"{state.size[0]} x {state.size[1]}, "
        sends = f"{name}: {size}{8 * rate / 1e6:.3g} Mbit/s"
        free_gb = shutil.disk_usage(self._folder).free / 1e9
        # Without an end there is no amount, only a rate.
        if order.is_endless:
            return (
                f"{sends}, {size_text(3600 * rate)} an hour; the oldest goes beyond {most_gb:g} GB"
            )
        wanted_s = order.wanted_s(time.time())
        need_gb = rate * wanted_s / 1e9
        sentence = (
            f"{sends}; {hours_text(wanted_s / 3600)} of video take about "
            f"{size_text(1e9 * need_gb)}, {free_gb:.3g} GB of the disk are free"
        )
        # With a bound the recording never takes more than that, however long it is.
        if need_gb < free_gb or (most_gb is not None and most_gb < free_gb):
            return sentence
        return (
            f"{sentence}, which is too little: record less of the time, such as 5m of every 30m "
            f"({size_text(1e9 * need_gb / 6)}), or the camera's second stream, or bound it with "
            "most_gb"
        )

    def news(self) -> Iterator[str]:
        """Yield what has changed since the last call and people should know, a sentence each."""
        name, now_s = self.camera.name, self._now_s()
        if self.trouble != self._told_trouble:
            self._told_trouble = self.trouble
            yield (
                f"{name}: {self.trouble}; recording goes on when that is possible"
                if self.trouble
                else f"{name}: the disk takes video again"
            )
        if self.stream is None:
            return
        is_lost = self._is_silent()
        if is_lost and not self._is_lost:
            error = self.stream.state().error or "it sends nothing"
            since_s = self.stream.state().silent_s
            self._lost_since_s = self._connected_s if since_s is None else now_s - since_s
            yield f"{name}: no picture ({error}); recording goes on when there is one"
        elif self._is_lost and not is_lost:
            yield f"{name}: pictures again; {now_s - self._lost_since_s:.0f} s are missing"
        self._is_lost = is_lost

    def _is_silent(self) -> bool:
        """Tell whether no picture has come for so long that none is expected soon."""
        assert self.stream is not None, "asked within a stretch only"
        state = self.stream.state()
        if state.silent_s is None:
            # Nothing has come yet: a camera may take seconds for its first picture.
            return self._now_s() - self._connected_s > _SILENT_S
        if state.phase is Phase.LIVE and state.silent_s <= self.stream.gap_s:
            return False
        return state.silent_s > max(_SILENT_S, 2 * self.stream.gap_s)

    def _runs(self, groups: Sequence[PictureGroup]) -> Iterator[list[PictureGroup]]:
        """Yield groups that make a segment: without a gap, of one form, not too long or large."""
        assert self.stream is not None, "called within a stretch only"
        # Groups begin with a key frame, so any of them can begin a file.
        run: list[PictureGroup] = []
        for group in groups:
            # Players cannot show a file whose size or codec changes; a gap would be a jump.
            if run and (
                group.start_s - run[-1].end_s > self.stream.gap_s
                or group.form != run[-1].form
                or group.start_s - run[0].start_s >= self._segment_s
                or sum(one.size_bytes for one in run) >= _SEGMENT_BYTES
            ):
                yield run
                run = []
            run.append(group)
        if run:
            yield run

    def _write(self, run: Sequence[PictureGroup]) -> None:
        """Write a run to a file of its own."""
        assert self.stream is not None, "called within a stretch only"
        assert self.stream.ring is not None, "the settings ask for one"
        start_s, end_s = run[0].start_s, run[-1].end_s
        if end_s - start_s < _LEAST_S:
            return
        place = footage_folder(self._folder, self.camera.name)
        try:
            place.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(place).free
        except OSError as error:
            raise output_error(place, error) from error
        # Asked before each file, since others fill the disk too.
        if free < self._keep_free_bytes:
            raise OutputError(
                f"the disk of {self._folder} must keep {self._keep_free_bytes / 1e9:.3g} GB free, "
                f"has {free / 1e9:.3g} GB; make room"
            )
        path = segment_path(self._folder, self.camera.name, self._wall(start_s), end_s - start_s)
        for clip in self.stream.ring.write_clips(path, start_s, end_s):
            self.segments += 1
            self.seconds += clip.end_s - clip.start_s
            self.size_bytes += clip.path.stat().st_size
