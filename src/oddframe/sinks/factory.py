"""From the settings of a sink to the sink: the one list of the kinds that there are."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from oddframe.sinks.chat import Chat, ChatConfig
from oddframe.sinks.frigate import Frigate, FrigateConfig
from oddframe.sinks.jsonl import JsonLines, JsonLinesConfig
from oddframe.sinks.mqtt import Mqtt, MqttConfig
from oddframe.sinks.prometheus import Prometheus, PrometheusConfig
from oddframe.sinks.rules import AlertRules
from oddframe.sinks.sink import AlertSink
from oddframe.sinks.webhook import Webhook, WebhookConfig

SinkConfig: TypeAlias = (
    WebhookConfig | MqttConfig | ChatConfig | PrometheusConfig | JsonLinesConfig | FrigateConfig
)

SINK_KINDS: Mapping[str, type[SinkConfig]] = {
    "webhook": WebhookConfig,
    "mqtt": MqttConfig,
    "apprise": ChatConfig,
    "prometheus": PrometheusConfig,
    "json_lines": JsonLinesConfig,
    "frigate": FrigateConfig,
}
"""The settings of each kind, by the name that ``kind`` has in a file of cameras."""


def make_sink(config: SinkConfig, folder: Path) -> AlertSink:
    """Make a sink of its settings, and start what it needs.

    Args:
        config: Its settings.
        folder: The store's folder, from which the paths of pictures are seen.

    Raises:
        MissingExtraError: If it needs a library that is not installed.
        OutputError: If it serves at a port that is taken.
    """
    match config:
        case WebhookConfig():
            return Webhook(config)
        case MqttConfig():
            return Mqtt(config)
        case ChatConfig():
            return Chat(config, folder)
        case PrometheusConfig():
            return Prometheus(config)
        case JsonLinesConfig():
            return JsonLines(config)
        case FrigateConfig():
            return Frigate(config)


def rules_of(config: SinkConfig) -> AlertRules | None:
    """Return which alerts a sink gets; None for a kind that gets all."""
    # A file and the metrics are for programs, which have no use for a digest.
    match config:
        case WebhookConfig() | MqttConfig() | ChatConfig():
            return config.rules
        case _:
            return None


def secrets_of(config: SinkConfig) -> tuple[str, ...]:
    """Return the texts in the settings of a sink that nobody may be shown."""
    # Passwords and keys are scrubbed from every error and page; see `WatchPlan.secrets`.
    match config:
        case WebhookConfig() | FrigateConfig() | ChatConfig():
            return config.secrets
        case MqttConfig():
            return (config.password,) if config.password else ()
        case _:
            return ()
