import builtins

import pytest

from oddframe.errors import MissingExtraError
from oddframe.sinks.chat import Chat, ChatConfig
from oddframe.sinks.factory import SINK_KINDS, make_sink, secrets_of
from oddframe.sinks.frigate import Frigate, FrigateConfig
from oddframe.sinks.jsonl import JsonLines, JsonLinesConfig
from oddframe.sinks.mqtt import Mqtt, MqttConfig
from oddframe.sinks.prometheus import Prometheus, PrometheusConfig
from oddframe.sinks.webhook import Webhook, WebhookConfig

MADE = [
    ("webhook", WebhookConfig(url="http://127.0.0.1/hook"), Webhook),
    ("mqtt", MqttConfig(host="127.0.0.1", port=1), Mqtt),
    ("apprise", ChatConfig(urls=["json://127.0.0.1/"]), Chat),
    ("prometheus", PrometheusConfig(port=0), Prometheus),
    ("json_lines", JsonLinesConfig(path="alerts.jsonl"), JsonLines),
    ("frigate", FrigateConfig(url="http://127.0.0.1:5000"), Frigate),
]


@pytest.mark.parametrize(("kind", "config", "made"), MADE)
def test_every_kind_can_be_made_from_its_settings(kind, config, made, tmp_path):
    if kind == "apprise":
        pytest.importorskip("apprise")
    sink = make_sink(config, tmp_path)
    try:
        assert type(sink) is made
        assert SINK_KINDS[kind] is type(config)
    finally:
        sink.close()


def test_there_is_a_case_for_every_kind():
    assert {kind for kind, _, _ in MADE} == set(SINK_KINDS)


@pytest.mark.parametrize(
    ("config", "library", "extra"),
    [
        (MqttConfig(host="h"), "paho", "watch"),
        (PrometheusConfig(port=0), "prometheus_client", "watch"),
        (ChatConfig(urls=["json://h"]), "apprise", "chat"),
    ],
)
def test_a_library_that_is_not_installed_is_named(config, library, extra, monkeypatch, tmp_path):
    found = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] == library:
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=rf"oddframe\[{extra}\]"):
        make_sink(config, tmp_path)


@pytest.mark.parametrize(
    ("config", "secrets"),
    [
        (MqttConfig(host="h", username="u", password="pw"), {"pw"}),
        (MqttConfig(host="h"), set()),
        (PrometheusConfig(), set()),
        (JsonLinesConfig(path="a"), set()),
        (WebhookConfig(url="http://h"), {"http://h"}),
        (FrigateConfig(url="http://h", headers={"A": "Bearer x"}), {"http://h", "Bearer x"}),
        (
            WebhookConfig(
                url="https://bob:p%40w@h:1/api/T0KENT0KEN?a=k3y&n=1", headers={"A": "Bearer x"}
            ),
            {
                *(
                    "https://bob:p%40w@h:1/api/T0KENT0KEN?a=k3y&n=1",
                    "https://bob:p@w@h:1/api/T0KENT0KEN?a=k3y&n=1",
                ),
                *(
                    "bob:p%40w",
                    "bob:p@w",
                    "p%40w",
                    "p@w",
                    "api/T0KENT0KEN",
                    "T0KENT0KEN",
                    "a=k3y&n=1",
                    "k3y",
                    "1",
                ),
                "Bearer x",
            },
        ),
    ],
)
def test_secrets_are_what_nobody_may_be_shown(config, secrets):
    assert set(secrets_of(config)) == secrets
