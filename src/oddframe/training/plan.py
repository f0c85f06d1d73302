"""What a training will do, settled before its first step: settings, footage, clips."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from oddframe._types import Progress
from oddframe._version import __version__
from oddframe.core.clips import clip_span
from oddframe.datasets.clip_dataset import ClipDataset, split
from oddframe.datasets.footage_health import FootageHealth, examine_health
from oddframe.datasets.frame_cache import FrameCache, FrameRun, build_cache, footage_key
from oddframe.errors import OddframeError, RunError, SettingsError, SourceError
from oddframe.media.discovery import FoundSources
from oddframe.media.source import FrameFormat
from oddframe.training.run_folder import RunFolder
from oddframe.training.settings import Settings, TrainingConfig

LEAST_CLIPS = 32
"""Fewer clips than this are no footage to learn from."""


class TrainingRequest(NamedTuple):
    """What decides a training beside its settings, as it was asked for; see `oddframe.tasks.train.train`.

    Attributes:
        epochs: Passes over the footage.
        rate_fps: Rate to train at.
        cache_gb: Most gigabytes of decoded frames.
        drop_odd: Whether odd footage is left out.
    """

    epochs: float | None
    rate_fps: float | None
    cache_gb: float
    drop_odd: bool


class TrainingPlan(NamedTuple):
    """A training before its first step.

    Attributes:
        settings: How, the number of steps included.
        drop_odd: Whether a first pass looks for odd footage.
        cache: The frames.
        health: Which of them show the scene.
        clips: Clips to train on.
        held_out: Clips held out; None where nothing is.
    """

    settings: Settings
    drop_odd: bool
    cache: FrameCache
    health: FootageHealth
    clips: ClipDataset
    held_out: ClipDataset | None


def plan_training(
    run: RunFolder,
    found: FoundSources,
    settings: Settings | None,
    start: Settings,
    wishes: TrainingRequest,
    on_progress: Progress,
    *,
    resume: bool,
    overwrite: bool,
) -> TrainingPlan:
    """Start a training in its run folder, or find the one that is to be gone on with.

    Args:
        run: Its folder.
        found: The footage.
        settings: How, where that was said; None where it was not.
        start: How, where the training is new.
        wishes: What else was said; on resume what was said must be as it was.
        on_progress: Told phases "read" and "health".
        resume: Whether to go on with what is there.
        overwrite: Whether a new training takes the place of one that is there.

    Raises:
        InputError: If the footage or a setting is unusable.
        RunError: If the folder holds another training or nothing to resume, or that was on other
            footage.
        OutputError: If something cannot be written.
    """
    if resume:
        chosen, facts = run.read_settings()
        facts.setdefault("drop_odd", False)  # runs of earlier versions know nothing of it
        _check_same(run, chosen, facts, settings, wishes)
    else:
        chosen = start
        facts = _facts(found, wishes)
    wanted = FrameFormat(chosen.network.width, chosen.network.height, chosen.network.colour)
    footage = footage_key(found.sources, wanted, facts["rate_fps"], facts["cache_bytes"])
    if not resume:
        facts["footage"] = footage
        run.start(chosen, facts, overwrite=overwrite)
    elif footage != facts["footage"]:
        raise RunError(
            f"{run.path} must be resumed with the same footage, but the footage is different now; "
            "restore it, or start again with --overwrite"
        )
    try:
        cache = build_cache(
            run.cache, found.sources, wanted, facts["rate_fps"], facts["cache_bytes"], on_progress
        )
        health = examine_health(cache, on_progress)
        clips, held_out = split_clips(cache, health.stretches, chosen)
        if facts["epochs"] is not None:
            # Epochs become steps once the clips are counted.
            chosen = replace(
                chosen, training=steps_for_epochs(chosen.training, facts["epochs"], len(clips))
            )
        run.settle(chosen, facts)
    except OddframeError:
        if not resume:
            run.abandon()
        raise
    return TrainingPlan(chosen, facts["drop_odd"], cache, health, clips, held_out)


def steps_for_epochs(training: TrainingConfig, epochs: float, clips: int) -> TrainingConfig:
    """The same training, as many steps long as ``epochs`` over ``clips`` take."""
    steps = max(1, round(epochs * clips / min(training.batch_size, clips)))
    pretrain = round(steps * training.pretrain_steps / training.steps)
    return replace(training, pretrain_steps=pretrain, joint_steps=steps - pretrain)


def split_clips(
    cache: FrameCache, stretches: tuple[FrameRun, ...], settings: Settings
) -> tuple[ClipDataset, ClipDataset | None]:
    """Clips to train on, and those held out; None where nothing is.

    Raises:
        SourceError: If there are too few to learn from.
    """
    interval = settings.network.interval
    rebuilt = 0 if settings.network.rebuilt_frame == "first" else 4
    trained, held = split(stretches, settings.data.hold_out, clip_span(interval))
    clips = ClipDataset(cache, trained, interval, rebuilt)
    if len(clips) < LEAST_CLIPS:
        raise SourceError(
            f"training needs at least {LEAST_CLIPS} clips of {clip_span(interval)} unbroken frames, "
            f"found {len(clips)}; give more normal video (minutes, better hours)"
        )
    return clips, ClipDataset(cache, held, interval, rebuilt) if held else None


def _check_same(
    run: RunFolder,
    chosen: Settings,
    facts: Mapping[str, Any],
    settings: Settings | None,
    wishes: TrainingRequest,
) -> None:
    """Refuse to go on with a training in another way than it was started."""
    if settings is not None and wishes.epochs is not None:
        # The steps in the settings are those that came of the epochs.
        pretrain, joint = chosen.training.pretrain_steps, chosen.training.joint_steps
        training = replace(settings.training, pretrain_steps=pretrain, joint_steps=joint)
        settings = replace(settings, training=training)
    pairs = {
        "settings": (settings, chosen),
        "epochs": (wishes.epochs, facts["epochs"]),
        "rate_fps": (wishes.rate_fps, facts["rate_fps"]),
        # Not given, it is as it was.
        "drop_odd": (wishes.drop_odd or None, facts["drop_odd"]),
    }
    other = [name for name, (given, there) in pairs.items() if given is not None and given != there]
    if other:
        raise RunError(
            f"{run.path} was started with other {' and '.join(other)}; resume without them, or choose another folder"
        )


def _facts(found: FoundSources, wishes: TrainingRequest) -> dict[str, Any]:
    """What decides a training beside its settings."""
    rate = (
        statistics.median_low(source.rate_fps for source in found.sources)
        if wishes.rate_fps is None
        else wishes.rate_fps
    )
    epochs = 1 if wishes.epochs is None else wishes.epochs
    for name, value in (("rate_fps", rate), ("cache_gb", wishes.cache_gb), ("epochs", epochs)):
        if not 0 < value < math.inf:
            raise SettingsError(f"{name} must be above 0 and finite, got {value}")
    return {
        "oddframe": __version__,
        "normal": [str(source.path) for source in found.sources],
        "rate_fps": rate,
        "cache_bytes": int(wishes.cache_gb * 1e9),
        "epochs": wishes.epochs,
        "drop_odd": wishes.drop_odd,
    }
