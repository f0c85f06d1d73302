"""Receivers set in the browser: written to the file, used at once, and their secrets never told."""

import json
import tomllib

from oddframe.web.api_sinks import secret_names
from tests.support.alerting import hook, made_alert, until

OWN = '# Ours.\n[sinks.file]\nkind = "json_lines"\npath = "all.jsonl" # kept\n'


def put(client, name, kind, **values):
    return client.put(f"/api/v1/sinks/{name}", json={"kind": kind, "values": values})


def listed(client):
    return {one["name"]: one for one in client.get("/api/v1/sinks").json()["sinks"]}


def test_a_receiver_is_added_tested_changed_and_removed_while_watching_goes_on(served, data):
    (data / "cameras.toml").write_text(OWN)
    with served() as (client, context), hook() as server, hook() as other:
        delivery = context.supervisor.watcher.outputs.delivery
        assert put(client, "phone", "webhook", url=f"{server.url}?key=s3cret").status_code == 200
        assert client.post("/api/v1/sinks/phone/test").json() == {"ok": True, "error": None}
        delivery.offer(made_alert(1))
        until(lambda: len(server.taken) == 2)

        rules = {"min_score": 0.9, "cameras": ["yard"]}
        changed = put(client, "phone", "webhook", rules=rules, url=other.url).json()
        assert changed["values"] == {"rules": {"cameras": ["yard"], "min_score": 0.9}}
        delivery.offer(made_alert(2))
        delivery.offer(made_alert(3, score=0.95))
        until(lambda: other.taken)
        assert [json.loads(body)["id"] for body in other.taken] == [f"{3:016x}"]
        text = (data / "cameras.toml").read_text()
        assert text.startswith(OWN)
        assert tomllib.loads(text)["sinks"]["phone"]["rules"] == rules

        assert client.delete("/api/v1/sinks/phone").status_code == 204
        assert "phone" not in delivery.counts()
        assert (data / "cameras.toml").read_text().strip() == OWN.strip()
        assert client.delete("/api/v1/sinks/phone").status_code == 404
        assert client.post("/api/v1/sinks/phone/test").status_code == 404


def test_a_secret_can_be_written_and_never_read(served, data):
    with served() as (client, context):
        url, key = "http://127.0.0.1:9/hook-s3cret-part", "s3cret-header"
        put(client, "phone", "webhook", url=url, headers={"X-Key": key})
        put(client, "home", "mqtt", host="127.0.0.1", port=9, username="me", password="s3cret-word")
        context.supervisor.watcher.outputs.delivery.offer(made_alert(1))
        until(lambda: listed(client)["phone"]["error"])
        found = client.get("/api/v1/sinks")
        phone, home = listed(client)["phone"], listed(client)["home"]
        assert (phone["values"], phone["secrets"]) == ({}, ["url", "headers"])
        assert (home["values"]["username"], home["secrets"]) == ("me", ["password"])
        for answer in (found, client.get("/api/v1/health"), client.get("/api/v1/changes")):
            assert "s3cret" not in answer.text
        # What is left out stays.
        assert put(client, "home", "mqtt", port=10).json()["secrets"] == ["password"]
        assert put(client, "home", "mqtt", password=None).json()["secrets"] == []
        assert tomllib.loads((data / "cameras.toml").read_text())["sinks"]["phone"]["url"] == url


REFUSED = (
    ("webhook", {"url": "ftp://x"}, "must be http://"),
    ("webhook", {"url": "http://x/${HOME}"}, "a variable works in cameras.toml only"),
    ("webhook", {"url": "http://x", "headers": {"a": "${HOME}"}}, "a variable works in"),
    (
        "webhook",
        {"url": "http://x", "template": '{"a": "${nothing}"}'},
        "must have no variable",
    ),
    ("webhook", {"url": "http://x", "template": "{$score"}, "must make JSON"),
    ("webhook", {"url": "http://x", "rules": {"min_scor": 1}}, "min_score"),
    ("webhook", {"url": "http://x", "rules": {"a": {"b": {"c": {"d": {}}}}}}, "must be a text"),
    ("webhook", {"url": "http://x\u0000"}, "without control characters"),
    ("webhook", {"url": ["http://x", None]}, "must be a text"),
    ("webhook", {"kind": "json_lines", "path": "/tmp/x"}, "kind must stand beside"),
    ("mqtt", {"host": "x", "tls": True, "ca_file": "/etc/passwd"}, "set in cameras.toml"),
    ("apprise", {"urls": []}, "hold at least one"),
)


def test_what_cannot_be_set_is_refused_and_changes_nothing(served, data):
    with served() as (client, _):
        before = (data / "cameras.toml").read_bytes()
        for kind, values, sentence in REFUSED:
            body = {"kind": kind, "values": values}
            answer = client.put("/api/v1/sinks/phone", json=body)
            assert answer.status_code == 422, answer.text
            assert sentence in answer.json()["detail"]
        assert (data / "cameras.toml").read_bytes() == before
        assert listed(client) == {}


def test_receivers_of_the_file_are_shown_and_those_that_name_files_cannot_be_changed(
    served, data, monkeypatch
):
    monkeypatch.setenv("BROKER", "127.0.0.1")
    (data / "cameras.toml").write_text(
        OWN + '[sinks.home]\nkind = "mqtt"\nhost = "${BROKER}"\nport = 9\n'
    )
    with served() as (client, _):
        found = listed(client)
        assert (found["file"]["editable"], found["file"]["values"]) == (False, {})
        assert found["home"]["values"]["host"] == "${BROKER}"
        # A page sends back what it was shown.
        assert put(client, "home", "mqtt", host="${BROKER}", port=10).status_code == 200
        assert put(client, "file", "webhook", url="http://127.0.0.1:9/").status_code == 409
        assert put(client, "metrics", "webhook", url="http://127.0.0.1:9/").status_code == 409
        assert client.put("/api/v1/sinks/a%20b", json={}).status_code == 422
        answer = client.put("/api/v1/sinks/x", json={"kind": "json_lines", "values": {}})
        assert answer.status_code == 422


def test_every_setting_that_no_error_may_show_is_a_secret():
    assert secret_names("webhook") == ["url", "headers"]
    assert secret_names("mqtt") == ["password"]
    assert secret_names("apprise") == ["urls"]
    assert secret_names("unheard") == []
