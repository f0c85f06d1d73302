"""Scores and events in memory as tables of other libraries, and as notebooks show them."""

import math

import numpy as np
import pytest

from oddframe.core.records import Event, Score
from oddframe.results.collected import Events, Scores

SCORES = [
    Score(0, 0.0),
    Score(1, 0.1, 0.25, 1.0, 2.0, 3.0, 4.0),
    Score(2, 0.2, 0.75, 9.0, 2.5, 3.5, 4.5),
    Score(3, 0.3, health="covered"),
]
COLUMNS = ["frame", "time_s", "score", "raw", "appearance", "motion", "cluster"]
PNG = b"\x89PNG\r\n"


def event(name="a", phase="end", end_s=2.0, source="door <1>"):
    return Event(
        name, "anomaly", phase, source, 1.0, end_s, 1.5, 0.8, (0, 0, 1, 1), "moves wrong", {}
    )


def test_scores_are_a_sequence_and_an_array():
    table = Scores(iter(SCORES), title="a $name_")
    assert list(table) == SCORES
    assert (len(table), table[1], list(table[1:3])) == (4, SCORES[1], SCORES[1:3])
    assert repr(table) == "Scores(4 frames)"
    array = table.to_numpy()
    assert list(array.dtype.names) == COLUMNS
    assert array["frame"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(array["score"], [math.nan, 0.25, 0.75, math.nan])
    assert array["cluster"].dtype == np.float64


def test_scores_are_a_table_of_arrow():
    table = Scores(SCORES).to_arrow()
    assert table.column_names == [*COLUMNS, "health"]
    assert table["health"].to_pylist() == ["ok", "ok", "ok", "covered"]
    assert Events([event()]).to_arrow()["reason"].to_pylist() == ["moves wrong"]


def test_scores_are_a_table_of_pandas():
    pd = pytest.importorskip("pandas")
    table = Scores(SCORES).to_pandas()
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == [*COLUMNS, "health"]
    assert table.score.max() == 0.75
    events = Events([event("a"), event("b")]).to_pandas()
    assert events.id.tolist() == ["a", "b"]


def test_an_event_is_there_once_as_it_was_last_told():
    phases = [event("a", "start", 1.0), event("b", "start", 1.2), event("a", "end", 3.0)]
    table = Events(phases)
    assert [(one.id, one.phase, one.end_s) for one in table] == [
        ("a", "end", 3.0),
        ("b", "start", 1.2),
    ]
    assert (repr(table), list(table[1:])) == ("Events(2 events)", [table[1]])


def test_a_notebook_shows_the_figures_and_a_picture():
    shown = Scores(SCORES).to_html()
    assert "4 frames, 2 with a score; the highest is 0.75 at 0.2 s" in shown
    assert '<img src="data:image/png;base64,' in shown
    assert Scores(SCORES[:1]).to_html() == "<p>1 frame, none with a score</p>"
    events = Events(event(str(number)) for number in range(30)).to_html()
    assert events.startswith("<p>30 events, of which the first 20 are shown</p><table>")
    assert "door &lt;1&gt;" in events
    assert events.count("<tr>") == 21
    assert Events([]).to_html() == "<p>0 events</p>"


def test_pictures_are_drawn_and_saved(tmp_path):
    chart = Scores(SCORES).plot(events=[event()])
    assert chart.png.startswith(PNG)
    assert chart.png != Scores(SCORES).plot().png
    chart.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == chart.png
    assert Events([event()]).plot().png.startswith(PNG)
    assert Events([]).plot().png.startswith(PNG)
