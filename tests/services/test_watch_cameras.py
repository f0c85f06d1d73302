"""`oddframe watch` and cameras with faults, all at the same time: each comes back by itself and delays no other.

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
from tests.support.mosquitto import Broker, Listener
from tests.support.rtsp import RtspServer
from tests.support.shown import Shown
from tests.support.told import count_all, lines, note, received, side_by_side, twice
from tests.support.udp_relay import UdpRelay
from tests.support.watch_process import LIVE, WatchProcess, slowed
from tests.support.watch_scene import LONG_S, write_recording

pytestmark = pytest.mark.services

RIGHT, WRONG, MQTT, TOKEN = "s3cret p@ss", "wr0ng/p@ss", "br0ker p@ss", "t0ken-of-the-hook"


def no_fault(shown, scenes):
    for _ in range(4):
        shown.show(scenes.odd)


def killed(shown, scenes):
    """In the middle of an event, which ends with it."""
    shown.show(scenes.odd)
    shown.show(scenes.long, until="start")
    shown.server.kill()
    shown.watch.until(lambda: not shown.watch.metric("oddframe_up", shown.name))
    time.sleep(1)
    shown.server.start()
    shown.recovers()
    shown.show(scenes.odd)


def stalled(shown, scenes):
    shown.show(scenes.odd)
    shown.show(scenes.long, until="start")
    shown.server.send(signal.SIGSTOP)
    time.sleep(8)
    shown.server.send(signal.SIGCONT)
    shown.recovers()
    shown.show(scenes.odd)


def refused(shown, scenes):
    """The camera has another password than we; after a while it has ours."""
    shown.watch.until(lambda: "refuses the user name or the password" in shown.watch.said)
    time.sleep(3)
    shown.server.kill()
    shown.server.options = protected(WRONG)
    shown.server.start()
    shown.recovers()
    shown.show(scenes.odd)


def resized(shown, scenes):
    shown.show(scenes.odd)
    shown.show(scenes.long, until="start")
    shown.server.order(f"play {scenes.large_calm}")
    shown.recovers()
    shown.show(scenes.large_odd)


def jumps(by_s):
    def jump(shown, scenes):
        """In the middle of an event, which goes on."""
        shown.show(scenes.odd)
        shown.show(scenes.long, until="start")
        shown.relay.shift_s = by_s
        shown.recovers()
        shown.show(scenes.odd)

    return jump


def lossy(shown, scenes):
    """Smeared pictures may look unusual too, so nothing here waits for what is told."""
    for _ in range(2):
        shown.show(scenes.long, until=None)
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
    """What came of all of them.

    Attributes:
        cameras: By fault.
        failures: What went wrong with a camera, by fault.
        told: Complete events, by fault and by where they came to.
        doubled: Messages that came more than once, by fault.
        code: The exit code.
        stopped_s: How long the stop took.
        leaks: Everything that anybody may read.
    """

    cameras: dict
    failures: dict
    told: dict
    doubled: dict
    code: int
    stopped_s: float
    leaks: dict


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
            "hook": {"kind": "webhook", "url": receiver.url, "headers": {"Authorization": "Bearer ${TOKEN}"}},
            "home": {
                "kind": "mqtt", "host": "127.0.0.1", "port": broker.port, "username": "me", "password": "${MQTT}"
            },
        }  # fmt: skip
        env = {"DOOR": WRONG, "TOKEN": TOKEN, "MQTT": MQTT}
        watch = enter(WatchProcess(folder / "watch", scene_model, cameras, sinks, env=env))
        watch.until(
            lambda: all(watch.metric("oddframe_up", name) for name in FAULTS if name != "password")
        )
        shown = {
            name: Shown(name, servers[name], watch, receiver, relays.get(name)) for name in FAULTS
        }
        went = side_by_side(
            {name: partial(FAULTS[name][1], shown[name], scenes) for name in FAULTS}
        )
        for name in FAULTS:
            shown[name].measured["reconnects"] = round(
                watch.metric("oddframe_reconnects_total", name)
            )
        leaks = {"metrics": watch.metrics(), "arguments": watch.arguments}
        code, stopped_s = watch.signal(signal.SIGTERM)
        messages = received(receiver)
        leaks |= {"said": watch.said, "webhook": repr(messages), "mqtt": repr(listener.heard)}
        leaks |= {
            str(path): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and watch.out in path.parents
        }
        leaks["settings"] = watch.config.read_text()
        return Fleet(
            cameras=shown,
            failures={name: error for name, error in went.items() if error is not None},
            told={name: count_all(watch.out, name, receiver, listener) for name in FAULTS},
            doubled={name: twice(messages, name) for name in FAULTS},
            code=code,
            stopped_s=stopped_s,
            leaks=leaks,
        )


def address(name, server, relay):
    if relay is not None:
        return server.url(query="?transport=udp").replace(str(server.port), str(relay.port))
    return server.url("bob:${DOOR}@" if name == "password" else "")


@pytest.mark.parametrize("name", FAULTS)
def test_no_event_of_a_camera_is_lost_through_a_fault(fleet, name):
    if name in fleet.failures:
        raise fleet.failures[name]
    shown, told = fleet.cameras[name], fleet.told[name]
    note(FAULTS[name][0], shown.sent, told, twice=fleet.doubled[name], **shown.measured)
    assert len(set(told.values())) == 1, "all are told the same"
    if name == "lossy":  # a break may make two events of one, and smears may be events too
        assert told["store"] >= shown.sent
    else:
        assert told["store"] == shown.sent
    assert fleet.doubled[name] == 0
    assert shown.measured["reconnects"] >= (name in ("killed", "stalled"))
    assert shown.measured.get("recovered_s", 0) < slowed(15)


def test_a_stop_of_all_of_them_takes_no_two_seconds(fleet):
    assert fleet.code == 0
    assert fleet.stopped_s < slowed(2)


def test_no_password_appears_anywhere(fleet):
    assert fleet.leaks["arguments"].split()[-2] == "-o"
    assert "mqtt" in fleet.leaks["metrics"] or "home" in fleet.leaks["metrics"]
    assert any(name.endswith(".sqlite") for name in fleet.leaks)
    for secret in (WRONG, RIGHT, MQTT, TOKEN):
        for written in {secret, quote(secret, safe="")}:
            for where, what in fleet.leaks.items():
                found = written.encode() in what if isinstance(what, bytes) else written in what
                assert not found, f"a password is in {where}"


def test_the_scene_has_exactly_the_known_events(scene_model, tmp_path):
    """What the counting of events here stands on."""
    odd = [*range(40, 60), *range(100, 120), *range(160, 220)]
    recording = write_recording(tmp_path / "scene.mp4", 260, odd)
    score(recording, scene_model, tmp_path / "out")
    ends = [one for one in lines(tmp_path / "out", "scene") if one["phase"] == "end"]
    assert [one["kind"] for one in ends] == ["anomaly"] * 3
    assert [one["start_s"] for one in ends] == pytest.approx([4.0, 10.0, 16.0], abs=0.45)
    assert [one["end_s"] for one in ends] == pytest.approx([5.9, 11.9, 21.9], abs=0.45)
