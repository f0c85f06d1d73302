"""MATLAB files up to version 7, read with care: numbers, cell arrays and structs, packed or not, of either byte order.

Why not SciPy's reader: it trusts the sizes that a file declares and can crash the process on a file that is made to do
so. Here every size is checked against the part that it lies in, packed data is unpacked as it is used, and what can be
held at a time is bounded. Sparse matrices, text and objects are stepped over. Written from MATLAB's description of the
format ("MAT-File Level 5 File Format").
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from oddframe.data.mat_stream import ByteStream, DamagedMatError, PackedBytes, PlainBytes
from oddframe.errors import LayoutError

__all__ = ["Cells", "Matrix", "Structs", "Unread", "Value", "iterate_matrices", "read_variable"]

Matrix: TypeAlias = npt.NDArray[Any]
"""Numbers or booleans, in the type in which they are stored, which may be smaller than MATLAB's."""

MOST_BYTES = 1 << 28
"""Most bytes that one matrix, or all that a variable holds together, may have."""
MOST_CELLS = 1 << 22
"""Most cells that are read one by one: two days of frames."""
_MOST_DEPTH = 16
_MOST_AXES = 8
_MOST_FIELDS = 4096
_MOST_NAME = 256
_PER_ELEMENT = 4096
"""Bytes that an element counts for beside its numbers: an empty cell takes memory and, more so, time."""

_COMPRESSED, _MATRIX = 15, 14
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CELL, _STRUCT = 1, 2
_NUMERIC = range(6, 16)
_KINDS = {3: "an object", 4: "text", 5: "a sparse matrix", 16: "a function", 17: "an object"}
_COMPLEX, _LOGICAL = 0x08, 0x02


@dataclass(frozen=True, slots=True)
class Cells:
    """A cell array: what it holds, column by column, and its shape."""

    shape: tuple[int, ...]
    values: tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Structs:
    """An array of structs: for each field the values of all of them, column by column."""

    shape: tuple[int, ...]
    fields: dict[str, tuple["Value", ...]]


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that this reader steps over; `kind` says what it is."""

    kind: str


Value: TypeAlias = Matrix | Cells | Structs | Unread


def read_variable(path: Path, name: str) -> Value:
    """A variable of a MATLAB file.

    Raises:
        LayoutError: Not a readable MATLAB file of version 5 to 7, no such variable, or one that is too large.
    """
    with _opened(path, name) as (elements, head):
        return elements.value(head, depth=0)


def iterate_matrices(path: Path, name: str) -> Iterator[Matrix]:
    """The matrices of a variable that is a cell array of them, one by one; each may have `MOST_BYTES`.

    Packed data is unpacked on the way, and found right or damaged at its end.

    Raises:
        LayoutError: As `read_variable`, or something in it is no matrix of numbers.
    """
    with _opened(path, name) as (elements, head):
        if head.kind != _CELL or math.prod(head.shape) > MOST_CELLS:
            raise LayoutError(f"{path}: {name} must be a cell array with one matrix a frame, {MOST_CELLS:,} at most")
        for place in range(math.prod(head.shape)):
            # A budget of its own for each, since they are not held together.
            elements.budget = MOST_BYTES
            value = elements.value(elements.head(), depth=1)
            if not isinstance(value, np.ndarray):
                raise LayoutError(
                    f"{path}: cell {place + 1} of {name} must be a matrix of numbers, it is something else"
                )
            yield value


class _Head(NamedTuple):
    """The start of a matrix element: everything before its contents."""

    kind: int
    flags: int
    shape: tuple[int, ...]
    name: str
    end: int


class _Elements:
    """Reads the parts of one variable from a stream, within its declared size and a budget of bytes."""

    def __init__(self, stream: ByteStream, order: str, end: int) -> None:
        self.stream = stream
        self.order = order
        self.end = end
        self.budget = MOST_BYTES

    def head(self) -> _Head:
        """The head of the next matrix element."""
        kind, size, data = self._tag()
        if kind != _MATRIX or data is not None:
            raise DamagedMatError(f"holds an element of kind {kind} where a matrix should be")
        self._spend(_PER_ELEMENT)
        outer, self.end = self.end, self.stream.position + size
        if self.end > outer:
            raise DamagedMatError(f"holds a matrix of {size} bytes where {outer - self.stream.position} are left")
        if size == 0:  # an empty cell
            self.end = outer
            return _Head(9, 0, (0, 0), "", self.stream.position)
        flags = self._part("u4", most=2)
        shape = tuple(self._part("i4", most=_MOST_AXES).tolist())
        name = self._part("i1", most=_MOST_NAME).astype(np.uint8).tobytes().decode("ascii", "replace")
        if flags.size != 2 or len(shape) < 2 or min(shape) < 0 or math.prod(max(n, 1) for n in shape) > 1 << 40:
            raise DamagedMatError(f"holds a matrix of impossible shape {shape}")
        end, self.end = self.end, outer
        return _Head(int(flags[0]) & 0xFF, int(flags[0]) >> 8 & 0xFF, shape, name, end)

    def value(self, head: _Head, depth: int) -> Value:
        """The contents of an element whose head was read."""
        if depth > _MOST_DEPTH:
            raise DamagedMatError(f"nests cells more than {_MOST_DEPTH} deep")
        outer, self.end = self.end, head.end
        value: Value
        if head.kind == _CELL:
            value = Cells(head.shape, tuple(self._values(math.prod(head.shape), depth)))
        elif head.kind == _STRUCT:
            value = self._structs(head.shape, depth)
        elif head.kind in _NUMERIC and not head.flags & _COMPLEX:
            value = self._matrix(head)
        else:
            value = Unread(_KINDS.get(head.kind, "complex numbers" if head.kind in _NUMERIC else "something unknown"))
        self.skip_to(head.end)
        self.end = outer
        return value

    def skip_to(self, position: int) -> None:
        """Leave out what lies before a position, which is not behind."""
        while self.stream.position < position:
            self.stream.read(min(1 << 16, position - self.stream.position))

    def _values(self, count: int, depth: int) -> list[Value]:
        return [self.value(self.head(), depth + 1) for _ in range(count)]

    def _structs(self, shape: tuple[int, ...], depth: int) -> Structs:
        length = self._part("i4", most=1)
        names = self._part("i1", most=_MOST_FIELDS * 64).astype(np.uint8).tobytes()
        if length.size != 1 or not 1 <= length[0] <= _MOST_NAME or len(names) % length[0]:
            raise DamagedMatError("holds a struct whose field names have an impossible length")
        width = int(length[0])
        each_name = (names[start : start + width] for start in range(0, len(names), width))
        fields = [name.split(b"\0")[0].decode("ascii", "replace") for name in each_name]
        each = [self._values(len(fields), depth) for _ in range(math.prod(shape) if fields else 0)]
        return Structs(shape, {name: tuple(one[place] for one in each) for place, name in enumerate(fields)})

    def _matrix(self, head: _Head) -> Matrix:
        if head.end == self.stream.position and 0 in head.shape:  # an empty cell has no data at all
            return np.zeros(head.shape)
        count = math.prod(head.shape)
        values = self._part(None, most=count)
        if values.size != count:
            raise DamagedMatError(f"holds {values.size} numbers for a matrix of shape {head.shape}")
        matrix = values.reshape(head.shape, order="F")
        return matrix != 0 if head.flags & _LOGICAL else matrix

    def _part(self, dtype: str | None, most: int) -> Matrix:
        """The next element, which must hold numbers, of a certain type where one is given."""
        kind, size, data = self._tag()
        found = _NUMBERS.get(kind, "i1" if kind == 16 and dtype == "i1" else None)
        # A dtype that is given is one of whole numbers, with or without a sign; a shape of fractions makes no sense.
        if found is None or (dtype is not None and (found[1:] != dtype[1:] or found.startswith("f"))):
            raise DamagedMatError(f"holds data of kind {kind} where numbers should be")
        width = int(found[1:])
        if size % width or size // width > most:
            raise DamagedMatError(f"holds {size} bytes where at most {most} numbers of {width} bytes should be")
        if data is None:
            self._spend(size)
            padded = size + -size % 8
            # The last part of a packed variable may lack the bytes that fill it up.
            data = self._within(size)
            self._within(min(padded - size, self.end - self.stream.position))
        return np.frombuffer(data[:size], dtype=f"{self.order}{found}").astype(found)

    def _tag(self) -> tuple[int, int, bytes | None]:
        """Kind and size in bytes of the next element, and its data where that lies in the tag."""
        tag = self._within(8)
        first, second = np.frombuffer(tag, dtype=f"{self.order}u4").tolist()
        if first >> 16:
            size = first >> 16
            if size > 4:
                raise DamagedMatError(f"holds a small part of {size} bytes, 4 are the most")
            return first & 0xFFFF, size, tag[4:]
        return first, second, None

    def _within(self, count: int) -> bytes:
        if self.stream.position + count > self.end:
            raise DamagedMatError(f"holds a part of {count} bytes where {self.end - self.stream.position} are left")
        return self.stream.read(count)

    def _spend(self, count: int) -> None:
        self.budget -= count
        if self.budget < 0:
            raise DamagedMatError(f"holds more than the {MOST_BYTES:,} bytes that labels may have")


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[_Elements, _Head]]:
    """The variable of a name, read up to its head; checks at the end that packed data was whole."""
    try:
        with path.open("rb") as file:
            elements, head, packed = _found(path, file, name)
            yield elements, head
            if packed is not None:
                elements.skip_to(elements.end)
                packed.finish()
    except DamagedMatError as error:
        raise LayoutError(f"{path}: a MATLAB file that is whole is needed, but this {error}; fetch it again") from error
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read ({error.strerror or error})") from error


def _found(path: Path, file: BinaryIO, name: str) -> tuple[_Elements, _Head, PackedBytes | None]:
    size = path.stat().st_size
    order = _byte_order(path, file.read(128))
    plain = PlainBytes(file, size - 128)
    names = []
    while plain.position + 8 <= size - 128:
        kind, length = np.frombuffer(plain.read(8), dtype=f"{order}u4").tolist()
        end = plain.position + length
        packed: PackedBytes | None = None
        if kind == _COMPRESSED:
            packed = PackedBytes(plain, length)
            # The tag inside tells the true size; until then only the tag itself may be read.
            elements = _Elements(packed, order, 1 << 62)
        elif kind == _MATRIX:
            file.seek(-8, 1)
            plain.position -= 8
            elements = _Elements(plain, order, size - 128)
        else:
            plain.skip(length)
            continue
        head = elements.head()
        elements.end = head.end
        if head.name == name:
            return elements, head, packed
        names.append(head.name)
        plain.skip(end - plain.position)
    raise LayoutError(f"{path}: must hold {name}, found {', '.join(names[:8]) or 'nothing'}")


def _byte_order(path: Path, start: bytes) -> str:
    """The byte order that the head of a file of version 5 to 7 states, as numpy writes it."""
    if start.startswith(b"\x89HDF") or start.startswith(b"MATLAB 7.3"):
        raise LayoutError(
            f"{path}: a MATLAB file of version 5 to 7 is needed, this is one of version 7.3 (HDF5); load it in MATLAB "
            "and save it again with save('labels.mat', '-v7')"
        )
    order = {b"IM": "<", b"MI": ">"}.get(start[126:128])
    if order is None or np.frombuffer(start[124:126], dtype=f"{order}u2")[0] != 0x0100:
        raise LayoutError(
            f"{path}: a MATLAB file of version 5 to 7 is needed, its head is that of none; "
            "fetch it again or save it with MATLAB's save('labels.mat', '-v7')"
        )
    return order
