import csv
import math

import pytest
from dying import full_at

from oddframe.core.records import Score
from oddframe.errors import MissingExtraError, OutputError
from oddframe.sinks.tables import COLUMNS, csv_table, parquet_table

SCORES = [
    Score(0, 0.0),
    Score(1, 1 / 3, score=0.1 + 0.2, raw=1e-12, appearance=0.0, motion=1e300, cluster=5e-324),
    Score(7, 0.7, score=0.5, raw=2.0, appearance=1.0, motion=3.0, cluster=4.0),
]


def write(table, path):
    with table(path) as sink:
        for score in SCORES:
            sink.write(score)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_numbers_read_back_as_the_same_ones(tmp_path):
    write(csv_table, tmp_path / "a.csv")
    head, *body = rows(tmp_path / "a.csv")
    assert tuple(head) == COLUMNS == ("frame", "time_s", "score", "raw", "appearance", "motion", "cluster")
    for row, score in zip(body, SCORES, strict=True):
        assert [None if text == "" else float(text) for text in row] == [getattr(score, name) for name in COLUMNS]
    assert body[0] == ["0", "0.0", "", "", "", "", ""]


def test_parquet_has_types_and_gaps(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write(parquet_table, tmp_path / "a.parquet")
    table = parquet.read_table(tmp_path / "a.parquet")
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("frame", "int64"),
        *((name, "double") for name in COLUMNS[1:]),
    ]
    assert table.to_pylist() == [{name: getattr(score, name) for name in COLUMNS} for score in SCORES]


def test_long_parquet_tables_are_written_in_groups(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    with parquet_table(tmp_path / "a.parquet") as sink:
        for number in range(25_000):
            sink.write(Score(number, number / 10))
    file = parquet.ParquetFile(tmp_path / "a.parquet")
    assert file.num_row_groups == 3
    assert file.read().column("frame").to_pylist() == list(range(25_000))


@pytest.mark.parametrize("table", [csv_table, parquet_table])
def test_a_table_appears_whole_or_not_at_all(table, tmp_path):
    if table is parquet_table:
        pytest.importorskip("pyarrow")
    path = tmp_path / "a.table"
    path.write_text("old")

    def fail():
        with table(path) as sink:
            sink.write(SCORES[1])
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    with full_at(0, tmp_path), pytest.raises(OutputError, match=r"a\.table could not be written: the disk is full"):
        write(table, path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_empty_source_gives_the_head_alone(tmp_path):
    with csv_table(tmp_path / "a.csv"):
        pass
    assert rows(tmp_path / "a.csv") == [list(COLUMNS)]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"writing Parquet needs .*oddframe\[parquet\]"):
        write(parquet_table, tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_no_number_is_written_as_text_that_is_none(tmp_path):
    write(csv_table, tmp_path / "a.csv")
    assert all(text == "" or math.isfinite(float(text)) for row in rows(tmp_path / "a.csv")[1:] for text in row)


def test_a_column_may_say_which_recording_it_is(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    for name, wanted in (("a", "cam1/01.mp4"), ("b", None)):
        with parquet_table(tmp_path / f"{name}.parquet", wanted) as sink:
            for score in SCORES:
                sink.write(score)
    ours, plain = (parquet.read_table(tmp_path / f"{name}.parquet") for name in "ab")
    assert ours.column_names == ["recording", *COLUMNS]
    assert ours["recording"].to_pylist() == ["cam1/01.mp4"] * len(SCORES)
    assert ours.drop_columns("recording").equals(plain)
