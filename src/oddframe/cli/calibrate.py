"""The verb `oddframe calibrate`: its options, and what it says of the new threshold."""

from typing import Annotated

import typer

from oddframe.cli.options import (
    AsJson,
    Backend,
    BatchSize,
    Device,
    Fps,
    Precision,
)
from oddframe.cli.output import bars, duration, print_json, show_facts, warn


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
    batch_size: BatchSize = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Set a model's threshold for the number of false alarms that you allow.

    Example: [cyan]oddframe calibrate runs/door normal-april/ --false-alarms 2/week[/cyan]
    """
    from oddframe.tasks.calibrate import calibrate as run_calibration

    # Only what was asked for is passed on: the bundle's other rules stay.
    rules = {"least_s": least, "merge_gap_s": merge_gap, "cool_down_s": cool_down}
    with bars(quiet=as_json) as on_progress:
        report = run_calibration(
            model,
            normal or None,
            false_alarms=false_alarms,
            rules={name: value for name, value in rules.items() if value is not None},
            fps=fps,
            device=device,
            batch_size=batch_size,
            backend=backend,
            precision=precision,
            on_progress=on_progress,
        )
    if as_json:
        print_json(report)
        return
    warn((*report.skipped, *report.notices))
    calibration = report.calibration
    low, high = calibration.threshold_low, calibration.threshold_high
    interval = f"95 % interval {low:.4g} to {high:.4g}"
    # A model that was never calibrated has no threshold to compare with.
    before = "" if report.threshold_before is None else f"; before: {report.threshold_before:.4g}"
    origin = "normal scores stored in the model" if report.cached else "normal video"
    length = duration(3600 * calibration.hours)
    show_facts(
        {
            "threshold": f"raw score {calibration.threshold:.4g} ({interval}{before})",
            "allows": f"{calibration.allowance} false alarms",
            "based on": f"{origin}: {calibration.clips} clips, {length}",
            "took": duration(report.seconds),
            "model": f"[bold]{report.bundle}[/bold]",
        }
    )
