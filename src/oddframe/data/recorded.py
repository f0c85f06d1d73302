"""Recordings as parts of a benchmark: which there are, how many frames they have, when each frame is."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from oddframe.data.listing import entries
from oddframe.errors import LayoutError, SourceError
from oddframe.media.recording import Recording
from oddframe.media.sources import FrameFormat, Source

__all__ = ["FrameTimes", "check_length", "expected_frames", "recordings", "stated_frames"]

_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})
_TINY = FrameFormat(2, 2, "grey")


def recordings(folder: Path) -> list[Path]:
    """Recordings of a folder, by their names, in natural order; none where there is no such folder."""
    return [path for path in entries(folder) if path.suffix.lower() in _SUFFIXES and path.is_file()]


def stated_frames(paths: Sequence[Path], notices: list[str]) -> tuple[tuple[Path, ...], int]:
    """Those recordings that can be opened, and their frames by their headers; a notice for each of the others.

    Only where a header does not say are the packets counted: hours of training footage are not read for a count.
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


def expected_frames(source: Source) -> int:
    """Frames of a source by its header where that says, else by counting packets or images.

    Raises:
        SourceError: It cannot be read.
    """
    return (source.stated_frames() if isinstance(source, Recording) else 0) or source.count_frames()


def check_length(path: Path, labels: int, origin: Path) -> None:
    """Make sure that a recording has as many frames as labels.

    Its packets are counted; only where they disagree is it decoded, since a packet need not be a frame.

    Raises:
        LayoutError: It has more or fewer.
        SourceError: It cannot be read.
    """
    recording = Recording(path)
    if recording.count_frames() == labels:
        return
    frames = sum(1 for _ in recording.frames(_TINY))
    if frames != labels:
        raise LayoutError(
            f"{origin}: one label per frame is needed, found {labels} labels for {frames} frames in {path}; "
            "a recording that was cut off, or labels of another copy"
        )


class FrameTimes:
    """When each frame of a source is, found in a pass over it when first asked for.

    The pass decodes: where a recording is damaged or its timestamps are wrong, only this gives the frames and the times
    that scoring will meet. Beside the network it costs next to nothing.

    Args:
        source: The recording or folder of images.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def __len__(self) -> int:
        return self.values_s.size

    @cached_property
    def values_s(self) -> npt.NDArray[np.float64]:
        """Time in seconds of each frame by its index; NaN where an index has no frame.

        Raises:
            SourceError: No frame can be read.
        """
        frames = [(frame.index, frame.time_s) for frame in self._source.frames(_TINY)]
        times_s = np.full(frames[-1][0] + 1, np.nan)
        for index, time_s in frames:
            times_s[index] = time_s
        return times_s
