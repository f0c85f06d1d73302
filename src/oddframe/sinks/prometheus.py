"""Metrics for Prometheus: of cameras, of their events and of the other sinks, served over HTTP."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from oddframe.core.alerts import CameraStatus
from oddframe.errors import MissingExtraError, OutputError, SettingsError
from oddframe.settings import settings_dataclass
from oddframe.sinks.sink import Message, Retry
from oddframe.sinks.worker import SinkCounts

# Kind, name, help text and value of each family with one sample a camera; a value of None has no
# sample. prometheus-client adds "_total" to the names of counters.
_OF_CAMERAS: tuple[tuple[str, str, str, Callable[[CameraStatus], float | None]], ...] = (
    ("gauge", "up", "Whether frames come in.", lambda status: float(status.online)),
    ("gauge", "fps", "Frames per second of late.", lambda status: status.rate_fps),
    ("gauge", "score", "The latest score; above 0.5 is anomalous.", lambda status: status.score),
    ("counter", "frames", "Frames decoded.", lambda status: status.frames),
    (
        "counter",
        "dropped_frames",
        "Frames lost because scoring did not keep up.",
        lambda status: status.dropped,
    ),
    (
        "counter",
        "reconnects",
        "How often the source was opened again.",
        lambda status: status.reconnects,
    ),
)

_OF_SINKS: tuple[tuple[str, str, str, Callable[[SinkCounts], float]], ...] = (
    ("gauge", "sink_waiting", "Messages not delivered yet.", lambda counts: counts.waiting),
    ("counter", "sink_delivered", "Messages delivered.", lambda counts: counts.delivered),
    (
        "counter",
        "sink_failures",
        "Attempts that failed and are made again.",
        lambda counts: counts.failures,
    ),
    (
        "counter",
        "sink_dropped",
        "Messages that went for newer ones.",
        lambda counts: counts.dropped,
    ),
    ("counter", "sink_refused", "Messages put aside.", lambda counts: counts.refused),
)


@settings_dataclass("prometheus")
class PrometheusConfig:
    """Where to listen.

    Attributes:
        host: The address; only this machine can connect unless another is given. There is no
            password.
        port: The port; 0 takes a free one.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9464

    def __post_init__(self) -> None:
        if not self.host:
            raise SettingsError(
                'the metrics\' host must not be empty; "0.0.0.0" listens to everybody'
            )


class CameraMetrics:
    """Keeps the latest status of each camera as metrics, in a registry that somebody else serves.

    Attributes:
        registry: What prometheus-client makes a page of.
        sinks: Returns the counts of the other sinks, as `Delivery.counts` does; to be set once
            there is a delivery.
    """

    retry = Retry()
    # Counts begin at 0 with the process, as Prometheus expects: they need not outlive a kill.
    durable = False

    def __init__(self) -> None:
        """Begin without cameras, in a registry of its own.

        Raises:
            MissingExtraError: If prometheus-client is not installed.
        """
        try:
            import prometheus_client
        except ImportError as error:
            raise MissingExtraError("metrics", "watch") from error
        self._lock = threading.Lock()
        self._statuses: dict[str, CameraStatus] = {}
        # By camera and kind.
        self._events: Counter[tuple[str, str]] = Counter()
        self.sinks: Callable[[], Mapping[str, SinkCounts]] = dict
        self.registry = prometheus_client.CollectorRegistry()
        self.registry.register(self)

    def deliver(self, message: Message) -> None:
        """Count an event when it starts."""
        if message["phase"] == "start":
            with self._lock:
                self._events[message["source"], message["kind"]] += 1

    def report(self, status: CameraStatus) -> None:
        """Take the latest status of a camera."""
        with self._lock:
            self._statuses[status.camera] = status

    def keep(self, cameras: Collection[str]) -> None:
        """Drop the status of all other cameras; counts of their events stay, as counters must."""
        with self._lock:
            self._statuses = {
                name: status for name, status in self._statuses.items() if name in cameras
            }

    def close(self) -> None:
        """Do nothing: no port is open."""

    def describe(self) -> list[Any]:
        """Describe nothing in advance: which families there are depends on the cameras."""
        return []

    def collect(self) -> Iterator[Any]:
        """Make all families with their samples; prometheus-client calls this at each visit."""
        from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

        # Copied, so that a slow visitor does not hold up the sink's thread.
        with self._lock:
            statuses, events = list(self._statuses.values()), dict(self._events)
        for kind, name, text, value in _OF_CAMERAS:
            family = _family(kind, name, text, ["camera"])
            for status in statuses:
                if (number := value(status)) is not None:
                    family.add_metric([status.camera], number)
            yield family
        spent = SummaryMetricFamily(
            "oddframe_inference_seconds", "Time of the model for each clip.", labels=["camera"]
        )
        for status in statuses:
            spent.add_metric(
                [status.camera], count_value=status.clips, sum_value=status.inference_s
            )
        yield spent
        counted = CounterMetricFamily(
            "oddframe_events", "Events that started.", labels=["camera", "kind"]
        )
        for labels, count in events.items():
            counted.add_metric(list(labels), count)
        yield counted
        yield from self._of_sinks()

    def _of_sinks(self) -> Iterator[Any]:
        counts = self.sinks()
        for kind, name, text, value in _OF_SINKS:
            family = _family(kind, name, text, ["sink"])
            for sink, count in counts.items():
                family.add_metric([sink], value(count))
            yield family


class Prometheus(CameraMetrics):
    """Serves its metrics under ``/metrics``, at a port of its own.

    Attributes:
        port: The port where it listens.
    """

    def __init__(self, config: PrometheusConfig | None = None) -> None:
        """Begin to listen, in a thread of prometheus-client's.

        Raises:
            MissingExtraError: If prometheus-client is not installed.
            OutputError: If the port is taken.
        """
        super().__init__()
        # Here and not at the top: the library is an extra, and this file is read without it.
        import prometheus_client

        config = config or PrometheusConfig()
        try:
            self._server, self._thread = prometheus_client.start_http_server(
                config.port, config.host, self.registry
            )
        except OSError as error:
            raise OutputError(
                f"metrics could not be served at {config.host} port {config.port}: "
                f"{error.strerror or error}; choose another port"
            ) from error
        self.port: int = self._server.server_port

    def close(self) -> None:
        """Stop listening, and give the port back."""
        self._server.shutdown()
        self._server.server_close()


def _family(kind: str, name: str, text: str, labels: list[str]) -> Any:
    """Make a family without samples; ``kind`` is "gauge" or "counter"."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    make = GaugeMetricFamily if kind == "gauge" else CounterMetricFamily
    return make(f"oddframe_{name}", text, labels=labels)
