"""`oddframe watch` and cameras with faults, all at once: each recovers and delays no other.

What was measured goes to the file that $ODDFRAME_FAULTS names; docs/faults.md says what the columns
mean.
"""

import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import pytest

from oddframe.tasks.score import score
from tests.support.alerting import hook
from tests.support.delivered import (
    count_all,
    count_duplicates,
    lines,
    note,
    received,
    run_side_by_side,
)
from tests.support.mosquitto import Broker, Listener
from tests.support.rtsp import RtspServer
from tests.support.staged_camera import StagedCamera
from tests.support.udp_relay import UdpRelay
from tests.support.watch_process import LIVE, WatchProcess, scale_limit
from tests.support.watch_scene import LONG_S, write_recording

pytestmark = pytest.mark.services

RIGHT, WRONG, MQTT, TOKEN = "s3cret p@ss", "wr0ng/p@ss", "br0ker p@ss", "t0ken-of-the-hook"


def no_fault(camera, scenes):
    for _ in range(4):
        camera.show(scenes.odd)


def killed(camera, scenes):
    """The server is killed in the middle of an event, which ends then."""
    camera.show(scenes.odd)
    camera.show(scenes.long, until="start")
    camera.server.kill()
    camera.watch.until(lambda: not camera.watch.metric("oddframe_up", camera.name))
    time.sleep(1)
    camera.server.start()
    camera.wait_for_recovery()
    camera.show(scenes.odd)


def stalled(camera, scenes):
    camera.show(scenes.odd)
    camera.show(scenes.long, until="start")
    camera.server.send(signal.SIGSTOP)
    time.sleep(8)
    camera.server.send(signal.SIGCONT)
    camera.wait_for_recovery()
    camera.show(scenes.odd)


def refused(camera, scenes):
    """The camera has another password than we; after a while it has ours."""
    camera.watch.until(lambda: "refuses the user name or the password" in camera.watch.output)
    time.sleep(3)
    camera.server.kill()
    camera.server.options = protected(WRONG)
    camera.server.start()
    camera.wait_for_recovery()
    camera.show(scenes.odd)


def resized(camera, scenes):
    camera.show(scenes.odd)
    camera.show(scenes.long, until="start")
    camera.server.order(f"play {scenes.large_calm}")
    camera.wait_for_recovery()
    camera.show(scenes.large_odd)


def jumps(by_s):
    def jump(camera, scenes):
        """Timestamps jump in the middle of an event, which goes on."""
        camera.show(scenes.odd)
        camera.show(scenes.long, until="start")
        camera.relay.shift_s = by_s
        camera.wait_for_recovery()
        camera.show(scenes.odd)

    return jump


def lossy(camera, scenes):
    """Smeared pictures may look unusual too, so nothing here waits for events."""
    for _ in range(2):
        camera.show(scenes.long, until=None)
        time.sleep(LONG_S + 3)


def protected(password):
    return ("--user", "bob", "--password", password)


FAULTS = {
    "none": ("none", no_fault),
    "killed": ("server killed in mid-event, back on its port", killed),
    "stalled": ("server stopped in mid-event for 8 s (`SIGSTOP`)", stalled),
    "password": ("wrong password, until the camera takes it", refused),
    "size": ("another picture size in mid-event", resized),
    "forward": ("timestamps jump by 3600 s in mid-event", jumps(3600.0)),
    "back": ("timestamps jump by -300 s in mid-event", jumps(-300.0)),
    "lossy": ("10 % of UDP packets lost, in a relay", lossy),
}
RELAYED = {"forward": 0.0, "back": 0.0, "lossy": 0.1}


@dataclass
class Fleet:
    """What was measured of all cameras.

    Attributes:
        cameras: The cameras, by fault.
        failures: Errors of the scenarios that failed, by fault.
        delivered: How many complete events were delivered, by fault and by where.
        duplicates: How many messages came more than once, by fault.
        code: The exit code.
        stopped_s: How long the stop took, in seconds.
        readable: Everything that other people may read, by where it is.
    """

    cameras: dict
    failures: dict
    delivered: dict
    duplicates: dict
    code: int
    stopped_s: float
    readable: dict


@pytest.fixture(scope="module")
def fleet(tmp_path_factory, scenes, scene_model):
    folder = tmp_path_factory.mktemp("fleet")
    with ExitStack() as open_until_the_end:
        enter = open_until_the_end.enter_context
        servers = {
            name: enter(RtspServer(scenes.calm, *(protected(RIGHT) if name == "password" else ())))
            for name in FAULTS
        }
        relays = {name: enter(UdpRelay(servers[name].port, loss)) for name, loss in RELAYED.items()}
        receiver = enter(hook())
        (folder / "broker").mkdir()
        broker = Broker(folder / "broker", {"me": MQTT})
        open_until_the_end.callback(broker.stop)
        listener = Listener(broker, user="me", password=MQTT)
        open_until_the_end.callback(listener.close)
        cameras = [
            {"name": name, "source": address(name, servers[name], relays.get(name)), "live": LIVE}
            for name in FAULTS
        ]
        sinks = {
            "hook": {
                "kind": "webhook", "url": receiver.url,
                "headers": {"Authorization": "Bearer ${TOKEN}"},
            },
            "home": {
                "kind": "mqtt", "host": "127.0.0.1", "port": broker.port,
                "username": "me", "password": "${MQTT}",
            },
        }  # fmt: skip
        env = {"DOOR": WRONG, "TOKEN": TOKEN, "MQTT": MQTT}
        watch = enter(WatchProcess(folder / "watch", scene_model, cameras, sinks, env=env))
        watch.until(
            lambda: all(watch.metric("oddframe_up", name) for name in FAULTS if name != "password")
        )
        staged = {
            name: StagedCamera(name, servers[name], watch, receiver, relays.get(name))
            for name in FAULTS
        }
        outcomes = run_side_by_side(
            {name: partial(FAULTS[name][1], staged[name], scenes) for name in FAULTS}
        )
        for name in FAULTS:
            staged[name].measured["reconnects"] = round(
                watch.metric("oddframe_reconnects_total", name)
            )
        readable = {"metrics": watch.metrics(), "arguments": watch.arguments}
        code, stopped_s = watch.signal(signal.SIGTERM)
        messages = received(receiver)
        readable |= {
            "output": watch.output,
            "webhook": repr(messages),
            "mqtt": repr(listener.received),
        }
        readable |= {
            str(path): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and watch.out in path.parents
        }
        readable["settings"] = watch.config.read_text()
        return Fleet(
            cameras=staged,
            failures={name: error for name, error in outcomes.items() if error is not None},
            delivered={name: count_all(watch.out, name, receiver, listener) for name in FAULTS},
            duplicates={name: count_duplicates(messages, name) for name in FAULTS},
            code=code,
            stopped_s=stopped_s,
            readable=readable,
        )


def address(name, server, relay):
    if relay is not None:
        return server.url(query="?transport=udp").replace(str(server.port), str(relay.port))
    return server.url("bob:${DOOR}@" if name == "password" else "")


@pytest.mark.parametrize("name", FAULTS)
def test_no_event_of_a_camera_is_lost_through_a_fault(fleet, name):
    if name in fleet.failures:
        raise fleet.failures[name]
    camera, delivered = fleet.cameras[name], fleet.delivered[name]
    note(FAULTS[name][0], camera.sent, delivered, twice=fleet.duplicates[name], **camera.measured)
    assert len(set(delivered.values())) == 1, "the same events are everywhere"
    if name == "lossy":  # a break may make two events of one, and smears may be events too
        assert delivered["store"] >= camera.sent
    else:
        assert delivered["store"] == camera.sent
    assert fleet.duplicates[name] == 0
    assert camera.measured["reconnects"] >= (name in ("killed", "stalled"))
    assert camera.measured.get("recovered_s", 0) < scale_limit(15)


def test_a_stop_of_all_of_them_takes_no_two_seconds(fleet):
    assert fleet.code == 0
    assert fleet.stopped_s < scale_limit(2)


def test_no_password_appears_anywhere(fleet):
    assert fleet.readable["arguments"].split()[-2] == "-o"
    assert "mqtt" in fleet.readable["metrics"] or "home" in fleet.readable["metrics"]
    assert any(name.endswith(".sqlite") for name in fleet.readable)
    for secret in (WRONG, RIGHT, MQTT, TOKEN):
        for written in {secret, quote(secret, safe="")}:
            for where, what in fleet.readable.items():
                found = written.encode() in what if isinstance(what, bytes) else written in what
                assert not found, f"a password is in {where}"


def test_the_scene_has_exactly_the_known_events(scene_model, tmp_path):
    """The counts of events in this file rest on this."""
    odd = [*range(40, 60), *range(100, 120), *range(160, 220)]
    recording = write_recording(tmp_path / "scene.mp4", 260, odd)
    score(recording, scene_model, tmp_path / "out")
    ends = [event for event in lines(tmp_path / "out", "scene") if event["phase"] == "end"]
    assert [event["kind"] for event in ends] == ["anomaly"] * 3
    assert [event["start_s"] for event in ends] == pytest.approx([4.0, 10.0, 16.0], abs=0.45)
    assert [event["end_s"] for event in ends] == pytest.approx([5.9, 11.9, 21.9], abs=0.45)
