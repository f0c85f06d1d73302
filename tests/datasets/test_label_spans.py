"""Labels by time: how tables of them are read, and which lines are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.datasets.label_spans import (
    LabelSpan,
    is_span_file,
    labels_from_spans,
    read_spans,
    span_files,
)
from oddframe.errors import LayoutError

HEAD = "video,start_s,end_s\n"


def read(path, text):
    path.write_bytes(text.encode())
    return {
        name: [(span.start_s, span.end_s) for span in spans]
        for name, spans in read_spans(path).items()
    }


def test_seconds_clock_times_and_empty_ones(tmp_path):
    text = HEAD + 'a.mp4,1.5,2\r\n\n a.mp4 , 1:02.5 , 0:01:03\nb.mp4,,\n"c, d.mp4",0,0\n'
    expected = {"a.mp4": [(1.5, 2.0), (62.5, 63.0)], "b.mp4": [], "c, d.mp4": [(0.0, 0.0)]}
    assert read(tmp_path / "labels.csv", text) == expected
    assert read(tmp_path / "labels.csv", "\ufeff" + text) == expected
    assert is_span_file(tmp_path / "labels.csv")


def test_other_tables_are_none_of_these(tmp_path):
    (tmp_path / "scores.csv").write_text("frame,time_s,score\n0,0,0\n")
    assert not is_span_file(tmp_path / "scores.csv")
    assert not is_span_file(tmp_path / "none.csv")
    with pytest.raises(LayoutError, match="first line must be video,start_s,end_s"):
        read_spans(tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("line", "message"),
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
def test_lines_that_cannot_be_are_named(tmp_path, line, message):
    with pytest.raises(LayoutError, match=rf"labels\.csv: {message}"):
        read(tmp_path / "labels.csv", HEAD + line)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "labels.csv").write_bytes(HEAD.encode() + b"\xff\xfe,1,2\n")
    with pytest.raises(LayoutError, match="UTF-8"):
        read_spans(tmp_path / "labels.csv")


@given(
    times=st.lists(st.integers(0, 100), min_size=1, max_size=20, unique=True).map(sorted),
    spans=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted), max_size=3),
)
def test_labels_equal_a_literal_loop(tmp_path_factory, times, spans):
    times_s = np.array(times) / 10
    stretches = [LabelSpan(start / 10, end / 10, 2) for start, end in spans]
    expected = [int(any(start <= time <= end for start, end in spans)) for time in times]
    fits = all(
        end <= times[-1] + 10 and any(start <= time <= end for time in times)
        for start, end in spans
    )
    path = tmp_path_factory.getbasetemp() / "labels.csv"
    if fits:
        labels = labels_from_spans(times_s, stretches, path)
        assert labels.tolist() == expected
        assert not labels.flags.writeable
    else:
        with pytest.raises(LayoutError, match=r"labels\.csv: line 2: a stretch must hold frames"):
            labels_from_spans(times_s, stretches, path)


def test_a_missing_image_is_normal(tmp_path):
    labels = labels_from_spans(np.array([0.0, np.nan, 0.2]), [LabelSpan(0, 0.2, 2)], tmp_path)
    assert labels.tolist() == [1, 0, 1]


EXPECTED = {"gate.mp4": [(2.5, 4.0), (62.5, 63.25)], "yard.mp4": []}
"""What every form of the table below says."""


@pytest.mark.parametrize(
    "text",
    [
        "video;start_s;end_s\ngate.mp4;2,5;4\ngate.mp4;1:02,5;63,25\nyard.mp4;;\n",
        "video\tstart_s\tend_s\ngate.mp4\t2,5\t4,0\ngate.mp4\t1:02.5\t63.25\nyard.mp4\t\t\n",
        "sep=;\nVideo;Start_s;End_s\ngate.mp4;2.5;4\ngate.mp4;62,5;63,25\nyard.mp4;;\n",
        'video,start_s,end_s\n"gate.mp4", "2,5", "4"\n"gate.mp4" ,62.5 , "63.25"\nyard.mp4,,\n',
        "end_s|video|start_s\n4|gate.mp4|2,5\n63,25|gate.mp4|62,5\n|yard.mp4|\n",
        'id,end_s,who,start_s,video\n1,4,"a, b",2.5,gate.mp4\n'
        "2,63.25,,62.5,gate.mp4\n3,,,,yard.mp4\n",
        "\n\nvideo,start_s,end_s,note\ngate.mp4,2.5,4\ngate.mp4,62.5,63.25,x,,\nyard.mp4,,\n",
        "video,start_s,end_s\rgate.mp4,2.5,4\rgate.mp4,62.5,63.25\ryard.mp4,,\r",
    ],
    ids=["semicolons", "tabs", "sep", "quotes", "order", "more", "ragged", "old-mac"],
)
@pytest.mark.parametrize(
    "coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32"]
)
def test_a_table_is_read_in_whatever_form_it_was_saved(tmp_path, text, coding):
    path = tmp_path / "labels.tsv"
    path.write_bytes(text.encode(coding))
    assert is_span_file(path)
    found = {
        name: [(span.start_s, span.end_s) for span in spans]
        for name, spans in read_spans(path).items()
    }
    assert found == EXPECTED


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (HEAD.encode() + b"hof.mp4,1,2\nt\xfcr.mp4,1,2\n", "line 3 must be text in .* byte 0xFC"),
        (HEAD.encode("utf-16")[:-1], "line 1 must be text"),
        (b"", "line 1: the first line must be video,start_s,end_s"),
        (b"\n\nfile;from;to\n", "line 3: the first line must be .* found 'file,from,to'"),
        (b"gate.mp4,1,2\n", "line 1: the first line must be .* found 'gate.mp4,1,2'"),
        (b"video,start_s,start_s\n", "line 1: the first line must be"),
        (HEAD.encode() + b"gate.mp4,17,24,5\n", "line 2 must be .* between quotes"),
        (HEAD.encode() + b'a.mp4,1,2\n"gate.mp4,17,24\nyard.mp4,1,2\n', "line 3: a cell must end"),
        (b"video;start_s;end_s\ngate.mp4;1.000,5;2\n", "line 2: times must be"),
        (b"video;end_s;start_s\ngate.mp4;1;2\n", "line 2: times must be"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00", "line 1 must be text .* a zero byte"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path, data, message):
    path = tmp_path / "labels.csv"
    path.write_bytes(data)
    with pytest.raises(LayoutError, match=rf"labels\.csv: {message}"):
        read_spans(path)
    # Nor is it passed over where a folder is searched: it is found, or refused at once.
    with pytest.raises(LayoutError, match=rf"labels\.csv: {message}"):
        list(map(read_spans, span_files([tmp_path])))


def test_other_files_beside_recordings_are_no_labels(tmp_path):
    (tmp_path / "labels.txt").write_text("person\ncar\n")
    (tmp_path / "scores.csv").write_text("frame;score\n0;0,5\n")
    (tmp_path / "labels.csv").mkdir()
    assert span_files([tmp_path, tmp_path / "none"]) == []
    (tmp_path / "labels.txt").write_text("video\tstart_s\tend_s\n", encoding="utf-16")
    assert span_files([tmp_path]) == [tmp_path / "labels.txt"]
    (tmp_path / "Labels.xlsx").write_bytes(b"PK")
    with pytest.raises(LayoutError, match=r"Labels\.xlsx: .*a workbook; save it as CSV"):
        span_files([tmp_path])
