"""One step of training after another (method section 6): pre-train, place the centres, train jointly."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from oddframe.core.records import NO_CROP, CropOffset
from oddframe.errors import SettingsError
from oddframe.model.clusters import Clusters, fit_centres, join_codes
from oddframe.model.network import Network
from oddframe.training.distributed import SINGLE_PROCESS, ProcessGroup
from oddframe.training.losses import Discriminator, WeightAverage, appearance_loss, motion_loss
from oddframe.training.settings import TrainingConfig

LEAST_COVER = 0.08
"""Share of a place that must have been made abnormal for its code to count as that."""


class Wanted(NamedTuple):
    """A batch on the device, as in `oddframe.datasets.clip_dataset.Batch`."""

    clips: Tensor
    first: Tensor
    last: Tensor
    rebuilt: Tensor
    abnormal: Tensor


class Places(NamedTuple):
    """Which of the B P places of the codes are which, each bool B P; those at an edge are neither."""

    as_filmed: Tensor
    made: Tensor


class Trainer:
    """A network and its optimisers, one step at a time.

    Args:
        network: What to train; moved to ``device``.
        config: How.
        device: Where.
        ranks: The processes that train together; each has a trainer with the same weights and gets
            the same batches.

    Attributes:
        discriminator: What reads the codes while they are trained; None where the settings want
            none.
        average: The running average of the weights; None where the settings want none.
    """

    def __init__(
        self,
        network: Network,
        config: TrainingConfig,
        device: torch.device,
        ranks: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        if config.batch_size < ranks.size:
            raise SettingsError(
                f"training.batch_size must be at least the number of processes, {ranks.size}, got {config.batch_size}"
            )
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config = config
        self.device = device
        self.ranks = ranks
        self.step = 0
        self.centred = network.clusters is None
        clusters = network.clusters
        centres = [] if clusters is None else list(clusters.parameters())
        held_back = {id(parameter) for parameter in centres}
        streams = [p for p in network.parameters() if id(p) not in held_back]
        self.discriminator = (
            Discriminator(network.config.code_width).to(device) if config.discrimination else None
        )
        if self.discriminator is not None:
            streams.extend(self.discriminator.parameters())
        self.streams = torch.optim.Adam(streams, lr=config.learning_rate)
        self.pulled = centres if config.repulsion else centres + network.last_convolutions()
        self.cluster = (
            torch.optim.Adam(self.pulled, lr=config.cluster_learning_rate) if centres else None
        )
        self.average = WeightAverage(self.network, config.averaging) if config.averaging else None
        self.mixed = config.precision == "bfloat16" or (
            config.precision == "auto" and computes_bfloat16(device)
        )

    def optimisers(self) -> list[tuple[str, torch.optim.Adam]]:
        """The optimisers by name: "streams" and, where there are clusters, "cluster"."""
        return [("streams", self.streams)] + (
            [("cluster", self.cluster)] if self.cluster is not None else []
        )

    @property
    def phase(self) -> str:
        """What the next step belongs to: "pretrain" or "joint"."""
        return "pretrain" if self.step < self.config.pretrain_steps else "joint"

    @property
    def needs_centres(self) -> bool:
        """Whether the centres are to be placed before the next step."""
        return not self.centred and self.step == self.config.pretrain_steps

    def train_step(
        self, *batch: npt.NDArray[np.uint8] | npt.NDArray[np.bool_], part: CropOffset = NO_CROP
    ) -> dict[str, Tensor]:
        """Take one step on a batch, given as the arrays of `Batch`; returns the losses as they were before it.

        Where the batch shows a part of the frame, ``part`` says which. Of several processes each
        gets the whole batch, takes its rows of it, and returns the losses of all of it.

        The gradient of the cluster loss reaches the centres and the last convolution of each
        encoder only, unless codes are repelled. Both optimisers step on gradients of the same
        forward pass; the research code runs a second one in between.
        """
        config = self.config
        self.network.train()
        if config.batch_norm == "frozen":
            for norm in self._norms():
                norm.eval()
        factor = config.rate_at(self.step)
        rates = {"streams": config.learning_rate, "cluster": config.cluster_learning_rate}
        for name, optimiser in self.optimisers():
            optimiser.param_groups[0]["lr"] = rates[name] * factor
            optimiser.zero_grad(set_to_none=True)
        count = len(batch[0])
        own = [array[self.ranks.rows(count)] for array in batch]
        losses = self._losses(self._to_device(*own), part, self.ranks, count)
        clustered = [losses[name] for name in ("cluster", "repulsion") if name in losses]
        total = torch.stack(
            [losses[name] for name in ("appearance", "motion") if name in losses]
        ).sum()
        if "discrimination" in losses:
            total = total + config.discrimination * losses["discrimination"]
        pulls: tuple[Tensor, ...] = ()
        if clustered and config.repulsion:
            total = total + config.repulsion * torch.stack(clustered).sum()
        elif clustered:
            pulls = torch.autograd.grad(
                config.cluster_weight * clustered[0], self.pulled, retain_graph=True
            )
        total.backward()  # type: ignore[no-untyped-call]
        trained = [
            *self.network.parameters(),
            *(self.discriminator.parameters() if self.discriminator else ()),
        ]
        self.ranks.sum([p.grad for p in trained if p.grad is not None])
        self.ranks.sum(pulls)
        if config.gradient_clip:
            nn.utils.clip_grad_norm_(trained, config.gradient_clip)
        self.streams.step()
        if clustered and self.cluster is not None:
            for parameter, gradient in zip(self.pulled, pulls, strict=False):
                parameter.grad = gradient
            self.cluster.step()
        self._agree_on_norms()
        self.step += 1
        if self.average is not None:
            self.average.update(self.network, self.step)
        told = {name: loss.detach() for name, loss in losses.items()}
        self.ranks.sum(list(told.values()))
        return told

    @torch.no_grad()
    def losses(self, *batch: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> dict[str, float]:
        """The losses on a batch without training on it; the cluster loss once there are centres."""
        self.network.eval()
        wanted = self._to_device(*batch)
        return {
            name: loss.item()
            for name, loss in self._losses(
                wanted, NO_CROP, SINGLE_PROCESS, len(wanted.clips)
            ).items()
        }

    @torch.no_grad()
    def codes(self, clips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Joint codes of every place of clips, N x D, in the space that the configuration names for k-means."""
        self.network.eval()
        outputs = self.network(torch.from_numpy(clips).to(self.device))
        normalise = self.network.config.kmeans_space == "normalised"
        joint = join_codes(outputs.codes, normalise=normalise).flatten(0, 1)
        return joint.float().cpu().numpy()

    def place_centres(self, codes: npt.NDArray[np.float32] | None) -> list[int]:
        """Fit the first centres to codes, N x D; returns how many codes each of them holds.

        Of several processes the first one has the codes and fits the centres for all.
        """
        config = self.network.config
        if codes is None:
            centres = np.zeros((config.clusters, config.code_width), np.float32)
            sizes = np.zeros(config.clusters, np.int64)
        else:
            centres, sizes = fit_centres(codes, config.clusters, self.config.seed)
        centres, sizes = self.ranks.broadcast(centres), self.ranks.broadcast(sizes)
        self.network.place_centres(torch.from_numpy(centres).to(self.device))
        if self.average is not None:
            # What the centres were before says nothing.
            self.average.state["clusters.centres"].copy_(torch.from_numpy(centres))
        self.centred = True
        return [int(size) for size in sizes]

    def adopt_average(self) -> None:
        """Give the network the average of its weights, where there is one: what a training ends with."""
        if self.average is not None:
            self.network.load_state_dict(self.average.state)

    def _to_device(self, *batch: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> Wanted:
        return Wanted(
            *(torch.from_numpy(part).to(self.device, non_blocking=True) for part in batch)
        )

    def _norms(self) -> list[nn.BatchNorm2d]:
        return [module for module in self.network.modules() if isinstance(module, nn.BatchNorm2d)]

    def _agree_on_norms(self) -> None:
        """Give all processes the mean of their running statistics, where those change."""
        if self.ranks.size == 1 or self.config.batch_norm == "frozen":
            return
        statistics = [
            one
            for norm in self._norms()
            for one in (norm.running_mean, norm.running_var)
            if one is not None
        ]
        for one in statistics:
            one /= self.ranks.size
        self.ranks.sum(statistics)

    def _losses(
        self, wanted: Wanted, part: CropOffset, ranks: ProcessGroup, count: int
    ) -> dict[str, Tensor]:
        """Losses by name, in float32 whatever the precision of the network's inside.

        Of several processes each gets its part of them; they add up to the losses of all ``count``
        clips.
        """
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            outputs = self.network(wanted.clips, part)
        first, last, rebuilt = self.network.frames(
            torch.stack([wanted.first, wanted.last, wanted.rebuilt], dim=1)
        ).unbind(1)
        losses = {}
        if outputs.rebuilt is not None:
            losses["appearance"] = ranks.weighted_mean(
                appearance_loss(outputs.rebuilt.float(), rebuilt), len(wanted.clips), count
            )
        if outputs.difference is not None:
            losses["motion"] = ranks.weighted_mean(
                motion_loss(outputs.difference.float(), first, last, self.config.gradient_weight),
                len(wanted.clips),
                count,
            )
        clusters = self.network.clusters if self.phase == "joint" and self.centred else None
        if self.discriminator is not None or clusters is not None:
            joint = join_codes([code.float() for code in outputs.codes])
            places = self._places(wanted.abnormal)
            if self.discriminator is not None:
                losses |= self._discrimination_loss(self.discriminator, joint, places, ranks)
            if clusters is not None:
                losses |= self._cluster_losses(clusters, joint, places, ranks)
        return losses

    def _places(self, abnormal: Tensor) -> Places:
        """Tell places as filmed from those made abnormal, of masks B x H x W."""
        covered = nn.functional.avg_pool2d(
            abnormal.unsqueeze(1).float(), self.network.config.code_stride
        ).flatten()
        return Places(covered == 0, covered > LEAST_COVER)

    def _discrimination_loss(
        self, discriminator: Discriminator, joint: Tensor, places: Places, ranks: ProcessGroup
    ) -> dict[str, Tensor]:
        """Mean cross-entropy over the places as filmed plus that over the places made abnormal: both weigh the same."""
        parts = [
            ranks.mean(values, count)
            for values, here in zip(discriminator.losses(joint, *places), places, strict=True)
            if (count := ranks.count(here))
        ]
        return {"discrimination": torch.stack(parts).sum()} if parts else {}

    def _cluster_losses(
        self, clusters: Clusters, joint: Tensor, places: Places, ranks: ProcessGroup
    ) -> dict[str, Tensor]:
        """L_c over the places as filmed and, where wanted, the repulsion of places made abnormal."""
        distance = clusters.weighted_distances(joint).sum(dim=2).flatten()
        losses = {}
        if count := ranks.count(places.as_filmed):
            losses["cluster"] = ranks.mean(distance[places.as_filmed], count)
        if self.config.repulsion and (count := ranks.count(places.made)):
            squares = (self.config.margin - distance[places.made]).clamp_min(0.0).square()
            losses["repulsion"] = ranks.mean(squares, count)
        return losses


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16."""
    if device.type != "cpu":
        return True
    # Older versions of PyTorch cannot tell.
    able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
