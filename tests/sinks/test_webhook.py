"""Webhooks against a server that misbehaves, and the templates of their bodies."""

import base64
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError, DeliveryRefusedError, SettingsError
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.sink import Retry, message_of
from oddframe.sinks.webhook import Body, Webhook, WebhookConfig
from tests.support.alerting import hook, made_alert, until

ROOT = Path(__file__).parents[2]

FAST = Retry(first_s=0.01, most_s=0.05)


def sink(url, **settings):
    return Webhook(WebhookConfig(url=url, **{"retry": FAST, "timeout_s": 60.0, **settings}))


def deliver(url, number=0, **settings):
    sink(url, **settings).deliver(message_of(made_alert(number)))


@pytest.fixture
def server():
    with hook() as opened:
        yield opened


def test_the_message_is_posted_as_json_with_a_key(server):
    deliver(server.url + "?a=1", headers={"X-Token": "t"})
    ((path, headers, body),) = server.requests
    assert path == "/hook?a=1"
    assert json.loads(body) == message_of(made_alert())
    assert headers["Idempotency-Key"] == made_alert().key
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Token"] == "t"
    assert headers["User-Agent"].startswith("oddframe/")


def test_a_password_in_the_address_becomes_basic_authentication(server):
    deliver(server.url.replace("http://", "http://me:p%40ss@"))
    assert (
        server.requests[0][1]["Authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    )


def test_headers_of_ones_own_come_before_ours(server):
    deliver(server.url, headers={"user-agent": "me"})
    assert server.requests[0][1]["user-agent"] == "me"
    assert "User-Agent" not in server.requests[0][1]


def test_phases_that_are_not_wanted_are_not_sent(server):
    quiet = sink(server.url, phases=("end",))
    for phase in ("start", "update", "end"):
        quiet.deliver(message_of(made_alert(phase=phase)))
    quiet.report(CameraStatus(camera="yard", at_us=0, online=True, state="live"))
    quiet.close()
    assert [json.loads(body)["phase"] for body in server.taken] == ["end"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_refusal_is_for_good(server, status):
    server.answer = lambda _count: status
    with pytest.raises(DeliveryRefusedError, match=f"it answered {status}"):
        deliver(server.url)


@pytest.mark.parametrize("status", [302, 308, 408, 429, 500, 502, 503])
def test_other_answers_mean_to_try_again(server, status):
    server.answer = lambda _count: status
    with pytest.raises(DeliveryError, match=f"answered {status}") as caught:
        deliver(server.url)
    assert caught.value.wait_s is None
    assert len(server.requests) == 1


def test_the_receiver_may_ask_for_time(server):
    server.answer = lambda _count: 429
    server.headers = {"Retry-After": "7"}
    with pytest.raises(DeliveryError) as caught:
        deliver(server.url)
    assert caught.value.wait_s == 7.0
    server.headers = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    with pytest.raises(DeliveryError) as caught:
        deliver(server.url)
    assert caught.value.wait_s is None


def test_a_receiver_that_hangs_up_or_is_not_there_is_tried_again(server):
    server.answer = lambda _count: 0
    with pytest.raises(DeliveryError, match="gave no answer"):
        deliver(server.url)
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))  # and never listens: nobody else can take this port either
        with pytest.raises(DeliveryError, match=r"gave no answer \(Connection refused\)"):
            deliver(f"http://127.0.0.1:{gone.getsockname()[1]}/")
    with pytest.raises(DeliveryError, match="gave no answer"):
        deliver("http://no-such-host.invalid/")


@pytest.mark.parametrize("trickle", [False, True])
def test_a_receiver_that_hangs_is_cut_off(trickle):
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_forever():
            with server.accept()[0] as connection:
                while not stop.wait(0.02):
                    if trickle:
                        try:
                            connection.send(b"H")
                        except OSError:
                            return

        thread = threading.Thread(target=answer_forever)
        thread.start()
        # The server goes on for ever: that this ends at all is the limit on the whole exchange.
        with pytest.raises(DeliveryError, match=r"gave no answer \(no answer within 0\.3 s\)"):
            deliver(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_s=0.3)
        stop.set()
        thread.join()


def test_no_error_and_no_repr_holds_a_secret():
    secrets = ("hunter2", "t0ken", "k3y", "p4th")
    config = WebhookConfig(
        url="http://me:hunter2@127.0.0.1:9/p4th?key=k3y",
        headers={"Authorization": "Bearer t0ken"},
        timeout_s=30,
    )
    with pytest.raises(DeliveryError) as caught:
        Webhook(config).deliver(message_of(made_alert()))
    shown = f"{config!r} {config} {caught.value} {caught.value!r} {caught.value.__cause__}"
    assert not [secret for secret in secrets if secret in shown]
    for bad in ({"url": "ftp://me:hunter2@host/"}, {"url": "http://me:hunter2@host:x/"}):
        with pytest.raises(SettingsError) as refused:
            WebhookConfig(**bad)
        assert "hunter2" not in str(refused.value)
    with pytest.raises(SettingsError) as refused:
        WebhookConfig(url="http://host/", headers={"X-Key": "t0ken\r\nX-Evil: 1"})
    assert "t0ken" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "host/hook"}, "must be http:// or https://"),
        ({"url": "http:///hook"}, "must be http:// or https:// with a host"),
        ({"url": "http://host/a b"}, "must have no blanks"),
        ({"url": "http://hööst/"}, "plain ASCII"),
        ({"headers": {"X Y": "1"}}, "a name of letters, digits and -, got 'X Y'"),
        (
            {"phases": ("begin",)},
            r"phases\[0\] must be 'start', 'update', 'end' or 'description', got",
        ),
        ({"timeout_s": 0}, "timeout_s must be above 0, got 0"),
        ({"template": "$nothing"}, r"must use names of key, .*, got \$nothing"),
        ({"template": "5 $"}, r"write \$\$ for the sign itself"),
        ({"template": '{"text": $source}'}, "must make JSON or have another content_type"),
        ({"content_type": "text/plain"}, "without a template must send application/json"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        WebhookConfig(**{"url": "http://host/", **settings})


def test_an_outage_loses_nothing_and_keeps_the_order(server, tmp_path):
    """No server, then one that hangs up, answers 500 and 200 as it likes."""
    port = server.port
    server.close()
    with Delivery({"hook": sink(server.url)}, tmp_path) as delivery:
        for number in range(8):
            delivery.offer(made_alert(number, "start"))
            delivery.offer(made_alert(number, "end"))
        until(lambda: delivery.counts()["hook"].failures >= 2)
        draw = random.Random(0)
        with hook(port) as again:
            again.answer = lambda count: draw.choice([0, 500, 429, 200])
            assert delivery.flush(120)
            taken = [json.loads(body)["key"] for body in again.taken]
        assert delivery.counts()["hook"].delivered == 16
    assert taken == [
        made_alert(number, phase).key for number in range(8) for phase in ("start", "end")
    ]


SENDER = """
import sys
from pathlib import Path
from tests.support.alerting import made_alert
from oddframe.sinks.sink import Retry
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.webhook import Webhook, WebhookConfig
sink = Webhook(WebhookConfig(url=sys.argv[2], retry=Retry(first_s=0.01, most_s=0.02)))
delivery = Delivery({"hook": sink}, Path(sys.argv[1]))
numbers = range(int(sys.argv[3]), int(sys.argv[4]))
for number in numbers:
    delivery.offer(made_alert(number))
# Nothing is delivered before this is printed: the server answers 500.
while not (Path(sys.argv[1]) / "hook" / f"{numbers[-1]:012d}.json").exists():
    pass
print("on disk", flush=True)
delivery.flush(120)
print("delivered", flush=True)
"""


def test_a_kill_in_the_middle_loses_nothing(server, tmp_path):
    """Killed while the server answers 500, and again while it takes one after the other."""

    def send(first, last):
        command = [
            sys.executable,
            "-c",
            SENDER,
            tmp_path,
            server.url,
            str(first),
            str(last),
        ]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    server.answer = lambda _count: 500
    sender = send(0, 12)
    assert sender.stdout is not None
    assert sender.stdout.readline() == "on disk\n"
    until(lambda: len(server.requests) > 2)
    os.kill(sender.pid, signal.SIGKILL)
    sender.communicate()
    assert server.taken == []

    def five(count):
        if len(server.taken) == 5:
            os.kill(sender.pid, signal.SIGKILL)
        return 200

    server.answer = lambda _count: 500
    sender = send(12, 16)
    assert sender.stdout is not None
    assert sender.stdout.readline() == "on disk\n"
    server.answer = five
    sender.communicate()
    assert sender.returncode == -signal.SIGKILL
    server.answer = lambda _count: 200
    with Delivery({"hook": sink(server.url)}, tmp_path) as delivery:
        assert delivery.flush(120)
    numbers = [int(json.loads(body)["id"], 16) for body in server.taken]
    assert sorted(set(numbers)) == list(range(16)), "every one came"
    assert [n for i, n in enumerate(numbers) if n not in numbers[:i]] == list(range(16)), "in order"
    assert len(numbers) <= 18, "and few of them twice"


@given(st.text(), st.sampled_from(["start", "end"]))
def test_a_template_makes_json_whatever_the_camera_is_called(name, phase):
    template = (
        '{"text": "$source: ${reason} until $end", "box": $box, "price": "5 $$", "score": $score}'
    )
    message = message_of(made_alert(phase=phase, source=name))
    made = json.loads(Body(template, "application/json; charset=utf-8").of(message))
    end = message["end"] or ""
    assert made == {
        "text": f"{name}: moves wrong until {end}",
        "box": [0.25, 0.5, 0.75, 1.0],
        "price": "5 $",
        "score": 0.75,
    }


def test_what_is_not_known_is_null_or_nothing():
    message = message_of(made_alert(box=None))
    assert (
        Body('{"box": $box, "clip": "$clip"}', "application/json").of(message)
        == b'{"box": null, "clip": ""}'
    )
    assert Body("box $box, clip $clip", "text/plain").of(message) == b"box , clip "


def test_plain_text_is_not_escaped():
    assert (
        Body('say "$source"', "text/plain").of(message_of(made_alert(source='a "b"')))
        == b'say "a "b""'
    )


@pytest.mark.parametrize("template", ["${source.__class__}", "{source}", "{{ source }}"])
def test_templates_run_no_code(template):
    try:
        body = Body(template, "text/plain").of(message_of(made_alert()))
    except ValueError:
        return
    assert body == template.encode()
