"""Train on normal footage: the verb `oddframe train` (method section 6)."""

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oddframe import __version__
from oddframe.bundle import Bundle, write_bundle
from oddframe.checkpoint import restore_checkpoint
from oddframe.config import PRESETS, Settings
from oddframe.core.budget import DEFAULT_BUDGET, Budget
from oddframe.core.calibration import calibrate
from oddframe.core.clips import clip_span
from oddframe.data.cache import FrameCache, Stretch, build_cache, footage_key
from oddframe.data.footage_health import examine_health, without
from oddframe.data.training_clips import TrainingClips, split, too_short
from oddframe.errors import OddframeError, RunError, SettingsError, SourceError
from oddframe.held_out import score_clips
from oddframe.media.finding import Found, find_sources
from oddframe.media.loss_curves import save_loss_curves
from oddframe.media.sources import FrameFormat
from oddframe.model.trainer import TrainingConfig
from oddframe.model_card import model_card
from oddframe.odd_clips import OddClips, find_odd_clips, first_pass
from oddframe.progress import Progress, silent
from oddframe.run_folder import RunFolder
from oddframe.runtime.torch_scorer import TorchScorer, pick_device
from oddframe.training_loop import SCORING_BATCH, TrainingLoop, new_trainer

__all__ = ["TrainReport", "train"]

LEAST_CLIPS = 32
"""Fewer clips than this are no footage to learn from."""
_NOT_HELD_OUT = "no unbroken stretch is long enough to hold a part of it out: the threshold is in-sample"


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
        false_alarms: The budget that the threshold is for, such as "1/day".
        in_sample: Whether the threshold comes from clips that were trained on.
        losses: The last losses, by name.
        odd: Stretches of the footage that are unlike the rest.
        odd_dropped: Whether they were left out of the training.
        skipped: What was not used or looked wrong, and why, a sentence each.
        notices: What to know of the threshold, a sentence each.
    """

    run: Path
    bundle: Path
    steps: int
    seconds: float
    clips: int
    held_out: int
    share: float
    threshold: float
    false_alarms: str
    in_sample: bool
    losses: Mapping[str, float]
    odd: tuple[OddClips, ...]
    odd_dropped: bool
    skipped: tuple[str, ...]
    notices: tuple[str, ...]


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
    false_alarms: str = DEFAULT_BUDGET,
    drop_odd: bool = False,
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
        preset: "fast" or "paper"; where neither ``settings`` nor ``resume`` is given.
        settings: Everything that decides the result.
        epochs: Train this often over the footage, in place of the settings' numbers of steps, whose proportion stays.
        fps: Frames per second of folders of images, 10 when None.
        rate_fps: Rate to train at; the median of the recordings' own when None.
        cache_gb: Most gigabytes of decoded frames on disk; of more footage clips are taken evenly over time.
        false_alarms: False alarms agreed to, per camera: "1/day", "6/hour", "2/week". It decides the threshold alone.
        drop_odd: Leave out what a first, short pass finds to be unlike the rest of the footage; it takes a quarter of
            the training's time more.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        resume: Go on with the training in ``out``, exactly; what else is given must be as it was.
        overwrite: Start again where ``out`` holds a training.
        checkpoint_s: Seconds from one checkpoint to the next.
        on_progress: Told phases "read", "health", "pretrain", "centres", "joint", "calibrate" and "guard"; with
            ``drop_odd`` also "first pass".

    Raises:
        InputError: If the footage or a setting is unusable.
        RunError: If the run folder holds another training or nothing to resume, or that was on other footage.
        OutputError: If something cannot be written; the last checkpoint stays.
    """
    began = time.monotonic()
    budget = Budget.parse(false_alarms)
    run = RunFolder(out)
    found = find_sources(normal, fps)
    used_device = pick_device(device)
    if resume:
        chosen, facts = run.read_settings()
        facts.setdefault("drop_odd", False)  # runs of earlier versions know nothing of it
        _check_same(run, chosen, facts, settings, epochs, rate_fps, drop_odd)
    else:
        chosen = settings or preset_named(preset)
        facts = _facts(found, rate_fps, cache_gb, epochs) | {"drop_odd": drop_odd}
    wanted = FrameFormat(chosen.network.width, chosen.network.height, chosen.network.colour)
    footage = footage_key(found.sources, wanted, facts["rate_fps"], facts["cache_bytes"])
    if not resume:
        facts["footage"] = footage
        run.start(chosen, facts, overwrite=overwrite)
    elif footage != facts["footage"]:
        raise RunError(
            f"{run.path} must be resumed with the footage that it was started on, but that has changed since or is "
            "other footage; bring it back, or start again with --overwrite"
        )
    try:
        cache = build_cache(run.cache, found.sources, wanted, facts["rate_fps"], facts["cache_bytes"], on_progress)
        health = examine_health(cache, on_progress)
        clips, held_out = _divided(cache, health.stretches, chosen)
        if facts["epochs"] is not None:
            # Epochs become steps once the clips are counted.
            chosen = replace(chosen, training=for_epochs(chosen.training, facts["epochs"], len(clips)))
        run.settle(chosen, facts)
    except OddframeError:
        if not resume:
            run.abandon()
        raise
    odd: tuple[OddClips, ...] = ()
    if facts["drop_odd"]:
        pass_run = RunFolder(run.first_pass)
        odd = first_pass(pass_run, chosen, clips, held_out, used_device, checkpoint_s, on_progress)
        kept = without(health.stretches, [(one.begin, one.end) for one in odd])
        clips, held_out = _divided(cache, kept, chosen)
    trainer = new_trainer(chosen, clips, used_device)
    checkpoint = restore_checkpoint(run.checkpoint, trainer) if resume else None
    run.cut_log(0 if checkpoint is None else int(checkpoint["log_bytes"]))
    losses = TrainingLoop(run, trainer, clips, held_out, chosen, checkpoint_s, on_progress).go()
    scores = score_clips(
        TorchScorer(trainer.network, trainer.device, SCORING_BATCH),
        held_out or clips,
        rate_fps=cache.rate_fps,
        in_sample=held_out is None,
        on_progress=on_progress,
    )
    calibration = calibrate(scores, budget)
    if not facts["drop_odd"]:
        odd = find_odd_clips(trainer, [clips, *([] if held_out is None else [held_out])], on_progress)
    write_bundle(
        run.bundle,
        Bundle(
            network=trainer.network,
            rate_fps=cache.rate_fps,
            calibration=calibration,
            card=model_card(
                chosen, cache, calibration, len(clips), trainer, _odd_notices(odd, dropped=facts["drop_odd"])
            ),
            health=health.reference,
            normal=scores,
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
        false_alarms=calibration.budget,
        in_sample=calibration.in_sample,
        losses=losses,
        odd=odd,
        odd_dropped=facts["drop_odd"],
        skipped=(
            *(f"{one.path}: {one.reason}" for one in found.skipped),
            *cache.notices,
            *health.notices,
            *too_short(cache.stretches, clip_span(chosen.network.interval)),
            *([_NOT_HELD_OUT] if held_out is None and chosen.data.hold_out else []),
        ),
        notices=(*calibration.notices, *_odd_notices(odd, dropped=facts["drop_odd"])),
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


def _check_same(
    run: RunFolder,
    chosen: Settings,
    facts: Mapping[str, Any],
    settings: Settings | None,
    epochs: float | None,
    rate_fps: float | None,
    drop_odd: bool,
) -> None:
    """Refuse to go on with a training in another way than it was started."""
    if settings is not None and epochs is not None:
        # The steps in the settings are those that came of the epochs.
        pretrain, joint = chosen.training.pretrain_steps, chosen.training.joint_steps
        training = replace(settings.training, pretrain_steps=pretrain, joint_steps=joint)
        settings = replace(settings, training=training)
    pairs = {
        "settings": (settings, chosen),
        "epochs": (epochs, facts["epochs"]),
        "rate_fps": (rate_fps, facts["rate_fps"]),
        # Not given, it is as it was.
        "drop_odd": (drop_odd or None, facts["drop_odd"]),
    }
    other = [name for name, (given, there) in pairs.items() if given is not None and given != there]
    if other:
        raise RunError(
            f"{run.path} was started with other {' and '.join(other)}; resume without, or choose another folder"
        )


def _facts(found: Found, rate_fps: float | None, cache_gb: float, epochs: float | None) -> dict[str, Any]:
    """What decides a training beside its settings."""
    rate = statistics.median_low(source.rate_fps for source in found.sources) if rate_fps is None else rate_fps
    for name, value in (("rate_fps", rate), ("cache_gb", cache_gb), ("epochs", 1 if epochs is None else epochs)):
        if not 0 < value < math.inf:
            raise SettingsError(f"{name} must be above 0 and finite, got {value}")
    return {
        "oddframe": __version__,
        "normal": [str(source.path) for source in found.sources],
        "rate_fps": rate,
        "cache_bytes": int(cache_gb * 1e9),
        "epochs": epochs,
    }


def _odd_notices(odd: Sequence[OddClips], *, dropped: bool) -> tuple[str, ...]:
    """A sentence for each odd stretch of the footage."""
    done = "left out of training" if dropped else "trained on all the same; look at it, --drop-odd leaves it out"
    return tuple(f"{one}: {done}" for one in odd)


def _divided(
    cache: FrameCache, stretches: tuple[Stretch, ...], settings: Settings
) -> tuple[TrainingClips, TrainingClips | None]:
    """Clips to train on, and those held out; None where nothing is."""
    interval = settings.network.interval
    rebuilt = 0 if settings.network.rebuilt_frame == "first" else 4
    trained, held = split(stretches, settings.data.hold_out, clip_span(interval))
    clips = TrainingClips(cache, trained, interval, rebuilt)
    if len(clips) < LEAST_CLIPS:
        raise SourceError(
            f"training needs at least {LEAST_CLIPS} clips of {clip_span(interval)} unbroken frames, "
            f"found {len(clips)}; give more normal video (minutes, better hours)"
        )
    return clips, TrainingClips(cache, held, interval, rebuilt) if held else None
