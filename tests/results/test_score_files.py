import csv
import math
import sys

import numpy as np
import pytest

from oddframe.core.records import Score
from oddframe.errors import MissingExtraError, OutputError
from oddframe.media.discovery import open_source
from oddframe.media.overlay import overlay_video
from oddframe.media.source import FrameFormat
from oddframe.results.score_files import (
    COLUMNS,
    csv_table,
    map_archive,
    parquet_table,
)
from tests.support.dying import full_at


def scored(frame, value):
    return Score(frame, frame / 10, map=np.full((3, 4), value, np.float32))


def test_numpy_reads_the_logarithm_of_each_map(tmp_path):
    values = {4: 1.0, 5: 1e-9, 6: 3e4, 70: 0.0}
    with map_archive(tmp_path / "a.maps.npz") as sink:
        sink.write(Score(0, 0.0))
        for frame, value in values.items():
            sink.write(scored(frame, value))
    with np.load(tmp_path / "a.maps.npz", allow_pickle=False) as maps:
        assert maps.files == ["4", "5", "6", "70"]
        for frame, value in values.items():
            assert maps[str(frame)].shape == (3, 4)
            assert maps[str(frame)].dtype == np.float16
            np.testing.assert_allclose(maps[str(frame)], np.log(max(value, 1e-30)), rtol=1e-3)


def test_order_is_kept_although_half_precision_is_coarse(tmp_path):
    steps = np.geomspace(1e-8, 1e2, 50).astype(np.float32)
    with map_archive(tmp_path / "a.npz") as sink:
        sink.write(Score(0, 0.0, map=steps[None]))
    with np.load(tmp_path / "a.npz") as maps:
        assert (np.diff(maps["0"][0].astype(np.float64)) > 0).all()


def test_the_archive_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.npz"

    def fail():
        with map_archive(path) as sink:
            sink.write(scored(4, 1.0))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    with (
        full_at(0, tmp_path),
        pytest.raises(OutputError, match="the disk is full"),
        map_archive(path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def shown(number, size=(160, 96), start_s=0.0, hot=False):
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    map_ = np.full((24, 40), 1e-6, np.float32)
    if hot:
        map_[8:16, 16:24] = 1.0
    value = 0.9 if hot else 0.1
    return Score(number, start_s + number / 10, score=value, raw=value, map=map_, picture=picture)


def decoded(path):
    return list(open_source(path).frames(FrameFormat(160, 160, "rgb")))


def write(path, scores):
    with overlay_video(path, 10.0, 0.5) as sink:
        for one in scores:
            sink.write(one)


def test_the_video_shows_every_picture_at_its_time(tmp_path):
    write(
        tmp_path / "a.overlay.mp4",
        [
            Score(0, 3.0, picture=shown(0).picture),
            *(shown(n, start_s=3) for n in range(1, 9)),
        ],
    )
    frames = decoded(tmp_path / "a.overlay.mp4")
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(9) / 10, abs=1e-3)
    width, height = frames[0].source_size
    assert width >= 160
    assert height > 96


def test_heat_is_where_the_map_is_high(tmp_path):
    write(tmp_path / "cold.mp4", [shown(n) for n in range(6)])
    write(tmp_path / "hot.mp4", [shown(n, hot=True) for n in range(6)])
    cold, hot = (
        decoded(tmp_path / name)[-1].pixels.astype(int) for name in ("cold.mp4", "hot.mp4")
    )
    changed = np.abs(hot - cold).max(axis=2)
    rows = slice(0, int(160 * 0.3))
    assert changed[:, 70:90][rows].max() > 40


def test_pictures_of_another_size_than_the_first_are_left_out(tmp_path):
    write(
        tmp_path / "a.mp4",
        [
            shown(0),
            shown(1),
            shown(2, size=(80, 48)),
            shown(3),
        ],
    )
    assert len(decoded(tmp_path / "a.mp4")) == 3


def test_scores_without_pictures_make_no_video(tmp_path):
    write(tmp_path / "a.mp4", [Score(0, 0.0), Score(1, 0.1)])
    assert list(tmp_path.iterdir()) == []


def test_what_fails_leaves_nothing(tmp_path):
    def fail():
        with overlay_video(tmp_path / "a.mp4", 10.0, 0.5) as sink:
            sink.write(shown(0))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


SCORES = [
    Score(0, 0.0),
    Score(1, 1 / 3, score=0.1 + 0.2, raw=1e-12, appearance=0.0, motion=1e300, cluster=5e-324),
    Score(7, 0.7, score=0.5, raw=2.0, appearance=1.0, motion=3.0, cluster=4.0),
]


def write_tables(table, path):
    with table(path) as sink:
        for score in SCORES:
            sink.write(score)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_numbers_read_back_as_the_same_ones(tmp_path):
    write_tables(csv_table, tmp_path / "a.csv")
    head, *body = rows(tmp_path / "a.csv")
    assert (
        tuple(head)
        == COLUMNS
        == ("frame", "time_s", "score", "raw", "appearance", "motion", "cluster")
    )
    for row, score in zip(body, SCORES, strict=True):
        assert [None if text == "" else float(text) for text in row] == [
            getattr(score, name) for name in COLUMNS
        ]
    assert body[0] == ["0", "0.0", "", "", "", "", ""]


def test_parquet_has_types_and_gaps(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_tables(parquet_table, tmp_path / "a.parquet")
    table = parquet.read_table(tmp_path / "a.parquet")
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("frame", "int64"),
        *((name, "double") for name in COLUMNS[1:]),
    ]
    assert table.to_pylist() == [
        {name: getattr(score, name) for name in COLUMNS} for score in SCORES
    ]


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
    with (
        full_at(0, tmp_path),
        pytest.raises(OutputError, match=r"a\.table could not be written: the disk is full"),
    ):
        write_tables(table, path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_empty_source_gives_the_head_alone(tmp_path):
    with csv_table(tmp_path / "a.csv"):
        pass
    assert rows(tmp_path / "a.csv") == [list(COLUMNS)]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"writing Parquet needs .*oddframe\[parquet\]"):
        write_tables(parquet_table, tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_no_number_is_written_as_text_that_is_none(tmp_path):
    write_tables(csv_table, tmp_path / "a.csv")
    assert all(
        text == "" or math.isfinite(float(text))
        for row in rows(tmp_path / "a.csv")[1:]
        for text in row
    )


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
