"""The API of notifications: a browser asks to be told of alerts, also while no page is open.

What is sent, and how, is in `sinks.push`. It needs the extra `push`; without it the answers say so.
"""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Response
from pydantic import StringConstraints

from oddframe.web.context import AppContext, Context
from oddframe.web.schemas import Schema

if TYPE_CHECKING:
    from oddframe.sinks.push import Push

router = APIRouter(prefix="/api/v1/push", responses={401: {}, 404: {}})

Endpoint = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
KeyText = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PushKeys(Schema):
    """The keys of a browser, in base64url."""

    p256dh: KeyText
    auth: KeyText


class PushGiven(Schema):
    """A browser that wants to be told."""

    endpoint: Endpoint
    keys: PushKeys


class PushGone(Schema):
    """A browser that does not want to be told any more."""

    endpoint: Endpoint


class PushInfo(Schema):
    """Whether this server can tell browsers, and its public key for that."""

    # Null where the extra `push` is not installed.
    public_key: str | None


@router.get("")
def push(context: Context) -> PushInfo:
    """The public key of the server, with which a browser subscribes."""
    return PushInfo(public_key=None if context.push is None else context.push.public_key)


@router.post("", status_code=204)
def subscribe(context: Context, given: PushGiven) -> Response:
    """Tell a browser of alerts of the cameras that this account sees."""
    from oddframe.sinks.push import Subscription, check_endpoint

    sink = _sink(context)
    check_endpoint(given.endpoint)
    by = context.person.name
    sink.subscriptions.add(Subscription(given.endpoint, given.keys.p256dh, given.keys.auth, by))
    return Response(status_code=204)


@router.delete("", status_code=204)
def unsubscribe(context: Context, given: PushGone) -> Response:
    """Tell a browser of nothing any more; one of another account is left alone."""
    _sink(context).subscriptions.remove(given.endpoint, context.person.name)
    return Response(status_code=204)


def _sink(context: AppContext) -> "Push":
    if context.push is None:
        raise HTTPException(404, "notifications need the extra push: pip install 'oddframe[push]'")
    return context.push
