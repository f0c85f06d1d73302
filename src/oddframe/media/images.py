"""Folders of images, read as a source in the order of the numbers or times in their names."""

import hashlib
import os
import threading
from collections.abc import Container, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from oddframe.core.clocks import hours_text
from oddframe.core.records import Frame, FrameTiming
from oddframe.errors import SettingsError, SourceError, SourceNotFoundError
from oddframe.media.convert import Converter, describe_small_range, map_ahead
from oddframe.media.image_files import BrokenImageError, read_image
from oddframe.media.image_names import LAST_NUMBER, order_images
from oddframe.media.source import FrameFormat

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})
"""Suffixes of the images that are read; what a file really is, its first bytes say."""

DEFAULT_FPS = 10.0
"""Frames per second of a folder of images about which nothing is said."""

_MOST_HOLES = 5
"""Runs of missing numbers that a notice names."""

# Each holds a picture as it is stored, which may be large.
_READING_THREADS = 8


def is_numbered_image(path: Path) -> bool:
    """Tell whether a file's name is that of a numbered image; hidden files are none."""
    known = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    return known and LAST_NUMBER.search(path.stem) is not None


class ImageFolder:
    """Images in the order of the numbers or times in their names, as a `FrameSource`.

    By number, a frame's index is its number less the first one, its time is index / fps; so a
    missing number is a gap. Where the names are times that are whole, frames count from 0, and the
    times are those of the names unless a rate is stated.

    Args:
        path: The folder.
        fps: Frames per second, above 0, as a user states them; None where nobody does.
        files: Only these files of it; every numbered image when left out.
        name: Name of the source; the folder's when left out.
        default_fps: Frames per second where nobody states them and the names tell no times.

    Raises:
        SourceNotFoundError: If there is no such folder.
        SourceError: If it holds no numbered image, or the names do not tell the order.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float | None = None,
        files: Sequence[Path] | None = None,
        name: str | None = None,
        default_fps: float = DEFAULT_FPS,
    ) -> None:
        rate_fps = default_fps if fps is None else fps
        if not rate_fps > 0:
            raise SettingsError(f"fps of a folder of images must be above 0, got {rate_fps}")
        self.path = Path(path)
        self.name = name or self.path.resolve().name
        self._order = order_images(self.path, _list_images(self.path, files))
        self.notices: list[str] = []
        self._has_pages = False
        named_s = self._order.times_s
        if named_s is not None and fps is None:
            self._times_s = named_s
            # The median, since a pause between two images says nothing of the rate.
            timing = FrameTiming.of_video(1 / median(b - a for a, b in pairwise(named_s)))
            self.rate_fps, self.gap_s = timing.rate_fps, timing.gap_s
            self._describe_gaps()
            return
        self.rate_fps = float(rate_fps)
        # A single missing number, two periods, is a gap; rounding is not.
        self.gap_s = 1.5 / self.rate_fps
        self._times_s = tuple(index / self.rate_fps for index in self._order.indices)
        if named_s is not None:
            self._notice(
                "the names of the images hold the times at which they were taken, over "
                f"{hours_text(named_s[-1] / 3600)}, but {rate_fps:g} frames per second were asked "
                "for, so they count as taken at that rate; leave --fps out to use the times"
            )
        else:
            self._notice(_describe_missing(self._order.indices, self._first_number()))

    def __repr__(self) -> str:
        return f"ImageFolder({str(self.path)!r}, {len(self._order.paths)} images)"

    def count_frames(self) -> int:
        """Count the images; a broken one gives no frame."""
        return len(self._order.paths)

    def indices_by_name(self) -> dict[str, int]:
        """Return the index of each image as a frame, by the image's name without its suffix."""
        order = self._order
        return {path.stem: index for path, index in zip(order.paths, order.indices, strict=True)}

    def fingerprint(self) -> str:
        """Return a hash of the rate and of every image's name, size and time of change."""
        lines = [f"{self.path.resolve()} {self.rate_fps}"]
        for path in self._order.paths:
            # Their content is not read, which would take as long as scoring them.
            state = path.stat()
            lines.append(f"{path.name}\n{state.st_size}\n{state.st_mtime_ns}")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def check(self) -> None:
        """Decode images until one can be read.

        Raises:
            SourceError: If none can; the sentence says what is wrong with the first.
        """
        reason = ""
        for path in self._order.paths:
            try:
                read_image(path)
            except BrokenImageError as error:
                reason = reason or f"{path.name}: {error}"
            else:
                return
        raise SourceError(f"{self.path} must hold at least one image that can be read; {reason}")

    def frames(self, wanted: FrameFormat, only: Container[int] | None = None) -> Iterator[Frame]:
        """Yield all images in a fresh pass; see `FrameSource.frames`.

        Args:
            wanted: The form of the frames.
            only: Indices of the images to read; None reads all.
        """
        order = self._order
        places = (
            place
            for place in zip(order.paths, order.indices, self._times_s, strict=True)
            if only is None or place[1] in only
        )
        size: tuple[int, int] | None = None
        own = threading.local()

        def read(place: tuple[Path, int, float]) -> tuple[Path, _ReadImage | BrokenImageError]:
            """Read and convert an image, in one of several threads."""
            path, index, time_s = place
            # A converter keeps what it needs for one size of pictures, and serves one thread.
            if not hasattr(own, "converter"):
                own.converter = Converter(wanted)
            try:
                image = read_image(path)
            except BrokenImageError as error:
                return path, error
            frame = own.converter.frame(image.decoded, index, time_s, image.orientation)
            # The first image stands for all: a folder is of one camera.
            small = describe_small_range(image.decoded) if size is None else None
            return path, _ReadImage(frame, image.pages, small)

        threads = min(_READING_THREADS, os.cpu_count() or 1)
        with closing(map_ahead(read, places, threads)) as images:
            for path, image in images:
                if isinstance(image, BrokenImageError):
                    self._notice(f"{path.name} was skipped: {image}")
                    continue
                frame = image.frame
                if size is None:
                    self._notice(image.small_range)
                elif size != frame.source_size:
                    self._notice(
                        f"the picture changes from {_format_size(size)} "
                        f"to {_format_size(frame.source_size)} at {path.name}"
                    )
                if image.pages > 1 and not self._has_pages:
                    self._has_pages = True
                    self._notice(
                        f"{path.name} holds {image.pages} pictures, of which only the first is "
                        "used; others may do so too: write each picture into a file of its own"
                    )
                size = frame.source_size
                yield frame
        # Not a single image could be read: this raises the error that names the first reason.
        if size is None and only is None:
            self.check()

    def _describe_gaps(self) -> None:
        """Say where the times in the names are further apart than frames that belong together."""
        gaps = sum(b - a > self.gap_s for a, b in pairwise(self._times_s))
        if gaps:
            self._notice(
                f"{gaps} gap(s) of more than {self.gap_s:.2g} s between the times in the names; "
                "no clip spans them"
            )

    def _first_number(self) -> int:
        found = LAST_NUMBER.search(self._order.paths[0].stem)
        return int(found[1]) if found else 0

    def _notice(self, text: str | None) -> None:
        if text is not None and text not in self.notices:
            self.notices.append(text)


class _ReadImage(NamedTuple):
    """An image of a folder as a frame, and what is worth knowing of its file."""

    frame: Frame
    pages: int
    small_range: str | None


def _list_images(folder: Path, files: Sequence[Path] | None) -> Sequence[Path]:
    """List the numbered images of a folder, or take these files of it; at least one."""
    if files is None:
        try:
            files = [
                path for path in folder.iterdir() if is_numbered_image(path) and path.is_file()
            ]
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceNotFoundError(
                f"{folder} must be a folder of images, but there is none"
            ) from error
        except OSError as error:
            raise SourceError(f"{folder} cannot be read: {error.strerror}") from error
    if not files:
        raise SourceError(
            f"{folder} must hold numbered images such as 000.jpg "
            f"({', '.join(sorted(IMAGE_SUFFIXES))}), but holds none"
        )
    return files


def _describe_missing(indices: Sequence[int], first: int) -> str | None:
    """Name the numbers that are missing between the first and the last; None where none is."""
    holes = [(first + a + 1, first + b - 1) for a, b in pairwise(indices) if b > a + 1]
    if not holes:
        return None
    names = [str(begin) if begin == end else f"{begin} to {end}" for begin, end in holes]
    more = ", and more" if len(holes) > _MOST_HOLES else ""
    count = sum(end - begin + 1 for begin, end in holes)
    return f"frame numbers are missing: {', '.join(names[:_MOST_HOLES])}{more} ({count} in all)"


def _format_size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
