"""A server on loopback that answers each connection as a test wants.

It may stream a video, stall, redirect, or never answer.
"""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

Answer = Callable[[socket.socket, threading.Event], None]


class StreamServer:
    """The server; use it in a `with` block.

    Args:
        answers: What to do with the first connection, the second and so on; the last is for all
            that follow. An answer gets the connection, on which a request has been read, and an
            event that is set at the end.
        reads: Whether to read a request before the answer.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        requests: The requests, oldest first.
    """

    def __init__(self, *answers: Answer, reads: bool = True) -> None:
        self._answers, self._reads = answers, reads
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.requests: list[bytes] = []
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._connections:
            connection.close()
        for thread in self._threads:
            thread.join(5)

    def url(self, path: str = "live.ts", login: str = "") -> str:
        """Return the address of a path on this server."""
        return f"http://{login}127.0.0.1:{self.port}/{path}"

    def _run(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            number = len(self._connections)
            self._connections.append(connection)
            self._run(self._serve, connection, self._answers[min(number, len(self._answers) - 1)])

    def _serve(self, connection: socket.socket, answer: Answer) -> None:
        try:
            if self._reads:
                self.requests.append(connection.recv(65536))
            answer(connection, self._over)
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
        finally:
            connection.close()


def http(
    body: bytes = b"", status: str = "200 OK", *, holds: bool = False, **headers: str
) -> Answer:
    """Answer with a body; `holds` keeps the connection open behind it, and sends nothing more."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        lines = [
            f"HTTP/1.1 {status}",
            "Connection: close",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        if holds:
            over.wait(30)

    return answer


def video(path: Path, *, holds: bool = False) -> Answer:
    """Answer with a file's bytes."""
    return http(path.read_bytes(), holds=holds)


def multipart(pictures: list[bytes], every_s: float) -> Answer:
    """Answer with JPEG pictures one by one, as web cameras do."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=here\r\n\r\n"
        )
        for picture in pictures:
            head = b"--here\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(
                picture
            )
            connection.sendall(head + picture + b"\r\n")
            over.wait(every_s)

    return answer


def silence(connection: socket.socket, over: threading.Event) -> None:
    """Never answer."""
    over.wait(300)
