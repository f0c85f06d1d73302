"""From the settings of a sink to the sink: the one list of the kinds that there are."""

from collections.abc import Mapping
from typing import TypeAlias

from oddframe.sinks.frigate import Frigate, FrigateConfig
from oddframe.sinks.jsonl import JsonLines, JsonLinesConfig
from oddframe.sinks.mqtt import Mqtt, MqttConfig
from oddframe.sinks.prometheus import Prometheus, PrometheusConfig
from oddframe.sinks.sink import AlertSink
from oddframe.sinks.webhook import Webhook, WebhookConfig

SinkConfig: TypeAlias = (
    WebhookConfig | MqttConfig | PrometheusConfig | JsonLinesConfig | FrigateConfig
)

SINK_KINDS: Mapping[str, type[SinkConfig]] = {
    "webhook": WebhookConfig,
    "mqtt": MqttConfig,
    "prometheus": PrometheusConfig,
    "json_lines": JsonLinesConfig,
    "frigate": FrigateConfig,
}
"""The settings of each kind, by the name that ``kind`` has in a file of cameras."""


def make_sink(config: SinkConfig) -> AlertSink:
    """Make a sink of its settings, and start what it needs.

    Raises:
        MissingExtraError: If it needs a library that is not installed.
        OutputError: If it serves at a port that is taken.
    """
    match config:
        case WebhookConfig():
            return Webhook(config)
        case MqttConfig():
            return Mqtt(config)
        case PrometheusConfig():
            return Prometheus(config)
        case JsonLinesConfig():
            return JsonLines(config)
        case FrigateConfig():
            return Frigate(config)


def secrets_of(config: SinkConfig) -> tuple[str, ...]:
    """Return the texts in the settings of a sink that nobody may be shown."""
    # Passwords and keys are scrubbed from every error and page; see `WatchPlan.secrets`.
    match config:
        case WebhookConfig() | FrigateConfig():
            return config.secrets
        case MqttConfig():
            return (config.password,) if config.password else ()
        case _:
            return ()
