"""Settings of a training and the presets they start from."""

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from oddframe.data.counter_examples import CounterExamples
from oddframe.data.training_clips import DataConfig
from oddframe.errors import SettingsError
from oddframe.model.network import NetworkConfig
from oddframe.model.trainer import TrainingConfig

__all__ = ["PRESETS", "Settings", "from_mapping", "read_settings"]

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


PRESETS: Mapping[str, Settings] = {
    "paper": Settings(),
    "fast": Settings(
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
        ),
        data=DataConfig(crop=(128, 192), counter_examples=CounterExamples(share=0.6, most=2, company=0.3)),
        training=TrainingConfig(
            pretrain_steps=250,
            joint_steps=11_750,
            batch_size=8,
            learning_rate=1e-3,
            schedule="cosine",
            cluster_learning_rate=1e-3,
            repulsion=0.005,
            centre_codes=50_000,
        ),
    ),
}
"""`paper`: the published network and the research code's training. `fast`: for machines without a GPU."""


def read_settings(path: Path, start: Settings) -> Settings:
    """Settings from a TOML or JSON file with tables ``network``, ``data`` and ``training``, over ``start``.

    Raises:
        SettingsError: If the file cannot be read, or a key is unknown, of the wrong kind or out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} must be a readable TOML or JSON file: {error}") from error
    return from_mapping(values, start)


def from_mapping(values: object, start: T, where: str = "") -> T:
    """A copy of the dataclass ``start`` with ``values``, nested like it, in place of its own.

    Raises:
        SettingsError: If a key is unknown (the nearest known one is named), of the wrong kind or out of range.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where or 'settings'} must be a table, got {values!r}")
    hints = get_type_hints(type(start))
    known = {item.name: getattr(start, item.name) for item in fields(start)}  # type: ignore[arg-type]
    for key, value in values.items():
        name = f"{where}.{key}" if where else str(key)
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise SettingsError(f"unknown setting {name}; {hint}")
        if is_dataclass(known[key]):
            known[key] = from_mapping(value, known[key], name)
        else:
            known[key] = _checked(value, hints[key], name)
    return type(start)(**known)


def _checked(value: object, kind: Any, name: str) -> Any:
    """``value`` as the annotation ``kind`` wants it."""
    origin, choices = get_origin(kind), get_args(kind)
    if origin is Literal:
        if value not in choices or type(value) not in {type(choice) for choice in choices}:
            raise SettingsError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
        return value
    if origin is UnionType:
        return None if value is None else _checked(value, choices[0], name)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise SettingsError(f"{name} must be a list, got {value!r}")
        return tuple(_checked(item, choices[0], f"{name}[{number}]") for number, item in enumerate(value))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise SettingsError(f"{name} must be of kind {kind.__name__}, got {value!r}")
    return value
