"""Folders of numbered images, read as a source whose rate the user states."""

import hashlib
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext

from oddframe.core.records import Frame
from oddframe.errors import SettingsError, SourceError, SourceNotFoundError
from oddframe.media.convert import Converter
from oddframe.media.source import FrameFormat

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})
"""Suffixes of the images that are read; what a file really is, its first bytes say."""

DEFAULT_FPS = 10.0
"""Frames per second of a folder of images about which nothing is said."""

_SIGNATURES = {
    b"\xff\xd8\xff": "mjpeg",
    b"\x89PNG": "png",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
}
"""FFmpeg's decoder of an image by the first bytes of its file."""

_MOST_HOLES = 5
"""Runs of missing numbers that a notice names."""

_LAST_NUMBER = re.compile(r"(\d+)\D*$")
_JPEG_END = b"\xff\xd9"


def is_numbered_image(path: Path) -> bool:
    """Tell whether a file's name is that of a numbered image; hidden files are none."""
    known = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    return known and _LAST_NUMBER.search(path.stem) is not None


@dataclass(frozen=True, slots=True)
class _Image:
    """One image and the last number in its name."""

    number: int
    path: Path


class ImageFolder:
    """Images in the order of the last number in their names, as a `FrameSource`.

    A frame's index is its number less the first one, its time is index / fps; so a missing number
    is a gap.

    Args:
        path: The folder.
        fps: Frames per second, above 0.
        files: Only these files of it; every numbered image when left out.
        name: Name of the source; the folder's when left out.

    Raises:
        SourceNotFoundError: If there is no such folder.
        SourceError: If it holds no numbered image, or two of the same number.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float = DEFAULT_FPS,
        files: Sequence[Path] | None = None,
        name: str | None = None,
    ) -> None:
        if not fps > 0:
            raise SettingsError(f"fps of a folder of images must be above 0, got {fps}")
        self.path = Path(path)
        self.name = name or self.path.resolve().name
        self.rate_fps = float(fps)
        # A single missing number, two periods, is a gap; rounding is not.
        self.gap_s = 1.5 / self.rate_fps
        self._images = _sort_by_number(self.path, files)
        missing = _describe_missing(self._images)
        self.notices: list[str] = [missing] if missing else []

    def __repr__(self) -> str:
        return f"ImageFolder({str(self.path)!r}, {len(self._images)} images)"

    def count_frames(self) -> int:
        """Count the images; a broken one gives no frame."""
        return len(self._images)

    def fingerprint(self) -> str:
        """Return a hash of the rate and of every image's name, size and time of change."""
        lines = [f"{self.path.resolve()} {self.rate_fps}"]
        for image in self._images:
            state = image.path.stat()
            lines.append(f"{image.path.name}\n{state.st_size}\n{state.st_mtime_ns}")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def check(self) -> None:
        """Decode images until one can be read.

        Raises:
            SourceError: If none can; the sentence says what is wrong with the first.
        """
        reason = ""
        for image in self._images:
            try:
                _decode(image.path)
            except _BrokenImageError as error:
                reason = reason or f"{image.path.name}: {error}"
            else:
                return
        raise SourceError(f"{self.path} must hold at least one image that can be read; {reason}")

    def frames(self, wanted: FrameFormat, only: Container[int] | None = None) -> Iterator[Frame]:
        """Yield all images in a fresh pass; see `FrameSource.frames`.

        Args:
            wanted: The form of the frames.
            only: Indices of the images to read; None reads all.
        """
        converter = Converter(wanted)
        first = self._images[0].number
        size: tuple[int, int] | None = None
        for image in self._images:
            if only is not None and image.number - first not in only:
                continue
            try:
                decoded = _decode(image.path)
            except _BrokenImageError as error:
                self._notice(f"{image.path.name} was skipped: {error}")
                continue
            # By the number and not by counting, so that a missing image leaves a gap in time.
            index = image.number - first
            frame = converter.frame(decoded, index, index / self.rate_fps)
            if size is not None and size != frame.source_size:
                self._notice(
                    f"the picture changes from {_format_size(size)} "
                    f"to {_format_size(frame.source_size)} at {image.path.name}"
                )
            size = frame.source_size
            yield frame
        # Not a single image could be read: this raises the error that names the first reason.
        if size is None and only is None:
            self.check()

    def _notice(self, text: str) -> None:
        if text not in self.notices:
            self.notices.append(text)


class _BrokenImageError(Exception):
    """An image cannot be decoded; the text says why."""


def _decode(path: Path) -> av.VideoFrame:
    """Decode one file, by its first bytes, since suffixes are often wrong."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _BrokenImageError(error.strerror or str(error)) from error
    if not data:
        raise _BrokenImageError("the file is empty")
    kind = next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), None)
    if kind is None:
        raise _BrokenImageError("it is not a JPEG, PNG, BMP or TIFF image")
    # The JPEG decoder paints the rest of a truncated picture grey without a word.
    if kind == "mjpeg" and _JPEG_END not in data[-1024:]:
        raise _BrokenImageError("the image is cut off")
    # A decoder of its own for every image: a PNG decoder that is kept adds each picture to the one
    # before, and a new one costs next to nothing. One thread, because frame threads hold a picture
    # back.
    context = cast(VideoCodecContext, av.CodecContext.create(kind, "r"))
    context.thread_count = 1
    try:
        frames = context.decode(av.Packet(data))
    except av.FFmpegError as error:
        raise _BrokenImageError("the image is damaged") from error
    if not frames or frames[0].is_corrupt:
        raise _BrokenImageError("the image is damaged")
    return frames[0]


def _sort_by_number(folder: Path, files: Sequence[Path] | None) -> list[_Image]:
    """Find the numbered images of a folder, or sort these files of it, and check the numbers."""
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
    images = sorted(
        (_Image(_number_of(path), path) for path in files),
        key=lambda image: (image.number, image.path),
    )
    if not images:
        raise SourceError(
            f"{folder} must hold numbered images such as 000.jpg "
            f"({', '.join(sorted(IMAGE_SUFFIXES))}), but holds none"
        )
    for before, image in pairwise(images):
        if before.number == image.number:
            raise SourceError(
                f"the images of {folder} must have different numbers, but {before.path.name} and "
                f"{image.path.name} share one; put them into folders of their own"
            )
    return images


def _number_of(path: Path) -> int:
    found = _LAST_NUMBER.search(path.stem)
    if found is None:
        raise SourceError(f"{path} must have a number in its name, such as 000.jpg")
    return int(found[1])


def _describe_missing(images: Sequence[_Image]) -> str | None:
    """Name the numbers that are missing between the first and the last; None where none is."""
    holes = [(a.number + 1, b.number - 1) for a, b in pairwise(images) if b.number > a.number + 1]
    if not holes:
        return None
    names = [str(first) if first == last else f"{first} to {last}" for first, last in holes]
    more = ", and more" if len(holes) > _MOST_HOLES else ""
    count = sum(last - first + 1 for first, last in holes)
    return f"frame numbers are missing: {', '.join(names[:_MOST_HOLES])}{more} ({count} in all)"


def _format_size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
