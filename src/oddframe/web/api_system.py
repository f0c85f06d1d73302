"""The API about the server itself: who is signed in, what happens, whether it is well."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from oddframe._version import __version__
from oddframe.web.auth import COOKIE, SESSION_S, TooManyAttempts
from oddframe.web.context import AppContext, now_us, site_of
from oddframe.web.live_updates import EventStream
from oddframe.web.schemas import Info, SignIn

router = APIRouter(prefix="/api/v1")

Here = Annotated[AppContext, Depends(site_of)]


@router.get("/info")
def info(site: Here, request: Request) -> Info:
    """The server, and whether this browser has signed in."""
    signed_in = bool(request.scope.get("signed_in"))
    data = site.supervisor.data
    return Info(
        version=__version__ if signed_in else "",
        auth_required=site.access.required,
        signed_in=signed_in,
        now_us=now_us(),
        data_dir=str(data) if signed_in else None,
        time_zone=_time_zone(),
        demo=signed_in and (data / "demo.json").is_file(),
    )


@router.post("/login", status_code=204, responses={401: {}, 429: {}})
def login(site: Here, request: Request, given: SignIn) -> Response:
    """Come in: the answer brings a cookie that no script can read."""
    address = request.client.host if request.client else ""
    try:
        session = site.access.sign_in(given.token, address)
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
    secure = request.url.scheme == "https"
    answer.set_cookie(
        COOKIE,
        session,
        max_age=int(SESSION_S),
        path="/",
        httponly=True,
        samesite="strict",
        secure=secure,
    )
    return answer


@router.post("/logout", status_code=204)
def logout(site: Here, request: Request) -> Response:
    """Leave; the session ends at the server too."""
    if session := request.cookies.get(COOKIE):
        site.access.sign_out(session)
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


@router.get(
    "/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}, 503: {}},
)
async def stream(site: Here) -> EventStream:
    """Server-sent events: `status` once a second, `event` for every phase of an event, `changed`."""
    listener = site.hub.listen()
    if listener is None:
        raise HTTPException(503, "too many browser windows are connected; close some of them")
    return EventStream(site.hub, listener)


def _time_zone() -> str:
    """The machine's, as people know it."""
    return time.strftime("%Z")
