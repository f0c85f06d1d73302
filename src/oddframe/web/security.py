"""Middleware before every route: checks host, origin, size and token, and sets security headers."""

import asyncio
import ipaddress
import json
from collections.abc import Callable, Collection, Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oddframe.errors import SettingsError
from oddframe.web.auth import COOKIE, Access, TooManyAttempts, TrustedProxy
from oddframe.web.people import Person, is_noted, needed_role

MOST_BYTES = 64 * 1024
"""Longest body of a request; the largest ones hold the zones of a camera."""

UPLOAD_PATH, UPLOAD_BYTES = "/api/v1/uploads/file", 8 * 1024 * 1024
"""Here a part of a recording is sent; its longest body."""

_SAFE = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing."""

_OPEN = {"/api/v1/login", "/api/v1/logout", "/api/v1/info"}
"""Paths of the API that answer without a token; the routes themselves hide what is not for all."""


def content_policy(*scripts: str) -> str:
    """Return the content security policy of our answers.

    Scripts and styles come from the server's own files only, and no other page may show ours in a
    frame. Pictures and clips may also be made by scripts (blob:) or stand in the page (data:).

    Args:
        scripts: What may run besides, such as the hash of a script that stands in the page.
    """
    allowed = " ".join(("'self'", *scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'self'; "
        "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


_HEADERS = [
    (b"content-security-policy", content_policy().encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]


class SecurityMiddleware:
    """Lets a request through to an app, or answers it with an error.

    Args:
        app: The app behind it.
        access: Checks tokens and sessions.
        note_change: Called with who asked for a change, from which address, its method and path,
            and the status of the answer; by a thread that may wait.
        hosts: Host names of this server, beside its addresses and ``localhost``. All others are
            refused: a foreign page could point its own name to this server (DNS rebinding).
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        hosts: Collection[str] = (),
        note_change: Callable[[Person, str, str, str, int], object] = lambda *change: None,
    ) -> None:
        self._app, self._access, self._note_change = app, access, note_change
        self._hosts = frozenset({"localhost", *(host.lower() for host in hosts)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have the app answer it."""
        # The app has no web sockets; anything but HTTP and the start and stop is ignored.
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        # Cheap checks come first: a token costs a slow hash.
        refusal = self._reject_invalid(scope, headers) or await self._authenticate(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
            await self._note(scope, refusal[0])
            return
        answered = _Status(send)
        body = _LimitedBody(receive, answered.send, _most_bytes(scope))
        await self._app(scope, body.receive, body.send)
        await self._note(scope, answered.status)

    async def _note(self, scope: Scope, status: int) -> None:
        """Note a change, and what somebody with a token was refused; not what strangers try."""
        if not (scope.get("signed_in") or 200 <= status < 300):
            return
        if not is_noted(scope["method"], scope["path"]):
            return
        address = scope["client"][0] if scope.get("client") else ""
        person = scope.get("person", Person(role="viewer"))
        await asyncio.to_thread(
            self._note_change, person, address, scope["method"], scope["path"], status
        )

    def _reject_invalid(
        self, scope: Scope, headers: dict[bytes, str]
    ) -> tuple[int, str, float] | None:
        """Return (status, sentence, wait in seconds) if a request is wrong whoever sent it."""
        host = headers.get(b"host", "")
        if not self._is_known(host):
            return 400, "this server is not known by this host name; add it with --allow-host", 0.0
        if scope["method"] not in _SAFE and not _same_origin(headers, host):
            return 403, "changes must come from this server's own pages, not from another site", 0.0
        length, most = headers.get(b"content-length", "0"), _most_bytes(scope)
        if not length.isdigit() or len(length) > 12 or int(length) > most:
            return 413, f"a request body must have at most {most} bytes", 0.0
        return None

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name.lower().rstrip(".") in self._hosts:
            return True
        # A bare address cannot be pointed anywhere else, so it needs no list.
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    async def _authenticate(
        self, scope: Scope, headers: dict[bytes, str]
    ) -> tuple[int, str, float] | None:
        """Return (status, sentence, wait in seconds) if a token is missing, wrong or not enough.

        Sets ``signed_in`` and ``person`` of the scope, for the routes that answer without a token,
        too; who is not known is a viewer. ``still_holds`` says later whether it is the same person.
        """
        path = scope["path"]
        scope["signed_in"], scope["person"] = False, Person(role="viewer")
        scope["still_holds"], scope["by_proxy"] = lambda: True, False
        address = scope["client"][0] if scope.get("client") else ""
        try:
            required = self._access.required
        except SettingsError:
            text = "the tokens of this server cannot be read; its log says more after a restart"
            return 503, text, 0.0
        scope["signed_in"] = not required
        guarded = (path.startswith("/api/") or path == "/metrics") and path not in _OPEN
        if not required:
            scope["person"] = Person()
            return None
        access, proxy = self._access, self._access.proxy
        if proxy is not None and proxy.header.encode() in headers:
            return self._let_in_by_proxy(scope, headers, proxy, address, guarded=guarded)
        session = _cookie(headers.get(b"cookie", ""))
        person = access.person_of(session) if session else None
        if person is not None and session is not None:
            known = person
            scope["still_holds"] = lambda: access.person_of(session) == known
            return _let_in(scope, person, guarded=guarded)
        kind, _, token = headers.get(b"authorization", "").partition(" ")
        token = token.strip()
        if kind.lower() == "bearer" and token and (guarded or path in _OPEN):
            try:
                # In a thread: the hash would hold up all other requests for some 50 ms.
                person = await asyncio.to_thread(access.check, token, address)
            except TooManyAttempts as error:
                text = "there were too many wrong tokens from this address; try again later"
                return 429, text, error.wait_s
            if person is not None:
                by_token = person
                scope["still_holds"] = lambda: access.person_with(token) == by_token
                return _let_in(scope, person, guarded=guarded)
        if not guarded:
            return None
        text = "a token is needed: sign in, or send the header Authorization: Bearer TOKEN"
        return 401, text, 0.0

    def _let_in_by_proxy(
        self,
        scope: Scope,
        headers: dict[bytes, str],
        proxy: TrustedProxy,
        address: str,
        *,
        guarded: bool,
    ) -> tuple[int, str, float] | None:
        """Let in whom the trusted proxy has named; refuse the header from anybody else."""
        name = proxy.header.encode()
        # Twice: one may be of the browser, which the proxy did not take away.
        is_twice = sum(key == name for key, _ in scope["headers"]) > 1
        if is_twice or not proxy.is_at(address):
            text = f"the header {proxy.header} must come once, and from the trusted proxy alone"
            return 403, text, 0.0
        named = headers[name]
        person = self._access.person_behind_proxy(named)
        if person is None:
            text = f"the proxy must name somebody who has an account here, got {named!r}"
            return (403, f"{text}; ask an admin", 0.0) if guarded else None
        access, known = self._access, person
        scope["still_holds"] = lambda: access.person_behind_proxy(named) == known
        scope["by_proxy"] = True
        return _let_in(scope, person, guarded=guarded)


class _Status:
    """Notes the status of an answer on its way; 0 where none was sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def _let_in(scope: Scope, person: Person, *, guarded: bool) -> tuple[int, str, float] | None:
    """Note who sends a request; returns (status, sentence, 0) if the role is not enough for it."""
    scope["signed_in"], scope["person"] = True, person
    role = needed_role(scope["method"], scope["path"])
    if not guarded or person.may(role):
        return None
    return 403, f"this needs the role {role}, but yours is {person.role}; ask an admin", 0.0


def _most_bytes(scope: Scope) -> int:
    """Return how long the body of a request may be: parts of recordings are long."""
    is_upload = scope["method"] == "PUT" and scope["path"] == UPLOAD_PATH
    return UPLOAD_BYTES if is_upload else MOST_BYTES


class _LimitedBody:
    """Ends a request whose body is too long, whatever its header says."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send, self._most = receive, send, most
        self._bytes = 0
        self._over = self._begun = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            if self._bytes > self._most and not self._over:
                self._over = True
                if not self._begun:
                    text = f"a request body must have at most {self._most} bytes"
                    await _answer(self._send, 413, text, 0.0)
            # For the app the browser has gone; it must not work on half of a body.
            if self._over:
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        # After our own answer nothing more may be sent.
        if self._over:
            return
        self._begun = True
        await self._send(message)


def _same_origin(headers: dict[bytes, str], host: str) -> bool:
    """Whether a change comes from our own page, or from a program that is no browser."""
    # Browsers set these headers, and pages cannot change them; other programs set neither.
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
            message = {**message, "headers": _add_headers(message.get("headers", []))}
        await send(message)

    return wrapped


def _add_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add the security headers that an answer does not set itself, as reports do."""
    headers = list(headers)
    known = {name.lower() for name, _ in headers}
    more = [pair for pair in _HEADERS if pair[0] not in known]
    # Pictures of people must not stay in the cache of a browser or a proxy.
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
