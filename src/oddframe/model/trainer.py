"""One step of training after another (method section 6): pre-train, place the centres, train jointly."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from oddframe.core.part import WHOLE, Part
from oddframe.errors import SettingsError
from oddframe.model.clusters import fit_centres, join_codes
from oddframe.model.losses import appearance_loss, motion_loss
from oddframe.model.network import Network, check_choices

__all__ = ["Trainer", "TrainingConfig"]

LEAST_COVER = 0.08
"""Share of a place that must have been made abnormal for its code to count as that."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the network is trained; the defaults are the research code's.

    Attributes:
        pretrain_steps: Steps on the losses of the two streams alone, before there are centres.
        joint_steps: Steps with the cluster loss.
        batch_size: Clips in a step.
        learning_rate: Adam's, for the streams.
        schedule: "constant", or "cosine": a rise over the first 2 % of the steps, then half a cosine down to 1 %.
        gradient_weight: λ_g of the motion loss.
        cluster_weight: Weight of the cluster loss.
        cluster_learning_rate: Adam's, for the centres and the last convolution of each encoder.
        repulsion: Weight of a joint objective that also keeps the codes of places made abnormal on purpose away from
            the centres; 0 is the published training. Above 0 it takes the place of ``cluster_weight``, and its
            gradient reaches the whole encoders.
        margin: Distance from the nearest centre at which such a code is far enough.
        centre_codes: Most joint codes that the first centres are fitted to.
        precision: "float32", "bfloat16" (mixed precision), or "auto": bfloat16 on a GPU and on processors with
            instructions for it, where it takes about half the time, float32 elsewhere.
        seed: Seed of everything random.
    """

    pretrain_steps: int = 5_000
    joint_steps: int = 100_000
    batch_size: int = 4
    learning_rate: float = 1e-5
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_weight: float = 0.01
    cluster_weight: float = 0.1
    cluster_learning_rate: float = 1e-6
    repulsion: float = 0.0
    margin: float = 0.8
    centre_codes: int = 200_000
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choices(self, "training")
        for name in ("pretrain_steps", "joint_steps", "gradient_weight", "cluster_weight", "repulsion", "seed"):
            if not getattr(self, name) >= 0:
                raise SettingsError(f"training.{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("batch_size", "learning_rate", "cluster_learning_rate", "margin", "centre_codes"):
            if not 0 < getattr(self, name) < float("inf"):
                raise SettingsError(f"training.{name} must be above 0 and finite, got {getattr(self, name)}")
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
        return float(rise * (0.01 + 0.99 * (0.5 + 0.5 * np.cos(np.pi * step / self.steps))))


class Wanted(NamedTuple):
    """A batch on the device, as in `oddframe.data.training_clips.Batch`."""

    clips: Tensor
    first: Tensor
    last: Tensor
    rebuilt: Tensor
    abnormal: Tensor


class Trainer:
    """A network and its optimisers, one step at a time.

    Args:
        network: What to train; moved to ``device``.
        config: How.
        device: Where.
    """

    def __init__(self, network: Network, config: TrainingConfig, device: torch.device) -> None:
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config = config
        self.device = device
        self.step = 0
        self.centred = network.clusters is None
        clusters = network.clusters
        centres = [] if clusters is None else list(clusters.parameters())
        held_back = {id(parameter) for parameter in centres}
        streams = [p for p in network.parameters() if id(p) not in held_back]
        self.streams = torch.optim.Adam(streams, lr=config.learning_rate)
        self.pulled = centres if config.repulsion else centres + network.last_convolutions()
        self.cluster = torch.optim.Adam(self.pulled, lr=config.cluster_learning_rate) if centres else None
        self.mixed = config.precision == "bfloat16" or (config.precision == "auto" and computes_bfloat16(device))

    def optimisers(self) -> list[tuple[str, torch.optim.Adam]]:
        """The optimisers by name: "streams" and, where there are clusters, "cluster"."""
        return [("streams", self.streams)] + ([("cluster", self.cluster)] if self.cluster is not None else [])

    @property
    def phase(self) -> str:
        """What the next step belongs to: "pretrain" or "joint"."""
        return "pretrain" if self.step < self.config.pretrain_steps else "joint"

    @property
    def needs_centres(self) -> bool:
        """Whether the centres are to be placed before the next step."""
        return not self.centred and self.step == self.config.pretrain_steps

    def train_step(
        self, *batch: npt.NDArray[np.uint8] | npt.NDArray[np.bool_], part: Part = WHOLE
    ) -> dict[str, Tensor]:
        """Take one step on a batch, given as the arrays of `Batch`; returns the losses as they were before it.

        Where the batch shows a part of the frame, ``part`` says which.

        The gradient of the cluster loss reaches the centres and the last convolution of each encoder only, unless
        codes are repelled. Both optimisers step on gradients of the same forward pass; the research code runs a
        second one in between.
        """
        self.network.train()
        config = self.config
        factor = config.rate_at(self.step)
        rates = {"streams": config.learning_rate, "cluster": config.cluster_learning_rate}
        for name, optimiser in self.optimisers():
            optimiser.param_groups[0]["lr"] = rates[name] * factor
            optimiser.zero_grad(set_to_none=True)
        losses = self._losses(self._to_device(*batch), part)
        clustered = [losses[name] for name in ("cluster", "repulsion") if name in losses]
        total = torch.stack([losses[name] for name in ("appearance", "motion") if name in losses]).sum()
        pulls: tuple[Tensor, ...] = ()
        if clustered and config.repulsion:
            total = total + config.repulsion * torch.stack(clustered).sum()
        elif clustered:
            pulls = torch.autograd.grad(config.cluster_weight * clustered[0], self.pulled, retain_graph=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.streams.step()
        if clustered and self.cluster is not None:
            for parameter, gradient in zip(self.pulled, pulls, strict=False):
                parameter.grad = gradient
            self.cluster.step()
        self.step += 1
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def losses(self, *batch: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> dict[str, float]:
        """The losses on a batch without training on it; the cluster loss once there are centres."""
        self.network.eval()
        return {name: loss.item() for name, loss in self._losses(self._to_device(*batch)).items()}

    @torch.no_grad()
    def codes(self, clips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Joint codes of every place of clips, N x D, in the space that the configuration names for k-means."""
        self.network.eval()
        outputs = self.network(torch.from_numpy(clips).to(self.device))
        normalise = self.network.config.kmeans_space == "normalised"
        joint = join_codes(outputs.codes, normalise=normalise).flatten(0, 1)
        return joint.float().cpu().numpy()

    def place_centres(self, codes: npt.NDArray[np.float32]) -> list[int]:
        """Fit the first centres to codes, N x D; returns how many codes each of them holds."""
        centres, sizes = fit_centres(codes, self.network.config.clusters, self.config.seed)
        self.network.place_centres(torch.from_numpy(centres).to(self.device))
        self.centred = True
        return [int(size) for size in sizes]

    def _to_device(self, *batch: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> Wanted:
        return Wanted(*(torch.from_numpy(part).to(self.device, non_blocking=True) for part in batch))

    def _losses(self, wanted: Wanted, part: Part = WHOLE) -> dict[str, Tensor]:
        """Losses by name, in float32 whatever the precision of the network's inside."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            outputs = self.network(wanted.clips, part)
        first, last, rebuilt = self.network.frames(
            torch.stack([wanted.first, wanted.last, wanted.rebuilt], dim=1)
        ).unbind(1)
        losses = {}
        if outputs.rebuilt is not None:
            losses["appearance"] = appearance_loss(outputs.rebuilt.float(), rebuilt)
        if outputs.difference is not None:
            losses["motion"] = motion_loss(outputs.difference.float(), first, last, self.config.gradient_weight)
        if self.phase == "joint" and self.centred:
            losses |= self._cluster_losses([code.float() for code in outputs.codes], wanted.abnormal)
        return losses

    def _cluster_losses(self, codes: list[Tensor], abnormal: Tensor) -> dict[str, Tensor]:
        """L_c over the places as filmed and, where wanted, the repulsion of places made abnormal."""
        if self.network.clusters is None:
            return {}
        distance = self.network.clusters.weighted(join_codes(codes)).sum(dim=2).flatten()
        stride = self.network.config.code_stride
        covered = nn.functional.avg_pool2d(abnormal.unsqueeze(1).float(), stride).flatten()
        as_filmed, made = covered == 0, covered > LEAST_COVER
        losses = {}
        if as_filmed.any():
            losses["cluster"] = distance[as_filmed].mean()
        if self.config.repulsion and made.any():
            losses["repulsion"] = (self.config.margin - distance[made]).clamp_min(0.0).square().mean()
        return losses


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16."""
    if device.type != "cpu":
        return True
    # Older versions of PyTorch cannot tell.
    able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
