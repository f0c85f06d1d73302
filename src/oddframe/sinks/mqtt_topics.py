"""What is published over MQTT: topics, and how Home Assistant learns of the cameras."""

from typing import Any

from oddframe._version import __version__
from oddframe.core.alerts import plain_name

__all__ = ["Topics"]


class Topics:
    """Names and payloads under one prefix."""

    def __init__(self, prefix: str, discovery_prefix: str) -> None:
        self._prefix, self._discovery_prefix = prefix, discovery_prefix
        self.available = f"{prefix}/available"
        """Retained "online" or "offline"; the broker says the latter where we cannot: the last will."""
        self.events = f"{prefix}/events"
        """Each alert with its ``type``: new, update or end."""

    def state(self, camera: str) -> str:
        """Retained: what goes on at a camera now."""
        return f"{self._prefix}/{plain_name(camera)}/state"

    def discovery(self, camera: str) -> dict[str, dict[str, Any]]:
        """Home Assistant's configuration of a camera's entities, by topic; retained."""
        # The line break, which no name has, makes sure of a hash: "a" and "b/c" must not meet "a/b" and "c".
        node = plain_name(f"{self._prefix}\n{camera}")
        return {
            f"{self._discovery_prefix}/{component}/{node}/{item}/config": {
                "name": name,
                "unique_id": f"{node}_{item}",
                "state_topic": self.state(camera),
                "availability_topic": self.available,
                "json_attributes_topic": self.state(camera),
                "device": {
                    "identifiers": [node],
                    "name": f"Oddframe {camera}",
                    "manufacturer": "Oddframe",
                    "model": "Video anomaly detection",
                    "sw_version": __version__,
                },
                "origin": {"name": "Oddframe", "sw_version": __version__},
                **more,
            }
            for component, item, name, more in _ENTITIES
        }


def _switch(value: str, **more: str) -> dict[str, str]:
    return {"value_template": f"{{{{ value_json.{value} }}}}", "payload_on": "ON", "payload_off": "OFF", **more}


_ENTITIES: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("binary_sensor", "anomaly", "Anomaly", _switch("anomaly", icon="mdi:alert-decagram")),
    ("binary_sensor", "problem", "Camera problem", _switch("problem", device_class="problem")),
    (
        "binary_sensor",
        "online",
        "Camera online",
        _switch("online", device_class="connectivity", entity_category="diagnostic"),
    ),
    (
        "sensor",
        "score",
        "Anomaly score",
        {"value_template": "{{ value_json.score }}", "state_class": "measurement", "icon": "mdi:chart-line"},
    ),
)
