"""Zones as people write them: a TOML or JSON file, or a camera's table in a larger one."""

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oddframe.core.arming import ArmedHours
from oddframe.core.zones import Polygon, Zones
from oddframe.errors import SettingsError

__all__ = ["read_zones", "zones_from"]

_KEYS = ("watch", "ignore", "armed", "time_zone", "cool_down_s")


def read_zones(path: str | Path) -> Zones:
    """Zones from a file.

        cool_down_s = 30
        time_zone = "Europe/Berlin"
        armed = ["mon-fri 18:00-06:00", "sat,sun 00:00-24:00"]

        [[watch]]
        name = "door"
        polygon = [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]

        [[ignore]]
        polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [0.0, 0.1]]

    Raises:
        SettingsError: If it cannot be read, or a key is unknown (the nearest known one is named) or of the wrong kind.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} must be a readable TOML or JSON file: {error}") from error
    return zones_from(values, str(path))


def zones_from(values: object, where: str) -> Zones:
    """Zones from the table that such a file is.

    Args:
        values: The table.
        where: What to call it in a sentence.

    Raises:
        SettingsError: As `read_zones`.
    """
    table = _table(values, _KEYS, where)
    armed, time_zone, cool_down_s = table.get("armed"), table.get("time_zone"), table.get("cool_down_s")
    if (armed is None) != (time_zone is None):
        raise SettingsError(f"{where}: armed and time_zone must come together, found one of them")
    if armed is not None and not (isinstance(armed, list) and all(isinstance(one, str) for one in armed)):
        raise SettingsError(f"{where}: armed must be a list of texts, got {armed!r}")
    if not isinstance(time_zone, str | None):
        raise SettingsError(f"{where}: time_zone must be a text, got {time_zone!r}")
    if cool_down_s is not None and (isinstance(cool_down_s, bool) or not isinstance(cool_down_s, int | float)):
        raise SettingsError(f"{where}: cool_down_s must be a number, got {cool_down_s!r}")
    return Zones(
        watch=_polygons(table.get("watch", []), f"{where}: watch"),
        ignore=_polygons(table.get("ignore", []), f"{where}: ignore"),
        armed=None if armed is None or time_zone is None else ArmedHours.parse(armed, time_zone),
        cool_down_s=cool_down_s,
    )


def _polygons(values: object, where: str) -> tuple[Polygon, ...]:
    if not isinstance(values, list):
        raise SettingsError(f"{where} must be a list of tables, got {values!r}")
    return tuple(_polygon(one, f"{where}[{number}]") for number, one in enumerate(values))


def _polygon(values: object, where: str) -> Polygon:
    table = _table(values, ("name", "polygon"), where)
    name, points = table.get("name", ""), table.get("polygon")
    if not isinstance(name, str):
        raise SettingsError(f"{where}.name must be a text, got {name!r}")
    if not isinstance(points, list) or not all(_is_point(point) for point in points):
        raise SettingsError(f"{where}.polygon must be a list of corners [x, y], got {points!r}")
    return Polygon(tuple((float(x), float(y)) for x, y in points), name)


def _is_point(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
    )


def _table(values: object, known: Sequence[str], where: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where} must be a table, got {values!r}")
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise SettingsError(f"{where}: unknown setting {key}; {hint}")
    return values
