"""The course of a training, one step at a time (method section 6).

First both streams are trained by themselves (phase "pretrain"), then the centres are placed, then
all is trained together (phase "joint"). A trainer knows no files and no footage: it is given
batches, and `oddframe.training.loop` decides when to validate and to save.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from oddframe._types import Float32, Pixels
from oddframe.core.records import CropOffset
from oddframe.datasets.clip_dataset import Batch
from oddframe.errors import SettingsError
from oddframe.model.clusters import Clusters, fit_centres, join_codes
from oddframe.model.network import Network
from oddframe.training import GpuSteps
from oddframe.training.distributed import SINGLE_PROCESS, ProcessGroup
from oddframe.training.gpu_steps import DeviceBatch, StepGraph, compile_parts
from oddframe.training.group_norm import normalise_over_group
from oddframe.training.losses import Discriminator, WeightAverage, appearance_loss, motion_loss
from oddframe.training.settings import TrainingConfig

LEAST_COVER = 0.08
"""Share of a place's pixels that must be made abnormal for its code to count as abnormal."""


class Places(NamedTuple):
    """What each of the B P places of the codes shows, two masks of bool B P.

    A place at the edge of a pseudo-anomaly is in neither mask, and nothing is learned from it.

    Attributes:
        as_filmed: No pixel of the place was made abnormal.
        abnormal: More than `LEAST_COVER` of its pixels were.
    """

    as_filmed: Tensor
    abnormal: Tensor


class Trainer:
    """A network and its optimisers, one step at a time.

    Args:
        network: The network to train; it is moved to ``device``.
        config: Settings of the training.
        device: Where it runs.
        group: The processes that train together; each has a trainer with the same weights and gets
            its own rows of every batch.
        gpu_steps: How steps are taken on a GPU, as `choose_gpu_steps` answers.

    Attributes:
        captured: What takes the steps as replays of a CUDA graph; None where nothing does.
        step: Steps taken so far, in both phases.
        centred: Whether the centres are placed; true without clusters.
        discriminator: The reader of the codes that training alone has; None where the settings
            leave it out.
        average: The running average of the weights; None where the settings leave it out.
        pulled: The parameters that the cluster loss trains: the centres and, unless codes are
            repelled, the last convolution of each encoder.

    Raises:
        SettingsError: If a batch has fewer clips than there are processes.
    """

    def __init__(
        self,
        network: Network,
        config: TrainingConfig,
        device: torch.device,
        group: ProcessGroup = SINGLE_PROCESS,
        gpu_steps: GpuSteps = "eager",
    ) -> None:
        if config.batch_size < group.size:
            raise SettingsError(
                f"training.batch_size must be at least the number of processes, {group.size}, "
                f"got {config.batch_size}"
            )
        if group.size > 1 and config.batch_norm == "batch":
            normalise_over_group(network, group)
        # Convolutions run faster where the channels of a pixel lie beside each other.
        self.network = network.to(  # type: ignore[call-overload]
            device, memory_format=torch.channels_last
        )
        self.config = config
        self.device = device
        self.group = group
        self.step = 0
        self.centred = network.clusters is None
        clusters = network.clusters
        centres = [] if clusters is None else list(clusters.parameters())
        # By identity, since tensors have no truth value to compare them by.
        held_back = {id(parameter) for parameter in centres}
        streams = [p for p in network.parameters() if id(p) not in held_back]
        self.discriminator = (
            Discriminator(network.config.code_width).to(device) if config.discrimination else None
        )
        if self.discriminator is not None:
            streams.extend(self.discriminator.parameters())
        self.streams = self._adam(streams, config.learning_rate)
        self.pulled = centres if config.repulsion else centres + network.last_convolutions()
        self.cluster = self._adam(self.pulled, config.cluster_learning_rate) if centres else None
        self.average = WeightAverage(self.network, config.averaging) if config.averaging else None
        self.mixed = config.precision == "bfloat16" or (
            config.precision == "auto" and computes_bfloat16(device)
        )
        # A captured step must have the same shapes each time, and ask the GPU for no number.
        self.fixed_shapes = device.type != "cpu" and group.size == 1
        self.captured: StepGraph | None = None
        if gpu_steps != "eager":
            parts = compile_parts(self.network) if gpu_steps == "compiled" else ()
            self.captured = StepGraph(self.update, parts)

    def _adam(self, parameters: list[nn.Parameter], rate: float) -> torch.optim.Adam:
        """Make an optimiser; on a GPU one kernel steps all parameters, and the rate lies there."""
        if self.device.type == "cpu":
            return torch.optim.Adam(parameters, lr=rate)
        lies_there = torch.tensor(rate, device=self.device)
        return torch.optim.Adam(parameters, lr=lies_there, capturable=True, fused=True)

    def optimisers(self) -> list[tuple[str, torch.optim.Adam]]:
        """List the optimisers by name: "streams" and, with clusters, "cluster"."""
        found = [("streams", self.streams)]
        if self.cluster is not None:
            found.append(("cluster", self.cluster))
        return found

    @property
    def phase(self) -> str:
        """What the next step belongs to: "pretrain" or "joint"."""
        return "pretrain" if self.step < self.config.pretrain_steps else "joint"

    @property
    def needs_centres(self) -> bool:
        """Whether the centres are to be placed before the next step."""
        return not self.centred and self.step == self.config.pretrain_steps

    def train_step(self, batch: Batch | DeviceBatch, count: int | None = None) -> dict[str, Tensor]:
        """Take one step on a batch.

        The gradient of the cluster loss reaches the centres and the last convolution of each
        encoder only, unless codes are repelled. Both optimisers step on gradients of the same
        forward pass; the research code runs a second one in between.

        Args:
            batch: The batch; of several processes each gives its own rows of it.
            count: Clips of the whole batch; those that are given when None.

        Returns:
            The losses by name, as they were before the step, over the whole batch. A captured step
            overwrites those of the step before.
        """
        config = self.config
        self.network.train()
        if config.batch_norm == "frozen":
            # train() has just switched them on.
            for norm in self._norms():
                norm.eval()
        factor = config.rate_at(self.step)
        rates = {"streams": config.learning_rate, "cluster": config.cluster_learning_rate}
        for name, optimiser in self.optimisers():
            settings = optimiser.param_groups[0]
            if isinstance(settings["lr"], Tensor):
                # In place, since a captured step reads it there.
                settings["lr"].fill_(rates[name] * factor)
            else:
                settings["lr"] = rates[name] * factor
        count = count or len(batch.clips)
        if isinstance(batch, Batch):
            batch = self.to_device(batch)
        if self.captured is None:
            losses = self.update(batch, count)
        else:
            losses = self.captured.take(batch, self.phase)
        self.step += 1
        if self.average is not None:
            self.average.update(self.network, self.step)
        return losses

    def update(self, batch: DeviceBatch, count: int | None = None) -> dict[str, Tensor]:
        """Change the weights once, with this process's rows of a batch of ``count`` clips.

        All of it may be captured as a CUDA graph: what is decided here is decided once.
        """
        config = self.config
        for _, optimiser in self.optimisers():
            optimiser.zero_grad(set_to_none=True)
        losses = self._losses(batch, self.group, count or len(batch.clips))
        clustered = [losses[name] for name in ("cluster", "repulsion") if name in losses]
        total = torch.stack(
            [losses[name] for name in ("appearance", "motion") if name in losses]
        ).sum()
        if "discrimination" in losses:
            total = total + config.discrimination * losses["discrimination"]
        pulls: tuple[Tensor, ...] = ()
        # With repulsion the cluster losses are part of one objective and reach the whole encoders;
        # as published, their gradient is taken by itself and for a few parameters only.
        if clustered and config.repulsion:
            total = total + config.repulsion * torch.stack(clustered).sum()
        elif clustered:
            # backward() below still needs the graph of the codes, which both losses share.
            pulls = torch.autograd.grad(
                config.cluster_weight * clustered[0], self.pulled, retain_graph=True
            )
        total.backward()  # type: ignore[no-untyped-call]
        trained = [
            *self.network.parameters(),
            *(self.discriminator.parameters() if self.discriminator else ()),
        ]
        detached = {name: loss.detach() for name, loss in losses.items()}
        # Each process has the gradient of its own rows; their sum is that of the whole batch.
        gradients = [p.grad for p in trained if p.grad is not None]
        self.group.sum([*gradients, *pulls, *detached.values()])
        if config.gradient_clip:
            nn.utils.clip_grad_norm_(trained, config.gradient_clip)
        self.streams.step()
        # The streams' optimiser has used these gradients: their place is free for the others.
        if clustered and self.cluster is not None:
            for parameter, gradient in zip(self.pulled, pulls, strict=False):
                # One kernel for all parameters wants gradients that lie in memory as these do.
                parameter.grad = (
                    torch.empty_like(parameter).copy_(gradient) if self.fixed_shapes else gradient
                )
            self.cluster.step()
        return detached

    @torch.no_grad()
    def losses(self, batch: Batch) -> dict[str, float]:
        """Compute the losses on a batch without training on it, in this process alone.

        The cluster loss is among them once the centres are placed.
        """
        self.network.eval()
        losses = self._losses(self.to_device(batch), SINGLE_PROCESS, len(batch.clips))
        return {name: loss.item() for name, loss in losses.items()}

    @torch.no_grad()
    def codes(self, clips: Pixels) -> Float32:
        """Compute the joint codes of clips for k-means, in the space that the settings name.

        Args:
            clips: uint8 B x 5 x H x W x C.

        Returns:
            The codes of every place of every clip, N x D with N = B P.
        """
        self.network.eval()
        outputs = self.network(torch.from_numpy(clips).to(self.device))
        normalise = self.network.config.kmeans_space == "normalised"
        joint = join_codes(outputs.codes, normalise=normalise).flatten(0, 1)  # B P D -> (B P) D
        return joint.float().cpu().numpy()

    def place_centres(self, codes: Float32 | None) -> list[int]:
        """Fit the first centres and place them; returns how many codes each of them holds.

        Args:
            codes: N x D. Of several processes the first one has them and fits the centres for all;
                the others give None.
        """
        config = self.network.config
        if codes is None:
            centres = np.zeros((config.clusters, config.code_width), np.float32)
            sizes = np.zeros(config.clusters, np.int64)
        else:
            centres, sizes = fit_centres(codes, config.clusters, self.config.seed)
        centres, sizes = self.group.broadcast(centres), self.group.broadcast(sizes)
        self.network.place_centres(torch.from_numpy(centres).to(self.device))
        if self.average is not None:
            # The average of centres starts here: before, they were random.
            self.average.state["clusters.centres"].copy_(torch.from_numpy(centres))
        self.centred = True
        return [int(size) for size in sizes]

    def adopt_average(self) -> None:
        """Give the network the average of its weights, if one is taken, as a training's end."""
        if self.average is not None:
            self.network.load_state_dict(self.average.state)

    def to_device(self, batch: Batch) -> DeviceBatch:
        """Copy a batch to the device, from where a step takes it."""
        tensors = [
            torch.from_numpy(array).to(self.device, non_blocking=True) for array in batch[:5]
        ]
        part: CropOffset | Tensor = batch.part
        if self.captured is not None:
            part = torch.tensor([batch.part.top, batch.part.left], device=self.device)
        clips, first, last, rebuilt, abnormal = tensors
        return DeviceBatch(clips, first, last, rebuilt, abnormal, part)

    def _norms(self) -> list[nn.BatchNorm2d]:
        return [module for module in self.network.modules() if isinstance(module, nn.BatchNorm2d)]

    def _losses(self, batch: DeviceBatch, group: ProcessGroup, count: int) -> dict[str, Tensor]:
        """Compute losses by name, in float32 whatever the precision of the network's inside.

        Of several processes each gets its part of them; they add up to the losses of all ``count``
        clips.
        """
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            outputs = self.network(batch.clips, batch.part)
        # To the scaling the three targets are clips of three frames: 3 x B H W C -> B 3 C H W.
        targets = torch.stack([batch.first, batch.last, batch.rebuilt], dim=1)
        first, last, rebuilt = self.network.frames(targets).unbind(1)
        rows = len(batch.clips)
        losses = {}
        if outputs.rebuilt is not None:
            appearance = appearance_loss(outputs.rebuilt.float(), rebuilt)
            losses["appearance"] = group.weighted_mean(appearance, rows, count)
        if outputs.difference is not None:
            difference = outputs.difference.float()
            motion = motion_loss(difference, first, last, self.config.gradient_weight)
            losses["motion"] = group.weighted_mean(motion, rows, count)
        clusters = self.network.clusters if self.phase == "joint" and self.centred else None
        if self.discriminator is not None or clusters is not None:
            joint = join_codes([code.float() for code in outputs.codes])
            places = self._places(batch.abnormal)
            counts = () if self.fixed_shapes else group.counts(places)
            if self.discriminator is not None:
                losses |= self._discrimination_loss(
                    self.discriminator, joint, places, counts, group
                )
            if clusters is not None:
                losses |= self._cluster_losses(clusters, joint, places, counts, group)
        return losses

    def _places(self, abnormal: Tensor) -> Places:
        """Sort the places of the codes by masks of what was made abnormal, bool B x H x W."""
        stride = self.network.config.code_stride
        # B H W -> B 1 h w -> (B P), in the order of the joint codes.
        covered = nn.functional.avg_pool2d(abnormal.unsqueeze(1).float(), stride).flatten()
        return Places(covered == 0, covered > LEAST_COVER)

    def _discrimination_loss(
        self,
        discriminator: Discriminator,
        joint: Tensor,
        places: Places,
        counts: tuple[int, ...],
        group: ProcessGroup,
    ) -> dict[str, Tensor]:
        """Add the mean cross-entropy over places as filmed and that over places made abnormal.

        Both weigh the same, however few places are abnormal.
        """
        if self.fixed_shapes:
            logits = discriminator(joint).flatten()
            means = [
                _masked_mean(nn.functional.softplus(odds), mask)
                for odds, mask in zip((logits, -logits), places, strict=True)
            ]
            return {"discrimination": torch.stack(means).sum()}
        parts = []
        for values, count in zip(discriminator.losses(joint, *places), counts, strict=True):
            if count:
                parts.append(group.mean(values, count))
        return {"discrimination": torch.stack(parts).sum()} if parts else {}

    def _cluster_losses(
        self,
        clusters: Clusters,
        joint: Tensor,
        places: Places,
        counts: tuple[int, ...],
        group: ProcessGroup,
    ) -> dict[str, Tensor]:
        """Compute L_c over the places as filmed and, if set, the repulsion of abnormal places.

        The repulsion of a place is (margin - d)^2 for its distance d below the margin, else 0.
        """
        distance = clusters.weighted_distances(joint).sum(dim=2).flatten()
        losses = {}
        if self.fixed_shapes:
            losses["cluster"] = _masked_mean(distance, places.as_filmed)
            if self.config.repulsion:
                squares = (self.config.margin - distance).clamp_min(0.0).square()
                losses["repulsion"] = _masked_mean(squares, places.abnormal)
            return losses
        as_filmed, abnormal = counts
        if as_filmed:
            losses["cluster"] = group.mean(distance[places.as_filmed], as_filmed)
        if self.config.repulsion and abnormal:
            squares = (self.config.margin - distance[places.abnormal]).clamp_min(0.0).square()
            losses["repulsion"] = group.mean(squares, abnormal)
        return losses


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average the values under a mask, 0 where there are none, without asking how many they are."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp_min(1)


def computes_bfloat16(device: torch.device) -> bool:
    """Tell whether a device has instructions for bfloat16."""
    if device.type != "cpu":
        return True
    # Older versions of PyTorch cannot tell.
    able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
