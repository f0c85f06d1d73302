"""One image file: whether it is whole, how it is turned, and its picture.

What a viewer shows is what counts: a JPEG ends at its end marker, whatever lies behind it, and the
orientation in EXIF (JPEG, PNG) or in the directory of a TIFF is followed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, cast

import av
from av.video.codeccontext import VideoCodecContext

from oddframe.media.convert import UPRIGHT, Orientation

_SIGNATURES = {
    b"\xff\xd8\xff": "mjpeg",
    b"\x89PNG": "png",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
}
"""FFmpeg's decoder of an image by the first bytes of its file."""

_ORIENTATIONS = {
    2: Orientation(0, is_mirrored=True),
    3: Orientation(2),
    4: Orientation(2, is_mirrored=True),
    5: Orientation(3, is_mirrored=True),
    6: Orientation(3),
    7: Orientation(1, is_mirrored=True),
    8: Orientation(1),
}
"""By the number that EXIF and TIFF give to them; 1 is upright, others mean nothing."""

_ORIENTATION_TAG, _SUBFILE_TAG = 0x0112, 0x00FE
_REDUCED, _MASK = 1, 4
"""Bits of a page's kind in a TIFF: a smaller copy of another page, and a mask for one."""

_MOST_PAGES, _MOST_TAGS = 100_000, 200
"""Bounds on what damage can make a directory claim; tags are in order, and those read come first.
"""

_EXIF = b"Exif\0\0"
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = 0xDA
_APPLICATION = range(0xE0, 0xF0)
"""JPEG's segments of applications, in which thumbnails lie with end markers of their own."""

_LONE = {0x00, 0x01, 0xD8, *range(0xD0, 0xD8)}
"""JPEG's markers that have no length behind them."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as it is stored.

    Attributes:
        decoded: Its first picture, not turned.
        orientation: How that is turned to stand upright.
        pages: How many pictures the file holds.
    """

    decoded: av.VideoFrame
    orientation: Orientation
    pages: int


class BrokenImageError(Exception):
    """An image cannot be decoded; the text says why."""


class _FileLayout(NamedTuple):
    """What is known of a file before its picture is decoded."""

    orientation: Orientation = UPRIGHT
    pages: int = 1


def read_image(path: Path) -> StoredImage:
    """Decode one file, by its first bytes, since suffixes are often wrong.

    Raises:
        BrokenImageError: If there is no whole picture in it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BrokenImageError(error.strerror or str(error)) from error
    if not data:
        raise BrokenImageError("the file is empty")
    kind = next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), None)
    if kind is None:
        raise BrokenImageError("it is not a JPEG, PNG, BMP or TIFF image")
    layout = _layout(kind, data)
    # A decoder of its own for every image: a PNG decoder that is kept adds each picture to the one
    # before, and a new one costs next to nothing. One thread, because frame threads hold a picture
    # back.
    context = cast(VideoCodecContext, av.CodecContext.create(kind, "r"))
    context.thread_count = 1
    try:
        frames = context.decode(av.Packet(data))
    except av.FFmpegError as error:
        raise BrokenImageError("the image is damaged") from error
    if not frames or frames[0].is_corrupt:
        raise BrokenImageError("the image is damaged")
    return StoredImage(frames[0], layout.orientation, layout.pages)


def _layout(kind: str, data: bytes) -> _FileLayout:
    """Look at a file without decoding its picture."""
    if kind == "mjpeg":
        return _jpeg_layout(data)
    if kind == "png":
        return _png_layout(data)
    if kind == "tiff":
        pages = list(_directories(data))
        # Damage is the decoder's to find.
        whole = [page for page in pages if not page.get(_SUBFILE_TAG, 0) & (_REDUCED | _MASK)]
        return _FileLayout(_orientation(pages), max(1, len(whole)))
    return _FileLayout()


def _jpeg_layout(data: bytes) -> _FileLayout:
    """Follow the segments of a JPEG to its picture, and see whether that has an end.

    Raises:
        BrokenImageError: If the file ends before: the decoder would paint the rest grey without a
            word.
    """
    place, orientation = 2, UPRIGHT
    while (place := data.find(b"\xff", place)) >= 0 and place + 1 < len(data):
        marker = data[place + 1]
        if marker == _JPEG_END[1]:
            return _FileLayout(orientation)
        if marker == 0xFF or marker in _LONE:
            place += 1 if marker == 0xFF else 2
            continue
        behind = place + 2 + int.from_bytes(data[place + 2 : place + 4])
        if behind > len(data):
            # Where it is not the picture that is cut off, the decoder says what is wrong.
            if marker not in _APPLICATION and _JPEG_END in data[place:]:
                return _FileLayout(orientation)
            break
        content = data[place + 4 : behind]
        if content.startswith(_EXIF):
            orientation = _orientation(list(_directories(content[len(_EXIF) :])))
        place = behind
        if marker == _JPEG_SCAN:
            # In what is coded these two bytes never follow each other: they are the picture's end,
            # where the decoder stops. From behind, since that is where they are as a rule.
            if data.rfind(_JPEG_END, place) < 0:
                break
            return _FileLayout(orientation)
    raise BrokenImageError("the image is cut off")


def _png_layout(data: bytes) -> _FileLayout:
    """Look for the orientation and the count of pictures among the chunks of a PNG."""
    orientation, pages = UPRIGHT, 1
    place = 8
    while place + 8 <= len(data):
        length, name = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        content = data[place + 8 : place + 8 + length] if name in (b"eXIf", b"acTL") else b""
        if name == b"eXIf":
            orientation = _orientation(list(_directories(content.removeprefix(_EXIF))))
        elif name == b"acTL":
            pages = max(1, int.from_bytes(content[:4]))
        place += length + 12
    return _FileLayout(orientation, pages)


def _orientation(directories: list[dict[int, int]]) -> Orientation:
    """Return the orientation that the first directory of a TIFF or of EXIF gives."""
    number = directories[0].get(_ORIENTATION_TAG, 1) if directories else 1
    return _ORIENTATIONS.get(number, UPRIGHT)


def _directories(data: bytes) -> Iterator[dict[int, int]]:
    """Yield the whole numbers by tag in each directory of a TIFF, in whose form EXIF is too."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    sign = "<" if order == "little" else ">"
    seen: set[int] = set()
    place = int.from_bytes(data[4:8], order)
    # A directory may name itself as the next one.
    while 8 <= place <= len(data) - 2 and place not in seen and len(seen) < _MOST_PAGES:
        seen.add(place)
        count = int.from_bytes(data[place : place + 2], order)
        entries = data[place + 2 : place + 2 + 12 * min(count, _MOST_TAGS)]
        values = {}
        for tag, kind, _, value in struct.iter_unpack(
            f"{sign}HHI4s", entries[: len(entries) // 12 * 12]
        ):
            if kind in (3, 4):
                values[tag] = int.from_bytes(value[: 2 if kind == 3 else 4], order)
        yield values
        place = int.from_bytes(data[place + 2 + 12 * count : place + 6 + 12 * count], order)
