"""A relay on loopback between an RTSP client and its server that damages the video's UDP packets.

The conversation over TCP passes through; only the client's ports in it are replaced by the relay's
own, so that the server sends the video here.
"""

import random
import re
import selectors
import socket
import threading

_TICKS_PER_SECOND = 90_000
_SENDER_REPORT = 200


class UdpRelay:
    """The relay; use it in a `with` block, and connect to `port` in place of the server's.

    Args:
        server_port: The RTSP server's port on loopback.
        loss: Share of UDP packets to lose, 0 to 1.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        shift_s: Seconds to add to the timestamps of what passes from now on.
        passed: How many UDP packets were passed on.
        lost: How many were dropped.
    """

    def __init__(self, server_port: int, loss: float = 0.0) -> None:
        self._server_port = server_port
        self._loss = loss
        self._random = random.Random(1)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.passed = self.lost = 0
        self.shift_s = 0.0
        self._sockets: list[socket.socket] = [self._listening]

    def __enter__(self) -> "UdpRelay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for opened in self._sockets:
            opened.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(client,), daemon=True).start()

    def _converse(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._server_port))
        self._sockets += [client, server]
        with selectors.DefaultSelector() as selector, client, server:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    try:
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                        if not data:
                            return
                        key.data.sendall(
                            self._with_own_ports(data) if key.fileobj is client else data
                        )
                    except OSError:
                        return

    def _with_own_ports(self, request: bytes) -> bytes:
        def replace(match: re.Match[bytes]) -> bytes:
            ports = [self._open_inbox(int(port)) for port in match.groups()]
            return b"client_port=%d-%d" % tuple(ports)

        return re.sub(rb"client_port=(\d+)-(\d+)", replace, request)

    def _open_inbox(self, client_port: int) -> int:
        """Open a port whose packets are passed on to the client's, except for those lost."""
        inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        inbox.bind(("127.0.0.1", 0))
        self._sockets.append(inbox)
        threading.Thread(target=self._forward, args=(inbox, client_port), daemon=True).start()
        return int(inbox.getsockname()[1])

    def _forward(self, inbox: socket.socket, client_port: int) -> None:
        while True:
            try:
                packet = inbox.recv(65536)
            except OSError:
                return
            if self._random.random() < self._loss:
                self.lost += 1
                continue
            self.passed += 1
            try:
                inbox.sendto(self._shift(packet), ("127.0.0.1", client_port))
            except OSError:
                return

    def _shift(self, packet: bytes) -> bytes:
        """Return the packet with a later RTP timestamp.

        It is a part of a picture, or the server's report on its clock.
        """
        is_report = packet[1] == _SENDER_REPORT
        at = 16 if is_report else 4
        if not self.shift_s or (not is_report and 200 <= packet[1] <= 204):
            return packet
        ticks = int.from_bytes(packet[at : at + 4]) + round(self.shift_s * _TICKS_PER_SECOND)
        return packet[:at] + (ticks % 2**32).to_bytes(4) + packet[at + 4 :]
