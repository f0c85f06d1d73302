"""Alerts to test with, and a web server that misbehaves on demand."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from oddframe.core.alerts import Alert, alert
from oddframe.core.records import Event

NOON_US = 1_790_000_000_000_000
"""The wall-clock time of a stream's second 0: 2026-09-21 14:13:20 UTC."""


def wall(time_s: float) -> int:
    """The wall clock, in microseconds, at a stream's second."""
    return NOON_US + round(time_s * 1e6)


def made_event(
    number: int = 0,
    phase: str = "start",
    source: str = "yard",
    kind: str = "anomaly",
    **values: object,
) -> Event:
    """An event of four seconds; each number has a start and an id of its own."""
    start_s = 10.0 * number
    lasted_s = {"start": 0.5, "update": 2.0, "end": 4.0}[phase]
    fields: dict[str, Any] = {
        "id": f"{number:016x}",
        "kind": kind,
        "phase": phase,
        "source": source,
        "start_s": start_s,
        "end_s": start_s + lasted_s,
        "peak_s": start_s + lasted_s / 2,
        "score": 0.75,
        "box": (0.25, 0.5, 0.75, 1.0),
        "reason": "moves wrong",
        "parts": {"appearance": 0.5, "motion": 4.0, "cluster": 1.0},
        **values,
    }
    return Event(**fields)


def made_alert(number: int = 0, phase: str = "start", **values: Any) -> Alert:
    """The alert of an event that `made_event` makes."""
    return alert(made_event(number, phase, **values), wall)


def until(condition: Callable[[], object], timeout_s: float = 120.0) -> float:
    """Wait until a condition holds; returns the seconds that it took, and fails after too many."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, "the condition did not come true in time"
        time.sleep(0.005)
    return time.monotonic() - began


class Hook:
    """A web server on this machine that notes what it is sent.

    Attributes:
        answer: Called with the number of requests so far; returns the status of the answer, and
            may take its time. 0 hangs up without an answer.
        headers: Sent with each answer.
        body: What each answer holds.
        requests: Path, headers and body of each request, in order.
        taken: Bodies that were answered with 200.
    """

    def __init__(self, port: int = 0) -> None:
        self.answer: Callable[[int], int] = lambda _count: 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.taken: list[bytes] = []
        self._open = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.requests.append((self.path, dict(self.headers), body))
                status = hook.answer(len(hook.requests))
                if status == 0:
                    self.close_connection = True
                    return
                if status == 200:
                    hook.taken.append(body)
                try:
                    self.send_response(status)
                    for name, value in hook.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(hook.body)
                except OSError:
                    pass  # the sender did not wait

            def log_message(self, format: str, *args: object) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def hook(port: int = 0) -> Iterator[Hook]:
    """Run a `Hook` for as long as the block lasts."""
    server = Hook(port)
    try:
        yield server
    finally:
        server.close()
