"""What users can reach, as plain values: the names of `oddframe`, the verbs, and settings."""

import dataclasses
import inspect
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main

import oddframe

PLACE = "{v0_1_0}"
"""Stands in the stored files for the folder that they lie in."""

FOUND_OTHERWISE = "box"
"""What this version finds otherwise than 0.1.0: a box holds a whole thing and lies on its frame."""


def signatures() -> dict[str, Any]:
    """Each public name: its kind, its parameters, and what can be read and called on a class."""
    return {name: _described(getattr(oddframe, name)) for name in oddframe.__all__}


def verbs() -> dict[str, Any]:
    """Each verb of the command line, with all its flags and what they are when left out."""
    from oddframe.cli import app

    return {name: _flags(command) for name, command in _commands("", typer.main.get_command(app))}


def plain(value: Any, place: Path | None) -> Any:
    """A value as JSON has it: records become tables, and paths in `place` lie in `PLACE`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        return plain({name: one for name, one in named.items() if not name.startswith("_")}, place)
    if isinstance(value, Mapping):
        return {str(name): plain(one, place) for name, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(one, place) for one in value)
    if isinstance(value, tuple | list):
        return [plain(one, place) for one in value]
    if isinstance(value, str | Path):
        return str(value) if place is None else str(value).replace(str(place), PLACE)
    return value if isinstance(value, bool | int | float | None) else str(value)


def missing(
    stored: Any, found: Any, *, nearly: float = 0.0, but: Collection[str] = (), where: str = ""
) -> list[str]:
    """Where something that was stored is not there any more, or is another; more may have come.

    Args:
        stored: What was there.
        found: What is there now.
        nearly: How far numbers may be apart, as a share of what was stored where that is above 1.
        but: Names of values that may be others, such as seconds; they must be there.
        where: What to call the place in a line.
    """
    more: dict[str, Any] = {"nearly": nearly, "but": but}
    if isinstance(stored, dict) and isinstance(found, dict):
        gone = [f"{where}.{name} is gone" for name in stored if name not in found]
        for name in stored:
            if name in found and name not in but:
                gone += missing(stored[name], found[name], **more, where=f"{where}.{name}")
        return gone
    if isinstance(stored, list) and isinstance(found, list) and len(stored) == len(found):
        lines = []
        for number, (old, new) in enumerate(zip(stored, found, strict=True)):
            lines += missing(old, new, **more, where=f"{where}[{number}]")
        return lines
    numbers = isinstance(stored, int | float) and isinstance(found, int | float)
    if numbers and abs(stored - found) <= nearly * max(1.0, abs(stored)):
        return []
    return [] if stored == found else [f"{where} was {stored!r} and is {found!r}"]


def _described(thing: Any) -> dict[str, Any]:
    if inspect.isclass(thing):
        return _class(thing)
    if callable(thing):
        return {"kind": "function", "parameters": _parameters(thing)}
    return {"kind": "value", "keys": sorted(thing)}


def _class(thing: type) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "class", "parameters": _parameters(thing)}
    found["bases"] = [one.__name__ for one in thing.__mro__ if one.__module__ == "builtins"]
    if dataclasses.is_dataclass(thing):
        found["fields"] = [
            item.name for item in dataclasses.fields(thing) if not item.name.startswith("_")
        ]
    methods: dict[str, Any] = {}
    attributes: list[str] = []
    for name in sorted(dir(thing)):
        # What a builtin brings, as an error does, is Python's.
        if name.startswith("_") or any(
            name in vars(one) for one in thing.__mro__ if one.__module__ == "builtins"
        ):
            continue
        member = inspect.getattr_static(thing, name)
        if isinstance(member, staticmethod | classmethod) or inspect.isfunction(member):
            methods[name] = _parameters(getattr(thing, name))
        else:
            attributes.append(name)
    return {**found, "methods": methods, "attributes": attributes}


def _parameters(thing: Any) -> list[dict[str, Any]]:
    """The parameters, each with name, kind and, where it may be left out, what it is then."""
    try:
        given = inspect.signature(thing).parameters.values()
    except ValueError:  # some builtin classes have none
        return []
    return [
        {
            "name": one.name,
            "kind": one.kind.name,
            **({} if one.default is one.empty else {"default": _text(one.default)}),
        }
        for one in given
    ]


def _text(default: Any) -> str:
    """What a parameter is when it is left out; functions and fresh values have no stable text."""
    if default is None or isinstance(default, bool | int | float | str | tuple):
        return repr(default)
    return "something" if not isinstance(default, Mapping) else repr(dict(default))


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    yield name or "oddframe", command
    for key, one in (inner or {}).items():
        yield from _commands(f"{name} {key}".strip(), one)


def _flags(command: Any) -> dict[str, Any]:
    return {
        " ".join([*one.opts, *one.secondary_opts]): {
            "default": _plain_default(one.default),
            "required": one.required,
            "many": one.multiple or one.nargs != 1,
            "is_flag": getattr(one, "is_flag", False),
        }
        for one in command.params
    }


def _plain_default(default: Any) -> Any:
    value = getattr(default, "value", default)
    return value if isinstance(value, bool | int | float | str | None) else str(value)
