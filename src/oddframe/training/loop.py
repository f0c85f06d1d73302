"""The loop over training steps, with its log and checkpoints (method section 6).

A training that is killed at any moment goes on exactly from its last checkpoint: the batch of a
step depends on the seed and the step's number alone, and the log is cut to where the checkpoint
stood.
"""

import math
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from oddframe._types import Progress
from oddframe.core.maps import perspective_of
from oddframe.datasets.clip_dataset import Batch, ClipDataset
from oddframe.datasets.frame_cache import Positions
from oddframe.errors import RunError
from oddframe.inference.torch_backend import TorchScorer
from oddframe.model.network import Network
from oddframe.training import GpuSteps
from oddframe.training.batch_workers import BatchWorkers, worker_count
from oddframe.training.checkpoint import restore_checkpoint, save_checkpoint
from oddframe.training.distributed import SINGLE_PROCESS, ProcessGroup
from oddframe.training.gpu_steps import DeviceBatch, DeviceFeed
from oddframe.training.run_folder import RunFolder
from oddframe.training.settings import Settings
from oddframe.training.trainer import Trainer

LOG_EVERY = 10
"""Steps from one line of losses in the log to the next."""
VALIDATIONS = 20
"""How often in a training the losses on held-out clips are computed."""
MOST_VALIDATED = 64
"""Most held-out clips, evenly over the footage, that validation looks at."""
MOST_LEVELLED = 400
"""Most clips, evenly over those trained on, that the perspective is measured on."""
SCORING_BATCH = 8
"""Clips that run through the network at a time where nothing is learned."""


def new_trainer(
    settings: Settings,
    clips: ClipDataset,
    device: torch.device,
    group: ProcessGroup = SINGLE_PROCESS,
    gpu_steps: GpuSteps = "eager",
) -> Trainer:
    """Build a trainer before its first step; the seed alone decides its weights.

    Args:
        settings: All settings of the training.
        clips: Clips to train on, from which the picture of the empty scene is taken, if there is
            one.
        device: Where it runs.
        group: The processes that train together.
        gpu_steps: How steps are taken on a GPU.
    """
    # The global random state belongs to the caller and stays as it is.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.training.seed)
        network = Network(settings.network)
    if settings.network.empty_scene:
        network.place_empty_scene(torch.from_numpy(clips.generator.empty))
    return Trainer(network, settings.training, device, group, gpu_steps)


def restore(run: RunFolder, trainer: Trainer) -> None:
    """Bring a trainer and the log to the newest checkpoint of a run; without one, to the start.

    Raises:
        RunError: If the checkpoint cannot be read or belongs to other settings.
        OutputError: If the log cannot be cut.
    """
    checkpoint = restore_checkpoint(run.checkpoint, trainer)
    if trainer.group.is_first:
        run.cut_log(0 if checkpoint is None else int(checkpoint["log_bytes"]))
    # The first process may remove a checkpoint only when all have read it.
    trainer.group.wait()


class TrainingLoop:
    """The loop over the steps of a training.

    Of several processes all go through it step by step; the first one alone writes, and validates
    meanwhile.

    Args:
        run: The folder that gets the log and the checkpoints.
        trainer: The trainer, before its first step or restored.
        clips: Clips to train on.
        held_out: Clips to validate on; None validates on nothing.
        settings: All settings of the training.
        checkpoint_s: Seconds from one checkpoint to the next.
        on_progress: Called after each step, and while codes for the centres are collected.
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
        self.folder, self.trainer, self.clips, self.held_out = run, trainer, clips, held_out
        self.settings, self.checkpoint_s, self.on_progress = settings, checkpoint_s, on_progress
        self.writes = trainer.group.is_first
        self.losses = _last_losses(run.entries())
        self._feed: DeviceFeed | None = None

    def run(self) -> dict[str, float]:
        """Train to the end and adopt the average of the weights; returns the last losses by name.

        Raises:
            RunError: If a loss is not finite.
            OutputError: If the log or a checkpoint cannot be written.
        """
        with ExitStack() as closing:
            if self.trainer.captured is not None:
                self._feed = self._feed_gpu(closing)
            return self._run()

    def _feed_gpu(self, closing: ExitStack) -> DeviceFeed:
        """Start what brings batches to a GPU, made by processes that end with ``closing``."""
        # Made once here, not in every worker.
        _ = self.clips.generator
        first, total = self.trainer.step, self.settings.training.steps
        if first == total:
            return DeviceFeed(self._make, self.trainer.device)
        workers = closing.enter_context(BatchWorkers(self._make, first, total, worker_count()))
        return DeviceFeed(workers.take, self.trainer.device)

    def _make(self, step: int) -> Batch:
        """Make this process's rows of the batch of a step."""
        training, data, group = self.settings.training, self.settings.data, self.trainer.group
        count = self._count()
        return self.clips.batch(
            step,
            count,
            training.seed,
            data.counter_examples,
            data.crop,
            None if group.size == 1 else group.rows(count),
        )

    def _count(self) -> int:
        """Count the clips of a batch, over all processes."""
        return min(self.settings.training.batch_size, len(self.clips))

    def _run(self) -> dict[str, float]:
        total = self.settings.training.steps
        saved = time.monotonic()
        between_steps = True
        try:
            while self.trainer.needs_centres or self.trainer.step < total:
                placing = self.trainer.needs_centres
                if placing:
                    # Collecting codes takes long: a kill meanwhile must not cost the pre-training.
                    self._save()
                between_steps = False
                if placing:
                    self._place_centres()
                else:
                    self._step(total)
                between_steps = True
                if placing:
                    self._save()
                if time.monotonic() - saved >= self.checkpoint_s:
                    self._save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            # In the middle of a step weights and optimisers do not belong together.
            if between_steps:
                self._save()
            raise
        self._save()
        self.trainer.adopt_average()
        network = self.settings.network
        if self.settings.training.level_perspective and network.fusion == "product":
            self._level_perspective()
        return self.losses

    def _level_perspective(self) -> None:
        """Measure on clips that were trained on how the motion error falls off with height.

        Held-out clips are left for the threshold. The measure is in the settings of the network,
        and so in its bundle and graphs.
        """
        trainer, group = self.trainer, self.trainer.group
        config = trainer.network.config
        # Perspective makes what is far move less. How far it is from what is known does not depend
        # on that, so that the error alone is measured and levelled.
        trainer.network.config = replace(
            config, fusion="error", appearance_weight=0.0, error_power=1.0, perspective=0.0
        )
        scorer = TorchScorer(trainer.network, trainer.device, SCORING_BATCH)
        side = config.code_stride
        rows, columns = config.height // side, config.width // side
        numbers = self.clips.evenly(MOST_LEVELLED)
        heat = [np.empty((0, rows, columns), np.float32)]
        for clips in self.clips.in_order(group.share(numbers, SCORING_BATCH), SCORING_BATCH):
            maps = scorer.score(clips).maps
            # B H W -> B rows side columns side, whose squares are averaged.
            heat.append(maps.reshape(-1, rows, side, columns, side).mean(axis=(2, 4)))
        joined = group.gather(np.concatenate(heat), len(numbers), SCORING_BATCH)
        found = np.array([0.0 if joined is None else perspective_of(joined)])
        perspective = round(float(group.broadcast(found)[0]), 3)
        trainer.network.config = replace(config, perspective=perspective)

    def _step(self, total: int) -> None:
        """Take one of ``total`` steps; log it and validate where that is due."""
        # Asked before the step, since the step may end the phase.
        phase = self.trainer.phase
        now = self.trainer.step
        batch: Batch | DeviceBatch
        batch = self._make(now) if self._feed is None else self._feed.take(now)
        losses = self.trainer.train_step(batch, self._count())
        step = self.trainer.step
        if self._feed is not None and step < total:
            # While the GPU learns, and before anybody waits for it.
            self._feed.prepare(step)
        if step % LOG_EVERY == 0 or step == total:
            # Only now, because reading a number waits for the GPU.
            self.losses = {name: loss.item() for name, loss in losses.items()}
            if not all(map(math.isfinite, self.losses.values())):
                raise RunError(
                    f"losses must stay finite, but at step {step} they are {self.losses}; "
                    "train again with a lower training.learning_rate"
                )
            if self.writes:
                self.folder.append(step=step, phase=phase, **self.losses)
        due = step % max(1, total // VALIDATIONS) == 0 or step == total
        if due and self.writes and self.held_out is not None:
            self.folder.append(step=step, phase=phase, held_out=self._validate(self.held_out))
        self.on_progress(phase, step, total, self.losses)

    def _validate(self, held_out: ClipDataset) -> dict[str, float]:
        """Average the losses over held-out clips, which are as filmed, weighted by clips."""
        sums: dict[str, float] = {}
        numbers = held_out.evenly(MOST_VALIDATED)
        for begin in range(0, len(numbers), SCORING_BATCH):
            batch = _batch_as_filmed(held_out, numbers[begin : begin + SCORING_BATCH])
            for name, loss in self.trainer.losses(batch).items():
                sums[name] = sums.get(name, 0.0) + loss * len(batch.clips)
        return {name: value / len(numbers) for name, value in sums.items()}

    def _place_centres(self) -> None:
        """Fit the first centres to the codes of a seeded sample of places, and log their sizes."""
        network, training = self.settings.network, self.settings.training
        # Places in a clip, so that just enough clips are run through the network.
        places = network.height * network.width // network.code_stride**2
        numbers = self.clips.evenly(-(-training.centre_codes // places))
        random = np.random.default_rng([training.seed, 3])
        group = self.trainer.group
        own = group.share(numbers, SCORING_BATCH)
        codes = [np.empty((0, network.code_width), np.float32)]
        for clips in self.clips.in_order(own, SCORING_BATCH):
            codes.append(self.trainer.codes(clips))
            self.on_progress(
                "centres", min((len(codes) - 1) * SCORING_BATCH, len(own)), len(own), {}
            )
        joined = group.gather(np.concatenate(codes), len(numbers), SCORING_BATCH)
        if joined is not None and len(joined) > training.centre_codes:
            # In the order of the footage, on which the sums of k-means depend.
            sample = random.choice(len(joined), training.centre_codes, replace=False)
            joined = joined[np.sort(sample)]
        sizes = self.trainer.place_centres(joined)
        if self.writes:
            self.folder.append(step=self.trainer.step, phase="centres", sizes=sizes)

    def _save(self) -> None:
        """Save a checkpoint, with how long the log is now; the first process alone does."""
        if not self.writes:
            return
        save_checkpoint(
            self.folder.checkpoint, self.trainer, {"log_bytes": self.folder.log_bytes()}
        )


def _last_losses(entries: list[dict[str, Any]]) -> dict[str, float]:
    """Find the losses of the last step in the log; none where it holds no step.

    A training that was over when it was resumed takes no step and reports these.
    """
    steps = [entry for entry in entries if "held_out" not in entry and entry["phase"] != "centres"]
    if not steps:
        return {}
    return {name: value for name, value in steps[-1].items() if name not in ("step", "phase")}


def _batch_as_filmed(clips: ClipDataset, numbers: Positions) -> Batch:
    """Make a batch of clips as they are, in which nothing is abnormal."""
    frames = clips.clips(numbers)  # B 5 H W C
    return Batch(
        frames,
        first=frames[:, 0].copy(),
        last=frames[:, 4].copy(),
        rebuilt=frames[:, clips.rebuilt_index].copy(),
        abnormal=np.zeros((len(numbers), *frames.shape[2:4]), dtype=np.bool_),
    )
