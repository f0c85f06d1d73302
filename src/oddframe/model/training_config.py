"""How the network is trained (method section 6); apart from the trainer, so that nobody needs torch to read it."""

import math
from typing import Annotated, Literal

from pydantic import Field

from oddframe.errors import SettingsError
from oddframe.settings import settings_dataclass

__all__ = ["TrainingConfig"]


@settings_dataclass("training")
class TrainingConfig:
    """How the network is trained; the defaults are the research code's.

    Attributes:
        pretrain_steps: Steps on the losses of the two streams alone, before there are centres.
        joint_steps: Steps with the cluster loss.
        batch_size: Clips in a step.
        learning_rate: Adam's, for the streams.
        schedule: "constant", or "cosine": a rise over the first 2 % of the steps, then half a cosine down to 1 %.
        gradient_clip: Euclidean norm that the gradient of a step, of all weights together, is cut down to where it is
            larger; 0, as published, never does.
        gradient_weight: λ_g of the motion loss.
        cluster_weight: Weight of the cluster loss.
        cluster_learning_rate: Adam's, for the centres and the last convolution of each encoder.
        repulsion: Weight of a joint objective that also keeps the codes of places made abnormal on purpose away from
            the centres; 0 is the published training. Above 0 it takes the place of ``cluster_weight``, and its
            gradient reaches the whole encoders.
        discrimination: Weight of a linear reading of the joint codes that tells places made abnormal from those as
            filmed, in both phases; only training has it. 0, as published, leaves it out. Too much of it (0.01) teaches
            the codes to see cut-outs rather than what is wrong with them.
        margin: Distance from the nearest centre at which such a code is far enough.
        centre_codes: Most joint codes that the first centres are fitted to.
        averaging: Part of a running average of the weights that each step keeps, 0 to below 1; the trained network has
            the average at the end. 0 has the weights of the last step, as published.
        batch_norm: What BatchNorm in the spatial stream normalises with while training: "batch" with the batch's own
            statistics, as published; "frozen" with those that it has, which then stay (its scales and shifts are
            learned all the same). With several processes a batch is what one of them has, see docs/scale.md.
        precision: "float32", "bfloat16" (mixed precision), or "auto": bfloat16 on a GPU and on processors with
            instructions for it, where it takes about half the time, float32 elsewhere.
        seed: Seed of everything random.
    """

    pretrain_steps: Annotated[int, Field(ge=0)] = 5_000
    joint_steps: Annotated[int, Field(ge=0)] = 100_000
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
    batch_norm: Literal["batch", "frozen"] = "batch"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        if not self.steps:
            raise SettingsError("training.pretrain_steps and training.joint_steps must not both be 0")

    @property
    def steps(self) -> int:
        """All steps of both phases."""
        return self.pretrain_steps + self.joint_steps

    def rate_at(self, step: int) -> float:
        """Factor of the learning rates at a step, in (0, 1]."""
        if self.schedule == "constant":
            return 1.0
        rise = min(1.0, (step + 1) / max(1.0, 0.02 * self.steps))
        return float(rise * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * step / self.steps))))
