"""Bytes of a `.mat` file in order, straight or unpacked: never more at a time than was asked for."""

import zlib
from typing import BinaryIO, Protocol

from oddframe.errors import LayoutError

__all__ = ["ByteStream", "DamagedMatError", "PackedBytes", "PlainBytes"]

_CHUNK = 1 << 16


class DamagedMatError(LayoutError):
    """A file is not what its own headers say; the text says where, the reader adds the file's name."""


class ByteStream(Protocol):
    """Bytes in order.

    Attributes:
        position: How many were read.
    """

    position: int

    def read(self, count: int) -> bytes:
        """The next bytes.

        Raises:
            DamagedMatError: There are fewer.
        """
        ...


class PlainBytes:
    """Bytes of the file as they are.

    Args:
        file: Open for reading, at the place where the stream starts.
        size: How many bytes the stream has; they are in the file.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.position = 0

    def read(self, count: int) -> bytes:
        """See `ByteStream.read`."""
        data = self._file.read(count) if self.position + count <= self._size else b""
        if len(data) != count:
            raise DamagedMatError(f"ends {self._size - self.position} bytes into a part of {count}")
        self.position += count
        return data

    def skip(self, count: int) -> None:
        """Leave some bytes out."""
        if self.position + count > self._size:
            raise DamagedMatError(f"ends {self._size - self.position} bytes into a part of {count}")
        self._file.seek(count, 1)
        self.position += count


class PackedBytes:
    """Bytes unpacked (zlib) as they are asked for, so that a small file cannot fill the memory.

    Args:
        packed: Where the packed bytes are; read to their end.
        size: How many of them there are.
    """

    def __init__(self, packed: PlainBytes, size: int) -> None:
        self._packed = packed
        self._left = size
        self._inflate = zlib.decompressobj()
        self.position = 0

    def read(self, count: int) -> bytes:
        """See `ByteStream.read`."""
        parts, missing = [], count
        while missing:
            part = self._unpacked(missing)
            if not part:
                raise DamagedMatError(f"its packed data ends {missing} bytes short")
            parts.append(part)
            missing -= len(part)
        self.position += count
        return b"".join(parts)

    def finish(self) -> None:
        """Make sure that the packed bytes end here, and that their checksum is right.

        Raises:
            DamagedMatError: It is not so.
        """
        if self._unpacked(1) or not self._inflate.eof or self._left or self._inflate.unused_data:
            raise DamagedMatError("its packed data does not end where it should")

    def _unpacked(self, most: int) -> bytes:
        """At least one more byte and at most so many; none at the end."""
        try:
            while not self._inflate.eof:
                waiting = self._inflate.unconsumed_tail
                if not waiting and self._left:
                    waiting = self._packed.read(min(_CHUNK, self._left))
                    self._left -= len(waiting)
                part = self._inflate.decompress(waiting, min(most, _CHUNK))
                if part or not (waiting or self._left):
                    return part
        except zlib.error as error:
            raise DamagedMatError(f"its packed data is damaged ({error})") from error
        return b""
