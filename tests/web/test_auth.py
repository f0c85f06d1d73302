"""Tokens, sessions, and the limit on attempts."""

import pytest

from oddframe.errors import SettingsError
from oddframe.web.auth import (
    ATTEMPTS,
    Access,
    TooManyAttempts,
    hash_token,
    make_token,
    read_hash,
    write_hash,
)
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
