"""The sink for Frigate against a receiver that holds each call to Frigate's description."""

from pathlib import Path

import jsonschema
import pytest

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError, DeliveryRefusedError, SettingsError
from oddframe.monitoring.config_file import read_camera_file
from oddframe.sinks.delivery import Delivery
from oddframe.sinks.factory import make_sink
from oddframe.sinks.frigate import Frigate, FrigateConfig
from oddframe.sinks.sink import Retry, message_of
from tests.support.alerting import NOON_US, made_alert, until
from tests.support.frigate import check_call, frigate_server

NOON_S = NOON_US / 1e6
FAST = Retry(first_s=0.01, most_s=0.05)


@pytest.fixture
def server():
    with frigate_server() as opened:
        opened.now = lambda: NOON_S + 1.0
        yield opened


def sink(server, now_s=NOON_S + 1.0, **settings):
    """A sink whose clock stands one second after the start of the first event."""
    config = FrigateConfig(url=server.url, **{"retry": FAST, "timeout_s": 60.0, **settings})
    return Frigate(config, now=lambda: now_s)


def message(number=0, phase="start", **values):
    return message_of(made_alert(number, phase, **values))


def test_an_event_is_opened_and_ended_as_ours_is(server):
    frigate = sink(server)
    for phase in ("start", "update", "end"):
        frigate.deliver(message(phase=phase))
    (event,) = server.events
    assert (event["camera"], event["label"]) == ("yard", "anomaly")
    assert event["end_time"] == NOON_S + 4.0
    assert event["given"] == {
        "sub_label": "moves wrong",
        "score": 0.75,
        "duration": None,
        "include_recording": True,
        # From two corners to a corner and a size, which is what Frigate draws.
        "draw": {"boxes": [{"box": [0.25, 0.5, 0.5, 0.5], "score": 75}]},
    }
    assert server.calls == [
        "GET /api/events?cameras=yard&labels=anomaly&in_progress=1&include_thumbnails=0",
        "POST /api/events/yard/anomaly/create",
        f"PUT /api/events/{event['id']}/end",
    ]


def test_an_event_without_a_box_draws_none(server):
    sink(server).deliver(message(box=None))
    assert "draw" not in server.events[0]["given"]


def test_an_event_does_not_end_before_frigate_began_it(server):
    frigate = sink(server, now_s=NOON_S + 9.0)
    frigate.deliver(message())
    frigate.deliver(message(phase="end"))
    assert server.events[0]["end_time"] == NOON_S + 9.0


def test_only_anomalies_are_sent(server):
    frigate = sink(server)
    frigate.deliver(message(kind="health"))
    frigate.deliver(message(kind="health", phase="end"))
    frigate.report(CameraStatus(camera="yard", at_us=0, online=True, state="live"))
    frigate.close()
    assert server.calls == []


def test_cameras_label_and_headers_are_as_the_user_says(server):
    server.cameras = {"back yard/2"}
    frigate = sink(
        server,
        cameras={"yard": "back yard/2"},
        label="odd_one",
        headers={"Authorization": "Bearer x"},
    )
    frigate.deliver(message())
    frigate.deliver(message(phase="end"))
    (event,) = server.events
    assert (event["camera"], event["label"]) == ("back yard/2", "odd_one")
    assert event["end_time"] is not None
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer x"}


def test_a_path_in_the_address_stands_before_the_calls(server):
    config = FrigateConfig(url=f"{server.url}/nvr/")
    server.answer = lambda _count: 503
    with pytest.raises(DeliveryError):
        Frigate(config).deliver(message(phase="end"))
    assert server.calls[0].startswith("GET /nvr/api/events?")


def test_two_cameras_have_an_open_event_each(server):
    server.cameras = {"yard", "door"}
    frigate = sink(server)
    for source in ("yard", "door"):
        frigate.deliver(message(source=source))
    frigate.deliver(message(phase="end", source="yard"))
    assert [event["end_time"] is None for event in server.events] == [False, True]


def test_an_event_left_open_by_a_kill_is_ended(server):
    sink(server).deliver(message())
    sink(server).deliver(message(phase="end"))  # another process, which remembers nothing
    assert [event["end_time"] for event in server.events] == [NOON_S + 4.0]


def test_what_is_left_open_is_ended_before_the_next_event_begins(server):
    sink(server).deliver(message())
    sink(server, now_s=NOON_S + 11.0).deliver(message(1))
    assert [event["end_time"] for event in server.events] == [NOON_S + 10.0, None]


def test_an_answer_that_does_not_come_leaves_no_event_open(server):
    frigate = sink(server)
    server.answer = lambda count: -1 if count == 2 else None
    with pytest.raises(DeliveryError, match=r"Frigate at 127\.0\.0\.1 gave no answer"):
        frigate.deliver(message())
    frigate.deliver(message())
    frigate.deliver(message(phase="end"))
    assert len(server.events) == 2
    assert [event for event in server.events if event["end_time"] is None] == []


def test_an_event_that_frigate_has_ended_itself_is_no_error(server):
    frigate = sink(server)
    frigate.deliver(message())
    server.events[0]["end_time"] = NOON_S + 2.0
    frigate.deliver(message(phase="end"))
    assert server.events[0]["end_time"] == NOON_S + 2.0
    assert server.calls[-1].startswith("PUT ")


def test_an_event_of_the_past_is_put_aside(server):
    frigate = sink(server, now_s=NOON_S + 3600.0)
    with pytest.raises(DeliveryRefusedError, match=r"within late_s \(60 s\), .* began 3600 s ago"):
        frigate.deliver(message())
    frigate.deliver(message(phase="end"))
    assert server.events == []


def test_a_camera_that_frigate_has_not_is_named(server):
    with pytest.raises(DeliveryRefusedError, match=r"must have the camera 'attic'.*table cameras"):
        sink(server).deliver(message(source="attic"))


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (401, DeliveryRefusedError, r"wants a login \(answer 401\): use its port 5000"),
        (403, DeliveryRefusedError, "wants a login"),
        (422, DeliveryRefusedError, "must take the alert, but it answered 422"),
        (302, DeliveryError, "answered 302; the alert is sent again"),
        (502, DeliveryError, "answered 502; the alert is sent again"),
        (200, DeliveryError, "must be Frigate's own address.*answered what Frigate does not"),
    ],
)
@pytest.mark.parametrize("call", [1, 2])
def test_other_answers_are_told_by_what_they_mean(server, call, status, error, sentence):
    server.answer = lambda count: status if count == call else None
    with pytest.raises(error, match=sentence):
        sink(server).deliver(message())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"url": "frigate:5000"}, "a Frigate's url must be http:// or https://"),
        ({"label": "an event"}, "label must be of letters, digits, - and _.*got 'an event'"),
        ({"label": ""}, "label must be of letters"),
        ({"late_s": 0}, "frigate.late_s must be above 0, got 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, sentence):
    with pytest.raises(SettingsError, match=sentence):
        FrigateConfig(**{"url": "http://frigate:5000", **settings})


def test_it_is_made_from_a_file_of_cameras_and_shows_no_secret(tmp_path):
    path = tmp_path / "cameras.toml"
    path.write_text(
        """
[[camera]]
name = "yard"
source = "rtsp://frigate:8554/yard"
model = "ped2"

[sinks.nvr]
kind = "frigate"
url = "http://frigate:5000"
cameras = { yard = "back_yard" }
headers = { Authorization = "Bearer ${TOKEN}" }
"""
    )
    plan = read_camera_file(path, variables={"TOKEN": "h1dden-t0ken"})
    config = plan.settings.sinks["nvr"]
    assert isinstance(make_sink(config, tmp_path), Frigate)
    assert config.cameras == {"yard": "back_yard"}
    assert "Bearer h1dden-t0ken" in plan.secrets
    assert "t0ken" not in repr(config)


def test_the_example_reads_the_camera_from_go2rtc():
    plan = read_camera_file(Path(__file__).parents[2] / "examples" / "frigate.toml")
    assert [camera.address.shown for camera in plan.cameras] == ["rtsp://frigate:8554/yard"]
    assert plan.settings.sinks["frigate"] == FrigateConfig(url="http://frigate:5000")


def test_an_outage_loses_neither_start_nor_end(server, tmp_path):
    server.answer = lambda count: 503 if count < 4 else None
    with Delivery({"nvr": sink(server)}, tmp_path) as delivery:
        delivery.offer(made_alert(0, "start"))
        delivery.offer(made_alert(0, "end"))
        until(lambda: delivery.counts()["nvr"].failures >= 3)
        assert delivery.flush(60)
        assert delivery.counts()["nvr"].delivered == 2
    assert [event["end_time"] for event in server.events] == [NOON_S + 4.0]


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/api/events/yard/create", b"{}"),
        ("POST", "/api/events/yard/anomaly/create", b'{"duration": 1.5}'),
        ("POST", "/api/events/yard/anomaly/create", b'{"colour": "red"}'),
        ("PUT", "/api/events/1/end", b'{"end_time": "now"}'),
        ("GET", "/api/events?in_progress=yes", b""),
        ("GET", "/api/events?open=1", b""),
    ],
)
def test_the_receiver_refuses_what_the_description_has_not(method, target, body):
    """A receiver that takes everything would prove nothing."""
    with pytest.raises((AssertionError, ValueError, KeyError, jsonschema.ValidationError)):
        check_call(method, target, "application/json", body)
