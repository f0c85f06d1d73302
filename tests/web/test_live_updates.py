"""The event stream, over real sockets."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import uvicorn

from oddframe.monitoring.camera import CameraSnapshot
from oddframe.web.auth import Access
from oddframe.web.live_updates import (
    MOST_LISTENERS,
    MOST_WAITING,
    EventHub,
    EventStream,
    Listener,
    LivePictures,
    PictureStream,
)
from oddframe.web.security import SecurityMiddleware

MANY = 200


@contextmanager
def serving(hub, stuck_s=20.0, answer=None):
    """A server of nothing but the event stream, or of another answer; gives its port."""

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            hub.open()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        made = EventStream(hub, hub.listen(), stuck_s=stuck_s) if answer is None else answer()
        await made(scope, receive, send)

    config = uvicorn.Config(
        SecurityMiddleware(app, Access(None)),
        port=0,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        hub.close_soon()
        server.should_exit = True
        thread.join(120)
        assert not thread.is_alive()


async def opened(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await writer.drain()
    await reader.readuntil(b"retry: 2000")
    return reader, writer


async def closed(clients):
    for _, writer in clients:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in clients), return_exceptions=True)


async def message(reader, kind):
    """The next message of a kind."""
    while True:
        line = await asyncio.wait_for(reader.readline(), 30)
        if line == f"event: {kind}\n".encode():
            return json.loads((await reader.readline()).removeprefix(b"data: "))


def test_many_browsers_all_receive_every_message():
    hub = EventHub()

    async def run(port):
        clients = await asyncio.gather(*(opened(port) for _ in range(MANY)))
        assert hub.listeners == MANY
        for number in range(3):
            hub.publish("event", {"row": number, "note": "ü\n<b>"})
        for number in range(3):
            received = await asyncio.gather(*(message(reader, "event") for reader, _ in clients))
            assert received == [{"row": number, "note": "ü\n<b>"}] * MANY
        await closed(clients)
        while hub.listeners:
            await asyncio.sleep(0.02)

    with serving(hub) as port:
        asyncio.run(run(port))


def test_a_browser_that_reads_nothing_delays_nobody_and_holds_little():
    hub = EventHub()
    long = "x" * 20_000

    async def run(port):
        clients = slow, (quick, _) = await opened(port), await opened(port)
        for number in range(600):
            hub.publish("event", {"row": number, "long": long})
            assert (await message(quick, "event"))["row"] == number
        while hub.listeners > 1:
            await asyncio.sleep(0.02)
        hub.publish("event", {"row": -1, "long": ""})
        assert (await message(quick, "event"))["row"] == -1
        assert slow in clients
        await closed(clients)

    with serving(hub, stuck_s=1.0) as port:
        asyncio.run(run(port))


def test_a_stop_lets_everybody_go():
    hub = EventHub()

    async def run(port):
        clients = await asyncio.gather(*(opened(port) for _ in range(20)))
        hub.close_soon()
        await asyncio.wait_for(
            asyncio.gather(*(reader.readuntil(b"\r\n0\r\n\r\n") for reader, _ in clients)), 10
        )
        await closed(clients)

    with serving(hub) as port:
        asyncio.run(run(port))
    assert hub.listen() is None


def test_the_stream_is_what_a_browser_expects():
    """The lines as they were before a library wrote them."""
    hub = EventHub()

    async def run(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-type: text/event-stream" in head
        assert b"cache-control: no-store" in head
        assert b"x-accel-buffering: no" in head
        await reader.readuntil(b"\r\nretry: 2000\n\n\r\n")
        hub.publish("status", {"text": "é\n\r", "none": None}, latest_only=True)
        expected = 'event: status\ndata: {"text":"é\\n\\r","none":null}\n\n'.encode()
        await reader.readuntil(b"\r\n" + expected + b"\r\n")
        await closed([(reader, writer)])

    with serving(hub) as port:
        asyncio.run(run(port))


class Shown:
    """Stands for a watcher of one camera that shows what a test wants.

    Attributes:
        now: What it shows.
    """

    def __init__(self):
        self.now = None

    def show(self, number):
        picture = np.full((8, 8, 3), number, np.uint8)
        self.now = CameraSnapshot(time_s=number / 10, picture=picture, map=None, map_level=1.0)

    def snapshot(self, _name, *, mapped):
        return self.now


def test_each_new_picture_is_sent_once_and_a_stop_ends_it():
    hub, watcher = EventHub(), Shown()
    pictures = LivePictures(watcher)

    async def part(reader):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        fields = dict(line.split(": ") for line in head.decode().splitlines() if ": " in line)
        content = await reader.readexactly(int(fields["Content-Length"]))
        assert content.startswith(b"\xff\xd8")
        return float(fields["X-Time-S"])

    async def run(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        # HTTP/1.0: the answer then has no frames of its own between its parts.
        writer.write(b"GET /live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert b"multipart/x-mixed-replace; boundary=picture" in head
        assert pictures.viewers == 1
        for number in (1, 2, 3):
            watcher.show(number)
            assert await part(reader) == number / 10
        hub.close_soon()
        assert await asyncio.wait_for(reader.read(), 30) == b"\r\n"
        writer.close()
        while pictures.viewers:
            await asyncio.sleep(0.02)

    def answer():
        return PictureStream(pictures, "yard", heat=False, is_over=lambda: hub.is_closed)

    with serving(hub, answer=answer) as port:
        asyncio.run(run(port))


def test_a_browser_that_takes_no_pictures_is_let_go():
    hub, watcher = EventHub(), Shown()
    pictures = LivePictures(watcher)

    async def run(port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        random = np.random.default_rng(1)
        number = 0
        while number == 0 or pictures.viewers:
            # Noise does not shrink: what nobody takes fills the buffers.
            picture = random.integers(0, 256, (720, 1280, 3), np.uint8)
            watcher.now = CameraSnapshot(time_s=number, picture=picture, map=None, map_level=1.0)
            number += 1
            await asyncio.sleep(0.05)
        writer.close()

    def answer():
        return PictureStream(
            pictures, "yard", heat=False, is_over=lambda: hub.is_closed, stuck_s=0.5
        )

    with serving(hub, answer=answer) as port:
        asyncio.run(run(port))


@pytest.fixture
def listener():
    return Listener()


def test_a_status_that_waits_gives_way_to_the_next(listener):
    for number in range(5):
        listener.put(b"status %d" % number, latest_only=True)
        listener.put(b"event %d\n" % number, latest_only=False)
    assert listener.take() == b"event 0\nevent 1\nevent 2\nevent 3\nevent 4\nstatus 4"
    assert listener.take() == b""


def test_who_is_too_slow_is_told_to_look(listener):
    for number in range(MOST_WAITING + 7):
        listener.put(b"%d\n" % number, latest_only=False)
    messages = listener.take()
    assert messages.startswith(b'event: changed\ndata: {"what":"events"}')
    assert messages.count(b"\n") == MOST_WAITING + 3
    assert b"\n56\n" in messages


def test_there_are_not_more_listeners_than_a_server_bears():
    hub = EventHub()
    taken = [hub.listen() for _ in range(MOST_LISTENERS)]
    assert hub.listen() is None
    hub.unsubscribe(taken[0])
    assert hub.listen() is not None


def test_who_sees_some_cameras_is_told_of_these_alone():
    hub = EventHub()
    seen = []

    async def run():
        hub.open()
        listener, other = hub.listen({"yard"}), hub.listen()
        for name in ("vault", "yard"):
            hub.publish("event", {"row": 1, "camera": name})
            hub.publish("changed", {"what": "calibration", "camera": name})
        hub.publish("changed", {"what": "reviews", "rows": [7]})
        hub.publish("status", {"cameras": [{"name": "vault"}, {"name": "yard"}]}, latest_only=True)
        await asyncio.sleep(0)
        seen.extend((listener.take().decode(), other.take().decode()))

    asyncio.run(run())
    assert "vault" not in seen[0]
    assert "7" not in seen[0]
    assert seen[0].count("yard") == 3
    assert seen[0].count("event:") == 4
    assert seen[1].count("vault") == 3


def test_a_stream_ends_once_its_account_does():
    holds = [True]

    async def run():
        hub = EventHub()
        hub.open()
        stream = EventStream(hub, hub.listen(), still_holds=lambda: holds[0])
        messages = stream.body_iterator
        await anext(messages)
        hub.publish("event", {"row": 1})
        await anext(messages)
        holds[0] = False
        hub.publish("event", {"row": 2})
        assert [message async for message in messages] == []

    asyncio.run(run())
