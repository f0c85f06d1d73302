import json
import sys

import numpy as np
import pytest

from oddframe.core.records import Event
from oddframe.errors import MissingExtraError, OutputError
from oddframe.results.event_files import COLUMNS, event_line, event_lines, event_table
from tests.support.dying import full_at

PARTS = {"appearance": 3.25, "motion": 0.5, "cluster": 1.0}
MASK = np.ones((2, 2), bool)
START = Event(
    "a1",
    "anomaly",
    "start",
    "Tür",
    1.0,
    1.3,
    1.1,
    0.8,
    (0.1, 0.2, 0.3, 0.4),
    "looks wrong",
    PARTS,
    MASK,
)
END = Event("a1", "anomaly", "end", "Tür", 1.0, 2.5, 1.5, 0.9, None, "looks wrong", PARTS)


def written(path, *some):
    with event_lines(path) as lines:
        for event in some:
            lines.write(event)


def test_each_phase_is_an_object_on_a_line_of_its_own(tmp_path):
    written(tmp_path / "a.jsonl", START, END)
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert text == event_line(START) + event_line(END)
    assert [json.loads(line) for line in text.splitlines()] == [START.as_dict(), END.as_dict()]


def test_the_line_is_this_and_nothing_else():
    assert event_line(START) == (
        '{"id": "a1", "kind": "anomaly", "phase": "start", "source": "Tür", '
        '"start_s": 1.0, "end_s": 1.3, '
        '"peak_s": 1.1, "score": 0.8, "box": [0.1, 0.2, 0.3, 0.4], "reason": "looks wrong", '
        '"parts": {"appearance": 3.25, "motion": 0.5, "cluster": 1.0}}\n'
    )


def test_no_events_are_an_empty_file(tmp_path):
    written(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == b""


def test_a_full_disk_leaves_the_old_lines(tmp_path):
    written(tmp_path / "a.jsonl", START)
    before = (tmp_path / "a.jsonl").read_bytes()
    with full_at(0, tmp_path), pytest.raises(OutputError, match="the disk is full"):
        written(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == before


parquet = pytest.importorskip("pyarrow.parquet")


def event(phase="end", **changes):
    values = {
        **{
            "id": "ab12",
            "kind": "anomaly",
            "phase": phase,
            "source": "door",
            "start_s": 1.0,
            "end_s": 2.5,
        },
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
    (row,) = rows(
        tmp_path / "a.parquet", event("start", score=0.6), event("update", score=0.7), event()
    )
    assert row == {
        **{
            "recording": "cam1/01.mp4",
            "id": "ab12",
            "kind": "anomaly",
            "start_s": 1.0,
            "end_s": 2.5,
            "peak_s": 2.0,
        },
        **{
            "score": 0.75,
            "x_min": 0.1,
            "y_min": 0.2,
            "x_max": 0.3,
            "y_max": 0.4,
            "reason": "moves wrong",
        },
        **{"appearance": 1.0, "motion": 3.0, "cluster": 0.5},
    }
    assert list(row) == list(COLUMNS)


def test_what_an_event_has_not_is_empty(tmp_path):
    (row,) = rows(
        tmp_path / "a.parquet",
        event(kind="health", box=None, parts={}, reason="the camera is covered"),
    )
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
