"""Frames of the training footage, decoded and resized once, in a memory-mapped file."""

import hashlib
import json
import mmap
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from oddframe._types import Pixels, Progress, silent
from oddframe.core.clips import follows, rate_notice, sample, sampled_gap_s, thins
from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import SettingsError, SourceError, SourceNotFoundError
from oddframe.files import output_error, replace_file, write_json
from oddframe.media.source import FrameFormat, Source

BLOCK_FRAMES = 64
"""Frames kept in a row, at least, where not all of them fit; long enough for sped-up clips."""

PROGRESS_EVERY = 50
"""Frames from one report of progress to the next."""


@dataclass(frozen=True, slots=True)
class FrameRun:
    """Unbroken frames of one source.

    Attributes:
        source: Name of the source.
        offset: Position of its first frame in the cache.
        count: How many frames it has.
        start_s: Time of its first frame in the source, in seconds; known of the stretches of a
            cache.
    """

    source: str
    offset: int
    count: int
    start_s: float = 0.0


class FrameCache:
    """Frames on disk, read through the page cache.

    Attributes:
        stretches: Unbroken runs of frames, in the order of the footage.
        share: Share of the footage's frames that is kept; 1.0 where all of it fits.
        notices: What was wrong with the sources, one named sentence each.
        rate_fps: Rate at which the frames were taken.
    """

    def __init__(self, folder: Path, index: dict[str, Any]) -> None:
        self.stretches = tuple(FrameRun(**stretch) for stretch in index["stretches"])
        self.share = float(index["share"])
        self.notices = tuple(index["notices"])
        self.rate_fps = float(index["rate_fps"])
        self._shape = (index["frames"], index["height"], index["width"], index["colours"])
        with (folder / "frames.u8").open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._frames: Pixels = np.frombuffer(self._map, dtype=np.uint8).reshape(self._shape)

    def __len__(self) -> int:
        return int(self._shape[0])

    def take(self, positions: npt.NDArray[np.int64]) -> Pixels:
        """Copy frames out of the cache, uint8 positions.shape x H x W x C."""
        taken: Pixels = self._frames[positions]
        return taken

    def stretch_of(self, position: int) -> FrameRun:
        """Find the stretch that the frame at a position lies in."""
        following = bisect_right(self.stretches, position, key=lambda stretch: stretch.offset)
        return self.stretches[following - 1]

    def time_s(self, position: int) -> float:
        """Compute when the frame at a position is seen in its source, in seconds."""
        stretch = self.stretch_of(position)
        return stretch.start_s + (position - stretch.offset) / self.rate_fps

    def release(self) -> None:
        """Give the pages back to the system, so that memory does not grow with the footage."""
        # The pages of a read-only map are always on disk, so that nothing is lost.
        self._map.madvise(mmap.MADV_DONTNEED)


def build_cache(
    folder: Path,
    sources: Sequence[Source],
    wanted: FrameFormat,
    rate_fps: float,
    limit_bytes: int,
    on_progress: Progress = silent,
) -> FrameCache:
    """Open the cache in ``folder``, building it where the inputs or the format changed.

    Args:
        folder: Where ``frames.u8`` and ``index.json`` are or will be.
        sources: The footage.
        wanted: Size and colour of the frames.
        rate_fps: Rate to which faster sources are thinned by time.
        limit_bytes: Most bytes of frames to keep; of more footage, blocks of consecutive frames are
            kept, evenly over time.
        on_progress: Called with the frames read so far, as phase "read".

    Raises:
        SourceError: If no source gives a frame.
        SettingsError: If the limit is too low for clips.
        OutputError: If the cache cannot be written.
    """
    key = footage_key(sources, wanted, rate_fps, limit_bytes)
    index = _read_index(folder, key)
    if index is None:
        _clear(folder)
        index = _fill(folder / "frames.u8", sources, wanted, rate_fps, limit_bytes, on_progress)
        index["key"] = key
        write_json(folder / "index.json", index)
    return FrameCache(folder, index)


def reopen_cache(folder: Path, wanted: FrameFormat) -> FrameCache | None:
    """Open the cache in ``folder`` as it was built, whatever became of its footage.

    Returns:
        The cache; None where there is none, or one of another size or colour.
    """
    try:
        key = str(json.loads((folder / "index.json").read_text())["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    index = _read_index(folder, key)
    if index is None:
        return None
    found = (index["height"], index["width"], index["colours"])
    if found != (wanted.height, wanted.width, _colours(wanted)):
        return None
    return FrameCache(folder, index)


def footage_key(
    sources: Sequence[Source], wanted: FrameFormat, rate_fps: float, limit_bytes: int
) -> str:
    """Compute a text that changes with anything that decides what a cache holds."""
    inputs = [(source.name, source.fingerprint(), source.rate_fps) for source in sources]
    text = json.dumps([inputs, asdict(wanted), rate_fps, limit_bytes])
    return hashlib.sha256(text.encode()).hexdigest()


def _colours(wanted: FrameFormat) -> int:
    return 1 if wanted.colour == "grey" else 3


def _read_index(folder: Path, key: str) -> dict[str, Any] | None:
    """Read the index of the cache in ``folder``; None unless it is that of ``key`` and whole."""
    try:
        index: dict[str, Any] = json.loads((folder / "index.json").read_text())
        there = index["key"] == key and (folder / "frames.u8").stat().st_size == _size_bytes(index)
        # A cache of an earlier version does not know when its stretches begin.
        there = there and all("start_s" in stretch for stretch in index["stretches"])
    except (OSError, ValueError, KeyError, TypeError):
        # Whatever is wrong with a cache, it can be built again.
        return None
    return index if there else None


def _clear(folder: Path) -> None:
    """Make an empty folder; the old frames go first, since both together may not fit."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The index is the cache's word that frames.u8 is whole: it goes first and comes last.
        for pattern in ("index.json", "frames.u8", ".index.*.json", ".frames.*.u8"):
            for path in folder.glob(pattern):
                path.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def _size_bytes(index: dict[str, Any]) -> int:
    return int(index["frames"] * index["height"] * index["width"] * index["colours"])


def _fill(
    path: Path,
    sources: Sequence[Source],
    wanted: FrameFormat,
    rate_fps: float,
    limit_bytes: int,
    on_progress: Progress,
) -> dict[str, Any]:
    """Write the frames and describe them; the caller adds the key."""
    colours = _colours(wanted)
    frame_bytes = wanted.height * wanted.width * colours
    limit = limit_bytes // frame_bytes
    if limit < BLOCK_FRAMES:
        raise SettingsError(
            f"the cache must hold at least {BLOCK_FRAMES} frames of {frame_bytes:,} bytes, "
            f"{BLOCK_FRAMES * frame_bytes / 1e9:.3g} GB in all, got {limit_bytes / 1e9:.3g} GB; "
            "raise --cache-gb"
        )
    counts = [_count(source) for source in sources]
    expected = sum(
        _count_thinned(source, count, rate_fps)
        for source, count in zip(sources, counts, strict=True)
    )
    # The counts are an estimate; the writer's limit is what holds.
    writer = _CacheWriter(min(1.0, limit / max(1.0, expected)), limit)
    done = 0
    with replace_file(path) as temporary, temporary.open("wb") as file:
        for source, count in zip(sources, counts, strict=True):
            try:
                frames = _report_progress(source.frames(wanted), on_progress, done, sum(counts))
                writer.write(file, source, frames, rate_fps)
            except (SourceError, SourceNotFoundError) as error:
                # What was read of it before it broke off stays.
                writer.notices.append(f"{source.name}: left out: {error}")
            done += count
        on_progress("read", sum(counts), sum(counts), {})
        if not writer.written:
            raise SourceError(f"no frame could be read: {'; '.join(writer.notices[:5])}")
    return {
        "frames": writer.written,
        "height": wanted.height,
        "width": wanted.width,
        "colours": colours,
        "rate_fps": rate_fps,
        "share": writer.written / writer.seen,
        "notices": writer.notices,
        "stretches": [asdict(stretch) for stretch in writer.stretches],
    }


def _count(source: Source) -> int:
    """Count the frames to expect of a source; 0 where it went bad since it was found."""
    try:
        return source.count_frames()
    except (SourceError, SourceNotFoundError):
        # Reading it fails as well, and there a notice says so.
        return 0


def _count_thinned(source: Source, count: int, rate_fps: float) -> float:
    """Estimate how many frames are left of a source once it is thinned to a rate."""
    return count * rate_fps / source.rate_fps if thins(source.rate_fps, rate_fps) else count


class _CacheWriter:
    """Appends the frames of one source after another and notes the unbroken stretches."""

    def __init__(self, share: float, limit: int) -> None:
        # The first 64 of so many frames are kept; not a whole number, so that the share holds.
        self.period = BLOCK_FRAMES / share
        self.limit = limit
        self.seen = 0
        self.written = 0
        self.stretches: list[FrameRun] = []
        self.notices: list[str] = []

    def write(
        self, file: BinaryIO, source: Source, frames: Iterable[Frame], rate_fps: float
    ) -> None:
        """Append the frames of a source, thinned to a rate."""
        timing = FrameTiming(source.rate_fps, source.gap_s)
        gap_s = sampled_gap_s(timing, rate_fps)
        before: tuple[int, Frame] | None = None
        for frame in sample(frames, rate_fps, timing):
            # Counted through all sources: many short ones are thinned as evenly as one long one.
            position, self.seen = self.seen, self.seen + 1
            if position % self.period >= BLOCK_FRAMES or self.written >= self.limit:
                continue
            # A stretch ends with its source, where frames were left out, and where time jumps.
            if before is None or before[0] != position - 1 or not follows(before[1], frame, gap_s):
                self.stretches.append(FrameRun(source.name, self.written, 0, frame.time_s))
            file.write(np.ascontiguousarray(frame.pixels).data)
            self.written += 1
            self.stretches[-1] = replace(self.stretches[-1], count=self.stretches[-1].count + 1)
            before = position, frame
        if slower := rate_notice(source.rate_fps, rate_fps):
            self.notices.append(f"{source.name}: {slower}")
        self.notices += [f"{source.name}: {notice}" for notice in source.notices]


def _report_progress(
    frames: Iterable[Frame], on_progress: Progress, done: int, total: int
) -> Iterator[Frame]:
    """Pass frames on, and report now and then; `done` frames were read before these."""
    for number, frame in enumerate(frames):
        if number % PROGRESS_EVERY == 0:
            # A header may state fewer frames than there are.
            on_progress("read", min(done + number, total), total, {})
        yield frame
