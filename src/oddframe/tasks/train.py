"""Train on normal footage: the verb `oddframe train` (method section 6)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from oddframe._types import Progress, silent
from oddframe.bundle.bundle import Bundle, write_bundle
from oddframe.core.calibration import DEFAULT_BUDGET, FalseAlarmBudget, calibrate
from oddframe.core.clips import clip_span
from oddframe.datasets.clip_dataset import too_short
from oddframe.datasets.footage_health import remove_spans
from oddframe.errors import SettingsError
from oddframe.files import write_json
from oddframe.inference.export_gate import add_graph
from oddframe.inference.torch_backend import TorchScorer, pick_device
from oddframe.media.discovery import find_sources
from oddframe.media.plots import save_loss_curves
from oddframe.report.training_page import write_training_page
from oddframe.training import GpuSteps
from oddframe.training.distributed import ProcessGroup
from oddframe.training.gpu_steps import choose_gpu_steps
from oddframe.training.held_out_scores import score_clips
from oddframe.training.loop import SCORING_BATCH, TrainingLoop, new_trainer, restore
from oddframe.training.model_card import model_card
from oddframe.training.outliers import OutlierSpan, find_outliers, first_pass
from oddframe.training.plan import TrainingRequest, plan_training, split_clips
from oddframe.training.run_folder import RunFolder
from oddframe.training.settings import PRESETS, Settings

_NOT_HELD_OUT = (
    "the footage is too short to keep a part of it out of training: the threshold is in-sample, "
    "from the training clips themselves, and too low"
)


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
    odd: tuple[OutlierSpan, ...]
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
    export: bool = True,
    gpu_steps: GpuSteps = "auto",
    on_progress: Progress = silent,
) -> TrainReport:
    """Learn what is normal from video.

    Where torchrun or accelerate started several processes they train together, and the first one
    writes.

    Args:
        normal: A recording, a folder or glob of them, folders of numbered images, or several of
            these.
        out: The run folder.
        preset: A name of `PRESETS`: "fast", "walkway" or "paper"; where neither ``settings`` nor
            ``resume`` is given.
        settings: Everything that decides the result.
        epochs: Train this often over the footage, in place of the settings' numbers of steps, whose
            proportion stays.
        fps: Frames per second of folders of images, 10 when None.
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
        on_progress: Called with the phases "read", "health", "pretrain", "centres", "joint",
            "calibrate" and "guard"; with ``drop_odd`` also "first pass".

    Raises:
        InputError: If the footage or a setting is unusable.
        RunError: If the run folder holds another training or nothing to resume, or that was on
            other footage.
        OutputError: If something cannot be written; the last checkpoint stays.
    """
    began = time.monotonic()
    budget = FalseAlarmBudget.parse(false_alarms)
    run = RunFolder(out)
    found = find_sources(normal, fps)
    # One process, or those that torchrun or accelerate started.
    group = ProcessGroup.join(device)
    used_device = pick_device(group.device(device))
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
    )
    chosen, dropping, cache, health, clips, held_out = group.rank_zero_first(
        lambda: plan_training(run, found, request, on_progress)
    )
    odd: tuple[OutlierSpan, ...] = ()
    # Only the stretches in which the camera was healthy are trained on.
    used = health.stretches
    if dropping:
        pass_run = RunFolder(run.first_pass)
        odd = first_pass(
            pass_run, chosen, clips, held_out, used_device, checkpoint_s, on_progress, group
        )
        used = remove_spans(health.stretches, [(span.begin, span.end) for span in odd])
        clips, held_out = split_clips(cache, used, chosen)
    steps = choose_gpu_steps(gpu_steps, used_device, group.size, chosen.training.steps)
    trainer = new_trainer(chosen, clips, used_device, group, steps)
    restore(run, trainer)
    losses = TrainingLoop(run, trainer, clips, held_out, chosen, checkpoint_s, on_progress).run()
    scores = score_clips(
        TorchScorer(trainer.network, trainer.device, SCORING_BATCH),
        held_out or clips,
        rate_fps=cache.rate_fps,
        in_sample=held_out is None,
        neighbours=chosen.network.neighbours,
        on_progress=on_progress,
        group=group,
    )
    calibration = calibrate(scores, budget)
    # Without --drop-odd outliers are only named, by the trained network itself.
    if not dropping:
        odd = find_outliers(
            trainer, [clips, *([] if held_out is None else [held_out])], on_progress
        )
    bundle = Bundle(
        network=trainer.network.trained(),
        rate_fps=cache.rate_fps,
        calibration=calibration,
        card=model_card(
            chosen, cache, calibration, len(clips), trainer, _odd_notices(odd, dropped=dropping)
        ),
        health=health.reference,
        normal=scores,
    )
    not_exported: tuple[str, ...] = ()
    if group.is_first:
        write_bundle(run.bundle, bundle)
        not_exported = add_graph(run.bundle, bundle, cache) if export else ()
        spans = {
            "stretches": [asdict(stretch) for stretch in used],
            "odd": [asdict(span) for span in odd],
        }
        write_json(run.footage, {**spans, "dropped": dropping})
        save_loss_curves(run.curves, run.entries())
        write_training_page(run.path, device=device)
    # Nobody returns, and uses the bundle, before the first process has written it.
    group.wait()
    group.close()
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
        odd_dropped=dropping,
        skipped=(
            *(f"{path.path}: {path.reason}" for path in found.skipped),
            *cache.notices,
            *health.notices,
            *too_short(cache.stretches, clip_span(chosen.network.interval)),
            *([_NOT_HELD_OUT] if held_out is None and chosen.data.hold_out else []),
        ),
        notices=(
            *(() if trainer.captured is None else trainer.captured.notices),
            *calibration.notices,
            *not_exported,
            *_odd_notices(odd, dropped=dropping),
        ),
    )


def preset_named(name: str) -> Settings:
    """The settings of a preset, `SettingsError` where there is none of that name."""
    if name not in PRESETS:
        raise SettingsError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]


def _odd_notices(odd: Sequence[OutlierSpan], *, dropped: bool) -> tuple[str, ...]:
    """A sentence for each outlier span of the footage."""
    action = (
        "left out of training"
        if dropped
        else "trained on all the same; look at it, --drop-odd leaves it out"
    )
    return tuple(f"{span}: {action}" for span in odd)
