"""A model of the user's own describes events: what it is sent, and what its absence costs."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from oddframe.errors import SettingsError
from oddframe.media.convert import encode_jpeg
from oddframe.sinks.description import MOST_LETTERS, DescribeConfig, Describer, is_in_own_network
from tests.support.alerting import hook, made_alert, until

SENTENCE = "A cart stands on the path."


def answer(text):
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


@pytest.fixture
def pictured(tmp_path):
    """Makes alerts with a dark picture on disk, which is written once: another thread reads it."""
    (tmp_path / "peak.jpg").write_bytes(encode_jpeg(np.zeros((60, 80, 3), np.uint8), 90))

    def make(number=0, phase="start", **values):
        return replace(made_alert(number, phase, **values), snapshot="peak.jpg")

    return make


def described(server, folder, *alerts, **settings):
    """Has alerts described; returns what came back, and the error."""
    found = []
    url = f"http://127.0.0.1:{server.port}/v1"
    config = DescribeConfig(**{"url": url, "model": "small-vision", **settings})
    describer = Describer(config, folder, lambda alert, text: found.append((alert, text)))
    for alert in alerts:
        describer.put(alert)
    assert describer.flush(120)
    describer.close()
    return found, describer.error


def test_the_picture_with_its_box_and_the_reason_go_there_and_a_sentence_comes_back(
    tmp_path, pictured
):
    with hook() as server:
        server.body = answer(f"  {SENTENCE}\n")
        event = pictured()
        found, error = described(server, tmp_path, event, api_key="s3cret-key")
    assert (found, error) == ([(event, SENTENCE)], "")
    ((path, headers, body),) = server.requests
    asked = json.loads(body)
    assert (path, asked["model"]) == ("/v1/chat/completions", "small-vision")
    assert headers["Authorization"] == "Bearer s3cret-key"
    text, image = asked["messages"][0]["content"]
    assert "for this reason: moves wrong." in text["text"]
    kind, _, data = image["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert pixels.shape == (60, 80, 3)
    # The box of the event begins in the middle of the height, at a quarter of the width.
    assert pixels[30, 20:60].max() > 120
    assert pixels[5].max() < 40


def test_only_anomalies_that_begin_and_have_a_picture_are_described(tmp_path, pictured):
    others = (
        pictured(1, "update"),
        pictured(2, "end"),
        pictured(3, kind="health"),
        replace(pictured(4), snapshot=None),
    )
    with hook() as server:
        server.body = answer(SENTENCE)
        found, _ = described(server, tmp_path, *others)
    assert (found, server.requests) == ([], [])


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (500, b"", "answered 500"),
        (401, b"", "answered 401"),
        (200, b"not JSON", "has no sentence"),
        (200, b'{"choices": []}', "has no sentence"),
        (200, b'{"choices": [{"message": {"content": null}}]}', "has no sentence"),
        (200, answer("  \n "), "has no sentence"),
        (0, b"", "gave no answer"),
    ],
)
def test_a_model_that_fails_costs_the_sentence_only(tmp_path, pictured, status, body, sentence):
    with hook() as server:
        server.body = body
        server.answer = lambda _count: status
        found, error = described(server, tmp_path, pictured(), api_key="s3cret-key")
    assert found == []
    assert sentence in error
    assert "sent again" not in error
    assert "s3cret" not in error


def test_one_that_answers_again_is_asked_again(tmp_path, pictured):
    with hook() as server:
        server.body = answer(SENTENCE)
        server.answer = lambda count: 500 if count == 1 else 200
        found, error = described(server, tmp_path, pictured(0), pictured(1))
    assert ([text for _, text in found], error) == ([SENTENCE], "")


def test_a_model_that_is_slow_delays_nobody_and_gets_the_newest_events(tmp_path, pictured):
    with hook() as server:
        asked = []
        server.answer = lambda count: asked.append(count) or until(lambda: len(asked) > 99) or 200
        config = DescribeConfig(url=server.url, model="slow", timeout_s=600)
        describer = Describer(config, tmp_path, lambda alert, text: None)
        for number in range(60):
            describer.put(pictured(number))
        until(lambda: asked)
        # Of 60 one is with the model, and one may be about to be sent.
        until(lambda: describer.dropped >= 60 - 22)
        asked.extend(range(100))
        describer.close()


def test_a_long_answer_is_cut_and_a_picture_that_is_not_there_is_said(tmp_path, pictured):
    with hook() as server:
        server.body = answer("word " * 200)
        found, _ = described(server, tmp_path, pictured())
        (tmp_path / "peak.jpg").write_bytes(b"no picture")
        event = replace(made_alert(1), snapshot="peak.jpg")
        nothing, error = described(server, tmp_path, event)
    assert len(found[0][1]) <= MOST_LETTERS
    assert found[0][1].endswith("word…")
    assert (nothing, error) == ([], "the event has no picture that could be described")


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("192.168.0.7", True),
        ("::1", True),
        ("fd00::1", True),
        ("localhost", True),
        ("ollama", True),
        ("gpu.lan", True),
        ("box.local", True),
        ("8.8.8.8", False),
        ("api.example.com", False),
        ("local.example.com", False),
        ("2001:4860::1", False),
    ],
)
def test_an_address_outside_the_own_network_is_warned_of(host, is_own):
    assert is_in_own_network(host) is is_own
    shown = f"[{host}]" if ":" in host else host
    notice = DescribeConfig(url=f"https://{shown}/v1", model="m").notice
    assert (notice is None) is is_own
    assert is_own or host in notice


def test_secrets_of_the_address_and_the_key_are_known_and_words_are_not():
    config = DescribeConfig(url="https://me:pass-word@gpu.lan/v1", model="m", api_key="the-key")
    assert {"pass-word", "the-key"} <= set(config.secrets)
    assert "v1" not in config.secrets
    assert "the-key" not in repr(config)


@pytest.mark.parametrize(
    "values",
    [{"url": "ftp://x/v1"}, {"model": ""}, {"timeout_s": 0}, {"prompt": ""}, {"api_key": "a\nb"}],
)
def test_settings_that_cannot_work_are_refused(values):
    with pytest.raises(SettingsError):
        DescribeConfig(**{"url": "http://gpu/v1", "model": "m", **values})
