"""The loop over training steps, with its log and checkpoints (method section 6)."""

import math
import time
from typing import Any

import numpy as np
import torch

from oddframe._types import Progress
from oddframe.datasets.clip_dataset import Batch, ClipDataset, Positions
from oddframe.errors import RunError
from oddframe.model.network import Network
from oddframe.training.checkpoint import restore_checkpoint, save_checkpoint
from oddframe.training.distributed import SINGLE_PROCESS, ProcessGroup
from oddframe.training.run_folder import RunFolder
from oddframe.training.settings import Settings
from oddframe.training.trainer import Trainer

LOG_EVERY = 10
"""Steps from one line of losses in the log to the next."""
VALIDATIONS = 20
"""How often in a training the held-out losses are taken."""
MOST_VALIDATED = 64
"""Most held-out clips, evenly over the footage, that validation looks at."""
SCORING_BATCH = 8
"""Clips that run through the network at a time where nothing is learned."""


def new_trainer(
    settings: Settings,
    clips: ClipDataset,
    device: torch.device,
    ranks: ProcessGroup = SINGLE_PROCESS,
) -> Trainer:
    """A trainer before its first step, with weights that the seed decides and no trace on the global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.training.seed)
        network = Network(settings.network)
    if settings.network.empty_scene:
        network.place_empty_scene(torch.from_numpy(clips.generator.empty))
    return Trainer(network, settings.training, device, ranks)


def restore(run: RunFolder, trainer: Trainer) -> None:
    """Bring a trainer to where its run stands, and the log with it; to the start where there is no checkpoint.

    Raises:
        RunError: If the checkpoint cannot be read or belongs to other settings.
        OutputError: If the log cannot be cut.
    """
    checkpoint = restore_checkpoint(run.checkpoint, trainer)
    if trainer.ranks.is_first:
        run.cut_log(0 if checkpoint is None else int(checkpoint["log_bytes"]))
    # The first process may remove a checkpoint only when all have read it.
    trainer.ranks.wait()


class TrainingLoop:
    """The loop over steps, with its log and checkpoints.

    Of several processes all go through it step by step; the first one alone writes, and validates
    meanwhile.
    """

    def __init__(
        self,
        run: RunFolder,
        trainer: Trainer,
        clips: ClipDataset,
        held_out: ClipDataset | None,
        settings: Settings,
        checkpoint_s: float,
        on_progress: Progress,
    ) -> None:
        self.run, self.trainer, self.clips, self.held_out = run, trainer, clips, held_out
        self.settings, self.checkpoint_s, self.on_progress = settings, checkpoint_s, on_progress
        self.writes = trainer.ranks.is_first
        self.losses = _last_losses(run.entries())

    def go(self) -> dict[str, float]:
        """Train to the end, the average of the weights included; returns the last losses."""
        total = self.settings.training.steps
        saved = time.monotonic()
        between_steps = True
        try:
            while self.trainer.needs_centres or self.trainer.step < total:
                placing = self.trainer.needs_centres
                if placing:
                    self._save()
                between_steps = False
                self._place_centres() if placing else self._step(total)
                between_steps = True
                if placing:
                    self._save()
                if time.monotonic() - saved >= self.checkpoint_s:
                    self._save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            if between_steps:
                self._save()
            raise
        self._save()
        self.trainer.adopt_average()
        return self.losses

    def _step(self, total: int) -> None:
        training = self.settings.training
        phase = self.trainer.phase
        data = self.settings.data
        batch = self.clips.batch(
            self.trainer.step, training.batch_size, training.seed, data.counter_examples, data.crop
        )
        losses = self.trainer.train_step(*batch.arrays, part=batch.part)
        step = self.trainer.step
        if step % LOG_EVERY == 0 or step == total:
            self.losses = {name: loss.item() for name, loss in losses.items()}
            if not all(map(math.isfinite, self.losses.values())):
                raise RunError(
                    f"losses must stay finite, but at step {step} they are {self.losses}; "
                    "train again with a lower training.learning_rate"
                )
            if self.writes:
                self.run.append(step=step, phase=phase, **self.losses)
        if (
            self.writes
            and self.held_out is not None
            and (step % max(1, total // VALIDATIONS) == 0 or step == total)
        ):
            self.run.append(step=step, phase=phase, held_out=self._validate(self.held_out))
        self.on_progress(phase, step, total, self.losses)

    def _validate(self, held_out: ClipDataset) -> dict[str, float]:
        """Mean losses on held-out clips as filmed."""
        sums: dict[str, float] = {}
        numbers = held_out.evenly(MOST_VALIDATED)
        for begin in range(0, len(numbers), SCORING_BATCH):
            batch = _as_filmed(held_out, numbers[begin : begin + SCORING_BATCH])
            for name, loss in self.trainer.losses(*batch.arrays).items():
                sums[name] = sums.get(name, 0.0) + loss * len(batch.clips)
        return {name: value / len(numbers) for name, value in sums.items()}

    def _place_centres(self) -> None:
        """Start the clusters from the codes of a seeded sample of places."""
        network, training = self.settings.network, self.settings.training
        places = network.height * network.width // network.code_stride**2
        numbers = self.clips.evenly(-(-training.centre_codes // places))
        random = np.random.default_rng([training.seed, 3])
        ranks = self.trainer.ranks
        own = ranks.share(numbers, SCORING_BATCH)
        codes = [np.empty((0, network.code_width), np.float32)]
        for clips in self.clips.in_order(own, SCORING_BATCH):
            codes.append(self.trainer.codes(clips))
            self.on_progress(
                "centres", min((len(codes) - 1) * SCORING_BATCH, len(own)), len(own), {}
            )
        joined = ranks.gather(np.concatenate(codes), len(numbers), SCORING_BATCH)
        if joined is not None and len(joined) > training.centre_codes:
            joined = joined[
                np.sort(random.choice(len(joined), training.centre_codes, replace=False))
            ]
        sizes = self.trainer.place_centres(joined)
        if self.writes:
            self.run.append(step=self.trainer.step, phase="centres", sizes=sizes)

    def _save(self) -> None:
        if not self.writes:
            return
        save_checkpoint(self.run.checkpoint, self.trainer, {"log_bytes": self.run.log_bytes()})


def _last_losses(entries: list[dict[str, Any]]) -> dict[str, float]:
    """Those of the last step in the log; where a training was over when it was resumed, no step is taken."""
    steps = [entry for entry in entries if "held_out" not in entry and entry["phase"] != "centres"]
    return (
        {name: value for name, value in steps[-1].items() if name not in ("step", "phase")}
        if steps
        else {}
    )


def _as_filmed(clips: ClipDataset, numbers: Positions) -> Batch:
    frames = clips.clips(numbers)
    return Batch(
        frames,
        first=frames[:, 0].copy(),
        last=frames[:, 4].copy(),
        rebuilt=frames[:, clips.rebuilt_index].copy(),
        abnormal=np.zeros((len(numbers), *frames.shape[2:4]), dtype=np.bool_),
    )
