"""The settings of a training, and the presets that they start from (method section 6).

They lie apart from the trainer, so that a machine without torch can read them.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from oddframe.datasets.clip_dataset import DataConfig
from oddframe.datasets.pseudo_anomalies import PseudoAnomalyConfig
from oddframe.errors import SettingsError
from oddframe.model.config import NetworkConfig
from oddframe.settings import from_mapping, read_table, settings_dataclass


@settings_dataclass("training")
class TrainingConfig:
    """Settings of the course of a training; the defaults are the research code's.

    Attributes:
        pretrain_steps: Steps on the losses of the two streams alone, before there are centres.
        joint_steps: Steps with the cluster loss.
        most_epochs: Passes over the footage after which a training ends that would have more
            steps; those of little footage are not shortened below 3,000. 0, as published, takes
            all steps.
        batch_size: Clips in a step.
        learning_rate: Learning rate of Adam for the streams.
        schedule: "constant", or "cosine": a rise over the first 2 % of the steps, then half a
            cosine down to 1 %.
        gradient_clip: Euclidean norm that the gradient of a step, of all weights together, is cut
            down to where it is larger; 0, as published, never does.
        gradient_weight: λ_g of the motion loss.
        cluster_weight: Weight of the cluster loss.
        cluster_learning_rate: Learning rate of Adam for the centres and the last convolution of
            each encoder.
        repulsion: Weight of a joint objective that also keeps the codes of places made abnormal on
            purpose away from the centres; 0 is the published training. Above 0 it takes the place
            of ``cluster_weight``, and its gradient reaches the whole encoders.
        discrimination: Weight of a linear reading of the joint codes that tells places made
            abnormal from those as filmed, in both phases; only training has it. 0, as published,
            leaves it out. Too much of it (0.01) teaches the codes to see cut-outs rather than what
            is wrong with them.
        margin: Distance from the nearest centre at which such a code is far enough.
        centre_codes: Most joint codes that the first centres are fitted to.
        averaging: Part of a running average of the weights that each step keeps, 0 to below 1; the
            trained network has the average at the end. 0 has the weights of the last step, as
            published.
        level_perspective: Whether the end of a training measures how much larger the motion error
            of what moves is at the bottom of the picture than at its top, and levels it
            (``network.perspective``).
        batch_norm: What BatchNorm in the spatial stream normalises with while training: "batch"
            with the batch's own statistics, as published; "frozen" with those that it has, which
            then stay (its scales and shifts are learned all the same).
        precision: "float32", "bfloat16" (mixed precision), or "auto": bfloat16 on a GPU and on
            processors with instructions for it, where it takes about half the time, float32
            elsewhere.
        seed: Seed of everything random.
    """

    pretrain_steps: Annotated[int, Field(ge=0)] = 5_000
    joint_steps: Annotated[int, Field(ge=0)] = 100_000
    most_epochs: Annotated[float, Field(ge=0)] = 0.0
    batch_size: Annotated[int, Field(gt=0)] = 4
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_clip: Annotated[float, Field(ge=0)] = 0.0
    gradient_weight: Annotated[float, Field(ge=0)] = 0.01
    cluster_weight: Annotated[float, Field(ge=0)] = 0.1
    cluster_learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    repulsion: Annotated[float, Field(ge=0)] = 0.0
    discrimination: Annotated[float, Field(ge=0)] = 0.0
    margin: Annotated[float, Field(gt=0)] = 0.8
    centre_codes: Annotated[int, Field(gt=0)] = 200_000
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.0
    level_perspective: bool = False
    batch_norm: Literal["batch", "frozen"] = "batch"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        if not self.steps:
            raise SettingsError(
                "training.pretrain_steps and training.joint_steps must not both be 0"
            )

    @property
    def steps(self) -> int:
        """Number of steps of both phases together."""
        return self.pretrain_steps + self.joint_steps

    def rate_at(self, step: int) -> float:
        """Compute the factor of the learning rates at a step, counted from 0; it is in (0, 1].

        The rate depends on the step alone, so a resumed training needs no scheduler's state.
        """
        if self.schedule == "constant":
            return 1.0
        # The rise keeps Adam, which knows no usual gradient yet, from large first steps.
        rise = min(1.0, (step + 1) / max(1.0, 0.02 * self.steps))
        return float(rise * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * step / self.steps))))


@settings_dataclass()
class Settings:
    """All settings that decide what a training makes of its footage.

    Example:
        >>> settings = oddframe.PRESETS["fast"]
        >>> isinstance(settings, oddframe.Settings)
        True

    Attributes:
        network: Settings of the network and of its scores.
        data: Settings of what it is trained on.
        training: Settings of the course of the training.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values in tables, as in a settings file."""
        return asdict(self)


# Each value of the preset below was chosen by measurements on drawn scenes and on UCSD Ped1
# and Ped2 (docs/benchmarks.md); docs/paper.md says what each switch changes and why.
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
        mean_power=0.5,
        score_power=2.0,
        score_windows=(16,),
        score_share=0.02,
        scored_frame="middle",
        score_clips=5,
    ),
    data=DataConfig(
        crop=(128, 192), counter_examples=PseudoAnomalyConfig(share=0.6, most=2, company=0.3)
    ),
    training=TrainingConfig(
        pretrain_steps=250,
        joint_steps=11_750,
        most_epochs=16.0,
        batch_size=8,
        learning_rate=1e-3,
        schedule="cosine",
        cluster_learning_rate=1e-3,
        gradient_clip=0.05,
        level_perspective=True,
        repulsion=0.005,
        centre_codes=50_000,
    ),
)

PRESETS: Mapping[str, Settings] = {"paper": Settings(), "fast": _FAST}
"""`paper`: the published network and the research code's training. For one GPU there is a recipe
of it that learns in minutes, `benchmarks/paper_gpu.toml`; it names what deviates from the paper.

`fast`: the default, for any fixed camera and for machines without a GPU.
"""


def read_settings(path: Path, start: Settings) -> Settings:
    """Read settings from a file, over others.

    Args:
        path: A TOML or JSON file with tables ``network``, ``data`` and ``training``.
        start: Settings that hold where the file says nothing.

    Raises:
        SettingsError: If the file cannot be read, or a key is unknown, of the wrong kind or out of
            range.
    """
    return from_mapping(read_table(path), start)
