"""The API of accounts: who may use the app, and a log of what was changed; for admins alone.

An account is a token with a name, of the same file that `oddframe serve --make-token` writes. Its
token is told once, in the answer to the request that made it.
"""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi import Path as InPath
from pydantic import Field, StringConstraints

from oddframe.web.context import AppContext, Context
from oddframe.web.people import NamedToken, Role
from oddframe.web.schemas import Name, Schema, Text

router = APIRouter(prefix="/api/v1", responses={401: {}, 403: {}})

AccountName = Annotated[Text, StringConstraints(min_length=1, max_length=80)]
InAddress = Annotated[str, InPath(min_length=1, max_length=80)]
Days = Annotated[float, Field(gt=0, le=36_500)]

_NO_ACCOUNT = "there is no account with this name"

_VERBS = {"POST": "made", "PUT": "changed", "DELETE": "removed"}
_NOUNS = {
    "accounts": "account",
    "cameras": "camera",
    "events": "event",
    "footage": "video of",
    "learning": "learning of",
    "reviews": "verdicts",
    "sinks": "receiver",
    "uploads": "recordings",
}
"""What the parts of the API are called in the log."""

_DONE = {"login": "signed in", "logout": "signed out"}


class AccountChanged(Schema):
    """What an account may do, and when it ends; what is left out stays as it is."""

    role: Role | None = None
    # Null for all cameras.
    cameras: Annotated[list[Name], Field(min_length=1, max_length=500)] | None = None
    # Days from now until it ends.
    days: Days | None = None


class AccountAdded(Schema):
    """An account that is to be made."""

    name: AccountName
    role: Role = "viewer"
    cameras: Annotated[list[Name], Field(min_length=1, max_length=500)] | None = None
    days: Days | None = None


class AccountRecord(Schema):
    """An account: a token with a name, which itself is never told again."""

    name: str
    role: Role
    # Null for all cameras.
    cameras: list[str] | None
    until_us: int | None
    ended: bool


class AccountMade(Schema):
    """An account with its token, which nobody can be told later."""

    account: AccountRecord
    token: str


class AccountList(Schema):
    """All accounts, and how else people get in."""

    accounts: list[AccountRecord]
    # Whether the server has a token without a name, and a proxy that signs people in.
    own_token: bool
    by_proxy: bool


class ChangeRecord(Schema):
    """A change that somebody asked for, or was refused."""

    at: str
    by: str
    role: str
    address: str
    text: str
    status: int


class ChangeList(Schema):
    """The newest changes, the newest first."""

    changes: list[ChangeRecord]


@router.get("/accounts")
def accounts(context: Context) -> AccountList:
    """All accounts, in the order of their names."""
    return AccountList(
        accounts=[_record(context, token) for token in context.tokens.all()],
        own_token=context.access.has_own_token,
        by_proxy=context.access.proxy is not None,
    )


@router.post("/accounts", status_code=201, responses={409: {}})
def add(context: Context, given: AccountAdded) -> AccountMade:
    """Make an account; the answer has its token."""
    if context.tokens.of_name(given.name) is not None:
        raise HTTPException(409, f"each account must have its own name, but {given.name} is taken")
    _check_admin_is_left(context, given.name, given.role)
    token = context.tokens.add(given.name, given.role, given.days, given.cameras)
    context.hub.publish("changed", {"what": "accounts"})
    return AccountMade(account=_account(context, given.name), token=token)


@router.put("/accounts/{name}", responses={404: {}, 409: {}})
def change(context: Context, name: InAddress, given: AccountChanged) -> AccountRecord:
    """Change what an account may do; it holds at once, and its token stays."""
    before = _known(context, name)
    role = given.role or before.person.role
    cameras = given.cameras if "cameras" in given.model_fields_set else before.person.cameras
    _check_admin_is_left(context, name, role)
    context.tokens.change(name, role, given.days, cameras)
    context.hub.publish("changed", {"what": "accounts"})
    return _account(context, name)


@router.post("/accounts/{name}/token", responses={404: {}})
def renew(context: Context, name: InAddress) -> AccountMade:
    """Give an account another token; whoever is signed in with the old one is signed out."""
    before = _known(context, name)
    token = context.tokens.renew(before.person.name)
    context.hub.publish("changed", {"what": "accounts"})
    return AccountMade(account=_account(context, name), token=token)


@router.delete("/accounts/{name}", status_code=204, responses={404: {}, 409: {}})
def remove(context: Context, name: InAddress) -> Response:
    """End an account; whoever is signed in with it is signed out."""
    _known(context, name)
    _check_admin_is_left(context, name, None)
    context.tokens.remove(name)
    context.hub.publish("changed", {"what": "accounts"})
    return Response(status_code=204)


@router.get("/changes")
def changes(context: Context, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> ChangeList:
    """What was changed, by whom and when, as the server's log has it."""
    return ChangeList(
        changes=[
            ChangeRecord(
                at=str(line.get("at", "")),
                by=str(line.get("by", "")),
                role=str(line.get("role", "")),
                address=str(line.get("from", "")),
                text=change_text(str(line.get("method", "")), str(line.get("path", ""))),
                status=int(line.get("status", 0)),
            )
            for line in context.log.newest(limit)
        ]
    )


def change_text(method: str, path: str) -> str:
    """Say what a request changed, such as "changed camera yard"."""
    part, *rest = path.removeprefix("/api/v1/").split("/")
    if part in _DONE:
        return _DONE[part]
    what = " ".join([_NOUNS.get(part, part), *rest[:1]])
    return f"{what}: {', '.join(rest[1:])}" if rest[1:] else f"{_VERBS.get(method, method)} {what}"


def _known(context: AppContext, name: str) -> NamedToken:
    found = next((token for token in context.tokens.all() if token.person.name == name), None)
    if found is None:
        raise HTTPException(404, _NO_ACCOUNT)
    return found


def _account(context: AppContext, name: str) -> AccountRecord:
    return _record(context, _known(context, name))


def _check_admin_is_left(context: AppContext, name: str, role: Role | None) -> None:
    """Refuse what would leave nobody who may change anything.

    Args:
        context: The server's parts.
        name: The account that changes.
        role: The role that it will have; None where it ends.

    Raises:
        HTTPException: 409.
    """
    access = context.access
    if access.has_own_token or (access.proxy is not None and access.proxy.role == "admin"):
        return
    roles = [
        token.person.role
        for token in context.tokens.all()
        if token.person.name != name and not context.tokens.has_ended(token)
    ]
    if "admin" not in [*roles, role]:
        raise HTTPException(
            409,
            "there must be an account with the role admin, or nobody could change anything; "
            "make one first",
        )


def _record(context: AppContext, token: NamedToken) -> AccountRecord:
    person, until_s = token.person, token.until_s
    return AccountRecord(
        name=person.name,
        role=person.role,
        cameras=None if person.cameras is None else sorted(person.cameras),
        until_us=None if until_s is None else round(until_s * 1e6),
        ended=context.tokens.has_ended(token),
    )
