import sys

import pytest

from oddframe.core.records import Event
from oddframe.errors import MissingExtraError
from oddframe.sinks.event_table import COLUMNS, event_table

parquet = pytest.importorskip("pyarrow.parquet")


def event(phase="end", **changes):
    values = {
        **{"id": "ab12", "kind": "anomaly", "phase": phase, "source": "door", "start_s": 1.0, "end_s": 2.5},
        **{"peak_s": 2.0, "score": 0.75, "box": (0.1, 0.2, 0.3, 0.4), "reason": "moves wrong"},
        "parts": {"appearance": 1.0, "motion": 3.0, "cluster": 0.5},
    }
    return Event(**{**values, **changes})


def rows(path, *events):
    with event_table(path, "cam1/01.mp4") as table:
        for one in events:
            table.write(one)
    return parquet.read_table(path).to_pylist()


def test_each_event_is_a_row_as_it_was_at_its_end(tmp_path):
    (row,) = rows(tmp_path / "a.parquet", event("start", score=0.6), event("update", score=0.7), event())
    assert row == {
        **{"recording": "cam1/01.mp4", "id": "ab12", "kind": "anomaly", "start_s": 1.0, "end_s": 2.5, "peak_s": 2.0},
        **{"score": 0.75, "x_min": 0.1, "y_min": 0.2, "x_max": 0.3, "y_max": 0.4, "reason": "moves wrong"},
        **{"appearance": 1.0, "motion": 3.0, "cluster": 0.5},
    }
    assert list(row) == list(COLUMNS)


def test_what_an_event_has_not_is_empty(tmp_path):
    (row,) = rows(tmp_path / "a.parquet", event(kind="health", box=None, parts={}, reason="the camera is covered"))
    assert [name for name, value in row.items() if value is None] == [
        *("x_min", "y_min", "x_max", "y_max", "appearance", "motion", "cluster")
    ]


def test_without_events_the_columns_are_there(tmp_path):
    assert rows(tmp_path / "a.parquet") == []
    assert parquet.read_table(tmp_path / "a.parquet").column_names == list(COLUMNS)


def test_a_table_appears_whole_or_not_at_all(tmp_path):
    def fail():
        with event_table(tmp_path / "a.parquet", "a") as table:
            table.write(event())
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"oddframe\[parquet\]"):
        rows(tmp_path / "a.parquet")
