"""The verb `oddframe demo`: its options, and what it found."""

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.options import AsJson, Device
from oddframe.cli.output import bars, console, duration, print_json, show_facts, show_rows


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
    from oddframe.tasks.demo import run_demo

    with bars(quiet=as_json) as on_progress:
        report = run_demo(out, device=device, on_progress=on_progress)
    if as_json:
        print_json(report.as_dict())
        return
    show_rows(
        ("recording", "true events", "found", "false alarms", "anomalies"),
        [
            (
                recording.name,
                str(recording.true),
                str(recording.found),
                str(recording.false),
                ", ".join(recording.kinds),
            )
            for recording in report.recordings
        ],
    )
    show_facts(
        {
            "found": f"{report.events_found} of {report.events_total} true events, "
            f"{report.false_events} false alarms",
            "AUC": f"{report.auc_raw:.3f} (plain frame difference: {report.baseline_auc_raw:.3f})",
            "took": duration(report.seconds),
            "open": f"[bold]{report.page}[/bold]",
        }
    )
    # The data folder for the web app is only there where the app's packages are installed.
    if report.app is not None:
        console.print(
            f"To see it live and judge events: [bold]oddframe serve --data {report.app}[/bold]"
        )
