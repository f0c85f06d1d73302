"""Tokens with a name: roles are refused and granted, they end, and changes are in a log."""

import json
import re
import stat

import pytest

from oddframe.errors import SettingsError
from oddframe.sinks.links import event_key
from oddframe.web.auth import Access, TooManyAttempts, hash_token
from oddframe.web.context import now_us
from oddframe.web.people import (
    AUDIT_FILE,
    TOKENS_FILE,
    AuditLog,
    NamedTokens,
    Person,
    is_noted,
    needed_role,
)
from tests.support.alerting import made_alert
from tests.support.tokens import HASH, TOKEN

DAY_S = 86_400


@pytest.fixture
def tokens(tmp_path, clock):
    return NamedTokens(tmp_path / TOKENS_FILE, clock)


def test_a_token_says_who_somebody_is_and_only_its_hash_is_kept(tokens, tmp_path):
    token = tokens.add("anna", "operator")
    assert tokens.find(token).person == Person("anna", "operator")
    for wrong in ("", "anna", "anna.", token[:-1], token.upper(), token[4:], "\ud800"):
        assert tokens.find(wrong) is None
    path = tmp_path / TOKENS_FILE
    assert token.partition(".")[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_token_ends_can_be_replaced_and_removed(tokens, clock):
    short, long = tokens.add("short", "viewer", days=2), tokens.add("long", "admin")
    clock.now_s += 2 * DAY_S
    assert tokens.find(short) is None
    assert tokens.find(long) is not None
    newer = tokens.add("long", "viewer")
    assert tokens.find(long) is None
    assert tokens.find(newer).person.role == "viewer"
    tokens.remove("long")
    assert tokens.find(newer) is None
    with pytest.raises(SettingsError, match=r"must be a token of this name \(short\)"):
        tokens.remove("long")


def test_what_another_process_writes_holds_at_once(tokens, tmp_path, clock):
    other = NamedTokens(tmp_path / TOKENS_FILE, clock)
    token = other.add("anna", "viewer")
    assert tokens.find(token) is not None
    other.remove("anna")
    assert tokens.find(token) is None


@pytest.mark.parametrize("name", ["", "Anna", "a b", "a/b", "-a", "x" * 81])
def test_a_name_that_is_none_is_refused(tokens, name):
    with pytest.raises(SettingsError, match="the name of a token must be"):
        tokens.add(name, "viewer")


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"a": {}}', '{"a": {"role": "king", "sha256": "0", "until_s": null}}', "{"],
)
def test_a_file_that_is_damaged_lets_nobody_in(tokens, tmp_path, text):
    (tmp_path / TOKENS_FILE).write_text(text)
    with pytest.raises(SettingsError, match="must hold the tokens"):
        tokens.find("a.b")


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/api/v1/cameras", "viewer"),
        ("PUT", "/api/v1/reviews", "operator"),
        ("PUT", "/api/v1/events/7/review", "operator"),
        ("PUT", "/api/v1/events/7/apart", "operator"),
        ("PUT", "/api/v1/events/7/review/more", "admin"),
        ("POST", "/api/v1/cameras", "admin"),
        ("DELETE", "/api/v1/cameras/yard", "admin"),
        ("PUT", "/api/v1/cameras/events/7/review", "admin"),
        ("POST", "/api/v1/anything/new", "admin"),
    ],
)
def test_every_change_needs_an_admin_unless_it_is_a_verdict(method, path, role):
    assert needed_role(method, path) == role


@pytest.mark.parametrize(
    ("method", "path", "noted"),
    [
        ("POST", "/api/v1/cameras/yard/recalibration/apply", True),
        ("PUT", "/api/v1/reviews", True),
        ("POST", "/api/v1/cameras/yard/recalibration/preview", False),
        ("POST", "/api/v1/looks", False),
        ("GET", "/api/v1/cameras", False),
    ],
)
def test_the_log_has_what_changes_something(method, path, noted):
    assert is_noted(method, path) == noted


def test_a_session_ends_with_its_token(tokens, clock):
    access = Access(None, clock, tokens)
    assert not access.required
    session = access.sign_in(tokens.add("anna", "viewer"), "a")
    assert access.required
    assert access.person_of(session) == Person("anna", "viewer")
    tokens.add("anna", "admin")
    assert access.person_of(session) is None


def test_wrong_tokens_of_a_name_are_counted_and_the_servers_own_still_opens(tokens, clock):
    access = Access(HASH, clock, tokens)
    token = tokens.add("anna", "viewer")
    assert access.check(TOKEN, "a") == Person("", "admin")
    assert access.check(token, "a") == Person("anna", "viewer")
    for _ in range(5):
        assert access.check("anna.guess", "b") is None
    with pytest.raises(TooManyAttempts):
        access.check(token, "b")


def test_the_log_begins_a_new_file_when_it_is_long(tmp_path, monkeypatch):
    monkeypatch.setattr("oddframe.web.people.MOST_AUDIT_BYTES", 200)
    log = AuditLog(tmp_path / AUDIT_FILE)
    for status in range(200, 204):
        log.write(Person("anna"), "10.0.0.1", "PUT", "/api/v1/reviews", status)
    old = (tmp_path / "audit.old.jsonl").read_text() + (tmp_path / AUDIT_FILE).read_text()
    assert '"status": 203' in old


@pytest.fixture
def house(served, data):
    """The app with a token of its own, an event, and a token for each role."""
    tokens = NamedTokens(data / TOKENS_FILE)
    with served(hash_token(TOKEN)) as (client, context):
        context.store.put_event(made_alert(1, "end"))
        context.store.flush()
        made = {role: tokens.add(f"the-{role}", role) for role in ("viewer", "operator", "admin")}
        yield client, {**made, "own": TOKEN}


def ask(client, token, method, path, body=None):
    headers = {"authorization": f"Bearer {token}"}
    return client.request(method, f"/api/v1/{path}", headers=headers, json=body).status_code


def test_roles_are_refused_and_granted(house, data):
    client, made = house
    judged = ("PUT", "events/1/review", {"verdict": "unsure"})
    tested = ("POST", "sinks/none/test", None)
    allowed = {
        who: (ask(client, token, *judged), ask(client, token, *tested))
        for who, token in made.items()
    }
    assert allowed == {
        "viewer": (403, 403),
        "operator": (200, 403),
        "admin": (200, 404),
        "own": (200, 404),
    }
    assert all(ask(client, token, "GET", "events/1") == 200 for token in made.values())
    assert ask(client, "the-admin.guess", "GET", "events/1") == 401
    lines = [json.loads(line) for line in (data / AUDIT_FILE).read_text().splitlines()]
    assert {"by": "the-viewer", "status": 403, "path": "/api/v1/events/1/review"}.items() <= (
        lines[0].items()
    )
    assert [line["by"] for line in lines].count("the-operator") == 2


def test_a_verdict_has_the_name_of_who_gave_it_and_info_says_who_one_is(house):
    client, made = house
    assert client.get("/api/v1/info").json()["role"] == "viewer"
    client.post("/api/v1/login", json={"token": made["operator"]})
    info = client.get("/api/v1/info").json()
    assert (info["name"], info["role"]) == ("the-operator", "operator")
    client.put("/api/v1/reviews", json={"reviews": [{"row": 1, "verdict": "normal"}]})
    assert client.get("/api/v1/events/1").json()["reviewed_by"] == "the-operator"
    assert client.post("/api/v1/sinks/none/test").status_code == 403


def test_tokens_are_made_listed_and_removed_on_the_command_line(oddframe_command, tmp_path):
    given = ("serve", "--data", tmp_path / "site")
    made = oddframe_command(*given, "--make-token", "--name", "anna", "--role", "operator")
    assert made.out.startswith("anna.")
    assert "Nobody can change cameras now" in made.err
    oddframe_command(*given, "--make-token", "--name", "tv", "--days", "30")
    listed = oddframe_command(*given, "--list-tokens").out.splitlines()
    assert listed[0] == "anna  operator  never ends"
    assert listed[1].startswith("tv  viewer  until 2")
    assert oddframe_command(*given, "--remove-token", "tv").code == 0
    assert len(oddframe_command(*given, "--list-tokens").out.splitlines()) == 1
    wrong = oddframe_command(*given, "--make-token", "--name", "bob", "--role", "king")
    assert (wrong.code, "--role must be one of viewer, operator, admin" in wrong.err) == (2, True)
    assert oddframe_command(*given, "--name", "bob").code == 2


@pytest.fixture
def two(served):
    """The app with two cameras, an event of each, and who sees one of the two."""
    with served(HASH) as (client, context):
        own = {"authorization": f"Bearer {TOKEN}"}
        for number, name in enumerate(("yard", "vault")):
            given = {"name": name, "source": "rtsp://127.0.0.1:9/a", "model": "models/tiny"}
            assert client.post("/api/v1/cameras", json=given, headers=own).status_code == 201
            context.store.put_event(made_alert(number, "end", source=name))
            context.store.put_score(name, now_us(), 0.3)
        context.store.flush()
        token = context.tokens.add("anna", "operator", cameras=["yard"])
        yield client, context, {"authorization": f"Bearer {token}"}


OF_A_CAMERA = (
    ("GET", "cameras/{name}"),
    ("GET", "cameras/{name}/live.jpg"),
    ("GET", "cameras/{name}/live.mjpeg"),
    ("GET", "cameras/{name}/view?model=models/tiny"),
    ("GET", "cameras/{name}/drift"),
    ("GET", "cameras/{name}/scores"),
    ("GET", "cameras/{name}/budget?false_alarms=1/day"),
    ("GET", "cameras/{name}/history"),
    ("GET", "learning/{name}"),
    ("GET", "learning/{name}/outliers"),
    ("GET", "learning/{name}/preview"),
    ("GET", "learning/{name}/picture.jpg?source=a&time_s=0"),
    ("GET", "footage/{name}"),
    ("GET", "uploads?camera={name}"),
    ("GET", "events/{row}"),
    ("GET", "events/{row}/snapshot.jpg"),
    ("GET", "events/{row}/clip.mp4"),
    ("GET", "events/{row}/heat.jpg"),
    ("GET", "events/{row}/lesson"),
    ("GET", "events/by-key/{key}"),
    ("PUT", "events/{row}/review"),
    ("PUT", "events/{row}/apart"),
)
"""Every route that an operator may ask and that names a camera or an event of one."""


def test_who_sees_one_camera_is_told_of_another_as_if_it_were_not_there(two):
    client, context, anna = two
    (event,) = context.store.reader.events(camera="vault")
    key = event_key(event.alert)
    for method, path in OF_A_CAMERA:
        asked = f"/api/v1/{path.format(name='vault', row=event.row, key=key)}"
        nowhere = f"/api/v1/{path.format(name='none', row=999, key='0-1')}"
        body = {"apart": True} if path.endswith("apart") else {"verdict": "normal"}
        body = body if method == "PUT" else None
        found = client.request(method, asked, headers=anna, json=body)
        missing = client.request(method, nowhere, headers=anna, json=body)
        assert found.status_code == missing.status_code == 404, path
        assert found.json() == missing.json(), "nothing tells whether there is such a camera"
    assert context.store.reader.events(camera="vault")[0].review is None


def test_who_sees_one_camera_sees_it_under_its_new_name(two):
    client, _, anna = two
    own = {"authorization": f"Bearer {TOKEN}"}
    assert client.put("/api/v1/cameras/yard", json={"name": "gate"}, headers=own).status_code == 200
    assert client.get("/api/v1/cameras/gate", headers=anna).status_code == 200
    (account,) = client.get("/api/v1/accounts", headers=own).json()["accounts"]
    assert account["cameras"] == ["gate"]
    assert client.post("/api/v1/cameras/gate/rollback", headers=own).status_code == 200
    assert client.get("/api/v1/cameras/yard", headers=anna).status_code == 200


def test_every_route_that_names_a_camera_is_among_those_that_are_tested(two):
    client, _, _ = two
    schema = client.get("/api/v1/openapi.json", headers={"authorization": f"Bearer {TOKEN}"}).json()
    named = {
        (method.upper(), path.removeprefix("/api/v1/"))
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if re.search(r"\{(name|row|key)\}", path) and path.startswith("/api/v1/")
        if needed_role(method.upper(), path) != "admin"
    }
    assert named <= {(method, path.partition("?")[0]) for method, path in OF_A_CAMERA}


def test_lists_stacks_searches_and_exports_hold_what_somebody_sees(two):
    client, context, anna = two

    def get(path):
        answer = client.get(f"/api/v1/{path}", headers=anna)
        assert answer.status_code == 200, path
        return answer

    assert [one["name"] for one in get("cameras").json()["cameras"]] == ["yard"]
    assert {one["camera"] for one in get("events").json()["events"]} == {"yard"}
    assert get("events?camera=vault").json()["events"] == []
    assert [one["event"]["camera"] for one in get("stacks").json()["stacks"]] == ["yard"]
    for suffix in ("csv", "parquet", "html"):
        assert b"vault" not in get(f"export/events.{suffix}").content, suffix
    health = get("health").json()
    assert {one["name"] for one in health["cameras"]} == {"yard"}
    assert health["sinks"] == {}
    assert [one["used_by"] for one in get("models").json()["models"]] == [["yard"]]
    assert get("learning").json()["learnings"] == []
    context.store.put_score("vault", now_us() - 60_000_000, 0.5)
    context.store.put_score("yard", now_us() - 60_000_000, 0.5)
    context.store.flush()
    assert list(get("scores").json()["cameras"]) == ["yard"]
    assert client.get("/metrics", headers=anna).status_code == 403
    rows = [one.row for one in context.store.reader.events()]
    given = {"reviews": [{"row": row, "verdict": "normal"} for row in rows]}
    assert client.post("/api/v1/looks", json={"rows": rows}, headers=anna).status_code == 204
    context.store.flush()
    looked = {one.alert.event.source: one.looked_us for one in context.store.reader.events()}
    assert (looked["vault"], looked["yard"] > 0) == (None, True)
    written = client.put("/api/v1/reviews", json=given, headers=anna).json()["events"]
    assert [one["camera"] for one in written] == ["yard"]
    assert context.store.reader.events(camera="vault")[0].review is None


def test_a_session_sees_what_its_own_account_sees_and_no_other(two):
    client, context, _ = two
    bob = context.tokens.add("bob", "viewer", cameras=["vault"])
    client.post("/api/v1/login", json={"token": bob})
    assert [one["name"] for one in client.get("/api/v1/cameras").json()["cameras"]] == ["vault"]
    # The cookie goes before a header: what a browser sends is who signed in.
    context.tokens.change("bob", "viewer", cameras=["yard"])
    assert [one["name"] for one in client.get("/api/v1/cameras").json()["cameras"]] == ["yard"]
    assert client.get("/api/v1/cameras/vault").status_code == 404
