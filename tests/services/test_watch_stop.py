"""`oddframe watch` stops within two seconds and closes what is open, whatever it is doing."""

import signal
import socket
import threading
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.alerting import hook
from tests.support.delivered import complete, lines, note_stop, stored
from tests.support.rtsp import RtspServer
from tests.support.watch_process import LIVE, WatchProcess, free_port, scale_limit, until_all

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


def check_stop(during, processes, server, scenes, condition):
    """Have an event begin, stop the processes in the middle of it, and check what is left."""
    until_all(processes, condition)
    server.order(f"once {scenes.long}")
    until_all(processes, lambda process: "event since" in process.output)
    for process, number in zip(processes, SIGNALS, strict=True):
        code, took_s = process.signal(number)
        note_stop(during, number.name, took_s)
        assert code == 0, process.output
        assert took_s < scale_limit(2)
        assert "Traceback" not in process.output
    for process in processes:
        (path,) = process.out.glob("*.events.jsonl")
        camera = path.name.removesuffix(".events.jsonl")
        assert len(complete(lines(process.out, camera), camera)) == 1
        assert len(stored(process.out, camera)) == 1


def start_processes(stack, folder, model, cameras, sinks=None, arguments=()):
    """Start a process for each of the signals."""
    return [
        stack.enter_context(
            WatchProcess(folder / number.name, model, cameras, sinks, arguments=arguments)
        )
        for number in SIGNALS
    ]


def has_scored(process):
    return process.metric("oddframe_inference_seconds_count", "yard") > 5


def yard(server):
    return {"name": "yard", "source": server.url(), "live": LIVE}


def test_while_it_scores(scenes, scene_model, tmp_path):
    with ExitStack() as stack, RtspServer(scenes.calm) as server:
        running = start_processes(stack, tmp_path, scene_model, [yard(server)])
        check_stop("scoring", running, server, scenes, has_scored)


def test_in_the_middle_of_a_connect(scenes, scene_model, tmp_path):
    with ExitStack() as stack, RtspServer(scenes.calm) as server, black_hole() as port:
        never = {"name": "never", "source": f"rtsp://127.0.0.1:{port}/none", "live": PATIENT}
        running = start_processes(stack, tmp_path, scene_model, [yard(server), never])
        check_stop(
            "in the middle of a connect",
            running,
            server,
            scenes,
            has_scored,
        )
        assert all(
            "never: connecting" in process.output and "never: waiting" not in process.output
            for process in running
        )


def test_while_it_waits_to_try_again_and_without_a_password_for_ps(scenes, scene_model, tmp_path):
    with ExitStack() as stack, RtspServer(scenes.calm) as server:
        nowhere = f"rtsp://bob:{PASSWORD}@127.0.0.1:{free_port()}/none"
        arguments = (server.url(), nowhere, "--model", str(scene_model))
        running = start_processes(stack, tmp_path, scene_model, [], arguments=arguments)
        until_all(running, lambda process: "waiting" in process.output and "live" in process.output)
        assert all(
            "127.0.0.1" in process.arguments and PASSWORD not in process.arguments
            for process in running
        )
        check_stop("waiting to try again", running, server, scenes, lambda process: True)
        for process in running:
            assert PASSWORD not in process.output
            assert not any(
                PASSWORD.encode() in path.read_bytes()
                for path in process.out.rglob("*")
                if path.is_file()
            )


def test_with_a_receiver_that_hangs(scenes, scene_model, tmp_path):
    with ExitStack() as stack, RtspServer(scenes.calm) as server, hook() as receiver:
        over = threading.Event()
        stack.callback(over.set)
        receiver.answer = lambda _count: 0 * over.wait(60)
        sinks = {"hook": {"kind": "webhook", "url": receiver.url, "timeout_s": 60}}
        running = start_processes(stack, tmp_path, scene_model, [yard(server)], sinks)
        check_stop(
            "a receiver that hangs",
            running,
            server,
            scenes,
            has_scored,
        )
        for process in running:
            assert len(list((process.out / "queue" / "hook").iterdir())) >= 2, (
                "start and end wait for the next start"
            )
