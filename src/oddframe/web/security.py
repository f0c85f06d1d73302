"""What stands before every request: hosts, origins, sizes, tokens, and the headers of every answer."""

import asyncio
import ipaddress
import json
from collections.abc import Collection, Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oddframe.web.auth import COOKIE, Access, TooManyAttempts

MOST_BYTES = 64 * 1024
"""Longest body of a request; zones of a camera are the largest that there are."""

_SAFE = {"GET", "HEAD", "OPTIONS"}

_OPEN = {"/api/v1/login", "/api/v1/logout", "/api/v1/info"}
"""Paths of the API that need no token; what they tell then, they decide."""

_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        b"media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
        b"base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]


class SecurityMiddleware:
    """Lets a request through to an app, or answers it itself.

    Args:
        app: What it guards.
        access: Who may come in.
        hosts: Names under which the server may be asked for, beside addresses and ``localhost``. A
            page of somebody else whose name suddenly leads here (DNS rebinding) comes with its own.
    """

    def __init__(self, app: ASGIApp, access: Access, hosts: Collection[str] = ()) -> None:
        self._app, self._access = app, access
        self._hosts = frozenset({"localhost", *(host.lower() for host in hosts)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._reject_invalid(scope, headers) or await self._authenticate(scope, headers)
        if refused is not None:
            await _answer(send, *refused)
            return
        body = _Limited(receive, send)
        await self._app(scope, body.receive, body.send)

    def _reject_invalid(
        self, scope: Scope, headers: dict[bytes, str]
    ) -> tuple[int, str, float] | None:
        """Why a request is wrong whoever sent it."""
        host = headers.get(b"host", "")
        if not self._is_known(host):
            return 400, "this server is not known by this host name; add it with --allow-host", 0.0
        if scope["method"] not in _SAFE and not _same_origin(headers, host):
            return 403, "changes must come from this server's own pages, not from another site", 0.0
        length = headers.get(b"content-length", "0")
        if not length.isdigit() or len(length) > 12 or int(length) > MOST_BYTES:
            return 413, f"a request body must have at most {MOST_BYTES} bytes", 0.0
        return None

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name.lower().rstrip(".") in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    async def _authenticate(
        self, scope: Scope, headers: dict[bytes, str]
    ) -> tuple[int, str, float] | None:
        """Why somebody may not come in; leaves in the scope whether he has signed in."""
        path = scope["path"]
        scope["signed_in"] = not self._access.required
        guarded = (path.startswith("/api/") or path == "/metrics") and path not in _OPEN
        if not self._access.required:
            return None
        session = _cookie(headers.get(b"cookie", ""))
        if session and self._access.has_session(session):
            scope["signed_in"] = True
            return None
        kind, _, token = headers.get(b"authorization", "").partition(" ")
        if kind.lower() == "bearer" and token and (guarded or path in _OPEN):
            address = scope["client"][0] if scope.get("client") else ""
            try:
                right = await asyncio.to_thread(self._access.check, token.strip(), address)
            except TooManyAttempts as error:
                text = "there were too many wrong tokens from this address; try again later"
                return 429, text, error.wait_s
            if right:
                scope["signed_in"] = True
                return None
        if not guarded:
            return None
        text = "a token is needed: sign in, or send the header Authorization: Bearer TOKEN"
        return 401, text, 0.0


class _Limited:
    """Ends a body that is longer than it said."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._bytes = 0
        self._over = self._begun = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            if self._bytes > MOST_BYTES and not self._over:
                self._over = True
                if not self._begun:
                    await _answer(
                        self._send, 413, f"a request body must have at most {MOST_BYTES} bytes", 0.0
                    )
            if self._over:
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self._over:
            return
        self._begun = True
        await self._send(message)


def _same_origin(headers: dict[bytes, str], host: str) -> bool:
    """Whether a change comes from our own page, or from a program that is no browser."""
    site = headers.get(b"sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get(b"origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _cookie(text: str) -> str | None:
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _completed(message.get("headers", []))}
        await send(message)

    return wrapped


def _completed(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    headers = list(headers)
    known = {name.lower() for name, _ in headers}
    more = [pair for pair in _HEADERS if pair[0] not in known]
    if b"cache-control" not in known:
        more.append((b"cache-control", b"no-store"))
    return [*headers, *more]


async def _answer(send: Send, status: int, detail: str, wait_s: float) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if wait_s:
        headers.append((b"retry-after", str(int(wait_s) + 1).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
