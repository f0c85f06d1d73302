"""Settings of a training and the presets they start from."""

from collections.abc import Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any

from oddframe.data.counter_examples import CounterExamples
from oddframe.data.training_clips import DataConfig
from oddframe.model.network_config import NetworkConfig
from oddframe.model.training_config import TrainingConfig
from oddframe.settings import from_mapping, read_table, settings_dataclass

__all__ = ["PRESETS", "Settings", "read_settings"]


@settings_dataclass()
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
