"""Links in alerts as people follow them: the event, its picture without a token, and no more."""

import json
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pytest

from oddframe.sinks.links import Links, read_secret
from oddframe.web.auth import hash_token
from tests.support.alerting import hook, made_alert

PUBLIC = "http://cameras.example.org:8750"
TOKEN = "correct horse battery staple"


@pytest.fixture
def shared(served, data):
    """The app with a token, an event with a picture, and the message that a webhook got of it."""
    with hook() as server:
        (data / "cameras.toml").write_text(
            f'[watch]\npublic_url = "{PUBLIC}"\n[sinks.phone]\nkind = "webhook"\n'
            f'url = "{server.url}"\n'
        )
        with served(hash_token(TOKEN)) as (client, context):
            record = made_alert(1)
            record = replace(record, snapshot=context.store.path_of(record, "snapshot"))
            context.store.put_event(record)
            context.store.put_snapshot(record, np.zeros((8, 8, 3), np.uint8))
            context.supervisor.watcher.outputs.delivery.offer(record)
            assert context.supervisor.watcher.outputs.delivery.flush(120)
            context.store.flush()
            yield client, server.requests[0][2].decode()


def links(body):
    message = json.loads(body)
    return message["link"], message["snapshot_url"], message["clip_url"]


def follow(client, url, **headers):
    parts = urlsplit(url)
    return client.get(f"{parts.path}?{parts.query}", headers={"host": parts.netloc, **headers})


def test_the_picture_opens_without_a_token_and_the_event_only_with_it(shared):
    client, body = shared
    link, snapshot, clip = links(body)
    assert clip is None
    answer = follow(client, snapshot)
    assert (answer.status_code, answer.content[:2]) == (200, b"\xff\xd8")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert link.startswith(f"{PUBLIC}/#/events/")
    path = f"/api/v1/events/by-key/{link.rpartition('/')[2]}"
    assert client.get(path).status_code == 401
    event = client.get(path, headers={"authorization": f"Bearer {TOKEN}"}).json()
    assert (event["camera"], event["row"]) == ("yard", 1)


def test_a_link_opens_nothing_but_its_file(shared):
    client, body = shared
    snapshot = links(body)[1]
    assert follow(client, snapshot.replace("snapshot.jpg", "clip.mp4")).status_code == 403
    assert follow(client, snapshot.replace("until=1", "until=2")).status_code == 403
    assert follow(client, snapshot[:-1]).status_code == 403
    assert client.get("/shared/a-1/snapshot.jpg").status_code == 422
    assert client.get("/api/v1/events/1/snapshot.jpg").status_code == 401


def test_a_link_that_has_ended_says_so(served, data):
    read_secret(data)
    with served(hash_token(TOKEN)) as (client, _):
        old = Links(read_secret(data), PUBLIC, lambda: 0.0)
        snapshot = old.of(replace(made_alert(1), snapshot="a.jpg"))["snapshot_url"]
        # The name of the server is not known by this app, which has no public address.
        parts = urlsplit(snapshot)
        answer = client.get(f"{parts.path}?{parts.query}")
        assert answer.status_code == 410
        assert "open the event in the app" in answer.json()["detail"]


def test_a_test_is_sent_from_the_app_and_says_what_went_wrong(served, data):
    with hook() as server:
        (data / "cameras.toml").write_text(
            f'[sinks.phone]\nkind = "webhook"\nurl = "{server.url}"\n'
            '[sinks.file]\nkind = "json_lines"\npath = "alerts.jsonl"\n'
        )
        with served() as (client, _):
            sinks = client.get("/api/v1/health").json()["sinks"]
            assert (sinks["phone"]["testable"], sinks["file"]["testable"]) == (True, False)
            assert client.post("/api/v1/sinks/phone/test").json() == {"ok": True, "error": None}
            assert b"This is a test" in server.requests[0][2]
            server.answer = lambda count: 500
            answer = client.post("/api/v1/sinks/phone/test").json()
            assert not answer["ok"]
            assert "answered 500" in answer["error"]
            assert client.post("/api/v1/sinks/file/test").status_code == 404
