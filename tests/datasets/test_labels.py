import pickle

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from oddframe.datasets.labels import (
    LabelSource,
    join_labels,
    labels_from_array,
    labels_from_folder,
    labels_from_intervals,
    labels_from_mat,
    read_label_array,
)
from oddframe.errors import LayoutError

COUNTS = {"01": 6, "02": 5, "03": 4}
EXPECTED = {"01": [0, 1, 1, 0, 1, 1], "02": [1, 1, 1, 1, 1], "03": [0, 0, 0, 0]}


def as_cells(arrays, shape):
    cells = np.empty(len(arrays), dtype=object)
    for place, array in enumerate(arrays):
        cells[place] = array
    return cells.reshape(shape)


def nested(array):
    return as_cells([array], (1, 1))


VIDEOS = [
    np.array([[2, 5], [3, 6]], dtype=np.uint8),
    np.array([[1], [5]], dtype=np.int16),
    np.zeros((0, 0)),
]


@pytest.mark.parametrize(
    "gt",
    [
        as_cells(VIDEOS, (1, 3)),
        as_cells(VIDEOS, (3, 1)),
        as_cells([VIDEOS[0].astype(float), np.array([[1, 5]]), np.zeros((2, 0))], (1, 3)),
        as_cells([nested(VIDEOS[0]), nested(VIDEOS[1]), VIDEOS[2]], (1, 3)),
    ],
    ids=["row of cells", "column of cells", "floats and a row", "nested cells"],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_mat_intervals_count_from_one_and_include_both_ends(tmp_path, gt, compressed):
    scipy.io.savemat(tmp_path / "ped2.mat", {"gt": gt}, do_compression=compressed)
    source = labels_from_mat(tmp_path / "ped2.mat", COUNTS)
    assert {name: values.tolist() for name, values in source.labels.items()} == EXPECTED


def test_mat_of_a_single_video_without_cells(tmp_path):
    scipy.io.savemat(tmp_path / "one.mat", {"gt": np.array([[2, 5], [3, 6]])})
    assert labels_from_mat(tmp_path / "one.mat", {"01": 6}).labels["01"].tolist() == EXPECTED["01"]


def test_mat_of_equal_videos_stored_as_one_block(tmp_path):
    scipy.io.savemat(tmp_path / "block.mat", {"gt": np.array([[[1], [2]], [[3], [3]]])})
    source = labels_from_mat(tmp_path / "block.mat", {"a": 3, "b": 3})
    assert {name: values.tolist() for name, values in source.labels.items()} == {
        "a": [1, 1, 0],
        "b": [0, 0, 1],
    }


def test_partial_copy_is_paired_by_number(tmp_path):
    scipy.io.savemat(tmp_path / "ped2.mat", {"gt": as_cells(VIDEOS, (1, 3))})
    source = labels_from_mat(tmp_path / "ped2.mat", {"02": 5})
    assert {name: values.tolist() for name, values in source.labels.items()} == {
        "02": EXPECTED["02"]
    }


@pytest.mark.parametrize("counts", [{"00": 6}, {"4": 6}, {"walk": 6}, {**COUNTS, "04": 3}])
def test_videos_that_cannot_be_paired_are_refused(tmp_path, counts):
    scipy.io.savemat(tmp_path / "ped2.mat", {"gt": as_cells(VIDEOS, (1, 3))})
    with pytest.raises(LayoutError, match=r"ped2\.mat: labels 3 videos, found"):
        labels_from_mat(tmp_path / "ped2.mat", counts)


def test_interval_beyond_the_frames_names_the_video(tmp_path):
    scipy.io.savemat(tmp_path / "ped2.mat", {"gt": as_cells(VIDEOS, (1, 3))})
    with pytest.raises(
        LayoutError, match=r"video 02: abnormal frames must lie within 1 to 4.* say 1 to 5"
    ):
        labels_from_mat(tmp_path / "ped2.mat", {**COUNTS, "02": 4})


@pytest.mark.parametrize(
    "cell",
    [np.array([[1, 2, 3]]), np.array([[1.5], [2.0]]), np.array([[np.nan], [2.0]]), np.ones((3, 3))],
)
def test_mat_that_holds_no_intervals_is_refused(tmp_path, cell):
    scipy.io.savemat(tmp_path / "x.mat", {"gt": as_cells([cell], (1, 1))})
    with pytest.raises(LayoutError, match="gt of video 1 must be a 2 x S array"):
        labels_from_mat(tmp_path / "x.mat", {"01": 9})


def test_mat_without_gt_says_what_it_holds(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"volLabel": np.ones((2, 2))})
    with pytest.raises(LayoutError, match=r"must hold gt.* found volLabel"):
        labels_from_mat(tmp_path / "x.mat", {"01": 9})


def truncated_mat(path):
    scipy.io.savemat(path, {"gt": as_cells(VIDEOS, (1, 3))})
    return path.read_bytes()[:-40]


@pytest.mark.parametrize(
    "content",
    [
        lambda path: b"",
        lambda path: b"not a mat file" * 40,
        lambda path: b"\x89HDF\r\n\x1a\n" * 80,
        truncated_mat,
    ],
    ids=["empty", "text", "hdf5", "truncated"],
)
def test_unreadable_mat_is_refused_by_name(tmp_path, content):
    path = tmp_path / "ped2.mat"
    path.write_bytes(content(path))
    with pytest.raises(LayoutError, match=r"ped2\.mat: a MATLAB file"):
        labels_from_mat(path, COUNTS)


@given(st.lists(st.tuples(st.integers(-1, 13), st.integers(-1, 13)), max_size=4))
def test_intervals_equal_a_literal_loop(pairs):
    intervals = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    expected = [0] * 12
    for start, end in pairs:
        for frame in range(start, end + 1):
            if 1 <= frame <= 12:
                expected[frame - 1] = 1
    if any(not 1 <= start <= end <= 12 for start, end in pairs):
        with pytest.raises(LayoutError):
            labels_from_intervals(intervals, 12)
    else:
        assert labels_from_intervals(intervals, 12).tolist() == expected


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("shape", [(6,), (1, 6), (6, 1)])
def test_label_arrays_of_any_number_type_and_row_shape(tmp_path, dtype, shape):
    np.save(tmp_path / "01.npy", np.array(EXPECTED["01"], dtype=dtype).reshape(shape))
    labels = read_label_array(tmp_path / "01.npy")
    assert labels.dtype == np.uint8
    assert labels.tolist() == EXPECTED["01"]
    with pytest.raises(ValueError, match="read-only"):
        labels[0] = 1


@pytest.mark.parametrize(
    "values", [[0, 2], [0.5, 1.0], [0, -1], [np.nan, 0.0], ["a", "b"], [[0, 1], [1, 0]], 1], ids=str
)
def test_label_arrays_that_are_no_labels_are_refused(tmp_path, values):
    np.save(tmp_path / "01.npy", np.array(values))
    with pytest.raises(LayoutError, match=r"01\.npy: labels must be"):
        read_label_array(tmp_path / "01.npy")


class Trap:
    """Unpickling this would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (self.path.write_text, ("opened",))


def write_pickle(path, trap):
    path.write_bytes(pickle.dumps(trap))


def write_object_array(path, trap):
    np.save(path, np.array([trap], dtype=object), allow_pickle=True)


@pytest.mark.parametrize("write", [write_pickle, write_object_array])
def test_pickles_are_refused_by_name_and_never_opened(tmp_path, write):
    write(tmp_path / "01.npy", Trap(tmp_path / "trap.txt"))
    with pytest.raises(LayoutError, match=r"01\.npy.*pickle.*never opened"):
        read_label_array(tmp_path / "01.npy")
    assert not (tmp_path / "trap.txt").exists()


@pytest.mark.parametrize("keep", [0, 3, 20, 130])
def test_truncated_array_is_refused_by_name(tmp_path, keep):
    path = tmp_path / "01.npy"
    np.save(path, np.zeros(50, dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LayoutError, match=r"01\.npy"):
        read_label_array(path)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '|u1',\n",
        b"{1: 2, 'shape': (1,)}",
        b",1",
        b"{'descr': '|u1', 'fortran_order': Fals, 'shape': (0,)}",
    ],
)
def test_array_with_a_damaged_header_is_refused_by_name(tmp_path, header):
    path = tmp_path / "01.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    # Python's own words for it name a node of a syntax tree.
    with pytest.raises(LayoutError, match=r"01\.npy: damaged numpy array file: its header"):
        read_label_array(path)


def test_folder_gives_the_videos_that_it_has(tmp_path):
    np.save(tmp_path / "01.npy", EXPECTED["01"])
    np.save(tmp_path / "99.npy", [1])
    source = labels_from_folder(tmp_path, COUNTS)
    assert {name: values.tolist() for name, values in source.labels.items()} == {
        "01": EXPECTED["01"]
    }


def test_folder_with_a_wrong_length_names_the_file(tmp_path):
    np.save(tmp_path / "02.npy", [0, 1])
    with pytest.raises(LayoutError, match=r"02\.npy.* found 2 labels for 5 frames"):
        labels_from_folder(tmp_path, COUNTS)


def test_joined_array_is_cut_by_the_frame_counts(tmp_path):
    joined = [value for values in EXPECTED.values() for value in values]
    np.save(tmp_path / "frame_labels_ped2.npy", np.array([joined]))
    source = labels_from_array(tmp_path / "frame_labels_ped2.npy", COUNTS)
    assert {name: values.tolist() for name, values in source.labels.items()} == EXPECTED
    with pytest.raises(LayoutError, match="found 15 labels for 16 frames"):
        labels_from_array(tmp_path / "frame_labels_ped2.npy", {**COUNTS, "03": 5})


def source(path, **labels):
    return LabelSource(
        path, {name: np.array(values, dtype=np.uint8) for name, values in labels.items()}
    )


def test_sources_complete_each_other(tmp_path):
    joined = join_labels(
        [source(tmp_path / "a", x=[0, 1]), source(tmp_path / "b", y=[1], x=[0, 1])],
        {"y": 1, "x": 2},
    )
    assert list(joined) == ["y", "x"]
    assert joined["x"].tolist() == [0, 1]


def test_disagreement_names_the_video_the_files_and_the_frames(tmp_path):
    first = source(tmp_path / "a.mat", x=[0, 0, 0, 1, 1, 0])
    second = source(tmp_path / "labels", x=[0, 1, 0, 0, 0, 0])
    with pytest.raises(
        LayoutError, match=r"video x .*a\.mat.*labels.* 3 frames \(counted from 0\): 1, 3-4;"
    ):
        join_labels([first, second], {"x": 6})


def test_video_without_labels_is_named(tmp_path):
    with pytest.raises(LayoutError, match=r"found none for y in .*a"):
        join_labels([source(tmp_path / "a", x=[0])], {"x": 1, "y": 1})
    with pytest.raises(LayoutError, match="in no label file"):
        join_labels([], {"x": 1})
