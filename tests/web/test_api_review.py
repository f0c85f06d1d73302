"""The API of a review: stacks, many verdicts at once, and tables of events."""

import csv
import io

import pytest
from pyarrow import parquet

from tests.support.alerting import made_alert


@pytest.fixture
def stored(served):
    """The app with ten like events of one camera and another one of a second camera."""
    with served() as (client, context):
        for number in range(10):
            context.store.put_event(made_alert(number, "end"))
        context.store.put_event(made_alert(20, "end", source="=1+1", reason="looks wrong"))
        context.store.flush()
        yield client, context


def stacks(client, query=""):
    return client.get(f"/api/v1/stacks{query}").json()


def test_ten_like_events_are_one_stack_that_is_judged_at_once_and_taken_back(stored):
    client, _ = stored
    found = stacks(client)
    assert (found["stack_count"], found["event_count"], found["cut"]) == (2, 11, False)
    stack = found["stacks"][1]
    assert stack["rows"] == [*range(10, 0, -1)]
    assert stack["event"]["camera"] == "yard"
    assert 4 < len(stack["pictured"]) <= 8
    client.put("/api/v1/events/3/review", json={"note": "the cat"})
    given = {"reviews": [{"row": row, "verdict": "normal"} for row in stack["rows"]]}
    answer = client.put("/api/v1/reviews", json=given).json()
    assert [event["verdict"] for event in answer["events"]] == ["normal"] * 10
    assert [stack["rows"] for stack in stacks(client, "?verdict=none")["stacks"]] == [[11]]
    assert client.get("/api/v1/events/3").json()["note"] == "the cat"
    client.put("/api/v1/reviews", json={"reviews": answer["before"]})
    assert client.get("/api/v1/events/3").json()["note"] == "the cat"
    assert stacks(client, "?verdict=none")["event_count"] == 11


def test_an_event_leaves_its_stack_and_comes_back(stored):
    client, _ = stored
    assert client.put("/api/v1/events/4/apart", json={"apart": True}).json()["row"] == 4
    assert [4] in [stack["rows"] for stack in stacks(client)["stacks"]]
    client.put("/api/v1/events/4/apart", json={"apart": False})
    assert stacks(client)["stack_count"] == 2
    assert client.put("/api/v1/events/99/apart", json={"apart": True}).status_code == 404


@pytest.mark.parametrize(
    "given",
    [
        {"reviews": []},
        {"reviews": [{"row": 1, "verdict": "fine"}]},
        {"reviews": [{"row": -1}]},
        {"reviews": [{"row": 1}] * 501},
        {},
    ],
)
def test_reviews_that_are_none_are_refused(stored, given):
    client, _ = stored
    assert client.put("/api/v1/reviews", json=given).status_code == 422


def test_a_table_for_a_spreadsheet_has_what_fits_and_no_formula(stored):
    client, _ = stored
    client.put("/api/v1/events/2/review", json={"verdict": "unsure", "note": "Tür, “Öl”"})
    answer = client.get("/api/v1/export/events.csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="oddframe-')
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["row"] for row in rows] == [*map(str, range(11, 0, -1))]
    assert rows[0]["camera"] == "'=1+1"
    judged = rows[9]
    assert (judged["verdict"], judged["note"]) == ("unsure", "Tür, “Öl”")
    assert judged["start"] == "2026-09-21T14:13:30.000Z"
    assert (judged["duration_s"], judged["rarity"], judged["x_max"]) == ("4.0", "4.0", "0.75")
    few = client.get("/api/v1/export/events.csv?camera=yard&min_score=0.9").text
    assert len(few.splitlines()) == 1


def test_a_table_for_programs_has_types_and_the_texts_as_they_are(stored):
    client, _ = stored
    answer = client.get("/api/v1/export/events.parquet", params={"reason": "looks wrong"})
    (row,) = parquet.read_table(io.BytesIO(answer.content)).to_pylist()
    assert (row["row"], row["camera"], row["verdict"]) == (11, "=1+1", None)
    assert row["end"].isoformat() == "2026-09-21T14:16:44+00:00"
