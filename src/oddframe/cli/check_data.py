"""The verb `oddframe data check`: what a folder holds, and what is wrong with it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from oddframe.cli.options import UNUSABLE, AsJson
from oddframe.cli.output import (
    bars,
    duration,
    print_json,
    show_facts,
    show_rows,
    warn,
    yes_no,
)


def check(
    path: Annotated[
        Path,
        typer.Argument(help="Folder of a benchmark, a labelled test set or normal footage."),
    ],
    as_json: AsJson = False,
) -> None:
    """Show which data set a folder holds, what is in it and what is wrong with it.

    Exit code 2 if it is not recognised or contradicts itself; a partial copy can be used.

    Example: [cyan]oddframe data check ped2/[/cyan]
    """
    from oddframe.tasks.check_data import check_data

    with bars(quiet=as_json) as on_progress:
        report = check_data(path, on_progress=on_progress)
    if as_json:
        print_json(report)
    else:
        counts, official = report.counts, report.official
        facts = {
            "recognised": f"[bold]{report.recognised}[/bold]",
            "name": escape(report.name),
            "training": _amount(counts.training_videos, counts.training_frames),
            "testing": _amount(
                counts.testing_videos, counts.testing_frames, counts.abnormal_frames
            ),
        }
        if official is not None:
            training = _amount(official.training_videos, official.training_frames)
            testing = _amount(
                official.testing_videos, official.testing_frames, official.abnormal_frames
            )
            facts["officially"] = f"{training}; {testing}"
        facts["usable"] = yes_no(report.usable) + (" (partial copy)" if report.partial else "")
        show_facts(facts)
        # A benchmark has labelled test videos; normal footage has recordings alone.
        if report.testing:
            show_rows(
                ("test video", "frames", "abnormal", "share", "masks", "tracks", "labels = masks"),
                [
                    (
                        escape(video.name),
                        "-" if video.frames is None else str(video.frames),
                        "-" if video.abnormal_frames is None else str(video.abnormal_frames),
                        "-" if video.abnormal_share is None else f"{video.abnormal_share:.0%}",
                        yes_no(video.masks),
                        yes_no(video.tracks),
                        "-" if video.disagreements is None else yes_no(not video.disagreements),
                    )
                    for video in report.testing
                ],
            )
        else:
            show_rows(
                ("recording", "frames", "frames/s", "length"),
                [
                    (
                        escape(recording.name),
                        str(recording.frames),
                        f"{recording.rate_fps:.4g}",
                        duration(recording.duration_s),
                    )
                    for recording in report.training
                ],
            )
        warn(report.notices)
        warn(report.contradictions, "[bold red]contradiction:[/bold red]")
    # The report is printed first: it says what contradicts what.
    if not report.usable:
        raise typer.Exit(UNUSABLE)


def _amount(videos: int, frames: int | None, abnormal: int | None = None) -> str:
    """How much there is, without what is not known."""
    amount = f"{videos} videos" + ("" if frames is None else f", {frames:,} frames")
    return amount + ("" if abnormal is None else f", {abnormal:,} abnormal")
