"""The verb `oddframe calibrate`."""

from typing import Annotated

import typer

from oddframe.commands.options import (
    AsJson,
    Backend,
    BackendName,
    BatchSize,
    Device,
    Fps,
    Numbers,
    Precision,
    one_or_many,
)
from oddframe.commands.shown import duration, print_json, warn

__all__ = ["calibrate"]


def calibrate(
    model: Annotated[str, typer.Argument(help="A run folder or a model bundle.")],
    normal: Annotated[
        list[str] | None,
        typer.Argument(help="Normal video that the model was not trained on; else scores kept in the bundle serve."),
    ] = None,
    false_alarms: Annotated[
        str | None,
        typer.Option(
            "--false-alarms",
            metavar="N/UNIT",
            help="False alarms agreed to for a camera: 6/hour, 1/day, 2/week, 1/month.",
            show_default="as before",
        ),
    ] = None,
    least: Annotated[
        float | None, typer.Option(help="Seconds that an event must last to start.", show_default="as before")
    ] = None,
    merge_gap: Annotated[
        float | None, typer.Option(help="Seconds of calm that an event goes on over.", show_default="as before")
    ] = None,
    cool_down: Annotated[
        float | None, typer.Option(help="Seconds after an event without another.", show_default="as before")
    ] = None,
    fps: Fps = None,
    device: Device = "auto",
    batch_size: BatchSize = 8,
    backend: Backend = BackendName.auto,
    precision: Precision = Numbers.auto,
    as_json: AsJson = False,
) -> None:
    """Set a model's threshold for a budget of false alarms, from normal video or scores kept in the bundle."""
    from oddframe.calibrating import calibrate as run_calibration
    from oddframe.terminal import bars, show_facts

    rules = {"least_s": least, "merge_gap_s": merge_gap, "cool_down_s": cool_down}
    with bars(quiet=as_json) as on_progress:
        report = run_calibration(
            model,
            one_or_many(normal) if normal else None,
            false_alarms=false_alarms,
            rules={name: value for name, value in rules.items() if value is not None},
            fps=fps,
            device=device,
            batch_size=batch_size,
            backend=backend.value,
            precision=precision.value,
            on_progress=on_progress,
        )
    if as_json:
        print_json(report)
        return
    warn((*report.skipped, *report.notices))
    found = report.calibration
    before = "" if report.threshold_before is None else f", {report.threshold_before:.4g} before"
    show_facts(
        {
            "threshold": f"{found.threshold:.4g} ({found.threshold_low:.4g} to {found.threshold_high:.4g}{before})",
            "for": f"{found.budget} false alarms",
            "from": f"{found.clips} clips, {duration(3600 * found.hours)}{', kept scores' * report.cached}",
            "took": duration(report.seconds),
            "model": f"[bold]{report.bundle}[/bold]",
        }
    )
