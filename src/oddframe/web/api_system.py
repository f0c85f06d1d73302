"""The API of the server itself: what it is, signing in and out, and the stream of its news."""

import os
import time
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, HTTPException, Request, Response

from oddframe._version import __version__
from oddframe.web.auth import COOKIE, SESSION_S, TooManyAttempts
from oddframe.web.context import Asking, Context, now_us
from oddframe.web.live_updates import EventStream
from oddframe.web.schemas import Info, SignIn

router = APIRouter(prefix="/api/v1")


@router.get("/info")
def info(context: Context, asking: Asking, request: Request) -> Info:
    """The server, and whether this browser has signed in."""
    # `SecurityMiddleware` lets this path through without a token and says who asks.
    signed_in = bool(request.scope.get("signed_in"))
    data = context.supervisor.data
    return Info(
        version=__version__ if signed_in else "",
        # Whom a proxy has signed in need not, and cannot, sign in or out here.
        auth_required=context.access.required and not request.scope["by_proxy"],
        signed_in=signed_in,
        now_us=now_us(),
        data_dir=str(data) if signed_in else None,
        time_zone=_time_zone(),
        demo=signed_in and (data / "demo.json").is_file(),
        name=asking.name,
        role=asking.role,
        cameras=None if asking.cameras is None else sorted(asking.cameras),
    )


@router.post("/login", status_code=204, responses={401: {}, 429: {}})
def login(context: Context, request: Request, given: SignIn) -> Response:
    """Sign in: the answer sets a cookie that scripts cannot read."""
    address = request.client.host if request.client else ""
    try:
        session = context.access.sign_in(given.token, address)
    except TooManyAttempts as error:
        wait_s = int(error.wait_s) + 1
        raise HTTPException(
            429,
            f"there were too many wrong tokens from this address; try again in {wait_s} s",
            {"Retry-After": str(wait_s)},
        ) from error
    if session is None:
        raise HTTPException(401, "wrong token")
    answer = Response(status_code=204)
    answer.set_cookie(
        COOKIE,
        session,
        max_age=int(SESSION_S),
        path="/",
        httponly=True,
        samesite="strict",
        # Over plain HTTP a browser would not store a secure cookie, so nobody could sign in.
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout", status_code=204)
def logout(context: Context, request: Request) -> Response:
    """Sign out; the session ends at the server too."""
    if session := request.cookies.get(COOKIE):
        context.access.sign_out(session)
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


@router.get(
    "/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}, 503: {}},
)
async def stream(context: Context, request: Request) -> EventStream:
    """Server-sent events.

    They are `status` once a second, `event` for every phase of an event, and `changed` when
    something should be loaded again.
    """
    # Async, unlike the other routes of the API: the hub belongs to the event loop.
    listener = context.hub.listen(context.person.cameras)
    if listener is None:
        raise HTTPException(503, "too many browser windows are connected; close some of them")
    return EventStream(context.hub, listener, still_holds=request.scope["still_holds"])


def _time_zone() -> str:
    """Return the machine's time zone, such as "Europe/Berlin"; as "+01:00" where it has no name."""
    link = str(Path("/etc/localtime").resolve())
    chosen = os.environ.get("TZ", "").removeprefix(":")
    # Browsers know a zone by this name, and not by a short one such as CEST.
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        name = ZoneInfo(chosen or link.partition("/zoneinfo/")[2]).key
        return "UTC" if name == "Etc/UTC" else name
    offset = time.strftime("%z")
    return "UTC" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}"
