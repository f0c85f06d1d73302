"""The verb `oddframe demo`."""

from pathlib import Path
from typing import Annotated

import typer

from oddframe.commands.options import AsJson, Device
from oddframe.commands.shown import duration, print_json

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for footage, model and pictures.")] = Path("demo"),
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Draw a plaza, learn its normal life, find what is odd in it; under five minutes on two cores."""
    from oddframe.demo import run_demo
    from oddframe.terminal import bars, console, show_facts, show_rows

    with bars(quiet=as_json) as on_progress:
        report = run_demo(out, device=device, on_progress=on_progress)
    if as_json:
        print_json(report.as_dict())
        return
    show_rows(
        ("recording", "true", "found", "false", "what there was to see"),
        [(one.name, str(one.true), str(one.found), str(one.false), ", ".join(one.kinds)) for one in report.recordings],
    )
    show_facts(
        {
            "found": f"{report.events_found} of {report.events_total} true events, {report.false_events} false ones",
            "AUC": f"{report.auc_raw:.3f} (plain frame difference: {report.baseline_auc_raw:.3f})",
            "took": duration(report.seconds),
            "look at": f"[bold]{report.page}[/bold]",
        }
    )
    if report.app is not None:
        console.print(f"See it live, judge it, recalibrate: [bold]oddframe serve --data {report.app}[/bold]")
