"""Train on normal footage: the verb `oddframe train` (method section 6)."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path

from oddframe._types import Progress, silent
from oddframe.bundle.bundle import write_bundle
from oddframe.core.budget import DEFAULT_BUDGET, FalseAlarmBudget
from oddframe.core.clips import clip_span
from oddframe.core.recalibration import raw_score_text
from oddframe.datasets.clip_dataset import too_short
from oddframe.datasets.footage_health import FootageHealth, SourceSpan, remove_spans
from oddframe.datasets.label_spans import labelled_as_abnormal, read_spans
from oddframe.errors import SettingsError, did_you_mean
from oddframe.files import write_json
from oddframe.inference.torch_backend import pick_device
from oddframe.media.discovery import FoundSources, find_sources
from oddframe.media.plots import Chart, draw_losses, save_loss_curves
from oddframe.monitoring.footage import leave_footage
from oddframe.monitoring.recording_order import split_cameras
from oddframe.report.training_page import write_training_page
from oddframe.tasks.record import record_first
from oddframe.training import GpuSteps
from oddframe.training.distributed import ProcessGroup, WorkerPlace
from oddframe.training.ending import Trained, end_training
from oddframe.training.gpu_steps import choose_gpu_steps
from oddframe.training.loop import TrainingLoop, new_trainer, restore
from oddframe.training.model_card import model_card
from oddframe.training.outliers import OutlierSpan, first_pass
from oddframe.training.plan import (
    TrainingPlan,
    TrainingRequest,
    plan_training,
    split_clips,
)
from oddframe.training.progress import ProgressFile, TrainingProgress, ignore_record
from oddframe.training.run_folder import RunFolder
from oddframe.training.settings import PRESETS, Settings
from oddframe.training.workers import one_thread, start_workers, worker_bytes

_NOT_HELD_OUT = (
    "the footage is too short to keep a part of it out of training: the threshold is in-sample, "
    "from the training clips themselves, and too low"
)


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """What a training did.

    Example:
        >>> report = oddframe.train("normal", "runs/yard")
        >>> report.plot().save("losses.png")

    Attributes:
        run: The run folder.
        bundle: The trained model in it.
        steps: Steps taken in all, those before an interruption included.
        seconds: Wall-clock time of the training in all, before an interruption included. Of what an
            interrupted call of 0.1.0 took nothing is known; it counts as 0.
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
        notices: What to know of the threshold and of labels among the footage, a sentence each.
        workers: How many processes of this machine trained together.
        worker_bytes: About how much memory each of them took.
        allowance: The budget with what it rests on, such as "1/day (extrapolated)".
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
    odd: tuple[OutlierSpan, ...]
    odd_dropped: bool
    skipped: tuple[str, ...]
    notices: tuple[str, ...]
    workers: int = 1
    worker_bytes: int = 0
    allowance: str = ""

    def plot(self) -> Chart:
        """Draw the losses of the training, as ``curves.png`` in its run folder shows them.

        Raises:
            RunError: If the run folder is no longer there.
            MissingExtraError: If Matplotlib is not installed.
        """
        return draw_losses(RunFolder(self.run).entries())

    def to_html(self) -> str:
        """Give what a notebook shows: the facts in a table, and what to know of them."""
        facts = {
            "model": self.bundle,
            "steps": f"{self.steps:,} in {self.seconds:.0f} s",
            "clips": f"{self.clips:,} trained on, {self.held_out:,} held out",
            "threshold": f"{raw_score_text(self.threshold)} for {self.false_alarms}",
        }
        rows = "".join(
            f"<tr><th>{name}</th><td>{escape(str(value))}</td></tr>"
            for name, value in facts.items()
        )
        notes = "".join(f"<p>{escape(notice)}</p>" for notice in self.notices)
        return f"<table>{rows}</table>{notes}"

    # Notebooks look for a method of this name.
    _repr_html_ = to_html


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
    export: bool = True,
    gpu_steps: GpuSteps = "auto",
    on_progress: Progress = silent,
    on_record: Callable[[TrainingProgress], None] = ignore_record,
    workers: int | None = None,
    calibration_minutes: float | None = None,
    record_s: float | None = None,
    keep_footage: bool = False,
    leave_out: str | Path | None = None,
    on_notice: Callable[[str], None] = lambda notice: None,
) -> TrainReport:
    """Learn what is normal from video.

    Live cameras among ``normal`` are recorded first, into a folder beside the run folder, which is
    called ``NAME-footage``; then the training reads that.

    Where torchrun or accelerate started several processes they train together, and the first one
    writes.

    Example:
        >>> report = oddframe.train("normal", "runs/yard", overwrite=True)
        >>> report.threshold > 0
        True

    Args:
        normal: A recording, a folder or glob of them, folders of numbered images, addresses of
            live cameras, or several of these.
        out: The run folder.
        preset: A name of `PRESETS`: "fast" or "paper"; where neither ``settings`` nor
            ``resume`` is given.
        settings: Everything that decides the result.
        epochs: Train this often over the footage, in place of the settings' numbers of steps, whose
            proportion stays.
        fps: Frames per second of folders of images. When None, the times in their names count, or
            else 10.
        rate_fps: Rate to train at; the median of the recordings' own when None.
        cache_gb: Most gigabytes of decoded frames on disk; of more footage clips are taken evenly
            over time.
        false_alarms: False alarms agreed to, per camera: "1/day", "6/hour", "2/week". It decides
            the threshold alone.
        drop_odd: Leave out what a first, short pass finds to be unlike the rest of the footage; it
            takes a quarter of the training's time more.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        resume: Go on with the training in ``out``, exactly; what else is given must be as it was.
        overwrite: Start again where ``out`` holds a training.
        checkpoint_s: Seconds from one checkpoint to the next.
        export: Add the graph that ONNX Runtime and OpenVINO run, so that the model can be used
            without torch.
        gpu_steps: How training steps are taken on a GPU: "eager", as a CUDA "graph", as one of
            "compiled" kernels, or "auto": compiled where the training is long enough to pay for it.
        on_progress: Called with the phases "record" where there are cameras, "read", "health",
            "pretrain", "centres", "joint", "export", "calibrate", "guard", "parity" and "report";
            with ``drop_odd`` also "first pass".
        on_record: Called with the records that ``progress.json`` in the run folder gets: at the
            start of each phase, about once a second, and when the training ends.
        workers: How many processes of this machine train together, each with one thread and a share
            of the batch. None is one for each core, fewer where memory or a short training asks for
            it. With the same number the same seed gives the same bytes; a resumed training keeps
            its number.
        calibration_minutes: Most minutes of scoring held-out footage for the threshold. None takes
            ten minutes, or a tenth of the training where that is more.
        record_s: How long to record cameras, in seconds; needed where there are any, and with
            ``resume`` that of before when None.
        keep_footage: Keep what was recorded; otherwise it is removed after the training.
        leave_out: A table with the columns ``video,start_s,end_s``, as in `labels.csv`: spans of
            the footage that are not trained on. With ``resume`` that of before when None.
        on_notice: Called at once with what is worth knowing of the recording, a sentence each.

    Raises:
        InputError: If the footage or a setting is unusable, or a `labels.csv` among the footage
            cannot be read.
        RunError: If the run folder holds another training or nothing to resume, or that was on
            other footage.
        OutputError: If something cannot be written; the last checkpoint stays.
    """
    budget = FalseAlarmBudget.parse(false_alarms)
    if calibration_minutes is not None and not 0 < calibration_minutes < math.inf:
        raise SettingsError(
            f"calibration_minutes must be above 0 and finite, got {calibration_minutes}"
        )
    left_out: list[SourceSpan] = []
    if leave_out is not None:
        for video, spans in read_spans(Path(leave_out)).items():
            left_out += [(video, span.start_s, span.end_s) for span in spans]
    run = RunFolder(out)
    progress = ProgressFile(
        run.progress, resume=resume, on_progress=on_progress, on_record=on_record
    )
    # One process, or those that torchrun or accelerate started.
    group = ProcessGroup.join(device)
    # One that is not there is an error before anything is written.
    pick_device(group.device(device))
    if group.size > 1 and workers is not None:
        raise SettingsError(
            f"workers must be left out where torchrun starts the processes, got {workers}"
        )
    cameras, files = split_cameras([normal] if isinstance(normal, str | Path) else normal)
    footage = run.path.with_name(f"{run.path.name}-footage") if cameras else None
    if footage is not None and group.size > 1:
        raise SettingsError(
            "cameras must be recorded by one process, but torchrun started "
            f"{group.size}; record first, with oddframe record, and train on the folder"
        )
    resumes_recording = footage is not None and resume
    if footage is not None and resume:
        resume = run.holds_training
    request = TrainingRequest(
        settings=settings,
        new_settings=settings or preset_named(preset),
        epochs=epochs,
        rate_fps=rate_fps,
        cache_gb=cache_gb,
        drop_odd=drop_odd,
        # What the first of several processes starts is there for the others to go on with.
        resume=resume or not group.is_first,
        overwrite=overwrite,
        workers=1 if group.size > 1 else workers,
        device=device,
        left_out=tuple(left_out),
    )
    with progress:
        if footage is not None:
            record_first(
                cameras,
                footage,
                run,
                record_s,
                resume=resumes_recording,
                overwrite=overwrite,
                on_notice=on_notice,
                on_progress=progress,
            )
            files = [*files, footage]
        found = find_sources(files, fps)
        labelled = labelled_as_abnormal(map(Path, files), (one.path for one in found.sources))
        order = _Order(
            run=run,
            found=found,
            request=request,
            budget=budget,
            checkpoint_s=checkpoint_s,
            export=export,
            on_progress=progress if group.is_first else silent,
            calibration_minutes=calibration_minutes,
            gpu_steps=gpu_steps,
        )
        report = _train(order, group)
    recorded: tuple[str, ...] = ()
    if footage is not None:
        recorded = (leave_footage(footage, keep=keep_footage),)
    return replace(
        report, seconds=progress.seconds(), notices=(*recorded, *labelled, *report.notices)
    )


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What a training was asked for, understood; all of its processes get it."""

    run: RunFolder
    found: FoundSources
    request: TrainingRequest
    budget: FalseAlarmBudget
    checkpoint_s: float
    export: bool
    on_progress: Progress
    calibration_minutes: float | None
    gpu_steps: GpuSteps


def _train(order: _Order, group: ProcessGroup) -> TrainReport:
    """Plan a training and learn, with the workers that the plan asks for."""
    plan = _plan(order, group)
    if plan.workers == 1:
        report = _learn(order, plan, group)
        group.close()
        return report
    others = replace(order, request=replace(order.request, resume=True), on_progress=silent)
    with start_workers(plan.workers, _learn_beside, others) as workers:
        return _learn(order, _plan(order, workers, plan), workers)


def _plan(order: _Order, group: ProcessGroup, planned: TrainingPlan | None = None) -> TrainingPlan:
    """Plan a training in the first process, unless it is ``planned``, then in the others."""

    def plan(health: FootageHealth | None) -> TrainingPlan:
        return planned or plan_training(
            order.run, order.found, order.request, order.on_progress, health
        )

    return group.rank_zero_first(plan, lambda planned: planned.health)


def _learn_beside(place: WorkerPlace, order: _Order) -> None:
    """Do in a worker process what `_learn` does in the first one, which alone writes."""
    with one_thread():
        group = ProcessGroup.join_workers(place)
        _learn(order, _plan(order, group), group)
        group.close()


def _learn(order: _Order, plan: TrainingPlan, group: ProcessGroup) -> TrainReport:
    """Do what is planned, up to the trained model."""
    run, found, on_progress = order.run, order.found, order.on_progress
    chosen, dropping, cache, health, clips, _ = plan
    used_device = pick_device(group.device(order.request.device))
    odd: tuple[OutlierSpan, ...] = ()
    # Only the stretches in which the camera was healthy are trained on.
    used = health.stretches
    if dropping:
        pass_run = RunFolder(run.first_pass)
        odd = first_pass(
            pass_run, chosen, clips, used_device, order.checkpoint_s, on_progress, group
        )
        used = remove_spans(health.stretches, [(span.begin, span.end) for span in odd])
        clips = split_clips(cache, used, chosen, health.left_out)
    held_out = clips.held_out
    steps = choose_gpu_steps(order.gpu_steps, used_device, group.size, chosen.training.steps)
    trainer = new_trainer(chosen, clips.trained, used_device, group, steps)
    restore(run, trainer)
    stepping = time.monotonic()
    losses = TrainingLoop(
        run, trainer, clips.trained, held_out, chosen, order.checkpoint_s, on_progress
    ).run()
    ending = end_training(
        Trained(
            trainer=trainer,
            cache=cache,
            sources=found.sources,
            health=health,
            clips=clips,
            seconds=time.monotonic() - stepping,
        ),
        order.budget,
        calibration_minutes=order.calibration_minutes,
        # Without --drop-odd outliers are only named, by the trained network itself.
        find_odd=not dropping,
        export=order.export,
        on_progress=on_progress,
    )
    odd = odd if dropping else ending.odd
    calibration, sentences = ending.bundle.calibration, _odd_notices(odd, dropped=dropping)
    if group.is_first:
        card = model_card(chosen, cache, calibration, len(clips.trained), trainer, sentences)
        write_bundle(run.bundle, replace(ending.bundle, card=card))
        spans = {
            "stretches": [asdict(stretch) for stretch in used],
            "odd": [asdict(span) for span in odd],
        }
        facts = {**spans, "dropped": dropping, "calibrated": ending.calibrated}
        write_json(run.footage, facts)
        on_progress("report", 0, 1, {})
        save_loss_curves(run.curves, run.entries())
        write_training_page(run.path, device=order.request.device)
        on_progress("report", 1, 1, {})
    # Nobody returns, and uses the bundle, before the first process has written it.
    group.wait()
    return TrainReport(
        run=run.path,
        bundle=run.bundle,
        steps=trainer.step,
        seconds=0.0,
        clips=len(clips.trained),
        held_out=0 if held_out is None else len(held_out),
        share=cache.share,
        threshold=calibration.threshold,
        false_alarms=calibration.budget,
        allowance=calibration.allowance,
        in_sample=calibration.in_sample,
        losses=losses,
        odd=odd,
        odd_dropped=dropping,
        skipped=(
            *(f"{path.path}: {path.reason}" for path in found.skipped),
            *cache.notices,
            *health.notices,
            *too_short(cache.stretches, clip_span(chosen.network.interval)),
            *([_NOT_HELD_OUT] if calibration.in_sample and chosen.data.hold_out else []),
        ),
        notices=(
            *(() if trainer.captured is None else trainer.captured.notices),
            *ending.notices,
            *sentences,
        ),
        workers=plan.workers,
        worker_bytes=worker_bytes(chosen, plan.workers),
    )


def preset_named(name: str) -> Settings:
    """The settings of a preset, `SettingsError` where there is none of that name."""
    if name not in PRESETS:
        raise SettingsError(
            f"preset must be one of {', '.join(PRESETS)}, got {name!r}{did_you_mean(name, PRESETS)}"
        )
    return PRESETS[name]


def _odd_notices(odd: Sequence[OutlierSpan], *, dropped: bool) -> tuple[str, ...]:
    """A sentence for each outlier span of the footage."""
    action = (
        "left out of training"
        if dropped
        else "trained on all the same; look at it, --drop-odd leaves it out"
    )
    return tuple(f"{span}: {action}" for span in odd)
