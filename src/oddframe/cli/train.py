"""The verb `oddframe train`: its options, and what came of the training."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.cli.options import (
    LEARNING,
    MACHINE,
    AsJson,
    Budget,
    Device,
    Fps,
    JsonProgress,
    Preset,
    parse_time,
)
from oddframe.cli.output import (
    bars,
    duration,
    messages,
    print_json,
    print_json_progress,
    show_facts,
    warn,
)
from oddframe.training import GpuSteps

RECORDING = "Live cameras"

if TYPE_CHECKING:
    from oddframe.training.settings import Settings


def train(
    normal: Annotated[
        list[str],
        typer.Argument(
            help="Normal video to learn from: video files, folders or patterns such as "
            "'cam1/*.mp4', or folders of numbered images. A live camera (rtsp://...) is recorded "
            "first, see --for."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Run folder to create, for log, checkpoints and model."),
    ],
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="Settings to start from. fast: also trains without a GPU. paper: as "
            "published; slow without a GPU.",
            show_default="fast",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="TOML or JSON file with tables network, data and training; overrides the preset.",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            help="Number of passes over the footage.",
            show_default="the preset's number of steps",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Clips per training step.",
            show_default="8; with --preset paper 4",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(
            help="Fraction of the footage, 0 to 0.5, that is not trained on but used for "
            "validation and for the threshold. With 0 the threshold comes from the training "
            "footage itself and is too low.",
            show_default="0.15",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of all random numbers.", show_default="0", rich_help_panel=LEARNING
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Frames per second that the model uses; further frames are skipped.",
            show_default="the median of the recordings",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    fps: Fps = None,
    cache_gb: Annotated[
        float,
        typer.Option(
            help="Disk space for decoded frames, in gigabytes. If the footage needs more, a part "
            "of it is used, spread evenly over time.",
            rich_help_panel=MACHINE,
        ),
    ] = 4.0,
    false_alarms: Budget = "1/day",
    drop_odd: Annotated[
        bool,
        typer.Option(
            "--drop-odd",
            help="Leave out outliers: footage that is unlike the rest. A short first training "
            "finds them, so it takes a quarter longer.",
            rich_help_panel=LEARNING,
        ),
    ] = False,
    device: Device = "auto",
    gpu_steps: Annotated[
        GpuSteps,
        typer.Option(
            help="How training steps run on a GPU: eager, as a CUDA graph, as one of compiled "
            "kernels, or auto (compiled if the training is long enough).",
            rich_help_panel=MACHINE,
        ),
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Number of processes that train together, each with one thread and a share of the "
            "batch. With the same number the same seed gives the same model.",
            show_default="one for each core, fewer if memory is short",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    nice: Annotated[
        int,
        typer.Option(
            min=0,
            max=19,
            help="Priority: 0 competes with other programs as an equal; the higher, the more the "
            "training lets them go first. An idle machine trains as fast with any.",
            rich_help_panel=MACHINE,
        ),
    ] = 10,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the stopped training in the run folder.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a training that is already in the run folder."),
    ] = False,
    as_json: AsJson = False,
    calibration_minutes: Annotated[
        float | None,
        typer.Option(
            help="Most minutes to score held-out footage for the threshold, after the training.",
            show_default="10, or a tenth of the training",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    json_progress: JsonProgress = False,
    for_time: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="How long to record live cameras before the training, such as 2h or 1d.",
            rich_help_panel=RECORDING,
        ),
    ] = None,
    keep_footage: Annotated[
        bool,
        typer.Option(
            "--keep-footage",
            help="Keep the recorded video, in OUT-footage; otherwise it is removed after the "
            "training.",
            rich_help_panel=RECORDING,
        ),
    ] = False,
    leave_out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table of footage that is not trained on: the columns video,start_s,end_s, as in "
            "labels.csv.",
            rich_help_panel=LEARNING,
        ),
    ] = None,
) -> None:
    """Learn what is normal from video, and write a run folder with the trained model.

    Example: [cyan]oddframe train normal/ -o runs/door[/cyan]
    """
    # Only what is given on the command line changes a setting.
    changes = {"batch_size": batch_size, "seed": seed}
    settings = _settings(preset or Preset.fast, config, changes, hold_out)
    # A resumed training has its settings in the run folder; only what is given is compared.
    if resume and (preset, config, batch_size, hold_out, seed) == (None,) * 5:
        settings = None
    from oddframe.tasks.train import train as run_training
    from oddframe.training.distributed import LaunchInfo
    from oddframe.training.progress import ignore_record

    # With torchrun all processes run this; only the first one writes to the terminal.
    is_first = LaunchInfo.of().is_first
    os.nice(nice)
    if nice and is_first and not as_json:
        messages.print(
            f"[dim]training at low priority (--nice {nice}): other programs go first[/dim]"
        )
    with bars(quiet=as_json or json_progress or not is_first) as on_progress:
        report = run_training(
            normal,
            out,
            settings=settings,
            epochs=epochs,
            fps=fps,
            rate_fps=rate,
            cache_gb=cache_gb,
            false_alarms=false_alarms,
            drop_odd=drop_odd,
            device=device,
            gpu_steps=gpu_steps,
            resume=resume,
            overwrite=overwrite,
            workers=workers,
            on_progress=on_progress,
            on_record=print_json_progress if json_progress else ignore_record,
            calibration_minutes=calibration_minutes,
            record_s=parse_time("--for", for_time),
            keep_footage=keep_footage,
            leave_out=leave_out,
            on_notice=lambda notice: None if as_json else warn([notice]),
        )
    if not is_first:
        return
    if as_json:
        print_json(report)
        return
    warn((*report.skipped, *report.notices))
    origin = f"{report.held_out} held-out clips"
    if report.in_sample:
        origin = "[yellow]the training clips themselves, so it is too low[/yellow]"
    show_facts(
        {
            "clips": f"{report.clips}"
            + (f" ({report.share:.0%} of the footage)" if report.share < 1 else ""),
            "steps": report.steps,
            "losses": "  ".join(f"{name} {value:.2e}" for name, value in report.losses.items()),
            "threshold": f"raw score {report.threshold:.4g} for {report.allowance} "
            f"false alarms, from {origin}",
            "took": duration(report.seconds) + _with_workers(report.workers, report.worker_bytes),
            "model": f"[bold]{report.bundle}[/bold]",
            "try it": f"oddframe score VIDEO --model {report.run} -o out --overlay",
        }
    )


def _with_workers(workers: int, worker_bytes: int) -> str:
    """Say how many processes trained, and the memory of each; nothing of one alone."""
    if workers == 1:
        return ""
    return f", {workers} workers of about {worker_bytes / 1e9:.1f} GB each"


def _settings(
    preset: Preset, config: Path | None, changes: dict[str, int | None], hold_out: float | None
) -> "Settings | None":
    """The preset; a file's settings replace it, and flags replace both."""
    from oddframe.training.settings import PRESETS, read_settings

    settings = PRESETS[preset.value]
    if config is not None:
        settings = read_settings(config, settings)
    given = {name: value for name, value in changes.items() if value is not None}
    data = settings.data if hold_out is None else replace(settings.data, hold_out=hold_out)
    return replace(settings, data=data, training=replace(settings.training, **given))  # type: ignore[arg-type]
