import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.data.stretch_file import Stretch, is_stretch_file, labels_of_stretches, read_stretches
from oddframe.errors import LayoutError

HEAD = "video,start_s,end_s\n"


def read(path, text):
    path.write_bytes(text.encode())
    return {name: [(one.start_s, one.end_s) for one in stretches] for name, stretches in read_stretches(path).items()}


def test_seconds_clock_times_and_empty_ones(tmp_path):
    text = HEAD + 'a.mp4,1.5,2\r\n\n a.mp4 , 1:02.5 , 0:01:03\nb.mp4,,\n"c, d.mp4",0,0\n'
    expected = {"a.mp4": [(1.5, 2.0), (62.5, 63.0)], "b.mp4": [], "c, d.mp4": [(0.0, 0.0)]}
    assert read(tmp_path / "labels.csv", text) == expected
    assert read(tmp_path / "labels.csv", "\ufeff" + text) == expected
    assert is_stretch_file(tmp_path / "labels.csv")


def test_other_tables_are_none_of_these(tmp_path):
    (tmp_path / "scores.csv").write_text("frame,time_s,score\n0,0,0\n")
    assert not is_stretch_file(tmp_path / "scores.csv")
    assert not is_stretch_file(tmp_path / "none.csv")
    with pytest.raises(LayoutError, match="first line must be video,start_s,end_s"):
        read_stretches(tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.mp4,3,2", "line 2: times must be .* found '3' and '2'"),
        ("a.mp4,-1,2", "line 2: times"),
        ("a.mp4,nan,2", "line 2: times"),
        ("a.mp4,1,inf", "line 2: times"),
        ("a.mp4,1,", "line 2: times"),
        ("a.mp4,one,2", "line 2: times"),
        ("a.mp4,1", "line 2 must be video,start_s,end_s, found 'a.mp4,1'"),
        (",1,2", "line 2 must be"),
        ("a.mp4;1;2", "line 2 must be"),
    ],
)
def test_lines_that_cannot_be_are_named(tmp_path, line, said):
    with pytest.raises(LayoutError, match=rf"labels\.csv: {said}"):
        read(tmp_path / "labels.csv", HEAD + line)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "labels.csv").write_bytes(HEAD.encode() + b"\xff\xfe,1,2\n")
    with pytest.raises(LayoutError, match="UTF-8"):
        read_stretches(tmp_path / "labels.csv")


@given(
    times=st.lists(st.integers(0, 100), min_size=1, max_size=20, unique=True).map(sorted),
    spans=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted), max_size=3),
)
def test_labels_equal_a_literal_loop(tmp_path_factory, times, spans):
    times_s = np.array(times) / 10
    stretches = [Stretch(start / 10, end / 10, 2) for start, end in spans]
    expected = [int(any(start <= time <= end for start, end in spans)) for time in times]
    fits = all(end <= times[-1] + 10 and any(start <= time <= end for time in times) for start, end in spans)
    path = tmp_path_factory.getbasetemp() / "labels.csv"
    if fits:
        labels = labels_of_stretches(times_s, stretches, path)
        assert labels.tolist() == expected
        assert not labels.flags.writeable
    else:
        with pytest.raises(LayoutError, match=r"labels\.csv: line 2: a stretch must hold frames"):
            labels_of_stretches(times_s, stretches, path)


def test_a_missing_image_is_normal(tmp_path):
    labels = labels_of_stretches(np.array([0.0, np.nan, 0.2]), [Stretch(0, 0.2, 2)], tmp_path)
    assert labels.tolist() == [1, 0, 1]
