"""The verb `oddframe score`: a few recordings, or with `--engine` an archive of any size."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from oddframe.cli.options import (
    ARCHIVE,
    FINDING,
    MACHINE,
    OUTPUT,
    AsJson,
    Backend,
    BatchSize,
    Compile,
    Device,
    Fps,
    Model,
    Precision,
    Threads,
)
from oddframe.cli.output import bars, console, duration, print_json, show_facts, show_rows, warn
from oddframe.errors import SettingsError

if TYPE_CHECKING:
    from oddframe.batch.run import ArchiveReport
    from oddframe.core.records import Event

Engine = Literal["local", "ray"]
"""What runs the workers of an archive."""

_MOST_NAMED = 20
"""So many recordings that failed are named; all of them are in the results."""


def score(
    source: Annotated[
        list[str],
        typer.Argument(
            help="Video files, folders or patterns such as 'cam1/*.mp4'; "
            "folders of numbered images."
        ),
    ],
    model: Model,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the results; created if it does not exist."),
    ],
    overlay: Annotated[
        bool,
        typer.Option(
            "--overlay",
            help="Also write NAME.overlay.mp4: the video with heat map and score curve.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    maps: Annotated[
        bool,
        typer.Option(
            "--maps",
            help="Also write NAME.maps.npz: the anomaly map of each frame, compressed.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    parquet: Annotated[
        bool,
        typer.Option(
            "--parquet",
            help="Also write NAME.scores.parquet: the scores as a Parquet table.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    pages: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Also write HTML pages, as oddframe report does.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    zones: Annotated[
        Path | None,
        typer.Option(
            "--zones",
            help="TOML or JSON file with areas to watch or to ignore, and a pause after events.",
        ),
    ] = None,
    no_health: Annotated[
        bool,
        typer.Option(
            "--no-health",
            help="Score every frame, even if the camera is covered, frozen, moved or out of focus.",
        ),
    ] = False,
    fps: Fps = None,
    device: Device = "auto",
    batch_size: BatchSize = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    compiled: Compile = None,
    nvdec: Annotated[
        bool,
        typer.Option(
            "--nvdec",
            help="Decode video with an NVIDIA GPU where it can; not worth it for small pictures.",
            rich_help_panel=MACHINE,
        ),
    ] = False,
    as_json: AsJson = False,
    engine: Annotated[
        Engine | None,
        typer.Option(
            help="Score a folder of any size with several workers, into Parquet tables. A stopped "
            "run continues. local: processes on this machine; ray: a Ray cluster.",
            rich_help_panel=ARCHIVE,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Number of workers; each scores one recording at a time.",
            show_default="one per 2 cores, or one per GPU with ray and --device cuda",
            rich_help_panel=ARCHIVE,
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="N/COUNT",
            help="Score only this part of the folder: 3/64 is the third of 64 parts.",
            rich_help_panel=ARCHIVE,
        ),
    ] = None,
) -> None:
    """Score recordings: write a table of scores, the events and a picture of the curve for each.

    Example: [cyan]oddframe score monday.mp4 --model runs/door -o out --overlay[/cyan]
    """
    from oddframe.settings import read_zones

    # Mistakes in flags and files are found before a model is loaded.
    chosen_zones = None if zones is None else read_zones(zones)
    if engine is None and (workers is not None or part is not None):
        raise SettingsError(
            "--workers and --part are for archives; add --engine local or --engine ray"
        )
    if engine is not None:
        if overlay or maps or pages:
            raise SettingsError(
                "--overlay, --maps and --report are for single recordings; leave out --engine"
            )
        _score_archive(
            source,
            model,
            out,
            engine,
            workers,
            part,
            as_json=as_json,
            fps=fps,
            device=device,
            batch_size=batch_size,
            backend=backend,
            precision=precision,
            zones=chosen_zones,
            health=not no_health,
            threads=threads,
            compiled=compiled,
            nvdec=nvdec,
        )
        return
    from oddframe.batch.recordings import Extras
    from oddframe.tasks.score import score as run_score

    written = None
    with bars(quiet=as_json) as on_progress:
        report = run_score(
            source,
            model,
            out,
            fps=fps,
            device=device,
            batch_size=batch_size,
            backend=backend,
            precision=precision,
            extras=Extras(parquet=parquet, maps=maps, overlay=overlay),
            zones=chosen_zones,
            health=not no_health,
            on_progress=on_progress,
            threads=threads,
            compiled=compiled,
            nvdec=nvdec,
        )
        if pages:
            from oddframe.tasks.report import write_report

            written = write_report(
                out,
                # The folder may hold the results of earlier runs; their pages stay as they are.
                only={recording.name for recording in report.recordings},
                device=device,
                on_progress=on_progress,
            )
    if as_json:
        print_json(report if written is None else {**vars(report), "pages": written.pages})
        return
    warn(
        (
            *report.notices,
            *report.skipped,
            *(
                f"{recording.name}: {text}"
                for recording in report.recordings
                for text in recording.notices
            ),
        )
    )
    rows = [
        (
            escape(recording.name),
            str(recording.frames),
            f"{recording.peak:.2f}",
            str(len(recording.events)),
            _spans(recording.events),
        )
        for recording in report.recordings
    ]
    show_rows(("recording", "frames", "highest score", "events", "start - end"), rows)
    frames = sum(recording.frames for recording in report.recordings)
    if written is not None:
        warn(written.notices)
    console.print(
        f"\n{frames} frames in {duration(report.seconds)} with {report.backend}; "
        f"results in [bold]{escape(str(out))}[/bold]"
        + ("" if written is None else f"; open [bold]{written.page}[/bold]")
    )


def _spans(events: "Sequence[Event]") -> str:
    """When the first events began and ended, and how many there are beyond them."""
    shown = ", ".join(f"{event.start_s:.1f} - {event.end_s:.1f} s" for event in events[:4])
    return shown + (f" and {len(events) - 4} more" if len(events) > 4 else "")


def _score_archive(
    source: Sequence[str],
    model: str,
    out: Path,
    engine: Engine,
    workers: int | None,
    part: str | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Score an archive and print the report; exit code 1 where recordings failed.

    Args:
        source: The archive: a list with one folder.
        model: The model, and so on: as in `oddframe.batch.run.score_archive`.
        out: Folder for the results.
        engine: What runs the workers.
        workers: Number of workers; the engine's own choice when None.
        part: Which part of the archive, as "3/64".
        as_json: Print the report as JSON.
        options: Further arguments of `score_archive`, passed on as they are.
    """
    from oddframe.batch.run import score_archive
    from oddframe.batch.tasks import Shard

    if len(source) != 1:
        raise SettingsError(
            f"--engine takes one folder, got {len(source)}; leave it out for several recordings"
        )
    # Ray reports dead workers on standard output, which belongs to the report.
    with redirect_stdout(sys.stderr), bars(quiet=as_json) as on_progress:
        report = score_archive(
            source[0],
            model,
            out,
            engine=engine,
            workers=workers,
            part=None if part is None else Shard.parse(part),
            on_progress=on_progress,
            **options,
        )
    if as_json:
        print_json(report)
    else:
        _show_archive(report)
    if report.failed:
        raise typer.Exit(FINDING)


def _show_archive(report: "ArchiveReport") -> None:
    """Print what came of an archive, with the errors of the first recordings that failed."""
    warn([failure.error for failure in report.failed[:_MOST_NAMED]])
    show_facts(
        {
            "recordings": f"{report.recordings}, "
            f"{report.finished} of them scored in an earlier run",
            "scored": f"{report.scored} ({report.frames} frames) in {duration(report.seconds)}",
            "events": report.events,
            "failed": f"{len(report.failed)}"
            + (f"; all are listed in {report.out}/recordings" if report.failed else ""),
            "workers": f"{report.workers}"
            + (f", {report.lost_workers} died and were replaced" if report.lost_workers else ""),
            "results": f"[bold]{report.out}[/bold]",
        }
    )
