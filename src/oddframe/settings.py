"""Settings: how they check themselves when they are made, and how they are read from files.

A class of settings is a pydantic dataclass: ``@settings_dataclass()`` in place of ``@dataclass``.
Its annotations are the checks of its fields; ``__post_init__`` checks what fields must be
together. Whatever is wrong becomes a `SettingsError` here, in one place, with one sentence that
says what must hold and what was found.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, is_dataclass
from functools import wraps
from inspect import unwrap
from pathlib import Path
from typing import Annotated, Any, TypeVar, dataclass_transform, get_args, get_type_hints, overload

from pydantic import ConfigDict, Field, Strict, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo

from oddframe.core.zones import Polygon, Schedule, Zones
from oddframe.errors import SettingsError, did_you_mean
from oddframe.files import decode_text

T = TypeVar("T")

ListOf = Annotated[tuple[T, ...], Strict(False)]
"""A list in a file, a tuple in Python."""

AnyPath = Annotated[Path, Strict(False)]
"""A text in a file, a path in Python."""

_CONFIG = ConfigDict(
    strict=True,  # A whole number does for a number; true is no number, and "3" is none either.
    extra="forbid",
    allow_inf_nan=False,
    arbitrary_types_allowed=True,
    hide_input_in_errors=True,
)

_WANTED = {
    "missing": "be given",
    "int_type": "be a whole number",
    "float_type": "be a number",
    "bool_type": "be true or false",
    "string_type": "be a text",
    "path_type": "be a path",
    "tuple_type": "be a list",
    "dict_type": "be a table",
    "mapping_type": "be a table",
    "finite_number": "be finite",
}
"""What must hold, by pydantic's type of error; other types are reported in pydantic's words."""

_BOUNDS = {"gt": "above", "ge": "at least", "le": "at most", "lt": "below"}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def settings_dataclass(table: str = "") -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass with fields by keyword that checks itself when it is made.

    Values must be of the annotated kind (a whole number does for a number, a list for a `ListOf`),
    and within the bounds of a ``pydantic.Field`` in the annotation. What is wrong is a
    `SettingsError`, never pydantic's own error.

    Args:
        table: What comes before the name of a field in a sentence: the table in which people
            write it.
    """

    def make(kind: type[T]) -> type[T]:
        # Pydantic's dataclass raises its own ValidationError in `__init__`; it is translated here.
        made: Any = pydantic_dataclass(frozen=True, kw_only=True, config=_CONFIG)(kind)
        check = made.__init__

        @wraps(check)
        def initialise(self: Any, **values: Any) -> None:
            _check(check, self, values, table)

        made.__init__ = initialise
        return made  # type: ignore[no-any-return]

    return make


@overload
def from_mapping(values: object, start: type[T], where: str = "") -> T: ...
@overload
def from_mapping(values: object, start: T, where: str = "") -> T: ...
def from_mapping(values: object, start: Any, where: str = "") -> Any:
    """Make a copy of the settings ``start`` in which ``values`` replace their own.

    Tables may be nested, as the settings are.

    Args:
        values: A table.
        start: The settings that hold where the table says nothing; or a class of settings, whose
            defaults then hold.
        where: The table's name in a sentence. Values of fields without a ``repr`` are never
            repeated in one: they may be secret.

    Raises:
        SettingsError: If a key is unknown (the nearest known one is named), of the wrong kind or
            out of range, or a field without a default is missing.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where or 'settings'} must be a table, got {_kind_of(values)}")
    kind: Any = start if isinstance(start, type) else type(start)
    known = {} if start is kind else {item.name: getattr(start, item.name) for item in fields(kind)}
    hints = get_type_hints(kind)
    for key, value in values.items():
        name = str(key)
        # Where nothing is known yet, the class of the inner table holds its defaults.
        inner = known.get(name, hints.get(name))
        known[name] = (
            from_mapping(value, inner, _named(where, name)) if is_dataclass(inner) else value
        )
    made = object.__new__(kind)
    # The checks alone, without the table's name that comes with settings made in Python.
    _check(unwrap(kind.__init__), made, known, where)
    return made


def read_table(path: Path) -> Any:
    """Read a TOML or JSON file, by its suffix, in UTF-8 or UTF-16.

    Raises:
        SettingsError: If it cannot be read.
    """
    try:
        text = decode_text(path.read_bytes())
        return json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except FileNotFoundError as error:
        raise SettingsError(
            f"{path} must be a readable TOML or JSON file, but nothing is there"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} must be a readable TOML or JSON file: {error}") from error


def read_zones(path: str | Path) -> Zones:
    """Read zones from a file.

        cool_down_s = 30
        time_zone = "Europe/Berlin"
        armed = ["mon-fri 18:00-06:00", "sat,sun 00:00-24:00"]

        [[watch]]
        name = "door"
        polygon = [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]

        [[ignore]]
        polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [0.0, 0.1]]

    Example:
        >>> zones = oddframe.read_zones("zones.toml")
        >>> len(list(model.scores("monday.mp4", zones=zones)))
        20

    Raises:
        SettingsError: If it cannot be read, or a key is unknown (the nearest known one is named) or
            of the wrong kind.
    """
    path = Path(path)
    return zones_from(read_table(path), str(path))


def zones_from(values: object, where: str) -> Zones:
    """Make zones from a table with the keys of such a file.

    Args:
        values: The table.
        where: The table's name in a sentence.

    Raises:
        SettingsError: For the same reasons as in `read_zones`.
    """
    try:
        table = from_mapping(values, _ZoneTable)
        return Zones(
            watch=_polygons(table.watch, "watch"),
            ignore=_polygons(table.ignore, "ignore"),
            armed=table.hours,
            cool_down_s=table.cool_down_s,
        )
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error


@settings_dataclass()
class _ZoneTable:
    """The keys of a table of zones."""

    watch: ListOf[Any] = ()
    ignore: ListOf[Any] = ()
    armed: ListOf[str] | None = None
    time_zone: str | None = None
    cool_down_s: Annotated[float, Field(ge=0)] | None = None

    def __post_init__(self) -> None:
        if (self.armed is None) != (self.time_zone is None):
            raise SettingsError("armed and time_zone must come together, found one of them")

    @property
    def hours(self) -> Schedule | None:
        """Hours of the week in which alarms are wanted, as a table has them."""
        if self.armed is None or self.time_zone is None:
            return None
        return Schedule.parse(self.armed, self.time_zone)


@settings_dataclass()
class _ZoneOutline:
    """One zone as people write it in a file: corners as shares of the picture, and a name."""

    polygon: ListOf[Annotated[tuple[float, float], Strict(False)]]
    name: str = ""


def _polygons(tables: Sequence[object], key: str) -> tuple[Polygon, ...]:
    """Make a polygon of each table in a list."""
    polygons = []
    for number, table in enumerate(tables):
        zone = from_mapping(table, _ZoneOutline, f"{key}[{number}]")
        polygons.append(Polygon(zone.polygon, zone.name))
    return tuple(polygons)


def _check(check: Callable[..., None], made: object, values: Mapping[str, Any], where: str) -> None:
    """Fill in settings, or raise one sentence about the first thing that is wrong with them."""
    try:
        check(made, **values)
    except ValidationError as error:
        details: list[Any] = error.errors(include_url=False)
    else:
        return
    # Not in the handler above: pydantic's error holds the values, which may be secret, and must
    # not be the context.
    raise _translate(details, type(made), where)


def _translate(details: Sequence[Mapping[str, Any]], kind: type, where: str) -> SettingsError:
    """Turn pydantic's errors into one sentence about the most helpful of them."""
    # A wrong name goes first: that another one is missing then mostly follows from it.
    first = min(details, key=lambda detail: detail["type"] != "unexpected_keyword_argument")
    context = first.get("ctx", {})
    # An error without a place comes from a `__post_init__`, which raises our own sentences.
    if not first["loc"]:
        own = context.get("error")
        return own if isinstance(own, SettingsError) else SettingsError(first["msg"])
    items = {item.name: item for item in fields(kind)}
    key, *inner = first["loc"]
    name = _named(where, *first["loc"])
    if first["type"] == "unexpected_keyword_argument":
        known = did_you_mean(key, items) or f"; known are {', '.join(items)}"
        return SettingsError(f"unknown setting {name}{known}")
    hint = get_type_hints(kind, include_extras=True)[str(key)]
    wanted = _wanted(first, context, {} if inner else _bounds(hint))
    if first["type"] == "missing":
        return SettingsError(f"{name} must {wanted}")
    shown = repr if items[str(key)].repr else _kind_of
    near = ""
    if first["type"] == "literal_error":
        near = did_you_mean(first["input"], re.findall("'(.*?)'", context["expected"]))
    return SettingsError(f"{name} must {wanted}, got {shown(first['input'])}{near}")


def _wanted(
    detail: Mapping[str, Any], context: Mapping[str, Any], bounds: Mapping[str, Any]
) -> str:
    """Say what must hold, without the field's name: "be at least 1"."""
    match detail["type"]:
        case "literal_error":
            return f"be {context['expected']}"
        case "dataclass_exact_type":
            return f"be a {context['class_name']}"
        case "too_short":
            least = context["min_length"]
            return "not be empty" if least == 1 else f"have at least {least} values"
        case "too_long":
            return f"have at most {context['max_length']} values"
        case "string_too_short":
            return "not be empty"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"be {_range(bounds or context)}"
        case "finite_number" if bounds:
            return f"be {_range(bounds)}" + " and finite" * (not bounds.keys() & {"le", "lt"})
        case other:
            return _WANTED.get(other, f"be otherwise ({detail['msg']})")


def _bounds(hint: Any) -> dict[str, Any]:
    """Find the bounds in an annotation: "gt", "ge", "lt" and "le" with their numbers."""
    found: dict[str, Any] = {}
    # Bounds may stand in an outer annotation or in a member of a union, such as `float | None`.
    for part in (*get_args(hint), *getattr(hint, "__metadata__", ())):
        for rule in part.metadata if isinstance(part, FieldInfo) else ():
            found |= {bound: getattr(rule, bound) for bound in _BOUNDS if hasattr(rule, bound)}
        found |= _bounds(part)
    return found


def _range(bounds: Mapping[str, Any]) -> str:
    """Write bounds in words: "from 0 to below 1"."""
    if "ge" in bounds and bounds.keys() & {"le", "lt"}:
        end = f"{bounds['le']}" if "le" in bounds else f"below {bounds['lt']}"
        return f"from {bounds['ge']} to {end}"
    return " and ".join(f"{word} {bounds[key]}" for key, word in _BOUNDS.items() if key in bounds)


def _named(*places: object) -> str:
    """Write nested places as people do: network.score_windows[1]."""
    texts = (
        f"[{place}]" if isinstance(place, int) else f".{place}" for place in places if place != ""
    )
    return "".join(texts).removeprefix(".")


def _kind_of(value: object) -> str:
    """Describe a value that may be secret by its kind alone."""
    return f"a value of kind {type(value).__name__}"
