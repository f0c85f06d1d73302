"""The smallest training that goes through all phases: under a second once all is imported."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tomlkit

from oddframe.core.calibration import Calibration
from oddframe.core.event_rules import EventRules
from oddframe.core.rarity import NormalTail
from oddframe.settings import from_mapping
from oddframe.training.settings import Settings

_VALUES: dict[str, dict[str, Any]] = {
    "network": {
        "height": 32,
        "width": 32,
        "colour": "grey",
        "channels": 2,
        "code_norm": "l2",
        "clusters": 4,
        "score_windows": [8],
    },
    "data": {"counter_examples": {"share": 0.3}},
    "training": {
        "pretrain_steps": 6,
        "joint_steps": 6,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "centre_codes": 200,
    },
}

PARTS = ("appearance", "motion", "cluster")


def tiny_settings(**changes: Any) -> Settings:
    """Settings of the tiny training; changes are fields of its training, or ``hold_out``."""
    settings = from_mapping(_VALUES, Settings())
    if "hold_out" in changes:
        settings = replace(settings, data=replace(settings.data, hold_out=changes.pop("hold_out")))
    return replace(settings, training=replace(settings.training, **changes))


def toml_text(settings: Settings) -> str:
    """Write settings as TOML has them: without what is None."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if inner is not None}
        return value

    return tomlkit.dumps(plain(settings.as_dict()))


def tiny_calibration(**changes: Any) -> Calibration:
    """A calibration without footage; changes are its fields, or those of its rules."""
    rules = {
        item.name: changes.pop(item.name) for item in fields(EventRules) if item.name in changes
    }
    threshold = changes.get("threshold", 2.0)
    values: dict[str, Any] = {
        "threshold": threshold,
        "release": 0.8 * threshold,
        "threshold_low": 0.9 * threshold,
        "threshold_high": 1.2 * threshold,
        "rate_low": 0.01,
        "rate_high": 0.2,
        "budget": "1/day",
        "method": "tail",
        "hours": 30.0,
        "clips": 1_080_000,
        "in_sample": False,
        "map_level": 1.0,
        "rules": EventRules(**rules),
        # One in a thousand normal frames reaches 2 in its appearance, 4 in its motion, 6 in its
        # cluster distance.
        "tails": {
            name: NormalTail((factor, 2 * factor), (0.0, 3.0), 0.1)
            for factor, name in enumerate(PARTS, 1)
        },
    }
    return Calibration(**{**values, **changes})


def left_over(folder: Path) -> list[str]:
    """Files and folders under a folder that look temporary."""
    names = [path.name for path in folder.rglob("*")]
    return [
        name
        for name in names
        if name.startswith(".") or name.endswith((".new", ".part", ".next.json"))
    ]


def bytes_of(folder: Path, names: Sequence[str] = ("**/*",)) -> dict[str, bytes]:
    """Contents of the files in a folder, by their path in it."""
    found = {path for name in names for path in folder.glob(name) if path.is_file()}
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(found)}


def walk(number: int, width: int = 64, height: int = 48) -> npt.NDArray[np.uint8]:
    """Draw a box that goes back and forth before a slope of grey; the number decides the noise."""
    x = (width - 12) * (1 - abs(number % 40 - 20) / 20)
    picture = np.tile(np.linspace(60, 180, width), (height, 1))
    picture[height // 2 : height // 2 + 16, int(x) : int(x) + 12] = 20
    picture += np.random.default_rng(number).normal(0, 3, picture.shape)
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
