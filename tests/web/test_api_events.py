"""The API of events: the list, reviews, and files that may only come from the store."""

import re
import sqlite3

import pytest

from oddframe.errors import OutputError
from oddframe.store.reader import DATABASE
from tests.support.alerting import made_alert

HTML = '<img src=x onerror="alert(1)">'


@pytest.fixture
def stored(served):
    """The app with five events of a camera that is gone."""
    with served() as (client, context):
        for number in range(5):
            reason = "looks wrong" if number % 2 else "moves wrong"
            context.store.put_event(made_alert(number, "end", source=HTML[:20], reason=reason))
        context.store.flush()
        yield client, context


def rows(answer):
    return [event["row"] for event in answer.json()["events"]]


def test_pages_follow_each_other_from_the_newest(stored):
    client, _ = stored
    first = client.get("/api/v1/events?limit=2")
    assert (rows(first), first.json()["more"]) == ([5, 4], True)
    before = first.json()["events"][-1]["start_us"]
    second = client.get(f"/api/v1/events?limit=3&before_us={before}")
    assert (rows(second), second.json()["more"]) == ([3, 2, 1], False)


def test_events_are_filtered_by_reason_verdict_time_and_camera(stored):
    client, _ = stored
    assert rows(client.get("/api/v1/events", params={"reason": "looks wrong"})) == [4, 2]
    client.put("/api/v1/events/3/review", json={"verdict": "unsure"})
    client.put("/api/v1/events/2/review", json={"note": "a note alone"})
    assert rows(client.get("/api/v1/events?verdict=unsure")) == [3]
    assert rows(client.get("/api/v1/events?verdict=none")) == [5, 4, 2, 1]
    start_us = client.get("/api/v1/events/3").json()["start_us"]
    assert rows(client.get(f"/api/v1/events?from_us={start_us}&to_us={start_us + 1}")) == [3]
    assert rows(client.get("/api/v1/events?camera=other")) == []
    assert rows(client.get("/api/v1/events", params={"camera": HTML[:20]})) == [5, 4, 3, 2, 1]
    assert client.get("/api/v1/events?limit=501").status_code == 422
    assert client.get(f"/api/v1/events?from_us={10**30}").status_code == 422


def test_a_review_comes_back_as_it_was_and_can_be_taken_back(stored):
    client, _ = stored
    review = client.put(
        "/api/v1/events/1/review", json={"verdict": "important", "note": HTML}
    ).json()
    assert (review["verdict"], review["note"]) == ("important", HTML)
    answer = client.get("/api/v1/events/1")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json() == review
    gone = client.put("/api/v1/events/1/review", json={"verdict": None, "note": ""}).json()
    assert (gone["verdict"], gone["note"], gone["reviewed_us"]) == (None, "", None)


@pytest.mark.parametrize(
    "given",
    [
        {"verdict": "fine"},
        {"note": "x" * 2_001},
        {"note": "a\x00b"},
        {"verdict": "normal", "by": "me"},
        [],
    ],
)
def test_a_review_that_is_none_is_refused(stored, given):
    client, _ = stored
    assert client.put("/api/v1/events/1/review", json=given).status_code == 422
    assert client.get("/api/v1/events/1").json()["verdict"] is None


@pytest.mark.parametrize("row", ["99", "0", str(2**62)])
def test_an_event_that_is_not_there_is_not_found(stored, row):
    client, _ = stored
    for path in ("", "/snapshot.jpg", "/clip.mp4"):
        assert client.get(f"/api/v1/events/{row}{path}").status_code == 404
    assert client.put(f"/api/v1/events/{row}/review", json={}).status_code == 404


def test_a_clip_comes_in_parts_and_a_snapshot_whole(served, clip, until):
    clip()
    with served() as (client, _):
        given = {"name": "yard", "source": "yard.mp4", "model": "models/tiny"}
        assert client.post("/api/v1/cameras", json=given).status_code == 201

        def kept():
            found = client.get("/api/v1/events").json()["events"]
            complete = (
                event for event in found if event["end_us"] and event["snapshot"] and event["clip"]
            )
            return next(complete, None)

        event = until(kept)
        until(lambda: client.get(event["clip"]).status_code == 200)
        whole = client.get(event["clip"])
        part = client.get(event["clip"], headers={"range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
        assert part.content == whole.content[4:8]
        assert whole.headers["content-type"] == "video/mp4"
        assert client.get(event["snapshot"]).content[:2] == b"\xff\xd8"
        assert event["clip_start_us"] <= event["start_us"]
        saved = client.get(f"{event['clip']}?download=true").headers["content-disposition"]
        assert re.fullmatch(r'attachment; filename="yard_[-_0-9]+\.mp4"', saved)
        heat = client.get(f"/api/v1/events/{event['row']}/heat.jpg")
        assert (heat.status_code, heat.content[:2]) == (200, b"\xff\xd8")
        assert heat.content != client.get(event["snapshot"]).content
        assert client.get("/api/v1/events/99/heat.jpg").status_code == 404


def test_why_an_event_has_no_clip_is_in_its_record(stored):
    client, context = stored
    assert client.get("/api/v1/events/1").json()["clip_error"] is None

    def fail(path):
        raise OutputError("no video of that time")

    context.store.put_clip(made_alert(0, "end", source=HTML[:20]), fail)
    context.store.flush()
    record = client.get("/api/v1/events/1").json()
    assert (record["clip"], record["clip_error"]) == (None, "no video of that time")


def test_a_path_in_the_database_that_leads_elsewhere_is_not_followed(stored, data):
    client, _ = stored
    (data / "cameras.toml").touch()
    for path in ("cameras.toml", "../x", "/etc/passwd", "events/../cameras.toml", "events"):
        database = sqlite3.connect(data / DATABASE)
        with database:
            database.execute("UPDATE events SET clip = ?", (path,))
        database.close()
        assert client.get("/api/v1/events/1/clip.mp4").status_code == 404
