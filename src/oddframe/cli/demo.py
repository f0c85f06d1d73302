"""The verb `oddframe demo`."""

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.options import AsJson, Device
from oddframe.cli.output import duration, print_json


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for videos, model, results and pages.")
    ] = Path("demo"),
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """See it work: draw videos of a plaza, train on them, find the anomalies; under five minutes.

    Example: [cyan]oddframe demo -o demo[/cyan]
    """
    from oddframe.cli.output import bars, console, show_facts, show_rows
    from oddframe.tasks.demo import run_demo

    with bars(quiet=as_json) as on_progress:
        report = run_demo(out, device=device, on_progress=on_progress)
    if as_json:
        print_json(report.as_dict())
        return
    show_rows(
        ("recording", "true events", "found", "false alarms", "anomalies"),
        [
            (one.name, str(one.true), str(one.found), str(one.false), ", ".join(one.kinds))
            for one in report.recordings
        ],
    )
    show_facts(
        {
            "found": f"{report.events_found} of {report.events_total} true events, {report.false_events} false alarms",
            "AUC": f"{report.auc_raw:.3f} (plain frame difference: {report.baseline_auc_raw:.3f})",
            "took": duration(report.seconds),
            "open": f"[bold]{report.page}[/bold]",
        }
    )
    if report.app is not None:
        console.print(
            f"To see it live and judge events: [bold]oddframe serve --data {report.app}[/bold]"
        )
