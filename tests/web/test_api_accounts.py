"""Accounts in the browser: made, changed and ended as on the command line, by admins alone."""

import json

import pytest

from oddframe.web.api_accounts import change_text
from oddframe.web.auth import COOKIE
from oddframe.web.people import TOKENS_FILE, NamedTokens
from tests.support.tokens import HASH, TOKEN

ADMIN = {"authorization": f"Bearer {TOKEN}"}


def bearer(token):
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def house(served):
    """The app with a token of its own."""
    with served(HASH) as (client, _):
        yield client


def made(client, **given):
    answer = client.post("/api/v1/accounts", json=given, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_an_account_is_made_changed_renewed_and_ended_and_each_holds_at_once(house, data):
    answer = made(house, name="anna@example.org", role="viewer", cameras=["yard"], days=30)
    token, account = answer["token"], answer["account"]
    assert (account["cameras"], account["ended"]) == (["yard"], False)
    assert token not in (data / TOKENS_FILE).read_text()
    house.post("/api/v1/login", json={"token": token})
    session = {"cookie": f"{COOKIE}={house.cookies[COOKIE]}"}
    # From here on the cookie is sent where it is meant to be: it goes before a header.
    house.cookies.clear()
    info = house.get("/api/v1/info", headers=session).json()
    assert (info["name"], info["role"], info["cameras"]) == ("anna@example.org", "viewer", ["yard"])

    path = "/api/v1/accounts/anna@example.org"
    changed = house.put(path, json={"role": "operator"}, headers=ADMIN).json()
    assert (changed["cameras"], changed["until_us"]) == (["yard"], account["until_us"])
    assert house.get("/api/v1/info", headers=session).json()["role"] == "operator"
    everything = house.put(path, json={"cameras": None}, headers=ADMIN).json()
    assert everything["cameras"] is None

    renewed = house.post(f"{path}/token", headers=ADMIN).json()["token"]
    assert house.get("/api/v1/info", headers=session).json()["signed_in"] is False
    assert house.get("/api/v1/cameras", headers=bearer(token)).status_code == 401
    assert house.get("/api/v1/cameras", headers=bearer(renewed)).status_code == 200
    assert house.delete(path, headers=ADMIN).status_code == 204
    assert house.get("/api/v1/cameras", headers=bearer(renewed)).status_code == 401
    assert house.delete(path, headers=ADMIN).status_code == 404


def test_the_browser_and_the_command_line_change_the_same_accounts(house, data, oddframe_command):
    made(house, name="anna", role="operator", cameras=["yard", "door"])
    listed = oddframe_command("serve", "--data", data, "--list-tokens").out
    assert listed == "anna  operator  never ends  sees door, yard\n"
    given = ("--make-token", "--name", "tv", "--camera", "hall")
    token = oddframe_command("serve", "--data", data, *given).out.strip()
    names = [one["name"] for one in house.get("/api/v1/accounts", headers=ADMIN).json()["accounts"]]
    assert names == ["anna", "tv"]
    assert house.get("/api/v1/info", headers=bearer(token)).json()["cameras"] == ["hall"]


def test_an_account_that_cannot_be_is_refused(house):
    made(house, name="taken")
    for given, status in (
        ({"name": "Anna"}, 422),
        ({"name": "a", "role": "king"}, 422),
        ({"name": "a", "cameras": []}, 422),
        ({"name": "a", "days": 0}, 422),
        ({"name": "a", "role": "admin", "cameras": ["yard"]}, 422),
        ({"name": "taken"}, 409),
    ):
        answer = house.post("/api/v1/accounts", json=given, headers=ADMIN)
        assert (answer.status_code, isinstance(answer.json()["detail"], str)) == (status, True)


def test_nobody_but_an_admin_sees_or_changes_accounts_receivers_and_the_log(house):
    token = made(house, name="somebody", role="operator")["token"]
    for method, path in (
        ("GET", "accounts"),
        ("POST", "accounts"),
        ("PUT", "accounts/somebody"),
        ("POST", "accounts/somebody/token"),
        ("DELETE", "accounts/somebody"),
        ("GET", "changes"),
        ("GET", "sinks"),
        ("PUT", "sinks/phone"),
    ):
        body = {"role": "admin"} if method in ("PUT", "POST") else None
        answer = house.request(method, f"/api/v1/{path}", json=body, headers=bearer(token))
        assert answer.status_code == 403, path
        assert house.request(method, f"/api/v1/{path}", json=body).status_code == 401, path


def test_the_last_who_may_change_anything_stays(served, data):
    with served() as (client, _):
        refused = client.post("/api/v1/accounts", json={"name": "anna", "role": "viewer"})
        assert refused.status_code == 409
        assert "must be an account with the role admin" in refused.json()["detail"]
        token = client.post("/api/v1/accounts", json={"name": "anna", "role": "admin"}).json()
        anna = bearer(token["token"])
        assert client.get("/api/v1/cameras").status_code == 401, "from now on people sign in"
        assert client.delete("/api/v1/accounts/anna", headers=anna).status_code == 409
        body = {"role": "viewer"}
        assert client.put("/api/v1/accounts/anna", json=body, headers=anna).status_code == 409
        NamedTokens(data / TOKENS_FILE).add("bob", "admin")
        assert client.put("/api/v1/accounts/anna", json=body, headers=anna).status_code == 200


def test_the_log_says_who_changed_what_the_newest_first(house, data):
    token = made(house, name="anna", role="operator")["token"]
    house.put("/api/v1/reviews", json={"reviews": [{"row": 1}]}, headers=bearer(token))
    house.delete("/api/v1/cameras/yard", headers=bearer(token))
    changes = house.get("/api/v1/changes?limit=2", headers=ADMIN).json()["changes"]
    assert [(one["by"], one["text"], one["status"]) for one in changes] == [
        ("anna", "removed camera yard", 403),
        ("anna", "changed verdicts", 200),
    ]
    with (data / "audit.jsonl").open("a") as file:
        file.write('{"half\n[]\n' + json.dumps({"by": "old"}) + "\n")
    found = house.get("/api/v1/changes?limit=2", headers=ADMIN).json()["changes"]
    assert [one["by"] for one in found] == ["old", "anna"]


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("POST", "/api/v1/cameras", "made camera"),
        ("PUT", "/api/v1/cameras/north door", "changed camera north door"),
        ("POST", "/api/v1/cameras/yard/recalibration/apply", "camera yard: recalibration, apply"),
        ("DELETE", "/api/v1/sinks/phone", "removed receiver phone"),
        ("PUT", "/api/v1/unheard", "changed unheard"),
        ("POST", "/api/v1/login", "signed in"),
    ],
)
def test_a_change_is_said_in_words(method, path, text):
    assert change_text(method, path) == text
