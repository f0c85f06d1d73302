"""What `oddframe score --engine` does: an archive in place of a few recordings."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from oddframe.commands.exit_codes import FINDING
from oddframe.commands.shown import duration, print_json, warn
from oddframe.errors import SettingsError

if TYPE_CHECKING:
    from oddframe.archive.scoring import ArchiveReport

__all__ = ["EngineName", "score_as_archive"]

_MOST_NAMED = 20
"""So many recordings that failed are named; all of them are in the results."""


class EngineName(StrEnum):
    """What runs the workers of an archive."""

    local = "local"
    ray = "ray"


def score_as_archive(
    source: Sequence[str],
    model: str,
    out: Path,
    engine: EngineName,
    workers: int | None,
    part: str | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Score an archive and say what came of it; leaves with 1 where recordings failed.

    Args:
        source: The archive, one folder.
        model: As in `oddframe.archive.scoring.score_archive`, and so are the others.
        out: Folder for the results.
        engine: What runs the workers.
        workers: How many.
        part: Which part of the archive, as "3/64".
        as_json: Print the report as JSON.
        options: The others.
    """
    from oddframe.archive.scoring import score_archive
    from oddframe.archive.tasks import Part
    from oddframe.terminal import bars

    if len(source) != 1:
        raise SettingsError(f"--engine takes one folder, got {len(source)}; leave it out for several recordings")
    # Ray tells of dead workers on standard output, which belongs to the report.
    with redirect_stdout(sys.stderr), bars(quiet=as_json) as on_progress:
        report = score_archive(
            source[0],
            model,
            out,
            engine=engine.value,
            workers=workers,
            part=None if part is None else Part.parse(part),
            on_progress=on_progress,
            **options,
        )
    if as_json:
        print_json(report)
    else:
        _show(report)
    if report.failed:
        raise typer.Exit(FINDING)


def _show(report: "ArchiveReport") -> None:
    from oddframe.terminal import show_facts

    warn([one.error for one in report.failed[:_MOST_NAMED]])
    show_facts(
        {
            "recordings": f"{report.recordings}, {report.finished} of them scored in an earlier run",
            "scored": f"{report.scored} ({report.frames} frames) in {duration(report.seconds)}",
            "events": report.events,
            "failed": f"{len(report.failed)}"
            + (f"; all are listed in {report.out}/recordings" if report.failed else ""),
            "workers": f"{report.workers}"
            + (f", {report.lost_workers} died and were replaced" if report.lost_workers else ""),
            "results": f"[bold]{report.out}[/bold]",
        }
    )
