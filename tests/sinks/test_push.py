"""Browsers are told of alerts: encrypted for each, signed, and of its account's cameras alone."""

import json
import stat

import pytest

pytest.importorskip("cryptography")

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec

from oddframe.errors import DeliveryError, InputError, OutputError
from oddframe.sinks.push import (
    KEY_FILE,
    SUBSCRIPTIONS_FILE,
    Push,
    Subscription,
    Subscriptions,
    check_endpoint,
    encrypt,
)
from oddframe.sinks.sink import message_of, trial_message
from tests.support.alerting import made_alert
from tests.support.push_service import Browser, claims_of, decrypt, pack, push_service, unpack

EVERYBODY = {"": None, "anna": {"yard"}, "bob": {"door"}}


@pytest.fixture
def service():
    """A push service of our own, which notes what it is sent."""
    with push_service() as running:
        yield running


@pytest.fixture
def push(tmp_path, clock):
    """What tells browsers; the account "gone" does not exist any more."""
    clock.now_s = 1_790_000_000.0
    return Push(tmp_path, EVERYBODY.__getitem__, clock)


def subscribed(push, service, name, by=""):
    browser = Browser(service, name)
    keys = browser.keys
    push.subscriptions.add(Subscription(browser.endpoint, keys["p256dh"], keys["auth"], by))
    return browser


def test_the_example_of_the_standard_is_encrypted_to_its_very_bytes():
    """RFC 8291, appendix A."""
    number = int.from_bytes(unpack("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        unpack(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        ),
        unpack("BTBZMqHH6r4Tts7J_aSIgg"),
        key=ec.derive_private_key(number, ec.SECP256R1()),
        salt=unpack("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert pack(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmY"
        "WAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexS"
        "gSxsj_Qulcy4a-fN"
    )


def test_what_was_encrypted_for_one_browser_is_nothing_for_another(service):
    one, other = Browser(service), Browser(service)
    body = encrypt(b"secret", unpack(one.keys["p256dh"]), one.secret)
    assert decrypt(body, one.key, one.secret) == b"secret"
    assert b"secret" not in body
    with pytest.raises(InvalidTag):
        decrypt(body, other.key, other.secret)


def test_a_browser_is_told_in_words_that_only_it_can_read_by_a_sender_that_can_be_checked(
    push, service
):
    browser = subscribed(push, service, "one")
    message = {**message_of(made_alert()), "link": "https://cameras.example.org/#/events/1-2"}
    push.deliver(message)
    (told,) = browser.told()
    assert (told["title"], told["text"]) == ("yard", "Moves wrong at yard.")
    assert told["hash"] == "#/events/1-2"
    ((_, headers, body),) = service.requests
    assert b"yard" not in body
    assert (headers["Content-Encoding"], headers["TTL"]) == ("aes128gcm", "43200")
    claims = claims_of(headers)
    assert claims["aud"] == f"http://127.0.0.1:{service.port}"
    assert claims["exp"] == 1_790_000_000 + 12 * 3600
    assert claims["sub"].startswith(("mailto:", "https:"))
    assert push.public_key in headers["Authorization"]


def test_an_account_is_told_of_its_cameras_and_one_that_is_gone_of_nothing(push, service):
    own, anna, bob, gone = (
        subscribed(push, service, f"b-{name}", name) for name in ("", "anna", "bob", "gone")
    )
    push.deliver(message_of(made_alert(1)))
    push.deliver({**message_of(made_alert(2)), "phase": "digest", "text": "9 more, 4 at vault."})
    push.deliver(trial_message())
    assert [len(one.told()) for one in (own, anna, bob, gone)] == [3, 3, 1, 0]
    assert anna.told()[1]["text"] == "More events at yard."
    assert own.told()[1]["text"] == "9 more, 4 at vault."
    assert len(push.subscriptions.all()) == 3


def test_only_the_start_of_an_event_is_told_and_its_description_takes_its_place(push, service):
    browser = subscribed(push, service, "one")
    for phase in ("start", "update", "end"):
        push.deliver(message_of(made_alert(1, phase)))
    described = {**message_of(made_alert(1)), "phase": "description", "key": "d", "text": "A cart."}
    push.deliver(described)
    start, sentence = browser.told()
    assert (sentence["text"], sentence["tag"]) == ("A cart.", start["tag"])


def test_one_that_fails_is_told_again_and_the_others_are_not(push, service):
    first, second = subscribed(push, service, "one"), subscribed(push, service, "two")
    service.answer = lambda count: 503 if count == 1 else 201
    message = message_of(made_alert())
    with pytest.raises(DeliveryError, match=r"the push service at 127.0.0.1 answered 503; the ale"):
        push.deliver(message)
    push.deliver(message)
    assert [len(one.told()) for one in (first, second)] == [2, 1]


@pytest.mark.parametrize(("status", "left"), [(404, 0), (410, 0), (400, 1), (403, 1)])
def test_a_browser_that_has_gone_is_forgotten(push, service, status, left):
    subscribed(push, service, "one")
    service.answer = lambda _count: status
    push.deliver(message_of(made_alert()))
    assert len(push.subscriptions.all()) == left


def test_keys_and_addresses_are_kept_for_the_owner_alone(push, service, tmp_path):
    subscribed(push, service, "one")
    for name in (KEY_FILE, SUBSCRIPTIONS_FILE):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert Push(tmp_path, EVERYBODY.__getitem__).public_key == push.public_key
    (tmp_path / KEY_FILE).write_text("no key")
    with pytest.raises(OutputError, match="must hold the key of the server"):
        Push(tmp_path, EVERYBODY.__getitem__)


def test_a_damaged_list_of_browsers_loses_no_alert(tmp_path, push, service):
    browser = subscribed(push, service, "one")
    path = tmp_path / SUBSCRIPTIONS_FILE
    values = json.loads(path.read_text())
    path.write_text(json.dumps([{"endpoint": 1}, "x", {**values[0], "auth": "!"}, *values]))
    push.deliver(message_of(made_alert()))
    assert len(browser.told()) == 1
    path.write_text("{")
    assert Subscriptions(path).all() == []


def test_a_browser_subscribes_once_and_only_its_account_ends_that(push, service):
    browser = subscribed(push, service, "one", "anna")
    subscribed(push, service, "one", "anna")
    assert len(push.subscriptions.all()) == 1
    assert not push.subscriptions.remove(browser.endpoint, "bob")
    assert push.subscriptions.remove(browser.endpoint, "anna")
    assert push.subscriptions.all() == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example.com/a",
        "https://127.0.0.1/a",
        "https://10.0.0.2/a",
        "https://[::1]/a",
        "https://localhost/a",
        "https://box.lan/a",
        "https://push.example.com:8443/a",
        "https://me:pw@push.example.com/a",
        "https://push.example.com/a b\n",
        "https://[x/a",
        "ftp://push.example.com/a",
        "",
    ],
)
def test_an_address_that_leads_elsewhere_is_refused(endpoint):
    with pytest.raises(InputError, match="endpoint must be"):
        check_endpoint(endpoint)


def test_an_address_of_a_push_service_is_taken():
    check_endpoint("https://updates.push.services.mozilla.com/wpush/v2/gAAA")


@pytest.mark.parametrize("keys", [("x", "y"), ("BAAA", "AAAA"), ("ü", "AAAAAAAAAAAAAAAAAAAAAA")])
def test_keys_that_are_none_are_refused(keys):
    with pytest.raises(InputError):
        Subscription("https://push.example.com/a", *keys, "")
