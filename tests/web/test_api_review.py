"""The API of a review: stacks, many verdicts at once, and tables of events."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from pyarrow import parquet

from tests.support.alerting import hook, made_alert, until


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


def test_a_report_of_the_filter_is_one_file(stored):
    client, _ = stored
    answer = client.get("/api/v1/export/events.html?camera=yard&min_score=0.6&sort=score")
    assert answer.headers["content-type"].startswith("text/html")
    assert re.search(
        r'filename="oddframe-events-[\d-]+\.html"', answer.headers["content-disposition"]
    )
    assert "10 events of 1 camera." in answer.text
    assert "lowest score" in answer.text
    assert "=1+1" not in answer.text
    assert client.get("/api/v1/export/events.html?sort=worst").status_code == 422


def test_who_looks_at_an_event_is_noted_once_and_not_in_the_log(stored, data):
    client, context = stored
    assert client.get("/api/v1/events/3").json()["looked_us"] is None
    for _ in range(2):
        assert client.post("/api/v1/looks", json={"rows": [3, 4, 999]}).status_code == 204
        context.store.flush()
        first = client.get("/api/v1/events/3").json()["looked_us"]
    assert client.get("/api/v1/events/4").json()["looked_us"] > 0
    client.post("/api/v1/looks", json={"rows": [3]})
    context.store.flush()
    assert client.get("/api/v1/events/3").json()["looked_us"] == first
    assert client.post("/api/v1/looks", json={"rows": [-1]}).status_code == 422
    assert not (data / "audit.jsonl").exists()


def test_an_event_that_nobody_looked_at_goes_to_another_receiver(served, data):
    with hook() as server:
        (data / "cameras.toml").write_text(
            f'[sinks.boss]\nkind = "webhook"\nurl = "{server.url}"\n'
            "[sinks.boss.rules]\nunseen_minutes = 0.01\n"
        )
        with served() as (client, context):
            for number in (1, 2):
                context.store.put_event(made_alert(number, "end"))
            context.store.flush()
            client.post("/api/v1/looks", json={"rows": [1]})
            for number in (1, 2):
                context.supervisor.watcher.outputs.offer(made_alert(number, "end"))
            until(lambda: server.taken)
    (message,) = map(json.loads, server.taken)
    assert message["id"] == f"{2:016x}"
    assert message["text"].startswith("Nobody has looked for 0.01 minutes: ")


def test_a_sentence_of_a_model_comes_into_the_event_the_alert_and_the_search(served, data):
    with hook() as model, hook() as server:
        said = {"choices": [{"message": {"content": "A cart stands on the path."}}]}
        model.body = json.dumps(said).encode()
        (data / "cameras.toml").write_text(
            f'[describe]\nurl = "http://127.0.0.1:{model.port}/v1"\nmodel = "small"\n'
            f'[sinks.team]\nkind = "webhook"\nurl = "{server.url}"\nphases = ["description"]\n'
        )
        with served() as (client, context):
            record = replace(
                made_alert(1), snapshot=context.store.path_of(made_alert(1), "snapshot")
            )
            context.store.put_event(record)
            context.store.put_snapshot(record, np.zeros((8, 8, 3), np.uint8))
            context.store.put_event(made_alert(2, "end"))
            context.store.flush()
            context.supervisor.watcher.outputs.offer(record)
            until(lambda: server.taken)
            context.store.flush()
            found = client.get("/api/v1/events?note=CART").json()["events"]
            assert [(one["row"], one["description"]) for one in found] == [
                (1, "A cart stands on the path.")
            ]
            assert client.get("/api/v1/stacks?note=cart").json()["event_count"] == 1
            shown = client.get("/api/v1/sinks").json()
            assert shown["describe"] == "small at 127.0.0.1"
            assert (shown["describe_notice"], shown["describe_error"]) == (None, None)
    assert json.loads(server.taken[0])["description"] == "A cart stands on the path."
