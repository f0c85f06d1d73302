"""Label files: right on what people and programs write, an error, never a crash, on the rest."""

import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oddframe.datasets import label_files
from oddframe.datasets.label_files import holds_ranges, read_ranges, read_tracks, read_variable
from oddframe.datasets.labels import read_intervals
from oddframe.datasets.masks import MaskVolume
from oddframe.errors import LayoutError
from tests.support.in_own_process import crash, describe

# Each file is read by a process of its own.
FEW_FILES = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=8
)


def cells_of(arrays, shape=None):
    cells = np.empty(len(arrays), dtype=object)
    for place, array in enumerate(arrays):
        cells[place] = array
    return cells.reshape(shape or (1, -1))


def swap_bytes(path):
    """Rewrite a packed file for the other byte order, tag by tag and number by number."""
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
            body = (
                np.frombuffer(data[place + 4 : place + 4 + size], f"<u{widths[kind]}")
                .byteswap()
                .tobytes()
            )
            out += struct.pack(">I", size << 16 | kind) + body.ljust(4, b"\0")
            place += 8
        else:
            body = (
                np.frombuffer(data[place + 8 : place + 8 + size], f"<u{widths[kind]}")
                .byteswap()
                .tobytes()
            )
            out += struct.pack(">II", kind, size) + body.ljust(size + -size % 8, b"\0")
            place += 8 + size + -size % 8
    return out


PED2 = [
    [[61], [180]],
    [[95], [180]],
    [[1], [146]],
    [[31], [180]],
    [[1], [129]],
    [[1], [159]],
    [[46], [180]],
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_labels_of_either_byte_order_packed_or_not(tmp_path, packed, swapped, dtype):
    path = tmp_path / "ped2.mat"
    cells = cells_of(
        [cells_of([np.array(video, dtype)]) for video in [*PED2, [[1, 5, 9], [2, 7, 9]]]]
    )
    scipy.io.savemat(path, {"first": np.ones(3), "gt": cells}, do_compression=packed)
    if swapped:
        path.write_bytes(swap_bytes(path))
    assert [intervals.tolist() for intervals in read_intervals(path)] == [
        *PED2,
        [[1, 5, 9], [2, 7, 9]],
    ]


def test_what_a_function_makes_of_a_variable_is_handed_back(tmp_path):
    array = np.array([[1, 2, 3], [4, 5, 6]], np.int16)
    scipy.io.savemat(tmp_path / "x.mat", {"x": array})
    assert read_variable(tmp_path / "x.mat", "x", describe, 7) == ("x.mat", array.tolist(), 7)


def test_a_struct_with_one_field_is_the_labels_of_each_video(tmp_path):
    table = np.zeros((1, 2), dtype=[("gt_frame", object)])
    table[0, 0] = (np.array([[1], [5]]),)
    table[0, 1] = (np.array([[2], [3]]),)
    others = {
        "sparse": scipy.sparse.eye(4, format="csc"),
        "complex": np.array([[1j]]),
        "text": "abc",
    }
    scipy.io.savemat(tmp_path / "x.mat", {**others, "gt": table}, do_compression=True)
    assert [intervals.tolist() for intervals in read_intervals(tmp_path / "x.mat")] == [
        [[1], [5]],
        [[2], [3]],
    ]


TWO_FIELDS = np.zeros((1, 1), dtype=[("first", object), ("last", object)])
TWO_FIELDS[0, 0] = (np.ones((2, 1)), np.ones((2, 1)))


@pytest.mark.parametrize(
    "value",
    [
        "abc",
        np.array([[1j], [2j]]),
        scipy.sparse.eye(2, format="csc"),
        cells_of(["abc"]),
        TWO_FIELDS,
    ],
    ids=["text", "complex", "sparse", "cell of text", "struct of two fields"],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, value):
    scipy.io.savemat(tmp_path / "x.mat", {"gt": value})
    with pytest.raises(
        LayoutError,
        match=r"x\.mat: gt of video 1 must be a 2 x S array of numbers, found something",
    ):
        read_intervals(tmp_path / "x.mat")


def test_masks_of_a_recording_are_mapped_and_not_held(tmp_path):
    frames = [np.full((200, 300), number % 2, np.uint8) for number in range(100)]
    scipy.io.savemat(tmp_path / "x.mat", {"volLabel": cells_of(frames)}, do_compression=True)
    tracemalloc.start()
    seen = [bool(mask[0, 0]) for mask in MaskVolume(tmp_path / "x.mat").frames()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == [False, True] * 50
    assert peak < 1_000_000  # of 6 MB


def test_nothing_is_left_in_the_folder_for_temporary_files(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    scipy.io.savemat(tmp_path / "x.mat", {"volLabel": cells_of([np.eye(3)] * 2)})
    masks = MaskVolume(tmp_path / "x.mat").frames()
    assert next(masks).tolist() == np.eye(3, dtype=bool).tolist()
    assert list((tmp_path / "temporary").iterdir()) == []
    assert len(list(masks)) == 1


def test_a_cell_array_without_cells_has_no_masks(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"volLabel": np.empty((1, 0), dtype=object)})
    assert list(MaskVolume(tmp_path / "x.mat").frames()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its head is that of none"),
        (b"not a mat file" * 40, "its head is that of none"),
        (b"\x89HDF\r\n\x1a\n" * 80, r"version 7\.3 .*save\('labels\.mat', '-v7'\)"),
        (b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM", r"version 7\.3 .*'-v7'"),
        (b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM", "must hold gt, found nothing"),
    ],
)
def test_what_is_no_such_file_is_refused_with_what_to_do(tmp_path, content, message):
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(LayoutError, match=rf"x\.mat: .*{message}"):
        read_intervals(tmp_path / "x.mat")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.mat", tmp_path):
        with pytest.raises(LayoutError, match="cannot be read"):
            read_intervals(path)


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
        # A shape that is given in fractions: kind 7 in place of 5, found by a change of one bit.
        [
            matrix(1, (1, 1), matrix(9, (0, 0)), name=b"gt").replace(
                struct.pack("<II", 5, 8), struct.pack("<II", 7, 8)
            )
        ],
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
def test_impossible_contents_are_refused(tmp_path, elements):
    write_mat(tmp_path / "x.mat", *elements)
    with pytest.raises(LayoutError, match=r"x\.mat: "):
        read_intervals(tmp_path / "x.mat")


def test_more_intervals_than_any_benchmark_has_are_refused(tmp_path):
    scipy.io.savemat(
        tmp_path / "x.mat", {"gt": np.ones((2, (1 << 20) + 1), np.uint8)}, do_compression=True
    )
    with pytest.raises(
        LayoutError, match="gt must hold 1,048,576 intervals at most, found 1,048,577"
    ):
        read_intervals(tmp_path / "x.mat")


def test_a_bomb_is_not_unpacked_beyond_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(label_files, "MOST_BYTES", 1 << 26)
    write_mat(
        tmp_path / "x.mat",
        packed(matrix(9, (100_000_000, 1), element(2, bytes(100_000_000)), name=b"gt")),
    )
    assert (tmp_path / "x.mat").stat().st_size < 200_000
    tracemalloc.start()
    with pytest.raises(LayoutError, match=r"x\.mat: .* takes more than the 67,108,864 bytes"):
        read_intervals(tmp_path / "x.mat")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_file_that_crashes_the_reader_is_refused_by_name(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"gt": np.ones((2, 1))})
    with pytest.raises(
        LayoutError, match=r"x\.mat: a MATLAB file that is whole .* died with exit code -6"
    ):
        read_variable(tmp_path / "x.mat", "gt", crash)


def test_a_file_that_takes_too_long_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(label_files, "MOST_S", 0.01)
    scipy.io.savemat(tmp_path / "x.mat", {"gt": np.ones((2, 1))})
    with pytest.raises(
        LayoutError, match=r"x\.mat: a MATLAB file that is whole .* was not done after"
    ):
        read_intervals(tmp_path / "x.mat")


def test_cells_that_are_no_matrices_are_refused(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"volLabel": cells_of([np.ones((2, 2)), "text"])})
    with pytest.raises(LayoutError, match="cell 2 of volLabel must be a matrix"):
        list(MaskVolume(tmp_path / "x.mat").frames())
    scipy.io.savemat(tmp_path / "x.mat", {"volLabel": np.ones(3)})
    with pytest.raises(LayoutError, match="volLabel must be a cell array"):
        list(MaskVolume(tmp_path / "x.mat").frames())


def intervals_or_none(path):
    try:
        return [intervals.tolist() for intervals in read_intervals(path)]
    except LayoutError:
        return None


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The bytes of Ped2's own file, or of one that SciPy packed, and the intervals in it."""
    path = tmp_path_factory.mktemp("mat") / "ped2.mat"
    if "ODDFRAME_PED2" in os.environ:
        path.write_bytes((Path(os.environ["ODDFRAME_PED2"]) / "ped2.mat").read_bytes())
    else:
        scipy.io.savemat(
            path, {"gt": cells_of([np.array(video) for video in PED2])}, do_compression=True
        )
    return path.read_bytes(), [intervals.tolist() for intervals in read_intervals(path)]


@FEW_FILES
@given(data=st.data())
def test_a_changed_file_is_refused_or_means_the_same(real, tmp_path, data):
    """The packed data carries a checksum, so that no change within it goes unseen."""
    content, expected = bytearray(real[0]), real[1]
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "ped2.mat"
    path.write_bytes(content)
    assert intervals_or_none(path) in (None, expected)


@FEW_FILES
@given(data=st.data())
def test_a_changed_plain_file_never_crashes(tmp_path, data):
    """Nothing guards plain data: its numbers may change, but they are still intervals."""
    path = tmp_path / "ped2.mat"
    scipy.io.savemat(
        path, {"gt": cells_of([np.array(video) for video in PED2])}, do_compression=False
    )
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(126, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    for interval in intervals_or_none(path) or []:
        assert len(interval) == 2


@FEW_FILES
@given(body=st.binary(max_size=200), kind=st.sampled_from([14, 15]), pack=st.booleans())
def test_random_bytes_never_crash(tmp_path, body, kind, pack):
    path = tmp_path / "x.mat"
    write_mat(path, packed(element(14, body)) if pack else element(kind, body))
    assert intervals_or_none(path) is None


@pytest.mark.skipif(
    "ODDFRAME_PED2" not in os.environ, reason="ODDFRAME_PED2 is not set: the real Ped2 is needed"
)
def test_the_real_file_holds_the_known_intervals():
    videos = read_intervals(Path(os.environ["ODDFRAME_PED2"]) / "ped2.mat")
    assert [intervals.tolist() for intervals in videos][: len(PED2)] == PED2


def ranges_of(path, text):
    path.write_text(text)
    return [intervals.T.tolist() for intervals in read_ranges(path)]


def test_the_lines_of_the_official_files(tmp_path):
    text = """
TestVideoFile = {};
TestVideoFile{end+1}.gt_frame = [60:152];
TestVideoFile{end+1}.gt_frame = [5:90, 140:200];   % two
TestVideoFile{ end + 1 } . gt_frame=[ 1 : 4 ; 9 12:13 ]
TestVideoFile{end+1}.gt_frame = [];
% TestVideoFile{end+1}.gt_frame = [1:9];
TestVideoFile{end+1}.gt_frame = [1:2, ... and on
    7:8];
"""
    expected = [
        [[60, 152]],
        [[5, 90], [140, 200]],
        [[1, 4], [9, 9], [12, 13]],
        [],
        [[1, 2], [7, 8]],
    ]
    assert ranges_of(tmp_path / "UCSDped2.m", text) == expected
    assert ranges_of(tmp_path / "UCSDped2.m", text.replace("\n", "\r\n")) == expected
    assert holds_ranges(tmp_path / "UCSDped2.m")


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 999), st.integers(1, 999)), max_size=4),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_written_is_read(tmp_path_factory, videos):
    path = tmp_path_factory.mktemp("m") / "x.m"
    lines = [
        f"TestVideoFile{{end+1}}.gt_frame = [{', '.join(f'{a}:{b}' for a, b in video)}];"
        for video in videos
    ]
    assert ranges_of(path, "\n".join(lines)) == [[list(pair) for pair in video] for video in videos]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found none"),
        ("x = [1:2];", "found none"),
        ("TestVideoFile{end+1}.gt_frame = [1:end];", r"found \[1:end\]"),
        ("TestVideoFile{end+1}.gt_frame = [1:2:9];", r"found \[1:2:9\]"),
        ("TestVideoFile{end+1}.gt_frame = [1.5:2];", r"found \[1\.5:2\]"),
        (
            "TestVideoFile{end+1}.gt_frame = find(x);\nTestVideoFile{end+1}.gt_frame = [1:2];",
            r"found 'Test.*find\(x\)",
        ),
        ("TestVideoFile{2}.gt_frame = [1:2];", "in order, found number 2"),
    ],
)
def test_what_is_not_understood_is_never_passed_over(tmp_path, text, message):
    with pytest.raises(LayoutError, match=rf"(?s)x\.m: .*{message}"):
        ranges_of(tmp_path / "x.m", text)


def test_unreadable_and_endless_files_are_refused(tmp_path):
    with pytest.raises(LayoutError, match="cannot be read"):
        read_ranges(tmp_path / "none.m")
    with pytest.raises(LayoutError, match="no more than"):
        ranges_of(tmp_path / "x.m", "%" * 2_000_000)


def test_boxes_by_frame(tmp_path):
    path = tmp_path / "01.txt"
    path.write_text("0,154,4,142,119,249\n1,154,0,0,2,2\n\n0,155,6,145,129,254\n")
    frames = read_tracks(path, "01", (480, 856))
    assert sorted(frames) == [154, 155]
    assert [true.track for true in frames[154]] == ["01/0", "01/1"]
    region = frames[154][0].region
    assert (region.left, region.top, region.pixels.shape) == (4, 142, (107, 115))


def test_a_header_and_boxes_beyond_the_edge(tmp_path):
    path = tmp_path / "01.txt"
    path.write_text("track_id,frame,x_min,y_min,x_max,y_max\ncar,0,-5,-3.2,4,900\n")
    region = read_tracks(path, "01", (48, 64))[0][0].region
    assert (region.left, region.top, region.pixels.shape) == (0, 0, (48, 4))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0,1,2,3,4\n", r"line 1 must be track_id,frame,.* found '0,1,2,3,4'"),
        ("0,0,0,0,2,2\n0,1.5,0,0,2,2\n", "line 2 must be"),
        ("0,-1,0,0,2,2\n", "frames counted from 0"),
        ("0,0,nan,0,2,2\n", "line 1 must be"),
        ("0,0,x,0,2,2\n", "line 1 must be"),
        ("0,0,100,0,120,2\n", "line 1: no pixel of the 64 x 48 frame"),
        ("0,0,3,0,2,2\n", "a box must hold a pixel"),
    ],
)
def test_what_is_no_box_is_named(text, words, tmp_path):
    path = tmp_path / "01.txt"
    path.write_text(text)
    with pytest.raises(LayoutError, match=words):
        read_tracks(path, "01", (48, 64))


@pytest.mark.parametrize("coding", ["utf-8", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize(
    "line", ["car;0;-5;-3,25;4;9", "car\t0\t-5\t-3,25\t4\t9", 'car, 0, -5, "-3,25", 4, 9']
)
def test_tracks_are_read_in_whatever_form_they_were_saved(tmp_path, coding, line):
    path = tmp_path / "01.csv"
    path.write_bytes(f"{line}\n".encode(coding))
    (frame,) = read_tracks(path, "01", (48, 64))[0]
    assert frame.track == "01/car"
    assert (frame.region.left, frame.region.pixels.shape) == (0, (9, 4))


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "01.txt"
    path.write_bytes(b"\x80\x04\x95\xff")
    with pytest.raises(LayoutError, match=r"01\.txt: line 1 must be text"):
        read_tracks(path, "01", (48, 64))
    with pytest.raises(LayoutError, match="cannot be read"):
        read_tracks(tmp_path / "none.txt", "01", (48, 64))
