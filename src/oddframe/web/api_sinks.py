"""The API of receivers: where alerts go, set in the browser and written to `cameras.toml`.

Addresses with keys in them, headers and passwords can be written but not read: an answer says only
that they are set. What a setting may be is said by the sink itself, in the one place where the
file is read.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Response
from fastapi import Path as InPath
from pydantic import Field

from oddframe.errors import SettingsError
from oddframe.media.live_config import VARIABLE
from oddframe.sinks.factory import SINK_KINDS, rules_of
from oddframe.sinks.webhook import MESSAGE_NAMES
from oddframe.web.context import AppContext, Context
from oddframe.web.schemas import Schema

router = APIRouter(prefix="/api/v1/sinks", responses={401: {}, 403: {}, 404: {}})

Kind = Literal["webhook", "mqtt", "apprise"]
"""Kinds that can be set in the browser: those for people. The others name files and ports."""

SinkName = Annotated[str, InPath(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
AnyName = Annotated[str, InPath(min_length=1, max_length=100)]

_TEST_S = 20.0
"""How long a test message is waited for, in seconds."""

_TAKEN = frozenset({"events", "metrics", "push", "database", "pictures", "describe"})
"""Names that parts of the server have."""

_OF_FILE = frozenset({"ca_file"})
"""Settings that name a file of the machine, and so are set in `cameras.toml` only."""

_MOST_DEPTH = 4
"""Rules in a sink are two tables deep; what is deeper is a mistake."""

_NO_SINK = "there is no receiver with this name"


class SinkGiven(Schema):
    """Settings of a receiver; those that are left out stay, null takes one out."""

    kind: Kind
    values: Annotated[dict[str, Any], Field(max_length=30)]


class SinkRecord(Schema):
    """A receiver of alerts; its secrets are never told."""

    name: str
    kind: str
    # Whether it can be changed here.
    editable: bool
    # As the file has them, without the secrets; a name such as ${TOKEN} is a variable.
    values: dict[str, Any]
    # Names of the secrets that are set.
    secrets: list[str]
    # Names of all secrets that there can be.
    secret_names: list[str]
    testable: bool
    waiting: int
    error: str | None


class SinkList(Schema):
    """All receivers of the file, by name."""

    sinks: list[SinkRecord]
    # What describes events, and a warning where that is not in the own network.
    describe: str | None
    describe_notice: str | None
    # Why the last event has no sentence; null where it has one.
    describe_error: str | None


class SinkTested(Schema):
    """Whether a test message has arrived, or why not."""

    ok: bool
    error: str | None = None


@router.get("")
def sinks(context: Context) -> SinkList:
    """Where alerts go, and whether they arrive."""
    describe = context.supervisor.plan.settings.describe
    describer = context.supervisor.watcher.outputs.describer
    return SinkList(
        sinks=[
            _record(context, name, table)
            for name, table in sorted(context.supervisor.cameras_file.sinks().items())
        ],
        describe=None if describe is None else f"{describe.model} at {describe.host}",
        describe_notice=None if describe is None else describe.notice,
        describe_error=None if describer is None else describer.error or None,
    )


@router.put("/{name}", responses={409: {}})
def put(context: Context, name: SinkName, given: SinkGiven) -> SinkRecord:
    """Add a receiver, or change one; alerts go there at once."""
    before = context.supervisor.cameras_file.sinks().get(name)
    if before is None and name in _TAKEN:
        raise HTTPException(409, f"{name!r} is the name of a part of the server; choose another")
    if before is not None and before.get("kind") != given.kind:
        raise HTTPException(
            409,
            f"{name!r} is of kind {before.get('kind')}; remove it first, or choose another name",
        )
    for key, value in given.values.items():
        if key == "kind":
            raise SettingsError("kind must stand beside the values and not among them")
        # What stands in the file already may name a variable, and may come back as it is.
        if before is None or before.get(key) != value:
            _check_value(key, value)
    values = {"kind": given.kind, **given.values}
    context.supervisor.edit(lambda file, accept: file.set_sink(name, values, accept))
    context.hub.publish("changed", {"what": "sinks"})
    return _record(context, name, context.supervisor.cameras_file.sinks()[name])


@router.delete("/{name}", status_code=204)
def remove(context: Context, name: AnyName) -> Response:
    """Remove a receiver; what waits for it is dropped."""
    found = context.supervisor.cameras_file.sinks().get(name)
    if found is None:
        raise HTTPException(404, _NO_SINK)
    context.supervisor.edit(lambda file, accept: file.remove_sink(name, accept))
    context.hub.publish("changed", {"what": "sinks"})
    return Response(status_code=204)


@router.post("/{name}/test")
def send_test(context: Context, name: AnyName) -> SinkTested:
    """Send a test message through a sink, and say whether the receiver took it."""
    config = context.supervisor.plan.settings.sinks.get(name)
    if config is None or rules_of(config) is None:
        raise HTTPException(404, "there is no sink of this name to which a test can be sent")
    error = context.supervisor.watcher.outputs.delivery.send_test(name, _TEST_S)
    return SinkTested(ok=error is None, error=error)


def secret_names(kind: str) -> list[str]:
    """Return the settings of a kind of sink that are never shown."""
    # The settings themselves say so: what an error must not show, an answer must not either.
    config = SINK_KINDS.get(kind)
    return [] if config is None else [one.name for one in fields(config) if not one.repr]


def _record(context: AppContext, name: str, table: Mapping[str, Any]) -> SinkRecord:
    kind = str(table.get("kind"))
    secret = secret_names(kind)
    config = context.supervisor.plan.settings.sinks.get(name)
    counts = context.supervisor.watcher.outputs.delivery.counts().get(name)
    is_editable = kind in ("webhook", "mqtt", "apprise")
    return SinkRecord(
        name=name,
        kind=kind,
        editable=is_editable,
        # Of the other kinds it is not known here what may be shown.
        values={key: value for key, value in table.items() if key not in (*secret, "kind")}
        if is_editable
        else {},
        secrets=[key for key in secret if table.get(key)],
        secret_names=secret,
        testable=config is not None and rules_of(config) is not None,
        waiting=0 if counts is None else counts.waiting,
        error=None if counts is None else counts.error or counts.refusal or None,
    )


def _check_value(key: str, value: Any, depth: int = 0) -> None:
    """Refuse what `cameras.toml` cannot hold, and variables, which are for its owner alone.

    Raises:
        SettingsError: If a value cannot be set over the API.
    """
    if key in _OF_FILE:
        raise SettingsError(f"{key} must be set in cameras.toml: it names a file of the machine")
    match value:
        case str():
            _check_text(key, value)
        case bool() | int() | None:
            pass
        case float() if math.isfinite(value):
            pass
        case list() if depth < _MOST_DEPTH and None not in value:
            for one in value:
                _check_value(key, one, depth + 1)
        case dict() if depth < _MOST_DEPTH:
            for inner, one in value.items():
                _check_text(key, inner)
                _check_value(inner, one, depth + 1)
        case _:
            raise SettingsError(f"{key} must be a text, a number, true, false, a list or a table")


def _check_text(key: str, text: str) -> None:
    if re.search(r"[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f]", text):
        raise SettingsError(f"{key} must be text without control characters")
    # Values of a message look the same, and are what a template is for.
    own = MESSAGE_NAMES if key in ("template", "title") else frozenset()
    for found in VARIABLE.finditer(text):
        if found[1] not in own:
            raise SettingsError(
                f"{key} must have no variable such as ${{{found[1]}}} where it is set in the "
                "browser: a variable works in cameras.toml only"
            )
