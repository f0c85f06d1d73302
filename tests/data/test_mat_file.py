"""The reader of MATLAB files: right on what SciPy and MATLAB write, and an error, never a crash, on everything else."""

import os
import struct
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from oddframe.data import mat_file
from oddframe.data.labels import read_intervals
from oddframe.data.mat_file import Cells, Structs, Unread, iterate_matrices, read_variable
from oddframe.errors import LayoutError

ANY_FILE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings.default.max_examples // 2
)
DTYPES = st.sampled_from(
    [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.int64, np.float32, np.float64]
)


def cells_of(arrays, shape=None):
    cells = np.empty(len(arrays), dtype=object)
    for place, array in enumerate(arrays):
        cells[place] = array
    return cells.reshape(shape or (1, -1))


def same(value, expected):
    """Whether what was read is what SciPy would read."""
    if isinstance(value, Cells):
        assert expected.dtype == object
        assert value.shape == expected.shape
        return all(same(a, b) for a, b in zip(value.values, expected.ravel(order="F"), strict=True))
    return value.shape == expected.shape and np.array_equal(value, expected)


def byte_swapped(path):
    """A packed file rewritten for the other byte order, by unpacking and turning every tag and number round by hand."""
    data = path.read_bytes()
    head = data[:124] + struct.pack(">H", 0x0100) + b"MI"
    return head + swap_elements(data[128:])


def swap_elements(data):
    out, place = b"", 0
    widths = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1}
    while place < len(data):
        kind, size = struct.unpack_from("<II", data, place)
        if kind == 15:
            inner = swap_elements(zlib.decompress(data[place + 8 : place + 8 + size]))
            packed = zlib.compress(inner)
            out += struct.pack(">II", 15, len(packed)) + packed
            place += 8 + size
        elif kind == 14:
            out += struct.pack(">II", 14, size) + swap_elements(data[place + 8 : place + 8 + size])
            place += 8 + size
        elif kind >> 16:
            size, kind = kind >> 16, kind & 0xFFFF
            body = np.frombuffer(data[place + 4 : place + 4 + size], f"<u{widths[kind]}").byteswap().tobytes()
            out += struct.pack(">I", size << 16 | kind) + body.ljust(4, b"\0")
            place += 8
        else:
            body = np.frombuffer(data[place + 8 : place + 8 + size], f"<u{widths[kind]}").byteswap().tobytes()
            out += struct.pack(">II", kind, size) + body.ljust(size + -size % 8, b"\0")
            place += 8 + size + -size % 8
    return out


@ANY_FILE
@given(
    array=st_numpy.arrays(DTYPES, st_numpy.array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=4)),
    packed=st.booleans(),
    swapped=st.booleans(),
)
def test_matrices_are_what_scipy_wrote(tmp_path, array, packed, swapped):
    path = tmp_path / "x.mat"
    scipy.io.savemat(path, {"first": np.ones(3), "x": array}, do_compression=packed)
    if swapped:
        path.write_bytes(byte_swapped(path))
    value = read_variable(path, "x")
    assert value.shape == array.shape
    assert np.array_equal(value, array, equal_nan=array.dtype.kind == "f")


@ANY_FILE
@given(
    arrays=st.lists(st_numpy.arrays(DTYPES, st.tuples(st.integers(0, 3), st.integers(0, 3))), min_size=1, max_size=5),
    packed=st.booleans(),
    nested=st.booleans(),
)
def test_cells_are_what_scipy_reads(tmp_path, arrays, packed, nested):
    content = [cells_of([array]) if nested else np.nan_to_num(array) for array in map(np.nan_to_num, arrays)]
    scipy.io.savemat(tmp_path / "x.mat", {"gt": cells_of(content)}, do_compression=packed)
    assert same(read_variable(tmp_path / "x.mat", "gt"), scipy.io.loadmat(tmp_path / "x.mat")["gt"])


def test_structs_and_what_is_stepped_over(tmp_path):
    table = np.zeros((1, 2), dtype=[("gt_frame", object), ("note", object)])
    table[0, 0] = (np.array([[1], [5]]), "first")
    table[0, 1] = (np.array([[2], [3]]), "second")
    scipy.io.savemat(
        tmp_path / "x.mat",
        {"sparse": scipy.sparse.eye(4, format="csc"), "complex": np.array([[1j]]), "text": "abc", "table": table},
        do_compression=True,
    )
    value = read_variable(tmp_path / "x.mat", "table")
    assert isinstance(value, Structs)
    assert value.shape == (1, 2)
    assert [one.ravel().tolist() for one in value.fields["gt_frame"]] == [[1, 5], [2, 3]]
    assert value.fields["note"] == (Unread("text"), Unread("text"))
    assert read_variable(tmp_path / "x.mat", "sparse") == Unread("a sparse matrix")
    assert read_variable(tmp_path / "x.mat", "complex") == Unread("complex numbers")


def test_logical_matrices_are_booleans(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"m": cells_of([np.eye(3, dtype=bool)])})
    (matrix,) = iterate_matrices(tmp_path / "x.mat", "m")
    assert matrix.dtype == np.bool_
    assert np.array_equal(matrix, np.eye(3, dtype=bool))


def test_matrices_of_a_cell_array_come_one_by_one_in_bounded_memory(tmp_path):
    frames = [np.full((200, 300), number, np.uint8) for number in range(100)]
    scipy.io.savemat(tmp_path / "x.mat", {"volLabel": cells_of(frames)}, do_compression=True)
    tracemalloc.start()
    seen = [int(matrix[0, 0]) for matrix in iterate_matrices(tmp_path / "x.mat", "volLabel")]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == list(range(100))
    assert peak < 1_000_000  # of 6 MB


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its head is that of none"),
        (b"not a mat file" * 40, "its head is that of none"),
        (b"\x89HDF\r\n\x1a\n" * 80, r"version 7\.3 .*save\('labels\.mat', '-v7'\)"),
        (b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM", r"version 7\.3 .*'-v7'"),
        (b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM", "must hold gt, found nothing"),
    ],
)
def test_what_is_no_such_file_is_refused_with_what_to_do(tmp_path, content, said):
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(LayoutError, match=rf"x\.mat: .*{said}"):
        read_variable(tmp_path / "x.mat", "gt")


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    for path in (tmp_path / "none.mat", tmp_path):
        with pytest.raises(LayoutError, match="cannot be read"):
            read_variable(path, "gt")


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data.ljust(len(data) + -len(data) % 8, b"\0")


def matrix(kind, shape, *parts, flags=0, name=b""):
    head = element(6, struct.pack("<II", kind | flags << 8, 0))
    dims = element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, head + dims + element(1, name) + b"".join(parts))


def write_mat(path, *elements):
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(elements))


def packed(data):
    data = zlib.compress(data, 9)
    return struct.pack("<II", 15, len(data)) + data


def deep(levels):
    content = matrix(9, (1, 1), element(2, b"\1"))
    for level in range(levels):
        content = matrix(1, (1, 1), content, name=b"gt" if level == levels - 1 else b"")
    return content


HUGE = 2**31 - 1


@pytest.mark.parametrize(
    "elements",
    [
        [matrix(9, (HUGE, HUGE), element(2, b"\1"), name=b"gt")],
        [matrix(9, (HUGE, HUGE, HUGE, 0), element(2, b""), name=b"gt")],
        [matrix(1, (HUGE, 1), name=b"gt")],
        [matrix(1, (HUGE, 1), matrix(9, (0, 0)), name=b"gt")],
        [matrix(2, (HUGE, 1), element(5, b"\4\0\0\0"), element(1, b"abc\0"), name=b"gt")],
        [matrix(2, (1, 1), element(5, b"\0\0\0\0"), element(1, b"abc\0"), name=b"gt")],
        [matrix(9, (-1, 1), element(2, b"\1"), name=b"gt")],
        [matrix(9, (1,), element(2, b"\1"), name=b"gt")],
        # A shape that is said in fractions: kind 7 in place of 5, found by a change of one bit.
        [matrix(1, (1, 1), matrix(9, (0, 0)), name=b"gt").replace(struct.pack("<II", 5, 8), struct.pack("<II", 7, 8))],
        [matrix(9, (2, 1), element(9, b"\1" * 12), name=b"gt")],
        [matrix(9, (2, 1), element(77, b"\1\1"), name=b"gt")],
        [struct.pack("<II", 14, 0xFFFFFFFF)],
        [struct.pack("<II", 15, 0xFFFFFFFF) + zlib.compress(b"")],
        [packed(b"\1" * 100)],
        [packed(matrix(9, (1, 1), element(2, b"\1"), name=b"gt") + b"more")],
        [packed(matrix(9, (1, 1), element(2, b"\1"), name=b"gt")[:-8])],
        [deep(400)],
        # 2 kB that unpack to 1.6 MB of cells, each of which would be an object.
        [packed(matrix(1, (200_000, 1), b"\x0e\0\0\0\0\0\0\0" * 200_000, name=b"gt"))],
    ],
    ids=range(18),
)
def test_impossible_contents_are_refused_in_bounded_memory(tmp_path, monkeypatch, elements):
    monkeypatch.setattr(mat_file, "MOST_BYTES", 1 << 22)
    write_mat(tmp_path / "x.mat", *elements)
    tracemalloc.start()
    with pytest.raises(LayoutError, match=r"x\.mat: a MATLAB file that is whole"):
        read_variable(tmp_path / "x.mat", "gt")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * mat_file.MOST_BYTES


def test_a_bomb_is_not_unpacked_beyond_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(mat_file, "MOST_BYTES", 1 << 20)
    write_mat(tmp_path / "x.mat", packed(matrix(9, (20_000_000, 1), element(2, bytes(20_000_000)), name=b"gt")))
    assert (tmp_path / "x.mat").stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(LayoutError, match="holds more than the 1,048,576 bytes"):
        read_variable(tmp_path / "x.mat", "gt")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_cells_that_are_no_matrices_are_refused(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"volLabel": cells_of([np.ones((2, 2)), "text"]), "other": np.ones(3)})
    with pytest.raises(LayoutError, match="cell 2 of volLabel must be a matrix"):
        list(iterate_matrices(tmp_path / "x.mat", "volLabel"))
    with pytest.raises(LayoutError, match="other must be a cell array"):
        list(iterate_matrices(tmp_path / "x.mat", "other"))


def intervals_or_none(path):
    try:
        return [one.tolist() for one in read_intervals(path)]
    except LayoutError:
        return None


PED2 = [[[61], [180]], [[95], [180]], [[1], [146]], [[31], [180]], [[1], [129]], [[1], [159]], [[46], [180]]]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The bytes of Ped2's own file where it is at hand, else of one that SciPy packed, and what they say."""
    path = tmp_path_factory.mktemp("mat") / "ped2.mat"
    if "ODDFRAME_PED2" in os.environ:
        path.write_bytes((Path(os.environ["ODDFRAME_PED2"]) / "ped2.mat").read_bytes())
    else:
        scipy.io.savemat(path, {"gt": cells_of([np.array(one) for one in PED2])}, do_compression=True)
    return path.read_bytes(), [one.tolist() for one in read_intervals(path)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_file_is_refused_or_says_what_it_said(real, tmp_path, data):
    """The packed data carries a checksum, so that no change within it goes unseen."""
    content, expected = bytearray(real[0]), real[1]
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "ped2.mat"
    path.write_bytes(content)
    assert intervals_or_none(path) in (None, expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_plain_file_never_crashes(tmp_path, data):
    """Nothing guards plain data, so that its numbers may change; what comes out are still intervals."""
    path = tmp_path / "ped2.mat"
    scipy.io.savemat(path, {"gt": cells_of([np.array(one) for one in PED2])}, do_compression=False)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(126, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    for interval in intervals_or_none(path) or []:
        assert len(interval) == 2
    with suppress(LayoutError):
        list(iterate_matrices(path, "gt"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), kind=st.sampled_from([14, 15]), pack=st.booleans())
def test_random_bytes_never_crash(tmp_path, body, kind, pack):
    path = tmp_path / "x.mat"
    write_mat(path, packed(element(14, body)) if pack else element(kind, body))
    assert intervals_or_none(path) is None


@pytest.mark.skipif("ODDFRAME_PED2" not in os.environ, reason="ODDFRAME_PED2 is not set: the real Ped2 is needed")
def test_the_real_file_reads_as_scipy_reads_it():
    path = Path(os.environ["ODDFRAME_PED2"]) / "ped2.mat"
    assert same(read_variable(path, "gt"), scipy.io.loadmat(path)["gt"])
