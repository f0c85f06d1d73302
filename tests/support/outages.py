"""Faults on our own side while a real camera is watched.

They are receivers that are down, a full disk, a kill, and a clock that is set. Each is a function
of a folder, the scenes and the model, and returns what it measured; they can run at the same time.
"""

import json
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime

from oddframe.inference.loading import load
from oddframe.media.live_config import LiveSettings, stream_address
from oddframe.monitoring.config import Camera, WatchPlan, WatchSettings
from oddframe.monitoring.watcher import Watcher
from oddframe.sinks.webhook import WebhookConfig
from oddframe.store.reader import StoreReader
from tests.support.alerting import Hook, hook, until
from tests.support.ballast import fill_up
from tests.support.delivered import (
    complete,
    count_all,
    count_duplicates,
    lines,
    received,
    stored,
)
from tests.support.mosquitto import Broker, Listener
from tests.support.rtsp import RtspServer
from tests.support.staged_camera import StagedCamera
from tests.support.watch_process import LIVE, RETRY, WatchProcess

DAY_S = 86_400


def webhook(receiver):
    """The table of a sink."""
    return {"kind": "webhook", "url": receiver.url, "timeout_s": 1, "retry": RETRY}


def yard(server):
    """The table of the only camera."""
    return [{"name": "yard", "source": server.url(), "live": LIVE}]


def broker_and_listener(stack, folder):
    (folder / "broker").mkdir(parents=True)
    broker = Broker(folder / "broker")
    stack.callback(broker.stop)
    listener = Listener(broker)
    stack.callback(listener.close)
    return broker, listener


class TimingHook(Hook):
    """A receiver without a fault that notes how late the starts of events come, in seconds."""

    def __init__(self):
        super().__init__()
        self.late_s = []
        self.answer = self.note_delay

    def note_delay(self, _count):
        message = json.loads(self.requests[-1][2])
        certain_s = (
            datetime.fromisoformat(message["start"]).timestamp()
            + message["end_s"]
            - message["start_s"]
        )
        if message["phase"] == "start":
            self.late_s.append(time.time() - certain_s)
        return 200


def receivers_down(folder, scenes, model):
    """Four receivers are down at once.

    One web server is away, one hangs, one answers 500, and the MQTT broker is away.
    """
    with ExitStack() as stack:
        server = stack.enter_context(RtspServer(scenes.calm))
        well = TimingHook()
        stack.callback(well.close)
        away, hangs, errors = (stack.enter_context(hook()) for _ in range(3))
        broker, listener = broker_and_listener(stack, folder)
        sinks = {
            "well": webhook(well), "away": webhook(away),
            "hangs": webhook(hangs), "errors": webhook(errors),
            "broker": {"kind": "mqtt", "host": "127.0.0.1", "port": broker.port},
        }  # fmt: skip
        watch = stack.enter_context(WatchProcess(folder, model, yard(server), sinks))
        watch.until_frames("yard")
        camera = StagedCamera("yard", server, watch, well)
        taken = {
            "away": lambda: received(away),
            "hangs": lambda: received(hangs),
            "errors": lambda: received(errors),
            "broker": lambda: listener.on("oddframe/events"),
        }
        done_s = {}

        def all_delivered():
            for name, messages in taken.items():
                if name not in done_s and len(complete(messages(), "yard")) == camera.sent:
                    done_s[name] = time.monotonic() - began_s
            return len(done_s) == len(taken)

        began_s = time.monotonic()
        camera.show(scenes.odd)
        watch.until(all_delivered)
        over = threading.Event()
        stack.callback(over.set)
        errors.answer = lambda _count: 500
        hangs.answer = lambda _count: 0 * over.wait(60)
        broker.stop()
        away.close()
        for _ in range(2):
            camera.show(scenes.odd)
        waiting = {name: watch.metric("oddframe_sink_waiting", name) for name in taken}
        back = stack.enter_context(hook(away.port))
        taken["away"] = lambda: received(away) + received(back)
        errors.answer = hangs.answer = lambda _count: 200
        over.set()
        broker.start()
        began_s = time.monotonic()
        done_s.clear()
        watch.until(all_delivered)
        recovered_s = dict(done_s)
        camera.show(scenes.odd)
        done_s.clear()
        watch.until(all_delivered)
        watch.stop()
        delivered = {name: len(complete(messages(), "yard")) for name, messages in taken.items()}
        well_delivered = count_all(watch.out, "yard", well)
        duplicates = {
            name: count_duplicates(messages(), "yard") for name, messages in taken.items()
        }
        left = [path for path in (watch.out / "queue").rglob("*") if path.is_file()]
    return {
        "sent": camera.sent, "delivered": delivered, "well": well_delivered,
        "recovered_s": recovered_s, "duplicates": duplicates,
        "late_s": well.late_s, "waiting": waiting, "left": left,
    }  # fmt: skip


@contextmanager
def small_disk(folder):
    """A file system of 6 MB in memory."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=True, capture_output=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def disk_full(folder, scenes, model):
    """The disk is full for two events, and has room again."""
    with RtspServer(scenes.calm) as server, hook() as receiver, small_disk(folder / "disk") as disk:
        sinks = {"hook": webhook(receiver)}
        with WatchProcess(folder, model, yard(server), sinks, out=disk / "out") as watch:
            watch.until_frames("yard")
            camera = StagedCamera("yard", server, watch, receiver)
            camera.show(scenes.odd)
            watch.until(lambda: len(complete(lines(watch.out, "yard"), "yard")) == 1)
            ballast = fill_up(disk)
            for _ in range(2):
                camera.show(scenes.odd)
            in_full = stored(watch.out, "yard")
            ballast.unlink()
            began_s = time.monotonic()
            watch.until(lambda: min(count_all(watch.out, "yard").values()) == camera.sent)
            recovered_s = time.monotonic() - began_s
            camera.show(scenes.odd)
            watch.stop()
        delivered = count_all(disk / "out", "yard", receiver)
        output = watch.output
        reader = StoreReader(disk / "out")
        pictures = [row.alert.snapshot is not None for row in reversed(reader.events())]
        reader.close()
    return {
        "sent": camera.sent, "delivered": delivered, "recovered_s": recovered_s,
        "duplicates": count_duplicates(received(receiver), "yard"),
        "output": output, "pictures": pictures, "in_full": in_full,
    }  # fmt: skip


def watcher_killed(folder, scenes, model):
    """The watcher is killed in the middle of an event, while a receiver is down."""
    with ExitStack() as stack:
        server = stack.enter_context(RtspServer(scenes.calm))
        receiver, down = stack.enter_context(hook()), stack.enter_context(hook())
        sinks = {"hook": webhook(receiver), "down": webhook(down)}
        watch = stack.enter_context(WatchProcess(folder, model, yard(server), sinks))
        watch.until_frames("yard")
        camera = StagedCamera("yard", server, watch, receiver)
        camera.show(scenes.odd)
        down.answer = lambda _count: 500
        camera.show(scenes.odd)
        camera.show(scenes.long, until="start")
        watch.kill()
        started_before = complete(received(receiver), "yard", ["start"])
        open_after_kill = started_before - stored(watch.out, "yard")
        down.answer = lambda _count: 200
        began_s = time.monotonic()
        watch.start()
        watch.until(lambda: camera.count_events() == camera.sent)
        recovered_s = time.monotonic() - began_s
        watch.until_frames("yard")
        camera.show(scenes.odd)
        watch.stop()
        watch_lines = lines(watch.out, "yard")
        return {
            "sent": camera.sent,
            "delivered": {
                **count_all(watch.out, "yard", receiver),
                "down": len(complete(received(down), "yard")),
            },
            "duplicates": count_duplicates(received(receiver), "yard"),
            "recovered_s": recovered_s,
            "started_before": started_before,
            "open_after_kill": open_after_kill,
            "stored": stored(watch.out, "yard"),
            "lines": watch_lines,
        }


class InThisProcess:
    """A watcher on a thread of this process, whose clock can be set."""

    def __init__(self, server, model, out, receiver):
        live = LiveSettings(**LIVE)
        watched = Camera(name="yard", address=stream_address(server.url(), variables={}), live=live)
        settings = WatchSettings(sinks={"hook": WebhookConfig(url=receiver.url)}, keep_free_gb=0)
        plan = WatchPlan(cameras=(watched,), model="m", settings=settings)
        self.ahead_s = 0.0
        self.watcher = Watcher(
            plan, {"m": load(model, device="cpu", batch_size=1)}, out, now_us=self.now_us
        )
        self.thread = threading.Thread(target=self.watcher.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.until(lambda: self.watcher.views()[0].clips > 3)
        return self

    def __exit__(self, *_):
        self.watcher.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()

    def now_us(self):
        return time.time_ns() // 1000 + round(self.ahead_s * 1e6)

    def until(self, condition):
        return until(condition, 60)


def clock_set(folder, scenes, model):
    """The clock is set ahead by a day during an event, and back by two days during another."""
    with RtspServer(scenes.calm) as server, hook() as receiver:
        with InThisProcess(server, model, folder / "out", receiver) as watch:
            camera = StagedCamera("yard", server, watch, receiver)
            camera.show(scenes.odd)
            for ahead_s in (DAY_S, -DAY_S):
                camera.show(scenes.long, until="start")
                watch.ahead_s = ahead_s
                watch.until(lambda: camera.count_events() == camera.sent)
                camera.show(scenes.odd)
        messages = received(receiver)
        return {
            "sent": camera.sent,
            "delivered": count_all(folder / "out", "yard", receiver),
            "duplicates": count_duplicates(messages, "yard"),
            "messages": messages,
            "now_s": time.time(),
        }
