"""Frames of the training footage, decoded once, in a memory-mapped file.

A grey camera picture that is smaller than the network's is kept as it was filmed, and enlarged when
it is read, so that more of the footage fits. Where only a part fits, `FrameCache.footage` still
knows all of it, and `FrameCache.read_footage` decodes frames that were not kept.
"""

import hashlib
import json
import mmap
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from oddframe._types import Pixels, Progress, silent
from oddframe.core.clips import Sampler, follows, thins
from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import SettingsError, SourceError, SourceNotFoundError
from oddframe.files import output_error, replace_file, write_json
from oddframe.media.enlarge import WHOLE, Enlarger, kept_format
from oddframe.media.recording import read_frames
from oddframe.media.source import FrameFormat, FrameSource

CACHE_VERSION = 2
"""How frames are kept: 1 as 0.1.0 did, all at the network's size and nothing of the rest."""

BLOCK_FRAMES = 64
"""Frames kept in a row, at least, where not all of them fit; long enough for sped-up clips."""

_SINCE_VERSION_2 = ("kept", "begins", "footage")
"""What the index of a cache of version 1 does not say."""

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


Positions: TypeAlias = npt.NDArray[np.int64]
"""Positions of frames in the cache or in the footage, or numbers of clips."""

TIMES = "footage.f8"
"""The file with number and time of every frame of the footage in its source, float64 N x 2."""


class FrameCache:
    """Frames on disk, read through the page cache.

    Positions in the cache count the frames that were kept; positions in the footage count all, once
    they are thinned. Where everything was kept they are the same.

    Attributes:
        stretches: Unbroken runs of kept frames, in the order of the footage.
        footage: Unbroken runs of all of the footage, by position in it; of a cache of version 1,
            which knows no more than what it kept, these are its stretches.
        share: Share of the footage's frames that is kept; 1.0 where all of it fits.
        notices: What was wrong with the sources, one named sentence each.
        rate_fps: Rate at which the frames were taken.
        frame_bytes: Bytes that a frame takes on disk.
        has_more: Whether frames of the footage that were not kept can be decoded again.
    """

    def __init__(self, folder: Path, index: dict[str, Any]) -> None:
        self.stretches = tuple(FrameRun(**stretch) for stretch in index["stretches"])
        self.share = float(index["share"])
        self.notices = tuple(index["notices"])
        self.rate_fps = float(index["rate_fps"])
        runs = index.get("footage", index["stretches"])
        self.footage = tuple(FrameRun(**run) for run in runs)
        # Position in the footage of the first frame of each stretch.
        self._begins: Positions = np.array(
            index.get("begins", [stretch.offset for stretch in self.stretches]), np.int64
        )
        self._offsets: Positions = np.array([run.offset for run in self.stretches], np.int64)
        self._times = folder / TIMES
        height, width = _kept_size(index)
        self.frame_bytes = height * width * int(index["colours"])
        self.has_more = _has_more(index)
        self._enlarger: Enlarger | None = None
        if (height, width) != (index["height"], index["width"]):
            self._enlarger = Enlarger((width, height), index["width"], index["height"])
        with (folder / "frames.u8").open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._frames: Pixels = np.frombuffer(self._map, dtype=np.uint8).reshape(
            index["frames"], height, width, index["colours"]
        )

    def __len__(self) -> int:
        return len(self._frames)

    def take(self, positions: Positions, part: tuple[slice, slice] = WHOLE) -> Pixels:
        """Copy frames out of the cache, uint8 positions.shape x H x W x C.

        Args:
            positions: Their positions.
            part: The rows and columns of the frames that are wanted.
        """
        taken: Pixels = self._frames[positions]
        if self._enlarger is not None:
            return self._enlarger.enlarge(taken, part)
        return taken[..., part[0], part[1], :]

    def in_footage(self, positions: Positions) -> Positions:
        """Turn positions in the cache into positions in the footage."""
        stretch = np.searchsorted(self._offsets, positions, side="right") - 1
        found: Positions = positions - self._offsets[stretch] + self._begins[stretch]
        return found

    def kept(self, run: FrameRun) -> list[FrameRun]:
        """Find what the cache kept of a run of the footage, as runs by position in the cache."""
        found = []
        end = run.offset + run.count
        number = max(0, int(np.searchsorted(self._begins, run.offset, side="right")) - 1)
        while number < len(self._begins) and (begin := int(self._begins[number])) < end:
            stretch = self.stretches[number]
            low, high = max(begin, run.offset), min(begin + stretch.count, end)
            if low < high:
                found.append(FrameRun(run.source, stretch.offset + low - begin, high - low))
            number += 1
        return found

    def read_footage(
        self, source: FrameSource, wanted: FrameFormat, begin: int, end: int
    ) -> list[Frame]:
        """Decode the frames from one position in the footage to another, of one source.

        Args:
            source: The source that they are of.
            wanted: The form of the frames.
            begin: Position in the footage of the first one.
            end: Position after the last one.

        Returns:
            Those that are still there; their `index` is their position in the footage.

        Raises:
            SourceNotFoundError: If the source is no longer there.
            SourceError: If it cannot be read.
        """
        rows = np.fromfile(self._times, np.float64, 2 * (end - begin), offset=16 * begin)
        numbers, times_s = rows.reshape(-1, 2).T.copy()
        positions = {int(number): begin + place for place, number in enumerate(numbers)}
        frames = read_frames(source, wanted, list(positions), times_s)
        return [replace(frame, index=positions[frame.index]) for frame in frames]

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
    sources: Sequence[FrameSource],
    wanted: FrameFormat,
    rate_fps: float,
    limit_bytes: int,
    on_progress: Progress = silent,
    version: int = CACHE_VERSION,
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
        version: How frames are kept, as `CACHE_VERSION` says.

    Raises:
        SourceError: If no source gives a frame.
        SettingsError: If the limit is too low for clips.
        OutputError: If the cache cannot be written.
    """
    key = footage_key(sources, wanted, rate_fps, limit_bytes, version)
    index = _read_index(folder, key)
    if index is None:
        _clear(folder)
        kept = wanted if version == 1 else kept_format(sources, wanted)
        index = _fill(folder, sources, kept, rate_fps, limit_bytes, on_progress)
        if version == 1:
            index = {name: value for name, value in index.items() if name not in _SINCE_VERSION_2}
        index |= {"height": wanted.height, "width": wanted.width, "key": key}
        if not _has_more(index):
            (folder / TIMES).unlink()
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
    sources: Sequence[FrameSource],
    wanted: FrameFormat,
    rate_fps: float,
    limit_bytes: int,
    version: int = CACHE_VERSION,
) -> str:
    """Compute a text that changes with anything that decides what a cache holds."""
    inputs = [(source.name, source.fingerprint(), source.rate_fps) for source in sources]
    facts = [inputs, asdict(wanted), rate_fps, limit_bytes]
    # Version 1 did not know that there would be another one.
    text = json.dumps(facts if version == 1 else [*facts, version])
    return hashlib.sha256(text.encode()).hexdigest()


def _colours(wanted: FrameFormat) -> int:
    return 1 if wanted.colour == "grey" else 3


def _read_index(folder: Path, key: str) -> dict[str, Any] | None:
    """Read the index of the cache in ``folder``; None unless it is that of ``key`` and whole."""
    try:
        index: dict[str, Any] = json.loads((folder / "index.json").read_text())
        there = index["key"] == key and (folder / "frames.u8").stat().st_size == _size_bytes(index)
        there = there and (not _has_more(index) or (folder / TIMES).is_file())
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
        for pattern in ("index.json", "frames.u8", TIMES, ".index.*.json", ".f*.?8"):
            for path in folder.glob(pattern):
                path.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def _kept_size(index: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the frames in the file; version 1 kept them as they are given out."""
    height, width = index.get("kept", (index["height"], index["width"]))
    return int(height), int(width)


def _has_more(index: Mapping[str, Any]) -> bool:
    """Whether there is footage that was not kept, and may be read again."""
    return "footage" in index and index["share"] < 1.0


def _size_bytes(index: Mapping[str, Any]) -> int:
    height, width = _kept_size(index)
    return int(index["frames"] * height * width * index["colours"])


def _fill(
    folder: Path,
    sources: Sequence[FrameSource],
    wanted: FrameFormat,
    rate_fps: float,
    limit_bytes: int,
    on_progress: Progress,
) -> dict[str, Any]:
    """Write the frames and describe them; the caller adds their size when read, and the key."""
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
    with (
        replace_file(folder / TIMES) as times_path,
        replace_file(folder / "frames.u8") as temporary,
        times_path.open("wb") as times,
        temporary.open("wb") as file,
    ):
        for source, count in zip(sources, counts, strict=True):
            try:
                frames = _report_progress(source.frames(wanted), on_progress, done, sum(counts))
                writer.write(file, times, source, frames, rate_fps)
            except (SourceError, SourceNotFoundError) as error:
                # What was read of it before it broke off stays.
                writer.notices.append(f"{source.name}: left out: {error}")
            done += count
        on_progress("read", sum(counts), sum(counts), {})
        if not writer.written:
            raise SourceError(f"no frame could be read: {'; '.join(writer.notices[:5])}")
    return {
        "frames": writer.written,
        "kept": [wanted.height, wanted.width],
        "colours": colours,
        "rate_fps": rate_fps,
        "share": writer.written / writer.seen,
        "notices": writer.notices,
        "stretches": [asdict(stretch) for stretch in writer.stretches],
        "begins": writer.begins,
        "footage": [asdict(run) for run in writer.footage],
    }


def _count(source: FrameSource) -> int:
    """Count the frames to expect of a source; 0 where it went bad since it was found."""
    try:
        return source.count_frames()
    except (SourceError, SourceNotFoundError):
        # Reading it fails as well, and there a notice says so.
        return 0


def _count_thinned(source: FrameSource, count: int, rate_fps: float) -> float:
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
        self.begins: list[int] = []
        self.footage: list[FrameRun] = []
        self.notices: list[str] = []

    def write(
        self,
        file: BinaryIO,
        times: BinaryIO,
        source: FrameSource,
        frames: Iterable[Frame],
        rate_fps: float,
    ) -> None:
        """Append the frames of a source, thinned to a rate, and the times of all of them."""
        sampler = Sampler(rate_fps, FrameTiming(source.rate_fps, source.gap_s))
        before: Frame | None = None
        kept = False
        for frame in filter(sampler.keeps, frames):
            # Counted through all sources: many short ones are thinned as evenly as one long one.
            position, self.seen = self.seen, self.seen + 1
            # A run ends with its source and where time jumps; a stretch of the cache also where
            # frames were left out.
            breaks = before is None or not follows(before, frame, sampler.gap_s)
            _extend(self.footage, source.name, position, frame, breaks)
            times.write(np.array([frame.index, frame.time_s]).data)
            before, kept_before = frame, kept
            kept = position % self.period < BLOCK_FRAMES and self.written < self.limit
            if not kept:
                continue
            file.write(np.ascontiguousarray(frame.pixels).data)
            if breaks or not kept_before:
                self.begins.append(position)
            _extend(self.stretches, source.name, self.written, frame, breaks or not kept_before)
            self.written += 1
        if slower := sampler.rates.notice():
            self.notices.append(f"{source.name}: {slower}")
        self.notices += [f"{source.name}: {notice}" for notice in source.notices]


def _extend(runs: list[FrameRun], source: str, position: int, frame: Frame, breaks: bool) -> None:
    """Add the frame at a position to the last run, or begin another run with it."""
    if breaks:
        runs.append(FrameRun(source, position, 1, frame.time_s))
    else:
        runs[-1] = replace(runs[-1], count=runs[-1].count + 1)


def _report_progress(
    frames: Iterable[Frame], on_progress: Progress, done: int, total: int
) -> Iterator[Frame]:
    """Pass frames on, and report now and then; `done` frames were read before these."""
    for number, frame in enumerate(frames):
        if number % PROGRESS_EVERY == 0:
            # A header may state fewer frames than there are.
            on_progress("read", min(done + number, total), total, {})
        yield frame
