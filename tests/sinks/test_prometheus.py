import urllib.request
from contextlib import contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oddframe.core.alerts import CameraStatus
from oddframe.errors import OutputError, SettingsError
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.prometheus import Prometheus, PrometheusConfig
from oddframe.sinks.sink import message_of
from tests.support.alerting import made_alert


@contextmanager
def serving():
    sink = Prometheus(PrometheusConfig(port=0))
    try:
        yield sink
    finally:
        sink.close()


def samples(sink):
    with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=120) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_what_is_known_of_each_camera_is_served():
    with serving() as sink:
        sink.report(CameraStatus(camera="yard", at_us=0, online=False, state="connecting"))
        status = CameraStatus(
            camera='a "b"\n',
            at_us=0,
            online=True,
            state="live",
            rate_fps=9.5,
            frames=100,
            dropped=3,
            reconnects=2,
            clips=57,
            inference_s=1.25,
            score=0.61,
        )
        sink.report(status)
        found = samples(sink)
    name = 'a "b"\n'
    assert found["oddframe_up", "yard"] == 0
    assert ("oddframe_score", "yard") not in found
    assert {key[0]: value for key, value in found.items() if key[1:] == (name,)} == {
        "oddframe_up": 1,
        "oddframe_fps": 9.5,
        "oddframe_score": 0.61,
        "oddframe_frames_total": 100,
        "oddframe_dropped_frames_total": 3,
        "oddframe_reconnects_total": 2,
        "oddframe_inference_seconds_count": 57,
        "oddframe_inference_seconds_sum": 1.25,
    }


def test_events_are_counted_once_each_by_kind():
    with serving() as sink:
        for number in range(3):
            for phase in ("start", "update", "end"):
                sink.deliver(message_of(made_alert(number, phase)))
        sink.deliver(message_of(made_alert(9, kind="health")))
        found = samples(sink)
    assert found["oddframe_events_total", "yard", "anomaly"] == 3
    assert found["oddframe_events_total", "yard", "health"] == 1


def test_the_sinks_are_counted_too():
    sink = Prometheus(PrometheusConfig(port=0))
    with Delivery({"metrics": sink}, None) as delivery:
        sink.sinks = delivery.counts
        delivery.offer(made_alert())
        assert delivery.flush(120)
        found = samples(sink)
    assert found["oddframe_sink_delivered_total", "metrics"] == 1
    assert found["oddframe_sink_waiting", "metrics"] == 0


def test_two_watchers_have_registries_of_their_own():
    with serving() as one, serving() as two:
        one.report(CameraStatus(camera="yard", at_us=0, online=True, state="live"))
        assert ("oddframe_up", "yard") in samples(one)
        assert ("oddframe_up", "yard") not in samples(two)


def test_a_port_that_is_taken_is_an_error():
    with (
        serving() as sink,
        pytest.raises(OutputError, match=r"could not be served at 127\.0\.0\.1 port"),
    ):
        Prometheus(PrometheusConfig(port=sink.port))


def test_it_listens_to_this_machine_alone_by_default():
    assert PrometheusConfig().host == "127.0.0.1"
    with pytest.raises(SettingsError, match="must not be empty"):
        PrometheusConfig(host="")
    with pytest.raises(SettingsError, match="from 0 to 65535, got 70000"):
        PrometheusConfig(port=70000)
