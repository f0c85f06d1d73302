"""The verb `oddframe calibrate`."""

from typing import Annotated

import typer

from oddframe.cli.options import (
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
from oddframe.cli.output import duration, print_json, warn


def calibrate(
    model: Annotated[
        str, typer.Argument(help="Run folder or model bundle; it gets the new threshold.")
    ],
    normal: Annotated[
        list[str] | None,
        typer.Argument(
            help="Normal video that the model was not trained on. Without it, the normal scores "
            "that are stored in the model are used."
        ),
    ] = None,
    false_alarms: Annotated[
        str | None,
        typer.Option(
            "--false-alarms",
            metavar="N/UNIT",
            help="Allowed false alarms per camera, such as 6/hour, 1/day, 2/week or 1/month. "
            "Fewer makes the model less sensitive.",
            show_default="unchanged",
        ),
    ] = None,
    least: Annotated[
        float | None,
        typer.Option(help="Minimum length of an event, in seconds.", show_default="unchanged"),
    ] = None,
    merge_gap: Annotated[
        float | None,
        typer.Option(
            help="Longest pause within one event, in seconds; a longer one ends it.",
            show_default="unchanged",
        ),
    ] = None,
    cool_down: Annotated[
        float | None,
        typer.Option(
            help="Seconds after the end of an event in which no new event starts.",
            show_default="unchanged",
        ),
    ] = None,
    fps: Fps = None,
    device: Device = "auto",
    batch_size: BatchSize = 8,
    backend: Backend = BackendName.auto,
    precision: Precision = Numbers.auto,
    as_json: AsJson = False,
) -> None:
    """Set a model's threshold for the number of false alarms that you allow.

    Example: [cyan]oddframe calibrate runs/door normal-april/ --false-alarms 2/week[/cyan]
    """
    from oddframe.cli.output import bars, show_facts
    from oddframe.tasks.calibrate import calibrate as run_calibration

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
    interval = f"95 % interval {found.threshold_low:.4g} to {found.threshold_high:.4g}"
    before = "" if report.threshold_before is None else f"; before: {report.threshold_before:.4g}"
    origin = "normal scores stored in the model" if report.cached else "normal video"
    show_facts(
        {
            "threshold": f"raw score {found.threshold:.4g} ({interval}{before})",
            "allows": f"{found.budget} false alarms",
            "based on": f"{origin}: {found.clips} clips, {duration(3600 * found.hours)}",
            "took": duration(report.seconds),
            "model": f"[bold]{report.bundle}[/bold]",
        }
    )
