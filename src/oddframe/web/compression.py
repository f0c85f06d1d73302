"""Answers compressed with gzip, for browsers that take it: text shrinks to a fifth or a tenth.

Pictures and clips are compressed already, and the stream of live updates must not wait in a
compressor; so only JSON is compressed on its way, and the files of the front end once in `pages`.
An answer never holds a token, so its length tells nothing of one.
"""

import gzip
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST_BYTES = 1_000
"""Shorter answers fit into one packet anyway."""

# The last bit of shortness takes several times as long.
_LEVEL = 5


class CompressJson:
    """Compresses the JSON that an app answers with.

    Args:
        app: The app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the app answer a request."""
        if scope["type"] == "http" and takes_gzip(Headers(scope=scope)):
            send = _Compressor(send).send
        await self._app(scope, receive, send)


class _Compressor:
    """Holds the head of an answer back until its body is there, and compresses both together."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        """Send a part of an answer."""
        if message["type"] == "http.response.start" and _is_long_json(
            Headers(raw=message["headers"])
        ):
            self._head = message
            return
        if self._head is not None and message["type"] == "http.response.body":
            head, self._head = self._head, None
            # JSON comes whole; were it ever to come in parts, they would pass as they are.
            if not message.get("more_body", False):
                body = gzip.compress(message["body"], _LEVEL, mtime=0)
                headers = MutableHeaders(raw=head["headers"])
                headers["content-encoding"] = "gzip"
                headers["content-length"] = str(len(body))
                headers.add_vary_header("accept-encoding")
                message = {**message, "body": body}
            await self._send(head)
        await self._send(message)


def takes_gzip(headers: Headers) -> bool:
    """Whether who sent these headers takes an answer that is compressed with gzip."""
    for part in headers.get("accept-encoding", "").split(","):
        name, _, quality = part.strip().partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False


def _is_long_json(headers: Headers) -> bool:
    length = headers.get("content-length", "")
    return (
        headers.get("content-type", "").startswith("application/json")
        and "content-encoding" not in headers
        and length.isdigit()
        and int(length) >= LEAST_BYTES
    )
