"""What a training will do, settled before its first step: settings, footage and clips.

A request is what the caller asked for. A plan is what comes of it once the footage has been read,
either of a new training or of one that is resumed.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from oddframe._types import Progress
from oddframe._version import __version__
from oddframe.core.clips import clip_span
from oddframe.datasets.clip_dataset import ClipDataset, split
from oddframe.datasets.footage_health import (
    FootageHealth,
    SourceSpan,
    examine_health,
    find_spans,
    leave_out,
    remove_spans,
)
from oddframe.datasets.frame_cache import (
    CACHE_VERSION,
    FrameCache,
    FrameRun,
    build_cache,
    footage_key,
)
from oddframe.errors import OddframeError, RunError, SettingsError, SourceError
from oddframe.media.discovery import FoundSources
from oddframe.media.source import FrameFormat
from oddframe.training.run_folder import RunFolder, RunRecord
from oddframe.training.settings import Settings, TrainingConfig
from oddframe.training.workers import choose_workers

FEWEST_STEPS = 3_000
"""No training is made shorter than that for want of footage (`TrainingConfig.most_epochs`)."""
LEAST_CLIPS = 32
"""Clips that a training needs at least: fewer are three seconds of footage, or less."""


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What the caller of `oddframe.tasks.train.train` asked for.

    Attributes:
        settings: Settings that were given; None where they were not, as on a plain resume.
        new_settings: Settings of the training if it is a new one.
        epochs: Passes over the footage; None takes the numbers of steps in the settings.
        rate_fps: Rate to train at; None takes the median of the recordings.
        cache_gb: Most gigabytes of decoded frames on disk.
        drop_odd: Whether footage that is unlike the rest is left out.
        resume: Whether to go on with the training in the folder.
        overwrite: Whether a new training takes the place of one in the folder.
        workers: How many processes train together; None leaves it to `choose_workers`.
        device: The device that was asked for.
        left_out: Spans of the footage to leave out; on resume those of before where it is empty.
    """

    settings: Settings | None
    new_settings: Settings
    epochs: float | None
    rate_fps: float | None
    cache_gb: float
    drop_odd: bool
    resume: bool
    overwrite: bool
    workers: int | None
    device: str
    left_out: tuple[SourceSpan, ...] = ()


class TrainingPlan(NamedTuple):
    """A training before its first step.

    Attributes:
        settings: All settings, with the numbers of steps that epochs and footage come to.
        drop_odd: Whether a first pass looks for footage to leave out.
        cache: The decoded frames.
        health: Which of them show the scene.
        clips: Which clips are trained on, and which are held out.
        workers: How many processes of this machine train together.
    """

    settings: Settings
    drop_odd: bool
    cache: FrameCache
    health: FootageHealth
    clips: "SplitClips"
    workers: int


class SplitClips(NamedTuple):
    """The clips of a training.

    Attributes:
        trained: Clips to train on.
        held_out: Clips held out, of those that the cache keeps; None where there are none.
        footage: Runs of all of the footage that is held out, by position in the footage.
    """

    trained: ClipDataset
    held_out: ClipDataset | None
    footage: tuple[FrameRun, ...]

    @property
    def datasets(self) -> tuple[ClipDataset, ...]:
        """Clips trained on and clips held out, those that there are."""
        return (self.trained,) if self.held_out is None else (self.trained, self.held_out)


def plan_training(
    run: RunFolder,
    found: FoundSources,
    request: TrainingRequest,
    on_progress: Progress,
    health: FootageHealth | None = None,
) -> TrainingPlan:
    """Start a training in its run folder, or find out how the one in it goes on.

    Args:
        run: The folder of the training.
        found: The footage.
        request: What was asked for; on resume it must agree with the training in the folder.
        on_progress: Called for the phases "read" and "health".
        health: The health of the footage, where another process has found it out; else None.

    Raises:
        InputError: If the footage or a setting is unusable.
        RunError: If the folder holds another training or nothing to resume, or that was on other
            footage.
        OutputError: If something cannot be written.
    """
    if request.resume:
        settings, record = run.read_settings()
        _check_same(run, settings, record, request)
    else:
        settings, record = request.new_settings, _new_record(found, request)
    network = settings.network
    wanted = FrameFormat(network.width, network.height, network.colour)
    version = record.cache_version
    footage = footage_key(found.sources, wanted, record.rate_fps, record.cache_bytes, version)
    if not request.resume:
        record = replace(record, footage=footage)
        run.start(settings, record, overwrite=request.overwrite)
    elif footage != record.footage:
        raise RunError(
            f"{run.path} must be resumed with the same footage, but the footage is different now; "
            "restore it, or start again with --overwrite"
        )
    try:
        limits = record.rate_fps, record.cache_bytes
        cache = build_cache(run.cache, found.sources, wanted, *limits, on_progress, version)
        if health is None:
            health = leave_out(examine_health(cache, on_progress), cache, record.left_out)
        clips = split_clips(cache, health.stretches, settings, record.left_out)
        if record.epochs is not None:
            # Epochs become steps only now, when the clips are counted.
            training = steps_for_epochs(settings.training, record.epochs, len(clips.trained))
            settings = replace(settings, training=training)
        elif settings.training.most_epochs:
            training = bounded_steps(settings.training, len(clips.trained))
            settings = replace(settings, training=training)
        if not request.resume or record.workers is None:
            # Only now, when it is known how long the training is.
            workers = choose_workers(record.workers, settings, request.device)
            record = replace(record, workers=workers)
        run.settle(settings, record)
    except OddframeError:
        # A new training that cannot be leaves the one before it in the folder.
        if not request.resume:
            run.abandon()
        raise
    return TrainingPlan(settings, record.drop_odd, cache, health, clips, record.workers or 1)


def steps_for_epochs(training: TrainingConfig, epochs: float, clips: int) -> TrainingConfig:
    """Give a training as many steps as ``epochs`` passes over ``clips`` clips take."""
    return _with_steps(training, max(1, round(epochs * clips / min(training.batch_size, clips))))


def bounded_steps(training: TrainingConfig, clips: int) -> TrainingConfig:
    """Take no more steps than ``most_epochs`` passes over ``clips`` clips need.

    What is bounded already stays as it is, so that a resumed training comes to the same steps.
    """
    bounded = steps_for_epochs(training, training.most_epochs, clips)
    fewest = min(FEWEST_STEPS, training.steps)
    if bounded.steps < fewest:
        bounded = _with_steps(training, fewest)
    return bounded if bounded.steps < training.steps else training


def _with_steps(training: TrainingConfig, steps: int) -> TrainingConfig:
    """Give a training another number of steps; the phases keep their proportion."""
    pretrain = round(steps * training.pretrain_steps / training.steps)
    return replace(training, pretrain_steps=pretrain, joint_steps=steps - pretrain)


def split_clips(
    cache: FrameCache,
    stretches: tuple[FrameRun, ...],
    settings: Settings,
    left_out: Sequence[SourceSpan] = (),
) -> SplitClips:
    """Split the clips of some stretches of footage into those to train on and those held out.

    All of the footage is split, what the cache did not keep included: what was not trained on
    calibrates, whether it was kept or not.

    Args:
        cache: The frames, and what is known of those that were not kept.
        stretches: Runs of kept frames to use.
        settings: Settings of the training.
        left_out: Spans to leave out of what was not kept, too.

    Raises:
        SourceError: If there are fewer than `LEAST_CLIPS` to train on.
    """
    interval = settings.network.interval
    span = clip_span(interval)
    rebuilt = 0 if settings.network.rebuilt_frame == "first" else 4
    usable = remove_spans(
        _usable_footage(cache, stretches), find_spans(cache.footage, left_out, cache.rate_fps)
    )
    trained, held = split(usable, settings.data.hold_out, span)
    kept, kept_held = (
        [part for run in runs for part in cache.kept(run)] for runs in (trained, held)
    )
    clips = ClipDataset(cache, kept, interval, rebuilt)
    if len(clips) < LEAST_CLIPS:
        raise SourceError(
            f"training needs at least {LEAST_CLIPS} clips of {span} unbroken "
            f"frames, found {len(clips)}; give more normal video (minutes, better hours)"
        )
    held_clips = None
    if any(part.count >= span for part in kept_held):
        held_clips = ClipDataset(cache, kept_held, interval, rebuilt)
    return SplitClips(clips, held_clips, tuple(run for run in held if run.count >= span))


def _usable_footage(cache: FrameCache, stretches: tuple[FrameRun, ...]) -> tuple[FrameRun, ...]:
    """Take out of the footage what the cache kept but some stretches of it leave out."""
    left_out = np.ones(len(cache), dtype=np.bool_)
    for stretch in stretches:
        left_out[stretch.offset : stretch.offset + stretch.count] = False
    positions = cache.in_footage(np.flatnonzero(left_out))
    # Neighbouring positions make a span.
    spans = np.split(positions, np.flatnonzero(np.diff(positions) != 1) + 1)
    return remove_spans(
        cache.footage, [(int(span[0]), int(span[-1]) + 1) for span in spans if len(span)]
    )


def _check_same(
    run: RunFolder, settings: Settings, record: RunRecord, request: TrainingRequest
) -> None:
    """Refuse to resume a training in another way than it was started."""
    given = request.settings
    if given is not None and (request.epochs is not None or given.training.most_epochs):
        # The steps in the settings of the run are those that came of the epochs.
        pretrain, joint = settings.training.pretrain_steps, settings.training.joint_steps
        training = replace(given.training, pretrain_steps=pretrain, joint_steps=joint)
        given = replace(given, training=training)
    # What is asked for beside what the run has; None was not asked for, and so is as it was.
    pairs = {
        "settings": (given, settings),
        "epochs": (request.epochs, record.epochs),
        "rate_fps": (request.rate_fps, record.rate_fps),
        "drop_odd": (request.drop_odd or None, record.drop_odd),
        "workers": (request.workers, record.workers),
        "leave_out": (request.left_out or None, record.left_out),
    }
    other = [name for name, (asked, had) in pairs.items() if asked is not None and asked != had]
    if other:
        raise RunError(
            f"{run.path} was started with other {' and '.join(other)}; resume without them, "
            "or choose another folder"
        )


def _new_record(found: FoundSources, request: TrainingRequest) -> RunRecord:
    """Write down what decides a new training beside its settings; the footage is not known yet.

    Raises:
        SettingsError: If a number that was asked for is out of range.
    """
    rate_fps = request.rate_fps
    if rate_fps is None:
        # The lower of two middle ones: frames can be left out, but none can be made up.
        rate_fps = statistics.median_low(source.rate_fps for source in found.sources)
    epochs = 1 if request.epochs is None else request.epochs
    numbers = {"rate_fps": rate_fps, "cache_gb": request.cache_gb, "epochs": epochs}
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise SettingsError(f"{name} must be above 0 and finite, got {value}")
    return RunRecord(
        oddframe=__version__,
        normal=[str(source.path) for source in found.sources],
        rate_fps=rate_fps,
        cache_bytes=int(request.cache_gb * 1e9),
        epochs=request.epochs,
        drop_odd=request.drop_odd,
        workers=request.workers,
        cache_version=CACHE_VERSION,
        left_out=request.left_out,
    )
