"""The verb `oddframe bench`: its options, and the tables of speed that it prints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.cli.options import MACHINE, AsJson, BackendChoice, Device, Preset
from oddframe.cli.output import bars, console, duration, print_json, show_facts, show_rows, warn

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
        BackendChoice,
        typer.Option(
            help="Measure this library only. auto: all that are installed.", rich_help_panel=MACHINE
        ),
    ] = "auto",
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
    from oddframe.tasks.bench import bench as run_bench
    from oddframe.training.settings import PRESETS

    with bars(quiet=as_json) as on_progress:
        report = run_bench(
            model,
            presets={name.value: PRESETS[name.value] for name in preset} if preset else None,
            backend=backend,
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
    # The versions are a table of their own in JSON and one line here.
    facts = dict(report.machine)
    versions = ", ".join(f"{name} {number}" for name, number in facts.pop("versions").items())
    show_facts(
        {
            **{name: value for name, value in facts.items() if value is not None},
            "versions": versions,
        }
    )
    _show_speed(report.rows)
    _show_bounds(report.bounds)
    _show_training(report.training)
    show_facts({"took": duration(report.seconds)})


def _show_speed(rows: "Sequence[SpeedRow]") -> None:
    """Print how fast each preset scores with each backend and precision."""
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
                f"{row.preset} {row.backend} {row.precision}{' compiled' * row.compiled}",
                str(row.batch_size),
                f"{row.fps_end_to_end:.1f}",
                "-" if row.share_of_bound is None else f"{row.share_of_bound:.0%}",
                f"{row.fps_inference:.1f}",
                f"{row.ms_median:.1f}",
                f"{row.ms_p95:.1f}",
                f"{row.latency_ms_median:.1f}",
                f"{row.latency_ms_p95:.1f}",
                f"{row.rss_mb:.0f}",
                # The frame rates of the title: 10, 15 and 25 frames per second.
                " / ".join(map(str, row.cameras.values())),
            )
            for row in rows
        ],
    )


def _show_bounds(bounds: "Sequence[Bounds]") -> None:
    """Print how fast frames reach the network: no backend can score faster than that."""
    console.print()
    show_rows(
        ("frames per second before the network", "decoding alone", "and conversion"),
        [
            (bound.preset, f"{bound.fps_decode:.0f}", f"{bound.fps_decode_convert:.0f}")
            for bound in bounds
        ],
    )
    console.print()


def _show_training(rows: "Sequence[TrainingRow]") -> None:
    """Print how fast each preset trains; nothing where that was not measured."""
    if not rows:
        return
    show_rows(
        ("training", "batch", "pixels", "clips per second", "MB"),
        [
            (
                f"{row.preset} {row.precision} on {row.device}",
                str(row.batch_size),
                # A network's size is height x width; people say width x height.
                f"{row.size[1]} x {row.size[0]}",
                f"{row.clips_per_s:.1f}",
                f"{row.rss_mb:.0f}",
            )
            for row in rows
        ],
    )
    console.print()
