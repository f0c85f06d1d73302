"""Links in alerts: what they lead to, that they end, and that nobody else can make one."""

import base64
import stat
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from oddframe.errors import OutputError, SettingsError
from oddframe.sinks.links import (
    SECRET_FILE,
    VALID_S,
    Links,
    check_public_url,
    event_key,
    read_secret,
)
from tests.support.alerting import made_alert

SECRET = bytes(range(32))
NOW_S = 1_790_000_000.0
ALERT = replace(made_alert(3), snapshot="events/a.jpg", clip="events/a.mp4")


def links(now_s=NOW_S, secret=SECRET, public_url="https://cameras.example.org/odd/"):
    return Links(secret, public_url, lambda: now_s)


def parts(url):
    """Key, file, end and signature of a link."""
    found = urlsplit(url)
    _, _, _, key, file = found.path.split("/")
    query = parse_qs(found.query)
    return key, file, int(query["until"][0]), query["signature"][0]


def test_an_alert_has_a_link_to_its_event_and_to_each_file_that_it_has():
    made = links().of(ALERT)
    assert made["link"] == f"https://cameras.example.org/odd/#/events/{event_key(ALERT)}"
    assert made["snapshot_url"].startswith("https://cameras.example.org/odd/shared/")
    assert parts(made["clip_url"])[:2] == (event_key(ALERT), "clip.mp4")
    assert links().of(made_alert(3))["clip_url"] is None
    assert set(links(public_url=None).of(ALERT).values()) == {None}


def test_all_phases_of_an_event_have_the_same_key():
    assert event_key(made_alert(3, "start")) == event_key(made_alert(3, "end"))
    assert event_key(made_alert(3)) != event_key(made_alert(4))


def test_a_link_is_valid_until_it_ends():
    given = parts(links().of(ALERT)["snapshot_url"])
    assert links().check(*given) == "valid"
    assert links(NOW_S + VALID_S - 1).check(*given) == "valid"
    assert links(NOW_S + VALID_S).check(*given) == "expired"


@pytest.mark.parametrize(
    "change",
    [
        lambda key, file, until, sign: (key[:-1] + "7", file, until, sign),
        lambda key, file, until, sign: (key, "clip.mp4", until, sign),
        lambda key, file, until, sign: (key, file, until + 1, sign),
        lambda key, file, until, sign: (key, file, until, sign[:-2]),
        lambda key, file, until, sign: (key, file, until, ""),
        lambda key, file, until, sign: (key, file, until, "ü" + sign[1:]),
        lambda key, file, until, sign: (key, file, until, sign.swapcase()),
    ],
)
def test_a_link_that_was_changed_is_forged_even_after_its_end(change):
    given = change(*parts(links().of(ALERT)["snapshot_url"]))
    assert links().check(*given) == "forged"
    assert links(NOW_S + 10 * VALID_S).check(*given) == "forged"


def test_a_link_of_another_server_is_forged():
    given = parts(links(secret=bytes(32)).of(ALERT)["snapshot_url"])
    assert links().check(*given) == "forged"


def test_a_signature_holds_256_bits():
    signature = parts(links().of(ALERT)["snapshot_url"])[3]
    assert len(base64.urlsafe_b64decode(signature + "=")) == 32


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path):
    secret = read_secret(tmp_path)
    assert len(secret) == 32
    assert read_secret(tmp_path) == secret
    assert stat.S_IMODE((tmp_path / SECRET_FILE).stat().st_mode) == 0o600
    (tmp_path / SECRET_FILE).write_text("half of it")
    assert read_secret(tmp_path) not in (secret, b"")


def test_a_secret_that_cannot_be_read_is_an_error_with_what_to_do(tmp_path):
    (tmp_path / SECRET_FILE).mkdir()
    with pytest.raises(OutputError, match="delete it to make a new one"):
        read_secret(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "cameras.example.org",
        "ftp://h",
        "https://",
        "https://bob:pw@h",
        "https://h/?a",
        "http://h:0",
    ],
)
def test_an_address_with_which_no_link_can_begin_is_refused(url):
    with pytest.raises(SettingsError, match="public_url must be the address") as refused:
        check_public_url(url)
    assert "bob" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://10.0.0.2:8750", "https://h/odd/", "http://[::1]:1/"])
def test_an_address_may_have_a_port_and_a_path(url):
    check_public_url(url)
