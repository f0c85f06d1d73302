"""Tokens, sessions, and the limit on attempts."""

import pytest

from oddframe.errors import SettingsError
from oddframe.web.auth import (
    ATTEMPTS,
    Access,
    TooManyAttempts,
    TrustedProxy,
    hash_token,
    make_token,
    read_hash,
    write_hash,
)
from oddframe.web.people import TOKENS_FILE, NamedTokens
from oddframe.web.server import ServeSettings
from tests.support.tokens import HASH, TOKEN


@pytest.fixture
def access(clock):
    return Access(HASH, clock)


def test_the_right_token_opens_a_session_that_ends(access, clock):
    session = access.sign_in(TOKEN, "a")
    assert access.has_session(session)
    assert not access.has_session(session + "x")
    access.sign_out(session)
    assert not access.has_session(session)
    session = access.sign_in(TOKEN, "a")
    clock.now_s += 8 * 86_400
    assert not access.has_session(session)


@pytest.mark.parametrize(
    "token", ["", TOKEN[:-1], TOKEN + " ", TOKEN.upper(), "x" * 5_000, "\ud800", "ü" * 20]
)
def test_a_wrong_token_opens_nothing(access, token):
    assert access.sign_in(token, "a") is None


def test_attempts_are_limited_by_address_and_longer_each_time(access, clock):
    for _ in range(ATTEMPTS):
        assert not access.check("wrong", "a")
    with pytest.raises(TooManyAttempts) as first:
        access.check(TOKEN, "a")
    assert 0 < first.value.wait_s <= 60
    assert access.check(TOKEN, "b")
    clock.now_s += 61
    for _ in range(ATTEMPTS):
        access.check("wrong", "a")
    with pytest.raises(TooManyAttempts) as second:
        access.check(TOKEN, "a")
    assert second.value.wait_s > 100
    clock.now_s += 121
    assert access.check(TOKEN, "a")


def test_slow_guesses_are_not_counted_for_ever(access, clock):
    for _ in range(3 * ATTEMPTS):
        assert not access.check("wrong", "a")
        clock.now_s += 30
    assert access.check(TOKEN, "a")


def test_without_a_token_everybody_may_come_in():
    assert not Access(None).required
    assert Access(None).check("", "a")


def test_only_the_hash_is_kept(tmp_path):
    token = make_token()
    write_hash(tmp_path / "h", hash_token(token))
    assert token not in (tmp_path / "h").read_text()
    assert (tmp_path / "h").stat().st_mode & 0o077 == 0
    assert Access(read_hash(tmp_path / "h")).check(token, "a")
    assert read_hash(tmp_path / "none") is None


def test_a_broken_hash_is_an_error_not_an_open_door(tmp_path):
    (tmp_path / "h").write_text("")
    with pytest.raises(SettingsError, match="--make-token"):
        read_hash(tmp_path / "h")


def test_a_token_that_could_be_guessed_is_refused_and_not_repeated():
    with pytest.raises(SettingsError, match="got 7") as error:
        hash_token("geheim1")
    assert "geheim1" not in str(error.value)


def test_the_api_wants_the_token(served):
    with served(HASH) as (client, _):
        for path in (
            "cameras",
            "events",
            "health",
            "models",
            "stream",
            "openapi.json",
            "events/1/clip.mp4",
        ):
            answer = client.get(f"/api/v1/{path}")
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
        assert client.get("/metrics").status_code == 401
        assert client.get("/").status_code == 200
        info = client.get("/api/v1/info").json()
        assert (info["auth_required"], info["signed_in"], info["data_dir"], info["version"]) == (
            True,
            False,
            None,
            "",
        )
        assert client.post("/api/v1/login", json={"token": "wrong"}).status_code == 401
        answer = client.post("/api/v1/login", json={"token": TOKEN})
        assert answer.status_code == 204
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert client.get("/api/v1/cameras").status_code == 200
        assert client.get("/api/v1/info").json()["signed_in"] is True
        client.post("/api/v1/logout")
        assert client.get("/api/v1/cameras").status_code == 401
        client.cookies.clear()
        assert (
            client.get("/api/v1/cameras", headers={"authorization": f"Bearer {TOKEN}"}).status_code
            == 200
        )


@pytest.mark.parametrize("way", ["login", "bearer"])
def test_guessing_ends_in_waiting(served, way):
    def guess(client, token):
        if way == "login":
            return client.post("/api/v1/login", json={"token": token})
        return client.get("/api/v1/cameras", headers={"authorization": f"Bearer {token}"})

    with served(HASH) as (client, _):
        for _ in range(ATTEMPTS):
            assert guess(client, "wrong").status_code == 401
        refused = guess(client, TOKEN)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 61


@pytest.fixture
def behind_proxy(served, data):
    """The app behind a proxy at the address that the client has, with an account for Anna."""
    NamedTokens(data / TOKENS_FILE).add("anna@example.org", "operator", cameras=["yard"])
    with served(HASH, trusted_proxy="10.0.0.9", proxy_role="viewer") as (client, _):
        yield client


def who(client, *values, header="x-forwarded-user"):
    return client.get("/api/v1/info", headers=[(header, value) for value in values])


def test_the_trusted_proxy_says_who_somebody_is(behind_proxy):
    info = who(behind_proxy, "Anna@Example.org").json()
    assert (info["name"], info["role"], info["cameras"]) == (
        "anna@example.org",
        "operator",
        ["yard"],
    )
    assert (info["signed_in"], info["auth_required"]) == (True, False)
    stranger = who(behind_proxy, "bob@example.org").json()
    assert (stranger["name"], stranger["role"]) == ("bob@example.org", "viewer")
    headers = {"x-forwarded-user": "bob@example.org"}
    assert behind_proxy.get("/api/v1/cameras", headers=headers).status_code == 200
    assert behind_proxy.post("/api/v1/accounts", headers=headers, json={}).status_code == 403
    # Without the header nobody is signed in, though the request comes from the proxy.
    assert behind_proxy.get("/api/v1/cameras").status_code == 401
    assert behind_proxy.get("/api/v1/cameras", headers={"x-forwarded-user": ""}).status_code == 403


def test_the_header_from_elsewhere_is_refused_whatever_is_asked(served, data):
    NamedTokens(data / TOKENS_FILE).add("anna", "admin")
    with served(trusted_proxy="10.0.0.8") as (client, _):
        for path in ("/", "/api/v1/info", "/api/v1/cameras", "/healthz", "/metrics"):
            answer = client.get(path, headers={"x-forwarded-user": "anna"})
            assert answer.status_code == 403, path
            assert "from the trusted proxy alone" in answer.json()["detail"]


def test_a_header_that_comes_twice_is_refused_and_without_a_role_so_are_strangers(served, data):
    NamedTokens(data / TOKENS_FILE).add("anna", "viewer")
    with served(trusted_proxy="::ffff:10.0.0.9", user_header="Remote-User") as (client, _):
        assert who(client, "anna", header="remote-user").json()["name"] == "anna"
        assert who(client, "anna", "bob", header="remote-user").status_code == 403
        refused = client.get("/api/v1/cameras", headers={"remote-user": "bob"})
        assert (refused.status_code, "has an account" in refused.json()["detail"]) == (403, True)
        # The name of another header means nothing.
        assert who(client, "anna").json()["signed_in"] is False


def test_an_address_of_ipv4_is_known_in_the_form_of_ipv6():
    proxy = TrustedProxy("10.0.0.9", "X-Forwarded-User")
    assert proxy.is_at("::ffff:10.0.0.9")
    assert not proxy.is_at("10.0.0.10")
    assert not proxy.is_at("")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"trusted_proxy": "proxy.example.org"}, "must be the IP address"),
        ({"trusted_proxy": "10.0.0.0/8"}, "must be the IP address"),
        ({"trusted_proxy": "::1", "user_header": "x user"}, "--user-header must be"),
        ({"proxy_role": "viewer"}, "must have --trusted-proxy"),
    ],
)
def test_a_proxy_that_cannot_be_is_refused(tmp_path, values, sentence):
    with pytest.raises(SettingsError, match=sentence):
        ServeSettings(data=tmp_path, **values)
