"""Footage on disk: what cameras showed, in segments whose names say when.

A folder of footage has a folder for each camera. A segment is a file such as
``door_2026-11-29_02-10-00-480Z_59.9s.mp4``: the camera, the moment of the first picture in UTC, and
how long it is. So names alone tell what is there, in which order, and how many hours it covers;
`oddframe train` reads the folder like any other.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from oddframe.core.alerts import safe_name
from oddframe.core.clocks import hours_text
from oddframe.errors import OutputError
from oddframe.files import output_error

_NAME = re.compile(
    r"(?P<camera>.+)_(?P<time>\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)-(?P<ms>\d{3})Z_(?P<length>\d+\.\d)s"
)
_TIME = "%Y-%m-%d_%H-%M-%S"
_SUFFIXES = (".mp4", ".mkv", ".nut")
"""What segments are written as; see `oddframe.media.packet_buffer`."""

_LOCK = ".recording.lock"

ORDER_FILE = "recording.json"
"""Says what is recorded into the folder; see `oddframe.monitoring.recording_order`."""

PROGRESS_FILE = "progress.json"
"""Says how far the recording is, as in a run folder."""

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class FootageSegment:
    """A stretch of one camera's footage on disk.

    Attributes:
        path: The file.
        camera: The camera, as its folder is called.
        start_us: When its first picture was taken, in microseconds since 1970-01-01 UTC.
        length_s: How long it is, in seconds.
        size_bytes: How large it is.
    """

    path: Path
    camera: str
    start_us: int
    length_s: float
    size_bytes: int

    @property
    def end_us(self) -> int:
        """When it ends, in microseconds since 1970-01-01 UTC."""
        return self.start_us + round(self.length_s * 1e6)


def footage_folder(folder: str | Path, camera: str) -> Path:
    """Return where the footage of a camera lies in a folder of footage."""
    return Path(folder) / safe_name(camera)


def segment_path(folder: str | Path, camera: str, start_us: int, length_s: float) -> Path:
    """Return the path of a new segment without its suffix; no segment that is there has it.

    Args:
        folder: The folder of footage.
        camera: The camera's name.
        start_us: When its first picture was taken, in microseconds since 1970-01-01 UTC.
        length_s: How long it is, in seconds.
    """
    place = footage_folder(folder, camera)
    while True:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start_us)
        name = f"{place.name}_{moment:{_TIME}}-{start_us // 1000 % 1000:03d}Z_{length_s:.1f}s"
        if not any((place / f"{name}{suffix}").exists() for suffix in _SUFFIXES):
            return place / name
        # A clock that was set back must not cost what was recorded before.
        start_us += 1000


def list_segments(folder: str | Path, camera: str | None = None) -> list[FootageSegment]:
    """List the segments of a camera, or those of all cameras, in order of time.

    Files of other names are passed over: somebody's own recordings may lie beside them.
    """
    places = _camera_folders(Path(folder)) if camera is None else [footage_folder(folder, camera)]
    segments = [segment for place in places for segment in _segments_in(place)]
    return sorted(segments, key=lambda segment: (segment.start_us, segment.path))


def _camera_folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    except OSError:
        return []


def _segments_in(place: Path) -> Iterator[FootageSegment]:
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 - thousands of names
                match = _NAME.fullmatch(stem) if suffix in _SUFFIXES else None
                if match is None or match["camera"] != place.name:
                    continue
                try:
                    moment = datetime.strptime(match["time"], _TIME).replace(tzinfo=UTC)
                    size_bytes = entry.stat().st_size
                except (ValueError, OSError):
                    # No date of the calendar, or deleted since.
                    continue
                start_us = 1000 * (1000 * int(moment.timestamp()) + int(match["ms"]))
                yield FootageSegment(
                    Path(entry.path), place.name, start_us, float(match["length"]), size_bytes
                )
    except OSError:
        # Nothing was recorded yet.
        return


def covered_hours(segments: Sequence[FootageSegment]) -> dict[int, float]:
    """Tell which hours segments cover, for a calendar.

    Args:
        segments: Segments of one camera, in order of time.

    Returns:
        The share of each hour that is covered, above 0 and at most 1, by the hour's start in
        microseconds since 1970-01-01 UTC.
    """
    shares: dict[int, float] = {}
    for segment in segments:
        begin_us = segment.start_us
        while begin_us < segment.end_us:
            hour_us = begin_us // _HOUR_US * _HOUR_US
            end_us = min(segment.end_us, hour_us + _HOUR_US)
            shares[hour_us] = min(1.0, shares.get(hour_us, 0.0) + (end_us - begin_us) / _HOUR_US)
            begin_us = end_us
    return shares


def remove_oldest(
    folder: str | Path, *, most_bytes: float | None, oldest_us: int | None
) -> list[FootageSegment]:
    """Remove the oldest segments until what is left keeps the bounds.

    Args:
        folder: The folder of footage; the bounds are for all of its cameras together.
        most_bytes: Most bytes that may stay; None sets no bound.
        oldest_us: What ended before this moment goes, in microseconds since 1970-01-01 UTC; None
            sets no bound.

    Returns:
        The segments that were removed.

    Raises:
        OutputError: If one cannot be removed.
    """
    segments = list_segments(folder)
    held = sum(segment.size_bytes for segment in segments)
    removed: list[FootageSegment] = []
    for segment in segments:
        is_old = oldest_us is not None and segment.end_us < oldest_us
        if not is_old and (most_bytes is None or held <= most_bytes):
            break
        remove_segment(segment)
        held -= segment.size_bytes
        removed.append(segment)
    return removed


def remove_segment(segment: FootageSegment) -> None:
    """Remove a segment; one that is gone already is no error.

    Raises:
        OutputError: If it cannot be removed.
    """
    try:
        segment.path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(segment.path, error) from error


def remove_footage(folder: str | Path) -> None:
    """Remove a folder of footage with all segments in it; what is somebody's own stays.

    Raises:
        OutputError: If a segment cannot be removed.
    """
    folder = Path(folder)
    for segment in list_segments(folder):
        remove_segment(segment)
    for name in (_LOCK, ORDER_FILE, PROGRESS_FILE):
        with suppress(OSError):
            (folder / name).unlink()
    for place in (*_camera_folders(folder), folder):
        # This removes empty folders only.
        with suppress(OSError):
            place.rmdir()


def leave_footage(footage: Path, *, keep: bool) -> str:
    """Remove what was recorded for a training, unless it is to be kept.

    Returns:
        What became of it, a sentence.
    """
    segments = list_segments(footage)
    held = f"{hours_text(sum(one.length_s for one in segments) / 3600)} of recorded video"
    if keep:
        return f"{held} are kept in {footage}"
    remove_footage(footage)
    return f"{held} were removed after the training; --keep-footage keeps them"


def size_text(size_bytes: float) -> str:
    """Write a size on disk for people, such as "86 MB" or "7.6 GB"."""
    unit, name = (1e9, "GB") if size_bytes >= 1e9 else (1e6, "MB")
    return (
        f"{size_bytes / unit:.2g} {name}"
        if size_bytes < 100 * unit
        else f"{size_bytes / unit:,.0f} {name}"
    )


@contextmanager
def recording_into(folder: str | Path) -> Iterator[Path]:
    """Make a folder of footage and keep it for one recorder, and clear up what a kill left.

    Raises:
        OutputError: If it cannot be made, or another process records into it.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise output_error(folder, error) from error
    try:
        try:
            # The system lets go of it when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                f"{folder} must be recorded into by one process at a time, but another one does; "
                "wait for it, or choose another folder"
            ) from error
        for place in _camera_folders(folder):
            _remove_unfinished(place)
        yield folder
    finally:
        os.close(lock)


def _remove_unfinished(place: Path) -> None:
    """Remove segments that were being written when the process was killed."""
    for path in place.glob(f".{place.name[:40]}*"):
        if path.suffix in _SUFFIXES and path.is_file():
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise output_error(path, error) from error
