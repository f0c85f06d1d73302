"""Settings of a training and the presets they start from."""

import difflib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints, overload

from oddframe.data.counter_examples import CounterExamples
from oddframe.data.training_clips import DataConfig
from oddframe.errors import SettingsError
from oddframe.model.network_config import NetworkConfig
from oddframe.model.training_config import TrainingConfig

__all__ = ["PRESETS", "Settings", "from_mapping", "read_settings", "read_table"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides what a training makes of its footage.

    Attributes:
        network: What is trained.
        data: On what.
        training: How.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as in a settings file."""
        return asdict(self)


_FAST = Settings(
    network=NetworkConfig(
        height=256,
        width=384,
        colour="grey",
        channels=16,
        decoder_channels=8,
        stem_stride=2,
        empty_scene=True,
        code_norm="l2",
        cluster_power=2.0,
        score_windows=(16,),
        score_share=0.02,
        scored_frame="middle",
        score_clips=5,
    ),
    data=DataConfig(crop=(128, 192), counter_examples=CounterExamples(share=0.6, most=2, company=0.3)),
    training=TrainingConfig(
        pretrain_steps=250,
        joint_steps=11_750,
        batch_size=8,
        learning_rate=1e-3,
        schedule="cosine",
        cluster_learning_rate=1e-3,
        gradient_clip=0.05,
        repulsion=0.005,
        centre_codes=50_000,
    ),
)

_WALKWAY = replace(
    _FAST,
    network=replace(
        _FAST.network,
        interval=2,
        appearance_weight=1.0,
        error_power=0.5,
        score_power=2.0,
    ),
    data=replace(
        _FAST.data,
        counter_examples=replace(_FAST.data.counter_examples, kinds=("foreign", "misplaced", "speed", "carried")),
    ),
    training=replace(_FAST.training, joint_steps=2_750, averaging=0.998, discrimination=0.002),
)

PRESETS: Mapping[str, Settings] = {"paper": Settings(), "fast": _FAST, "walkway": _WALKWAY}
"""`paper`: the published network and the research code's training. `fast`: for machines without a GPU. `walkway`: as
large, for cameras like that of UCSD Ped2, over a path with many small walkers, where what is unusual moves. On drawn
scenes `fast` is the better one, most of all for what is left standing (docs/benchmarks.md)."""


def read_settings(path: Path, start: Settings) -> Settings:
    """Settings from a TOML or JSON file with tables ``network``, ``data`` and ``training``, over ``start``.

    Raises:
        SettingsError: If the file cannot be read, or a key is unknown, of the wrong kind or out of range.
    """
    return from_mapping(read_table(path), start)


def read_table(path: Path) -> Any:
    """What a TOML or JSON file holds.

    Raises:
        SettingsError: If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} must be a readable TOML or JSON file: {error}") from error


@overload
def from_mapping(values: object, start: type[T], where: str = "") -> T: ...
@overload
def from_mapping(values: object, start: T, where: str = "") -> T: ...
def from_mapping(values: object, start: Any, where: str = "") -> Any:
    """A copy of the dataclass ``start`` with ``values``, nested like it, in place of its own.

    Args:
        values: A table.
        start: What holds where the table says nothing; or the class, whose defaults then hold.
        where: What to call the table in a sentence. Values of fields without a ``repr`` are never repeated.

    Raises:
        SettingsError: If a key is unknown (the nearest known one is named), of the wrong kind or out of range, or a
            field without a default is missing.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where or 'settings'} must be a table, got {_seen(values)}")
    kind = start if isinstance(start, type) else type(start)
    hints, items = get_type_hints(kind), {item.name: item for item in fields(kind)}
    known = {name: _default(item) if start is kind else getattr(start, name) for name, item in items.items()}
    for key, value in values.items():
        name = f"{where}.{key}" if where else str(key)
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise SettingsError(f"unknown setting {name}; {hint}")
        if is_dataclass(known[key]):
            known[key] = from_mapping(value, known[key], name)
        else:
            known[key] = _checked(value, hints[key], name, repr if items[key].repr else _seen)
    for key, value in known.items():
        if value is MISSING:
            raise SettingsError(f"{f'{where}.{key}' if where else key} must be given")
    return kind(**known)


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _seen(value: object) -> str:
    """What may be said of a value that may hold a secret."""
    return f"a value of kind {type(value).__name__}"


def _checked(value: object, kind: Any, name: str, shown: Callable[[object], str] = repr) -> Any:
    """``value`` as the annotation ``kind`` wants it."""
    origin, choices = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Literal:
        if value not in choices or type(value) not in {type(choice) for choice in choices}:
            raise SettingsError(f"{name} must be one of {', '.join(map(repr, choices))}, got {shown(value)}")
        return value
    if origin is UnionType:
        return None if value is None else _checked(value, choices[0], name, shown)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise SettingsError(f"{name} must be a list, got {shown(value)}")
        return tuple(_checked(item, choices[0], f"{name}[{number}]", shown) for number, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise SettingsError(f"{name} must be a table, got {shown(value)}")
        return {key: _checked(item, choices[1], f"{name}.{key}", shown) for key, item in value.items()}
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise SettingsError(f"{name} must be of kind {kind.__name__}, got {shown(value)}")
    return value
