"""The verb `oddframe report`."""

from pathlib import Path
from typing import Annotated

import typer

from oddframe.commands.options import OUTPUT, AsJson, Device
from oddframe.commands.shown import duration, print_json, warn

__all__ = ["report"]


def report(
    what: Annotated[Path, typer.Argument(help="A folder that score wrote, one of its files, or a run folder.")],
    footage: Annotated[
        Path | None, typer.Option(help="Where the recordings are now, if they are not where they were scored.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The model that they were scored with, if it was moved.")
    ] = None,
    events: Annotated[
        int, typer.Option(min=0, help="Events with pictures on a page, the most unusual ones.", rich_help_panel=OUTPUT)
    ] = 10,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Write pages that open anywhere: what was unusual, when, where and why; or what a training learned."""
    from oddframe.reporting import write_report
    from oddframe.terminal import bars, show_facts

    with bars(quiet=as_json) as on_progress:
        written = write_report(
            what, footage=footage, model=model, events=events, device=device, on_progress=on_progress
        )
    if as_json:
        print_json(written)
        return
    warn(written.notices)
    show_facts(
        {
            "pages": str(len(written.pages)),
            "took": duration(written.seconds),
            "look at": f"[bold]{written.page}[/bold]",
        }
    )
