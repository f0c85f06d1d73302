"""The verb `oddframe report`: its options, and which page to open."""

from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.options import OUTPUT, AsJson, Device
from oddframe.cli.output import bars, duration, print_json, show_facts, warn


def report(
    what: Annotated[
        Path,
        typer.Argument(help="Results folder of oddframe score, one of its files, or a run folder."),
    ],
    footage: Annotated[
        Path | None,
        typer.Option(help="Where the recordings are now, if they were moved after scoring."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Where the model is now, if it was moved after scoring."
        ),
    ] = None,
    events: Annotated[
        int,
        typer.Option(
            min=0,
            help="How many events of a page get pictures; those with the highest scores.",
            rich_help_panel=OUTPUT,
        ),
    ] = 10,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Write HTML pages: what was unusual, when, where and why; or what a training learned.

    Example: [cyan]oddframe report out[/cyan]
    """
    from oddframe.tasks.report import write_report

    with bars(quiet=as_json) as on_progress:
        written = write_report(
            what,
            footage=footage,
            model=model,
            events=events,
            device=device,
            on_progress=on_progress,
        )
    # A training has one page, results have one for each recording.
    if as_json:
        print_json(written)
        return
    warn(written.notices)
    show_facts(
        {
            "pages": str(len(written.pages)),
            "took": duration(written.seconds),
            "open": f"[bold]{written.page}[/bold]",
        }
    )
