"""What lies in a benchmark's folders: files by name and number, frames by header, packet or time.

What systems leave behind (`.DS_Store`, `._001.tif`) is passed over.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from oddframe._types import Float64
from oddframe.errors import LayoutError, SourceError
from oddframe.media.image_names import natural_order
from oddframe.media.images import is_numbered_image
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat, FrameSource

RECORDING_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"}
)
"""Endings of recordings, in small letters."""

# Where only the count or the times of frames matter, they are scaled down to next to nothing.
_TINY = FrameFormat(2, 2, "grey")


def entries(parent: Path) -> list[Path]:
    """List the files and folders of a folder in natural order; none where there is no such folder.

    Hidden ones, AppleDouble files (`._001.tif`) and `.DS_Store` among them, are left out.
    """
    if not parent.is_dir():
        return []
    return sorted(
        (path for path in parent.iterdir() if not path.name.startswith(".")),
        key=lambda path: natural_order(path.name),
    )


def folders(parent: Path) -> list[Path]:
    """List the folders of a folder in natural order."""
    return [path for path in entries(parent) if path.is_dir()]


def images(folder: Path) -> list[Path]:
    """List the numbered images of a folder in the order of their numbers.

    There are none where there is no such folder.
    """
    return sorted((path for path in entries(folder) if is_numbered_image(path)), key=_by_number)


def count_images(folder: Path) -> int:
    """Count the numbered images of a folder."""
    return sum(1 for path in entries(folder) if is_numbered_image(path))


def last_number(name: str) -> int | None:
    """Find the number that a name ends with: 14 of "01_0014", 3 of "Test003", None without one."""
    found = re.search(r"(\d+)\D*$", name)
    return int(found[1]) if found else None


def track_file(places: Iterable[Path], name: str) -> Path | None:
    """Find the region tracks of a video: `tracks/<name>.txt` or `.csv` in one of some folders."""
    # Published as .txt; a spreadsheet writes the same lines as .csv.
    for place in places:
        for suffix in (".txt", ".csv"):
            path = named(place / "tracks", f"{name}{suffix}")
            if path.is_file():
                return path
    return None


def named(folder: Path, name: str) -> Path:
    """Give the path of a name in a folder, also where it is there in another Unicode form.

    A Mac writes "é" as two characters in the names of files, most others as one.
    """
    path = folder / name
    if name.isascii() or path.exists():
        return path
    spelt = unicodedata.normalize("NFC", name)
    return next(
        (there for there in entries(folder) if unicodedata.normalize("NFC", there.name) == spelt),
        path,
    )


def check_masks(place: Path, masks: int, frames: int, notices: list[str]) -> bool:
    """Check that masks can be paired with the frames of their video; a notice says why not.

    Args:
        place: Where the masks are; named in the error and the notice.
        masks: How many masks there are.
        frames: How many frames there are.
        notices: Where a sentence is added when masks are missing.

    Raises:
        LayoutError: There are more masks than frames.
    """
    if masks > frames:
        raise LayoutError(
            f"{place}: at most one mask a frame can be, found {masks} masks for {frames} frames"
        )
    if masks < frames:
        notices.append(
            f"partial copy: {place} has {masks} masks for {frames} frames and is not used"
        )
    return masks == frames


def list_names(paths: Sequence[Path | str], most: int = 5) -> str:
    """Write the first few of some names, and how many there are beyond."""
    shown = ", ".join(str(path) for path in paths[:most])
    return shown + (f" and {len(paths) - most} more" if len(paths) > most else "")


def recordings(folder: Path) -> list[Path]:
    """List the recordings of a folder, known by their endings, in natural order."""
    return [
        path
        for path in entries(folder)
        if path.suffix.lower() in RECORDING_SUFFIXES and path.is_file()
    ]


def stated_frames(paths: Sequence[Path], notices: list[str]) -> tuple[tuple[Path, ...], int]:
    """Find the recordings that can be opened, and how many frames their headers say they have.

    A notice is added for each of the others. Only where a header does not say are the packets
    counted: hours of training footage are not read for a count.
    """
    used, total = [], 0
    for path in paths:
        try:
            total += expected_frames(Recording(path))
        except SourceError as error:
            notices.append(f"left out: {error}")
            continue
        used.append(path)
    return tuple(used), total


def expected_frames(source: FrameSource) -> int:
    """Count the frames of a source by its header where that says, else by packets or images.

    Raises:
        SourceError: It cannot be read.
    """
    return (source.stated_frames() if isinstance(source, Recording) else 0) or source.count_frames()


def check_length(path: Path, labels: int, origin: Path) -> None:
    """Make sure that a recording has as many frames as labels.

    Its packets are counted; only where they disagree is it decoded, since a packet need not be a
    frame.

    Raises:
        LayoutError: It has more or fewer.
        SourceError: It cannot be read.
    """
    recording = Recording(path)
    # Packets are counted in a moment, and are nearly always as many as the frames.
    if recording.count_frames() == labels:
        return
    frames = sum(1 for _ in recording.frames(_TINY))
    if frames != labels:
        raise LayoutError(
            f"{origin}: one label per frame is needed, found {labels} labels for {frames} frames "
            f"in {path}; a recording that was cut off, or labels of another copy"
        )


class FrameTimes:
    """When each frame of a source is, found in a pass over it when first asked for.

    The pass decodes: where a recording is damaged or its timestamps are wrong, only this gives the
    frames and the times that scoring will meet. Beside the network it costs next to nothing.

    Args:
        source: The recording or folder of images.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source = source

    def __len__(self) -> int:
        return self.values_s.size

    @cached_property
    def values_s(self) -> Float64:
        """Time in seconds of each frame by its index; NaN where an index has no frame.

        Raises:
            SourceError: No frame can be read.
        """
        frames = [(frame.index, frame.time_s) for frame in self._source.frames(_TINY)]
        # Indices only rise, and an image that is missing in a folder leaves one out.
        times_s = np.full(frames[-1][0] + 1, np.nan)
        for index, time_s in frames:
            times_s[index] = time_s
        return times_s


def _by_number(path: Path) -> tuple[int, Path]:
    """Give a sort key by the number that a name ends with."""
    return last_number(path.stem) or 0, path
