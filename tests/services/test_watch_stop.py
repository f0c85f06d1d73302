"""A stop of `oddframe watch` takes no two seconds and closes what is open, whatever it does at that moment."""

import re
import signal
import socket
import threading
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.alerting import hook
from tests.support.rtsp import RtspServer
from tests.support.told import complete, lines, note_stop, stored
from tests.support.watch_process import LIVE, WatchProcess, free_port, slowed, until_all

pytestmark = pytest.mark.services

SIGNALS = (signal.SIGTERM, signal.SIGINT)
PASSWORD = "geheim55"
PATIENT = {**LIVE, "open_timeout_s": 60, "read_timeout_s": 60}


@contextmanager
def black_hole():
    """A port on loopback that neither accepts nor refuses a connection."""
    with ExitStack() as open_until_the_end:
        listening = open_until_the_end.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        while True:
            filler = open_until_the_end.enter_context(socket.socket())
            filler.settimeout(0.3)
            try:
                filler.connect(listening.getsockname())
            except TimeoutError:
                break
        yield listening.getsockname()[1]


def stops(during, processes, server, scenes, holds):
    """Have an event begin, stop them in the middle of it, and see what is left."""
    until_all(processes, holds)
    server.order(f"once {scenes.long}")
    until_all(processes, lambda one: re.search(r"event since", one.said))
    for process, number in zip(processes, SIGNALS, strict=True):
        code, took_s = process.signal(number)
        note_stop(during, number.name, took_s)
        assert code == 0, process.said
        assert took_s < slowed(2)
        assert "Traceback" not in process.said
    for process in processes:
        (path,) = process.out.glob("*.events.jsonl")
        camera = path.name.removesuffix(".events.jsonl")
        assert len(complete(lines(process.out, camera), camera)) == 1
        assert len(stored(process.out, camera)) == 1


def processes(stack, folder, model, cameras, sinks=None, arguments=()):
    """One for each signal."""
    return [
        stack.enter_context(
            WatchProcess(folder / number.name, model, cameras, sinks, arguments=arguments)
        )
        for number in SIGNALS
    ]


def scores(process):
    return process.metric("oddframe_inference_seconds_count", "yard") > 5


def yard(server):
    return {"name": "yard", "source": server.url(), "live": LIVE}


def test_while_it_scores(scenes, scene_model, tmp_path):
    with ExitStack() as stack, RtspServer(scenes.calm) as server:
        running = processes(stack, tmp_path, scene_model, [yard(server)])
        stops("scoring", running, server, scenes, scores)


def test_in_the_middle_of_a_connect(scenes, scene_model, tmp_path):
    with ExitStack() as stack, RtspServer(scenes.calm) as server, black_hole() as port:
        never = {"name": "never", "source": f"rtsp://127.0.0.1:{port}/none", "live": PATIENT}
        running = processes(stack, tmp_path, scene_model, [yard(server), never])
        stops(
            "in the middle of a connect",
            running,
            server,
            scenes,
            scores,
        )
        assert all(
            "never: connecting" in one.said and "never: waiting" not in one.said for one in running
        )


def test_while_it_waits_to_try_again_and_without_a_password_for_ps(scenes, scene_model, tmp_path):
    with ExitStack() as stack, RtspServer(scenes.calm) as server:
        nowhere = f"rtsp://bob:{PASSWORD}@127.0.0.1:{free_port()}/none"
        arguments = (server.url(), nowhere, "--model", str(scene_model))
        running = processes(stack, tmp_path, scene_model, [], arguments=arguments)
        until_all(running, lambda one: "waiting" in one.said and "live" in one.said)
        assert all(
            "127.0.0.1" in one.arguments and PASSWORD not in one.arguments for one in running
        )
        stops("waiting to try again", running, server, scenes, lambda one: True)
        for one in running:
            assert PASSWORD not in one.said
            assert not any(
                PASSWORD.encode() in path.read_bytes()
                for path in one.out.rglob("*")
                if path.is_file()
            )


def test_with_a_receiver_that_hangs(scenes, scene_model, tmp_path):
    with ExitStack() as stack, RtspServer(scenes.calm) as server, hook() as receiver:
        over = threading.Event()
        stack.callback(over.set)
        receiver.answer = lambda _count: 0 * over.wait(60)
        sinks = {"hook": {"kind": "webhook", "url": receiver.url, "timeout_s": 60}}
        running = processes(stack, tmp_path, scene_model, [yard(server)], sinks)
        stops(
            "a receiver that hangs",
            running,
            server,
            scenes,
            scores,
        )
        for one in running:
            assert len(list((one.out / "queue" / "hook").iterdir())) >= 2, (
                "start and end wait for the next start"
            )
