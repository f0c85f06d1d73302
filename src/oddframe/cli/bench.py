"""The verb `oddframe bench`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.cli.options import MACHINE, AsJson, BackendName, Device, Preset
from oddframe.cli.output import duration, print_json, warn

if TYPE_CHECKING:
    from oddframe.speed.plan import Bounds, SpeedRow, TrainingRow


def bench(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Run folder, model bundle, or name of a shipped model such as ped2.",
            show_default="untrained presets",
        ),
    ] = None,
    preset: Annotated[
        list[Preset] | None,
        typer.Option(
            help="Measure this preset only; may be repeated.", show_default="fast and paper"
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="How long to measure each row of the table, in seconds.")
    ] = 12.0,
    backend: Annotated[
        BackendName,
        typer.Option(
            help="Measure this library only. auto: all that are installed.", rich_help_panel=MACHINE
        ),
    ] = BackendName.auto,
    device: Device = "auto",
    batch_size: Annotated[
        list[int] | None,
        typer.Option(
            help="Number of clips that the network processes at once; may be repeated.",
            show_default="8; on a GPU 1 and 64",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Also measure PyTorch with a compiled network.",
            rich_help_panel=MACHINE,
        ),
    ] = False,
    training: Annotated[
        bool | None,
        typer.Option(
            "--training/--no-training",
            help="Also measure how fast presets train.",
            show_default="only on a GPU",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how fast this machine scores, for each backend and precision; under ten minutes.

    Example: [cyan]oddframe bench --model runs/door[/cyan]
    """
    from oddframe.cli.output import bars, show_facts
    from oddframe.tasks.bench import bench as run_bench
    from oddframe.training.settings import PRESETS

    with bars(quiet=as_json) as on_progress:
        report = run_bench(
            model,
            presets={one.value: PRESETS[one.value] for one in preset} if preset else None,
            backend=backend.value,
            device=device,
            batch_sizes=batch_size or (),
            seconds=seconds,
            compiled=compiled,
            training=training,
            on_progress=on_progress,
        )
    if as_json:
        print_json(report)
        return
    warn(report.notices)
    facts = dict(report.machine)
    versions = ", ".join(f"{name} {number}" for name, number in facts.pop("versions").items())
    show_facts(
        {
            **{name: value for name, value in facts.items() if value is not None},
            "versions": versions,
        }
    )
    _show_rows(report.rows)
    _show_bounds(report.bounds)
    _show_training(report.training)
    show_facts({"took": duration(report.seconds)})


def _show_rows(rows: "Sequence[SpeedRow]") -> None:
    from oddframe.cli.output import console, show_rows

    console.print()
    show_rows(
        (
            "frames per second\n",
            "batch",
            "file to\nscores",
            "of its\nbound",
            "network\nalone",
            "ms a\nframe",
            "\np95",
            "live\nms",
            "\np95",
            "MB",
            "cameras at\n10 / 15 / 25",
        ),
        [
            (
                f"{one.preset} {one.backend} {one.precision}{' compiled' * one.compiled}",
                str(one.batch_size),
                f"{one.fps_end_to_end:.1f}",
                "-" if one.share_of_bound is None else f"{one.share_of_bound:.0%}",
                f"{one.fps_inference:.1f}",
                f"{one.ms_median:.1f}",
                f"{one.ms_p95:.1f}",
                f"{one.latency_ms_median:.1f}",
                f"{one.latency_ms_p95:.1f}",
                f"{one.rss_mb:.0f}",
                " / ".join(map(str, one.cameras.values())),
            )
            for one in rows
        ],
    )


def _show_bounds(bounds: "Sequence[Bounds]") -> None:
    from oddframe.cli.output import console, show_rows

    console.print()
    show_rows(
        ("frames per second before the network", "decoding alone", "and conversion"),
        [(one.preset, f"{one.fps_decode:.0f}", f"{one.fps_decode_convert:.0f}") for one in bounds],
    )
    console.print()


def _show_training(rows: "Sequence[TrainingRow]") -> None:
    from oddframe.cli.output import console, show_rows

    if not rows:
        return
    show_rows(
        ("training", "batch", "pixels", "clips per second", "MB"),
        [
            (
                f"{one.preset} {one.precision} on {one.device}",
                str(one.batch_size),
                f"{one.size[1]} x {one.size[0]}",
                f"{one.clips_per_s:.1f}",
                f"{one.rss_mb:.0f}",
            )
            for one in rows
        ],
    )
    console.print()
