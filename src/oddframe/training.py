"""Train on normal footage: the verb `oddframe train` (method section 6)."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oddframe import __version__
from oddframe.bundle import Bundle, write_bundle
from oddframe.checkpoint import restore_checkpoint, save_checkpoint
from oddframe.config import PRESETS, Settings
from oddframe.core.calibration import QUANTILE, Calibration, calibrate
from oddframe.core.clips import clip_span
from oddframe.data.cache import FrameCache, build_cache
from oddframe.data.training_clips import Batch, Positions, TrainingClips, split
from oddframe.errors import InputError, RunError, SettingsError, SourceError
from oddframe.media.finding import Found, find_sources
from oddframe.media.loss_curves import save_loss_curves
from oddframe.media.sources import FrameFormat
from oddframe.model.network import Network
from oddframe.model.trainer import Trainer, TrainingConfig
from oddframe.progress import Progress, silent
from oddframe.run_folder import RunFolder
from oddframe.runtime.torch_scorer import TorchScorer, pick_device

__all__ = ["TrainReport", "train"]

LEAST_CLIPS = 32
"""Fewer clips than this are no footage to learn from."""
LOG_EVERY = 10
"""Steps from one line of losses in the log to the next."""
VALIDATIONS = 20
"""How often in a training the held-out losses are taken."""
MOST_VALIDATED, MOST_CALIBRATED = 64, 20_000
"""Most held-out clips, evenly over the footage, that validation and calibration look at."""
SCORING_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """What a training did.

    Attributes:
        run: The run folder.
        bundle: The trained model in it.
        steps: Steps taken in all, those before an interruption included.
        seconds: Wall-clock time of this call.
        clips: Clips trained on.
        held_out: Clips held out.
        share: Share of the footage that fitted into the cache.
        threshold: Raw score above which a frame is called unusual.
        in_sample: Whether the threshold comes from clips that were trained on.
        losses: The last losses, by name.
        skipped: What was not used or looked wrong, and why, a sentence each.
    """

    run: Path
    bundle: Path
    steps: int
    seconds: float
    clips: int
    held_out: int
    share: float
    threshold: float
    in_sample: bool
    losses: Mapping[str, float]
    skipped: tuple[str, ...]


def train(
    normal: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    preset: str = "fast",
    settings: Settings | None = None,
    epochs: float | None = None,
    fps: float | None = None,
    rate_fps: float | None = None,
    cache_gb: float = 4.0,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    checkpoint_s: float = 60.0,
    on_progress: Progress = silent,
) -> TrainReport:
    """Learn what is normal from video.

    Args:
        normal: A recording, a folder or glob of them, folders of numbered images, or several of these.
        out: The run folder.
        preset: "fast" or "paper"; where ``settings`` is not given.
        settings: Everything that decides the result.
        epochs: Train this often over the footage, in place of the settings' numbers of steps, whose proportion stays.
        fps: Frames per second of folders of images, 10 when None.
        rate_fps: Rate to train at; the median of the recordings' own when None.
        cache_gb: Most gigabytes of decoded frames on disk; of more footage clips are taken evenly over time.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        resume: Go on with the training in ``out``, exactly.
        overwrite: Start again where ``out`` holds a training.
        checkpoint_s: Seconds from one checkpoint to the next.
        on_progress: Told phases "read", "pretrain", "centres", "joint" and "calibrate".

    Raises:
        InputError: If the footage or a setting is unusable.
        RunError: If the run folder holds another training or nothing to resume.
        OutputError: If something cannot be written; the last checkpoint stays.
    """
    began = time.monotonic()
    run = RunFolder(out)
    found = find_sources(normal, fps)
    used_device = pick_device(device)
    if resume:
        chosen, facts = run.read_settings()
        if settings is not None and settings != chosen:
            raise RunError(f"{run.path} was started with other settings; resume without any, or choose another folder")
    else:
        chosen = settings or preset_named(preset)
        facts = _facts(found, rate_fps, cache_gb, epochs)
        run.start(chosen, facts, overwrite=overwrite)
    wanted = FrameFormat(chosen.network.width, chosen.network.height, chosen.network.colour)
    try:
        cache = build_cache(run.cache, found.sources, wanted, facts["rate_fps"], facts["cache_bytes"], on_progress)
        clips, held_out = _divided(cache, chosen)
    except InputError:
        if not resume:
            run.abandon()
        raise
    if facts["epochs"] is not None:
        # Epochs become steps once the clips are counted.
        chosen = replace(chosen, training=for_epochs(chosen.training, facts["epochs"], len(clips)))
        facts["epochs"] = None
        run.write_settings(chosen, facts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(chosen.training.seed)
        network = Network(chosen.network)
    if chosen.network.empty_scene:
        network.place_empty_scene(torch.from_numpy(clips.forger.empty).permute(2, 0, 1))
    trainer = Trainer(network, chosen.training, used_device)
    checkpoint = restore_checkpoint(run.checkpoint, trainer) if resume else None
    run.cut_log(0 if checkpoint is None else int(checkpoint["log_bytes"]))
    losses = _Training(run, trainer, clips, held_out, chosen, checkpoint_s, on_progress).go()
    calibration = _calibration(trainer, held_out or clips, in_sample=held_out is None, on_progress=on_progress)
    skipped = tuple(f"{one.path}: {one.reason}" for one in found.skipped) + cache.notices
    write_bundle(
        run.bundle,
        Bundle(
            network=trainer.network,
            rate_fps=cache.rate_fps,
            calibration=calibration,
            card=_card(chosen, cache, calibration, len(clips), trainer),
        ),
    )
    save_loss_curves(run.curves, run.entries())
    return TrainReport(
        run=run.path,
        bundle=run.bundle,
        steps=trainer.step,
        seconds=time.monotonic() - began,
        clips=len(clips),
        held_out=0 if held_out is None else len(held_out),
        share=cache.share,
        threshold=calibration.threshold,
        in_sample=calibration.in_sample,
        losses=losses,
        skipped=skipped,
    )


def preset_named(name: str) -> Settings:
    """The settings of a preset.

    Raises:
        SettingsError: If there is none of that name.
    """
    if name not in PRESETS:
        raise SettingsError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]


def for_epochs(training: TrainingConfig, epochs: float, clips: int) -> TrainingConfig:
    """The same training, as many steps long as ``epochs`` over ``clips`` take."""
    steps = max(1, round(epochs * clips / min(training.batch_size, clips)))
    pretrain = round(steps * training.pretrain_steps / training.steps)
    return replace(training, pretrain_steps=pretrain, joint_steps=steps - pretrain)


def _facts(found: Found, rate_fps: float | None, cache_gb: float, epochs: float | None) -> dict[str, Any]:
    """What decides a training beside its settings."""
    rate = statistics.median_low(source.rate_fps for source in found.sources) if rate_fps is None else rate_fps
    for name, value in (("rate_fps", rate), ("cache_gb", cache_gb), ("epochs", 1 if epochs is None else epochs)):
        if not value > 0:
            raise SettingsError(f"{name} must be above 0, got {value}")
    return {
        "oddframe": __version__,
        "normal": [str(source.path) for source in found.sources],
        "rate_fps": rate,
        "cache_bytes": int(cache_gb * 1e9),
        "epochs": epochs,
    }


def _divided(cache: FrameCache, settings: Settings) -> tuple[TrainingClips, TrainingClips | None]:
    """Clips to train on, and those held out; None where nothing is."""
    interval = settings.network.interval
    rebuilt = 0 if settings.network.rebuilt_frame == "first" else 4
    trained, held = split(cache.stretches, settings.data.hold_out, clip_span(interval))
    clips = TrainingClips(cache, trained, interval, rebuilt)
    if len(clips) < LEAST_CLIPS:
        raise SourceError(
            f"training needs at least {LEAST_CLIPS} clips of {clip_span(interval)} unbroken frames, "
            f"found {len(clips)}; give more normal video (minutes, better hours)"
        )
    return clips, TrainingClips(cache, held, interval, rebuilt) if held else None


class _Training:
    """The loop over steps, with its log and checkpoints."""

    def __init__(
        self,
        run: RunFolder,
        trainer: Trainer,
        clips: TrainingClips,
        held_out: TrainingClips | None,
        settings: Settings,
        checkpoint_s: float,
        on_progress: Progress,
    ) -> None:
        self.run, self.trainer, self.clips, self.held_out = run, trainer, clips, held_out
        self.settings, self.checkpoint_s, self.on_progress = settings, checkpoint_s, on_progress
        self.losses: dict[str, float] = {}

    def go(self) -> dict[str, float]:
        """Train to the end; returns the last losses."""
        total = self.settings.training.steps
        saved = time.monotonic()
        between_steps = True
        try:
            while self.trainer.needs_centres or self.trainer.step < total:
                if self.trainer.needs_centres:
                    self._save()
                    self._place_centres()
                    self._save()
                    continue
                between_steps = False
                self._step(total)
                between_steps = True
                if time.monotonic() - saved >= self.checkpoint_s:
                    self._save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            if between_steps:
                self._save()
            raise
        self._save()
        return self.losses

    def _step(self, total: int) -> None:
        training = self.settings.training
        phase = self.trainer.phase
        batch = self.clips.batch(
            self.trainer.step, training.batch_size, training.seed, self.settings.data.counter_examples
        )
        losses = self.trainer.train_step(*batch)
        step = self.trainer.step
        if step % LOG_EVERY == 0 or step == total:
            self.losses = {name: loss.item() for name, loss in losses.items()}
            self.run.append(step=step, phase=phase, **self.losses)
        if self.held_out is not None and (step % max(1, total // VALIDATIONS) == 0 or step == total):
            self.run.append(step=step, phase=phase, held_out=self._validate(self.held_out))
        self.on_progress(phase, step, total, self.losses)

    def _validate(self, held_out: TrainingClips) -> dict[str, float]:
        """Mean losses on held-out clips as filmed."""
        sums: dict[str, float] = {}
        numbers = held_out.evenly(MOST_VALIDATED)
        for begin in range(0, len(numbers), SCORING_BATCH):
            batch = _as_filmed(held_out, numbers[begin : begin + SCORING_BATCH])
            for name, loss in self.trainer.losses(*batch).items():
                sums[name] = sums.get(name, 0.0) + loss * len(batch.clips)
        return {name: value / len(numbers) for name, value in sums.items()}

    def _place_centres(self) -> None:
        """Start the clusters from the codes of a seeded sample of places."""
        network, training = self.settings.network, self.settings.training
        places = network.height * network.width // network.code_stride**2
        numbers = self.clips.evenly(-(-training.centre_codes // places))
        random = np.random.default_rng([training.seed, 3])
        codes = []
        for begin, clips in enumerate(self.clips.in_order(numbers, SCORING_BATCH)):
            self.on_progress("centres", min(begin * SCORING_BATCH, len(numbers)), len(numbers), {})
            codes.append(self.trainer.codes(clips))
        joined = np.concatenate(codes)
        if len(joined) > training.centre_codes:
            joined = joined[np.sort(random.choice(len(joined), training.centre_codes, replace=False))]
        sizes = self.trainer.place_centres(joined)
        self.run.append(step=self.trainer.step, phase="centres", sizes=sizes)

    def _save(self) -> None:
        save_checkpoint(self.run.checkpoint, self.trainer, {"log_bytes": self.run.log_bytes()})


def _as_filmed(clips: TrainingClips, numbers: Positions) -> Batch:
    frames = clips.clips(numbers)
    return Batch(
        frames,
        first=frames[:, 0].copy(),
        last=frames[:, 4].copy(),
        rebuilt=frames[:, clips.rebuilt_index].copy(),
        abnormal=np.zeros((len(numbers), *frames.shape[2:4]), dtype=np.bool_),
    )


def _calibration(trainer: Trainer, clips: TrainingClips, *, in_sample: bool, on_progress: Progress) -> Calibration:
    """Scores of normal clips, and the threshold that follows."""
    scorer = TorchScorer(trainer.network, trainer.device, SCORING_BATCH)
    numbers = clips.evenly(MOST_CALIBRATED)
    raw, peaks = [], []
    for batch in clips.in_order(numbers, SCORING_BATCH):
        padded = np.concatenate([batch, np.repeat(batch[-1:], SCORING_BATCH - len(batch), axis=0)])
        scored = scorer.score(padded)
        raw.append(scored.raw[: len(batch)])
        peaks.append(scored.maps[: len(batch)].max(axis=(1, 2)))
        on_progress("calibrate", sum(map(len, raw)), len(numbers), {})
    return calibrate(
        np.concatenate(raw).astype(np.float64), np.concatenate(peaks).astype(np.float64), in_sample=in_sample
    )


def _card(settings: Settings, cache: FrameCache, calibration: Calibration, clips: int, trainer: Trainer) -> str:
    network = settings.network
    sources = len({stretch.source for stretch in cache.stretches})
    footage_s = len(cache) / cache.rate_fps
    origin = "clips that it was trained on (in-sample: too low)" if calibration.in_sample else "held-out normal clips"
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    return f"""# Oddframe model

Scores how unusual video is; learned from normal video alone, with the method of "Video anomaly detection with
spatio-temporal dissociation" (Pattern Recognition, 2022).

| | |
|---|---|
| footage | {sources} recordings, {footage_s / 60:.1f} minutes used ({cache.share:.0%}), {cache.rate_fps:g} frames/s |
| training | {clips} clips, {trainer.step} steps of {settings.training.batch_size}, seed {settings.training.seed} |
| frames | {network.width} x {network.height}, {network.colour}, interval {network.interval} |
| network | {parameters / 1e6:.2f} M parameters, {network.clusters} clusters |
| threshold | raw {calibration.threshold:.4g}, the {QUANTILE:.1%} quantile of {calibration.clips} of {origin} |
| made with | oddframe {__version__} |

What is normal is what that footage shows: another camera, season or light needs its own model. A high score means
"not seen in training", not "dangerous". Do not decide about people by it alone.
"""
