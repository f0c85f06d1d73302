import pickle

import numpy as np
import pytest

from oddframe.datasets.score_files import read_values, values_of_arrays
from oddframe.errors import LayoutError, SourceNotFoundError

NAN = np.nan


def read(path):
    return read_values(path, ("raw", "score"))


@pytest.mark.parametrize("shape", [(5,), (1, 5), (5, 1)])
@pytest.mark.parametrize("dtype", ["float64", "float16", "int8", "bool"])
def test_one_array_per_video(shape, dtype, tmp_path):
    array = np.array([0, 1, 1, 0, 1]).reshape(shape).astype(dtype)
    for name in ("10", "2"):
        np.save(tmp_path / f"{name}.npy", array)
    found = read(tmp_path)
    assert list(found.videos) == ["2", "10"]
    assert found.videos["2"].tolist() == [0, 1, 1, 0, 1]
    assert found.videos["2"].dtype == np.float64
    assert not found.joined


def test_one_file_is_one_array_for_all(tmp_path):
    np.save(tmp_path / "all.npy", np.arange(3.0))
    found = read(tmp_path / "all.npy")
    assert found.joined
    assert found.videos["all"].tolist() == [0, 1, 2]


def test_a_column_of_numbers(tmp_path):
    (tmp_path / "01.csv").write_text("0.5\nnan\n2e-3\n")
    np.testing.assert_array_equal(read(tmp_path).videos["01"], [0.5, NAN, 0.002])


def test_our_own_table_is_read_by_its_raw_scores_and_tells_its_rate(tmp_path):
    (tmp_path / "01.scores.csv").write_text(
        "frame,time_s,score,raw,appearance,motion,cluster\n0,0.0,,,,,\n1,0.04,0.5,0.002,1,1,1\n3,0.12,0.6,0.003,1,1,1\n"
    )
    (tmp_path / "01.events.jsonl").write_text("{}\n")
    found = read(tmp_path)
    np.testing.assert_array_equal(found.videos["01"], [NAN, 0.002, NAN, 0.003])
    assert found.numbered == {"01"}
    assert found.rates_fps["01"] == pytest.approx(25)


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "text", ["frame;score\n0;0,5\n1;\n2;1\n", "frame\tscore\n0\t0.5\n2\t1,0\n"]
)
def test_a_table_is_read_in_whatever_form_it_was_saved(tmp_path, coding, text):
    (tmp_path / "01.csv").write_text(text, encoding=coding)
    np.testing.assert_array_equal(read(tmp_path / "01.csv").videos["01"], [0.5, np.nan, 1.0])


def test_one_table_of_several_videos(tmp_path):
    (tmp_path / "all.csv").write_text("video,score\nb,1\nb,2\na,3\n")
    found = read(tmp_path / "all.csv")
    assert {name: values.tolist() for name, values in found.videos.items()} == {
        "b": [1, 2],
        "a": [3],
    }
    assert not found.joined


def test_the_only_other_column_is_the_value(tmp_path):
    (tmp_path / "01.csv").write_text("frame,anomaly\n1,5\n0,4\n")
    assert read(tmp_path).videos["01"].tolist() == [4, 5]


@pytest.mark.parametrize("times", ["0\n0", "1\n0", "nan\n1", "0"])
def test_times_that_tell_no_rate_are_left_alone(times, tmp_path):
    rows = "".join(f"1,{time_s}\n" for time_s in times.split("\n"))
    (tmp_path / "01.csv").write_text("score,time_s\n" + rows)
    assert read(tmp_path).rates_fps == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("1,2\n3,4\n", "needs a header"),
        ("a,b\n1,2\n", "a column named raw or score is needed, found a, b"),
        ("score\nhigh\n", "line 2: a number, nan or nothing is needed, found 'high'"),
        ("frame,score\n0,1\n0,2\n", "two for the same frame"),
        ("frame,score\n-1,1\n", "line 2: frame must be a whole number from 0"),
        ("frame,score\n99999999999999999999,1\n", "line 2: frame must be a whole number"),
        ("video,frame,score\na,0\n", "line 2 has 2 cells, 3 are needed"),
    ],
)
def test_what_is_no_such_table_is_named(text, words, tmp_path):
    (tmp_path / "01.csv").write_text(text)
    with pytest.raises(LayoutError, match=words) as refusal:
        read(tmp_path / "01.csv")
    assert "01.csv" in str(refusal.value)


@pytest.mark.parametrize(
    "name", ["gt_label.json", "scores.pkl", "scores.pickle", "scores.npy", "scores.dat"]
)
def test_pickles_are_refused_by_name(name, tmp_path):
    (tmp_path / name).write_bytes(pickle.dumps({"01": [0, 1]}))
    np.save(tmp_path / "01.npy", np.zeros(2))
    for place in (tmp_path / name, tmp_path):
        with pytest.raises(LayoutError, match=rf"{name} is a pickle; pickles are never opened"):
            read(place)


def test_pickled_objects_within_an_array_are_refused(tmp_path):
    np.save(tmp_path / "01.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(LayoutError, match="pickled objects, which are never opened"):
        read(tmp_path)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3)), np.array(1.0), np.array(["a"]), np.array([1j])]
)
def test_other_arrays_are_refused(array, tmp_path):
    np.save(tmp_path / "01.npy", array)
    with pytest.raises(LayoutError, match="one row of numbers is needed"):
        read(tmp_path)
    with pytest.raises(LayoutError, match="scores of 01: one row of numbers"):
        values_of_arrays("scores", {"01": array})


def test_nothing_to_read(tmp_path):
    with pytest.raises(SourceNotFoundError, match="nothing is there"):
        read(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(
        LayoutError, match=r"must hold one .npy or .csv file per video, found notes.txt"
    ):
        read(tmp_path)
    with pytest.raises(LayoutError, match=r"must be a .npy or .csv file"):
        read(tmp_path / "notes.txt")


def test_two_files_of_one_video(tmp_path):
    np.save(tmp_path / "01.npy", np.zeros(2))
    (tmp_path / "01.scores.csv").write_text("0\n0\n")
    with pytest.raises(
        LayoutError, match=r"one file per video is needed, found 01.npy and 01.scores.csv"
    ):
        read(tmp_path)


def test_a_table_of_many_videos_within_a_folder(tmp_path):
    (tmp_path / "a.csv").write_text("video,score\nb,1\n")
    with pytest.raises(LayoutError, match="must be given alone"):
        read(tmp_path)
