"""Cameras as people write them down: a TOML or JSON file for `oddframe watch --config`.

`read_camera_file` makes a `WatchPlan` of it. Tables are checked by the settings that they become,
with pydantic; here every error gets the name of the file and the place in it. ``${NAME}`` stands
for an environment variable, so that secrets need not stand in the file, and no error shows one.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from oddframe.bundle.bundle import SHIPPED
from oddframe.core.budget import FalseAlarmBudget
from oddframe.errors import OddframeError, SettingsError, did_you_mean
from oddframe.media.live_config import (
    VARIABLE,
    LiveSettings,
    fill_in,
    is_device,
    stream_address,
)
from oddframe.monitoring.config import Camera, WatchPlan, WatchSettings
from oddframe.settings import ListOf, from_mapping, read_table, settings_dataclass, zones_from
from oddframe.sinks.description import DescribeConfig
from oddframe.sinks.factory import SINK_KINDS, SinkConfig
from oddframe.sinks.jsonl import JsonLinesConfig
from oddframe.sinks.mqtt import MqttConfig
from oddframe.sinks.webhook import MESSAGE_NAMES, is_json


class Variables(Mapping[str, str]):
    """Environment variables that remember which of them were used, to scrub these from errors."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Begin with none used.

        Args:
            values: Values by name; the environment's own when None.
        """
        self._values = os.environ if values is None else values
        self._used: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        value = self._values[name]
        self._used[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def fill(self, text: str) -> str:
        """Return a text with the values of its variables in their places.

        Raises:
            SettingsError: If one is not set.
        """
        return fill_in(text, self._value)

    def fill_in_sink(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a sink with the values of their variables, in all texts.

        In a ``url`` the values are quoted but for / and :, unless the variable is all of it. In a
        ``template`` the names of a message's values stay as they are.

        Raises:
            SettingsError: If one is not set.
        """
        return {name: self._filled(name, value, table) for name, value in table.items()}

    def _filled(self, name: str, value: Any, table: Mapping[str, Any]) -> Any:
        if isinstance(value, Mapping):
            return self.fill_in_sink(value)
        if isinstance(value, list):
            return [self._filled("", item, table) for item in value]
        if not isinstance(value, str):
            return value
        if name == "url" and not VARIABLE.fullmatch(value):
            return fill_in(value, lambda variable: quote(self._value(variable), safe="/:"))
        if name in ("template", "title"):
            # Of the sinks with a template, those with addresses for people send plain text.
            content_type = "text/plain" if "urls" in table else table.get("content_type", "json")
            as_json = is_json(str(content_type))
            return fill_in(value, lambda variable: self._in_template(variable, as_json))
        return self.fill(value)

    def scrub(self, text: str) -> str:
        """Return a text with the names of the used variables in place of their values."""
        # An error may show a value as it is, as Python writes it or as a URL has it.
        spellings = {
            spelling: name
            for name, value in self._used.items()
            for spelling in (
                value,
                repr(value)[1:-1],
                quote(value, safe=""),
                quote(value, safe="/:"),
            )
            if spelling
        }
        # The longest first: a value may be a part of another one.
        for spelling in sorted(spellings, key=len, reverse=True):
            text = text.replace(spelling, f"${{{spellings[spelling]}}}")
        return text

    def _value(self, variable: str) -> str:
        if variable not in self._values:
            raise SettingsError(f"the variable ${{{variable}}} must be set, but it is not")
        return self[variable]

    def _in_template(self, variable: str, as_json: bool) -> str:
        if variable in MESSAGE_NAMES:
            return f"${{{variable}}}"
        value = self._value(variable).replace("$", "$$")
        return json.dumps(value, ensure_ascii=False)[1:-1] if as_json else value


T = TypeVar("T")

_ELSEWHERE = {
    "fast": "fast must be given on the command line, as --fast: it is for files, not for cameras",
    "sinks": "sinks must be tables of their own: [sinks.NAME]",
    "describe": "describe must be a table of its own: [describe]",
}
"""Fields of `WatchSettings` that the table ``watch`` does not have."""


@settings_dataclass()
class _File:
    """The keys at the top of the file; the tables below them are checked in their place."""

    model: str | None = None
    false_alarms: str | None = None
    watch: Mapping[str, Any] = field(default_factory=dict)
    camera: ListOf[Mapping[str, Any]] = field(default=(), repr=False)
    sinks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    describe: Mapping[str, Any] | None = field(default=None, repr=False)


@settings_dataclass()
class _CameraTable:
    """The keys of a ``[[camera]]``; the source may hold a secret and is never shown.

    Attributes:
        name: What the camera is called in events, files and the app; each once.
        source: Its address, the number of a local camera, or a file.
        transport: What rtsp uses.
        model: Its model; that at the top of the file where it has none of its own.
        false_alarms: Its budget, such as "2/day"; that at the top of the file where it has none.
        health: Whether frames of a covered, frozen, moved or blurred camera get no score.
        fps: Frames per second of a source that states none.
        zones: The keys of a zones file.
        live: How the connection is kept.
        loop: Whether a file is played again and again.
        calibration: A file with the threshold of this camera alone, as the web app writes it.
    """

    name: str
    source: str = field(repr=False)
    transport: Literal["tcp", "udp"] = "tcp"
    model: str | None = None
    false_alarms: str | None = None
    health: bool = True
    fps: float | None = None
    zones: Mapping[str, Any] | None = None
    live: LiveSettings = field(default_factory=LiveSettings)
    loop: bool = False
    calibration: str | None = None


def read_camera_file(
    path: str | Path,
    *,
    model: str | None = None,
    variables: Mapping[str, str] | None = None,
    stays: bool = False,
) -> WatchPlan:
    """Read cameras, how they are watched and where alerts are sent, from a file.

    docs/watching.md shows such a file. Relative paths in it are relative to the file. ``${NAME}``
    in a source and in the texts of a sink stands for an environment variable, so that no secret
    need stand in the file. In a webhook's template the names of a message's values stand for these
    instead.

    Example:
        >>> plan = oddframe.read_camera_file("cameras.toml")
        >>> len(plan.cameras)
        1

    Args:
        path: The file.
        model: For cameras without one of their own, in place of the file's.
        variables: Values of variables by name; the environment's own when None.
        stays: As in the plan: then there may be no camera in the file.

    Raises:
        SettingsError: If it cannot be read; a key is unknown (the nearest known one is named),
            missing, of the wrong kind or out of range; a variable is not set; or a source is
            nothing that can be watched. The sentence names the file and the place in it, and holds
            no secret.
    """
    path = Path(path)
    known = Variables(variables)
    values = read_table(path)
    return _at(
        str(path),
        lambda: _plan(from_mapping(values, _File), path.parent, model, known, stays),
        known,
    )


def _plan(
    file: _File, folder: Path, model: str | None, variables: Variables, stays: bool
) -> WatchPlan:
    """Make the plan of a file, part by part, so that an error names its part."""
    if file.false_alarms is not None:
        FalseAlarmBudget.parse(file.false_alarms)
    settings = _at("watch", lambda: _settings(file.watch))
    sinks = {
        name: _at(f"sinks.{name}", partial(_sink, table, folder, variables))
        for name, table in file.sinks.items()
    }
    describe = None
    if file.describe is not None:
        table = file.describe
        describe = _at(
            "describe", lambda: from_mapping(variables.fill_in_sink(table), DescribeConfig)
        )
    cameras = [
        _at(_called(table, number), partial(_camera, table, folder, file.false_alarms, variables))
        for number, table in enumerate(file.camera, start=1)
    ]
    return WatchPlan(
        cameras=tuple(cameras),
        model=model or (None if file.model is None else _model(file.model, folder)),
        settings=replace(settings, sinks=sinks, describe=describe),
        stays=stays,
    )


def _settings(values: Mapping[str, Any]) -> WatchSettings:
    """Check the table ``watch``."""
    for key, sentence in _ELSEWHERE.items():
        if key in values:
            raise SettingsError(sentence)
    return from_mapping(values, WatchSettings())


def _called(table: Mapping[str, Any], number: int) -> str:
    """Say which camera an error is about: its name, or its number where it has none."""
    name = table.get("name")
    return f"camera {name!r}" if isinstance(name, str) else f"camera number {number}"


def _camera(
    values: Mapping[str, Any], folder: Path, budget: str | None, variables: Variables
) -> Camera:
    """Make a camera of its table.

    Args:
        values: The table.
        folder: The file's folder, from which paths are seen.
        budget: The file's false-alarm budget, for cameras without one of their own.
        variables: For the source.
    """
    table = from_mapping(values, _CameraTable)
    # Variables in an address are filled in by `stream_address`, which quotes their values.
    source = table.source if "://" in table.source else variables.fill(table.source)
    if "://" not in source and not is_device(source):
        source = str(folder / source)
    return Camera(
        name=table.name,
        address=stream_address(source, transport=table.transport, variables=variables),
        model=None if table.model is None else _model(table.model, folder),
        false_alarms=table.false_alarms or budget,
        zones=None if table.zones is None else zones_from(table.zones, "zones"),
        health=table.health,
        fps=table.fps,
        live=table.live,
        loop=table.loop,
        calibration=None if table.calibration is None else folder / table.calibration,
    )


def _sink(values: Mapping[str, Any], folder: Path, variables: Variables) -> SinkConfig:
    """Make the settings of a sink of its table, which says in ``kind`` what sink it is."""
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in SINK_KINDS:
        raise SettingsError(
            f"kind must be one of {', '.join(SINK_KINDS)}, got {kind!r}"
            f"{did_you_mean(kind, SINK_KINDS)}"
        )
    own = {name: value for name, value in values.items() if name != "kind"}
    config: SinkConfig = from_mapping(variables.fill_in_sink(own), SINK_KINDS[kind])
    if isinstance(config, JsonLinesConfig):
        return replace(config, path=folder / config.path)
    if isinstance(config, MqttConfig) and config.ca_file is not None:
        return replace(config, ca_file=folder / config.ca_file)
    return config


def _model(model: str, folder: Path) -> str:
    """Return a model's path as seen from the file; names of shipped models stay as they are."""
    path = folder / model
    return model if not path.exists() and (SHIPPED / model).is_dir() else str(path)


def _at(where: str, make: Callable[[], T], variables: Variables | None = None) -> T:
    """Make something, and have every error name the place and no value of a variable."""
    try:
        return make()
    except OddframeError as error:
        message = str(error)
    if variables is not None:
        message = variables.scrub(message)
    # Not in the handler above: the error itself, which may hold a secret, must not be the context
    # of this one.
    raise SettingsError(f"{where}: {message}")
