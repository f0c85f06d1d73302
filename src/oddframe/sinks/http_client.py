"""One HTTP exchange with a receiver: an address that may hold secrets, and a limit on all of it.

The requests are made with `http.client` of the standard library: a limit on the whole exchange is
needed, and a client with sessions and redirects is not. Redirects are not followed, since headers
may hold secrets; proxies are not used.
"""

import base64
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import unquote, urlsplit

from oddframe._version import __version__
from oddframe.errors import DeliveryError, SettingsError
from oddframe.sinks.sink import network_reason

MOST_ANSWER_BYTES = 1_000_000
"""No more than this is read of an answer."""

_TEMPORARY = {408, 429}
"""Statuses of 400 to 499 that may be others later: request timeout, too many requests."""

_KEY_LENGTH = 8
"""Shorter parts of an address's path are words such as "hook", not keys."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said.

    Attributes:
        status: The status, 100 to 599.
        wait_s: The seconds that it asks to wait (``Retry-After``); None where it asks nothing.
        body: The answer itself, at most `MOST_ANSWER_BYTES`; empty unless it was asked for.
    """

    status: int
    wait_s: float | None
    body: bytes = b""

    @property
    def is_taken(self) -> bool:
        """Whether the receiver took the request: 200 to 299."""
        return 200 <= self.status < 300

    @property
    def is_final(self) -> bool:
        """Whether the receiver refuses the request for good: 400 to 499 but for 408 and 429."""
        return 400 <= self.status < 500 and self.status not in _TEMPORARY


class Receiver:
    """A web server that requests are sent to; its address is never shown, but for the host.

    Attributes:
        host: The host of the address, which sentences may name.
        path: The path of the address, and its query.
    """

    def __init__(
        self, who: str, url: str, headers: Mapping[str, str] | None = None, *, timeout_s: float
    ) -> None:
        """Remember where and how to send; no connection is opened yet.

        Args:
            who: What a sentence calls the receiver, such as "the webhook".
            url: An address that `check_address` allows; a name and a password in it become basic
                authentication.
            headers: More headers to send; they replace our own of the same name.
            timeout_s: Longest time from the connection to the end of the answer, in seconds.
        """
        self._who, self._parts, self._timeout_s = who, urlsplit(url), timeout_s
        self._given = dict(headers or {})
        self.host = self._parts.hostname or ""
        query = f"?{self._parts.query}" if self._parts.query else ""
        self.path = (self._parts.path or "/") + query

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        read: bool = False,
    ) -> Answer:
        """Send a request and return the answer.

        Args:
            method: Such as "POST".
            path: What stands behind the host, and the query.
            body: What to send; None sends none.
            headers: Headers of this request; the user's own replace them.
            read: Whether the body of the answer is wanted.

        Raises:
            DeliveryError: If there was no answer in time.
        """
        secure = self._parts.scheme == "https"
        connection = (HTTPSConnection if secure else HTTPConnection)(
            self.host, self._parts.port, timeout=self._timeout_s
        )
        # The socket's own limit begins anew with each byte: an answer that trickles in would never
        # end. So a timer breaks the connection off.
        is_late = threading.Event()
        timer = threading.Timer(self._timeout_s, _break_off, (connection, is_late))
        timer.daemon = True
        timer.start()
        try:
            connection.request(method, path, body, self._all_headers(headers or {}))
            answer = connection.getresponse()
            asked = answer.headers.get("Retry-After", "")
            text = answer.read(MOST_ANSWER_BYTES) if read else b""
            answer.close()
        except (OSError, HTTPException) as error:
            # A timer that has fired has broken the connection off, whatever the error says. Not the
            # text of the error: it may hold the address.
            why = network_reason(TimeoutError() if is_late.is_set() else error, self._timeout_s)
            raise DeliveryError(
                f"{self._who} at {self.host} gave no answer ({why}); the alert is sent again"
            ) from error
        else:
            # Retry-After may be a date as well; the pauses of our own are good enough for that.
            wait_s = float(asked) if asked.isascii() and asked.isdigit() else None
            return Answer(answer.status, wait_s, text)
        finally:
            timer.cancel()
            connection.close()

    def _all_headers(self, ours: Mapping[str, str]) -> dict[str, str]:
        """Make the headers of a request: our own, and the user's in their place."""
        made = {"User-Agent": f"oddframe/{__version__}", "Connection": "close", **ours}
        if self._parts.username is not None:
            pair = f"{unquote(self._parts.username)}:{unquote(self._parts.password or '')}"
            made["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        # Names of headers are the same in capitals and small letters.
        given = {name.lower() for name in self._given}
        return {
            name: value for name, value in made.items() if name.lower() not in given
        } | self._given


def check_address(who: str, url: str, headers: Mapping[str, str]) -> None:
    """Check the address of a receiver and the headers for it; no sentence holds the address.

    Args:
        who: What a sentence calls the receiver, such as "a webhook".
        url: The address.
        headers: The headers, by name.

    Raises:
        SettingsError: If one of them cannot be used.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(
            f"{who}'s url must be a valid address; check its host and port"
        ) from error
    # These sentences hold nothing of the address, in which a secret may stand.
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        or not url.isascii()
    ):
        raise SettingsError(
            f"{who}'s url must be http:// or https:// with a host, in plain ASCII; "
            "write other letters as %XX"
        )
    if any(letter <= " " or letter == "\x7f" for letter in url):
        raise SettingsError(f"{who}'s url must have no blanks in it; write them as %20")
    for name, value in headers.items():
        if not name or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise SettingsError(
                f"{who}'s header must have a name of letters, digits and -, got {name!r}"
            )
        if not value.isascii() or not value.isprintable():
            raise SettingsError(
                f"{who}'s header {name} must be one line of ASCII, but its value is not"
            )


def secrets_in(url: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the texts of an address and headers that nobody may be shown.

    They are the address, the parts of it that may be a key, and the values of the headers.
    """
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    found = {
        url,
        parts.path.strip("/"),
        parts.query,
        login,
        parts.password or parts.username or "",
    }
    found |= {piece for piece in parts.path.split("/") if len(piece) >= _KEY_LENGTH}
    found |= {pair.partition("=")[2] for pair in parts.query.split("&")} | set(headers.values())
    # An error of the network may quote them as they are or as a URL has them.
    return tuple(filter(None, found | {unquote(secret) for secret in found}))


def _break_off(connection: HTTPConnection, is_late: threading.Event) -> None:
    """Shut a connection's socket down, whatever its thread is waiting for, and say so before."""
    is_late.set()
    with suppress(OSError):
        if isinstance(connection.sock, socket.socket):
            connection.sock.shutdown(socket.SHUT_RDWR)
