"""People are told through apprise: text, picture, several addresses, failures, and no secret."""

import json
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from oddframe.errors import DeliveryError, SettingsError
from oddframe.media.convert import encode_jpeg
from oddframe.sinks.sink import message_of, trial_message
from tests.support.alerting import hook, made_alert

pytest.importorskip("apprise")

from oddframe.sinks.chat import Chat, ChatConfig


def chat(folder, *urls, **settings):
    return Chat(ChatConfig(urls=urls, **settings), folder)


def sent(server):
    return [json.loads(body) for _, _, body in server.requests]


def test_people_get_what_happened_where_and_the_link(tmp_path):
    message = {**message_of(made_alert()), "link": "https://cameras.example.org/#/events/1"}
    with hook() as server:
        chat(tmp_path, f"json://127.0.0.1:{server.port}/").deliver(message)
    (got,) = sent(server)
    assert got["title"] == "Oddframe: yard"
    assert got["message"].splitlines() == [
        "Moves wrong at yard.",
        message["when"],
        "https://cameras.example.org/#/events/1",
    ]


def test_the_words_can_be_ones_own_and_phases_can_be_chosen(tmp_path):
    with hook() as server:
        address = f"json://127.0.0.1:{server.port}/"
        sink = chat(tmp_path, address, title="$kind", template="$$ $score", phases=["end"])
        for phase in ("start", "update", "end"):
            sink.deliver(message_of(made_alert(0, phase)))
        sink.deliver(trial_message())
    assert [(got["title"], got["message"]) for got in sent(server)] == [
        ("anomaly", "$ 0.75"),
        ("anomaly", "$ 0.5"),
    ]


def test_the_picture_goes_along(tmp_path):
    picture = encode_jpeg(np.zeros((8, 8, 3), np.uint8), 80)
    (tmp_path / "peak.jpg").write_bytes(picture)
    alert = replace(made_alert(), snapshot="peak.jpg")
    with hook() as server:
        chat(tmp_path, f"json://127.0.0.1:{server.port}/").deliver(message_of(alert))
        chat(tmp_path, f"json://127.0.0.1:{server.port}/", picture=False).deliver(message_of(alert))
    with_picture, without = sent(server)
    assert with_picture["attachments"][0]["filename"] == "peak.jpg"
    assert without["attachments"] == []


def test_of_several_addresses_only_the_one_that_failed_is_tried_again(tmp_path):
    with hook() as good, hook() as bad:
        bad.answer = lambda count: 500 if count == 1 else 200
        addresses = [f"json://127.0.0.1:{server.port}/s3cretkey" for server in (good, bad)]
        sink = chat(tmp_path, *addresses)
        message = message_of(made_alert())
        with pytest.raises(DeliveryError, match=r"json://... answered 500") as failed:
            sink.deliver(message)
        sink.deliver(message)
        assert (len(good.requests), len(bad.requests)) == (1, 2)
    assert "s3cretkey" not in str(failed.value)


def test_nothing_is_written_to_standard_error(tmp_path, capfd):
    with pytest.raises(DeliveryError, match="could not be reached or refused it"):
        chat(tmp_path, "json://127.0.0.1:9/s3cretkey").deliver(message_of(made_alert()))
    assert "s3cret" not in "".join(capfd.readouterr())


class _Smtp(socketserver.StreamRequestHandler):
    """As much of a mail server as a sender needs; what it is sent goes into `server.mails`."""

    def handle(self):
        self.say("220 test")
        for line in self.rfile:
            verb = line[:4].upper().strip()
            if verb == b"DATA":
                self.say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(lines).decode())
                self.say("250 taken")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def say(self, line):
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_server():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as server:
        server.mails = []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_mail_has_the_link_and_the_picture(tmp_path):
    (tmp_path / "peak.jpg").write_bytes(encode_jpeg(np.zeros((8, 8, 3), np.uint8), 80))
    alert = replace(made_alert(), snapshot="peak.jpg")
    message = {**message_of(alert), "link": "https://cameras.example.org/#/events/1"}
    with mail_server() as server:
        port = server.server_address[1]
        address = f"mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org&mode=insecure"
        chat(tmp_path, f"{address}&format=text").deliver(message)
    (mail,) = server.mails
    assert "Subject: Oddframe: yard" in mail
    assert "peak.jpg" in mail
    assert "To: b@example.org" in mail


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"urls": []}, "hold at least one"),
        ({"urls": ["no address"]}, "must be a list of addresses"),
        ({"urls": ["json://h"], "template": "$nothing"}, r"got \$nothing"),
        ({"urls": ["json://h"], "title": "a $ b"}, r"write \$\$"),
    ],
)
def test_settings_that_cannot_work_are_refused(values, sentence):
    with pytest.raises(SettingsError, match=sentence):
        ChatConfig(**values)


def test_an_address_that_apprise_does_not_know_is_refused_without_its_secret(tmp_path):
    with pytest.raises(SettingsError, match=r"address 2 .* nothing://\.\.\.") as refused:
        chat(tmp_path, "json://127.0.0.1/", "nothing://s3cretkey/")
    assert "s3cretkey" not in str(refused.value)


def test_every_part_of_an_address_that_may_be_a_key_is_a_secret():
    config = ChatConfig(urls=["tgram://123456789:AbCdEfGhIj/12345/", "mailto://bob:p%40ss@h.org"])
    secrets = set(config.secrets)
    assert {"AbCdEfGhIj", "123456789", "p%40ss", "p@ss"} <= secrets
    assert repr(config).count("AbCd") == 0
