"""The verb `oddframe score`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from oddframe.commands.archive import EngineName, score_as_archive
from oddframe.commands.options import (
    ARCHIVE,
    OUTPUT,
    AsJson,
    Backend,
    BackendName,
    BatchSize,
    Device,
    Fps,
    Model,
    Numbers,
    Precision,
    one_or_many,
)
from oddframe.commands.shown import duration, print_json, warn
from oddframe.errors import SettingsError

__all__ = ["score"]


def score(
    source: Annotated[
        list[str], typer.Argument(help="Recordings, folders or globs of them, folders of numbered images.")
    ],
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also a video with heat map and curve.", rich_help_panel=OUTPUT)
    ] = False,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also the anomaly maps, compressed.", rich_help_panel=OUTPUT)
    ] = False,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Also the scores as Parquet.", rich_help_panel=OUTPUT)
    ] = False,
    pages: Annotated[
        bool,
        typer.Option(
            "--report", help="Also pages that open anywhere, as oddframe report does.", rich_help_panel=OUTPUT
        ),
    ] = False,
    zones: Annotated[
        Path | None, typer.Option("--zones", help="TOML or JSON with polygons to watch or to ignore, and a cool-down.")
    ] = None,
    no_health: Annotated[
        bool, typer.Option("--no-health", help="Also score what the camera's health says shows nothing.")
    ] = False,
    fps: Fps = None,
    device: Device = "auto",
    batch_size: BatchSize = 8,
    backend: Backend = BackendName.auto,
    precision: Precision = Numbers.auto,
    as_json: AsJson = False,
    engine: Annotated[
        EngineName | None,
        typer.Option(
            help="Score a folder of any size with workers, into Parquet tables; goes on where it was stopped. "
            "local: processes; ray: a cluster.",
            rich_help_panel=ARCHIVE,
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Recordings scored at a time.", rich_help_panel=ARCHIVE)] = None,
    part: Annotated[
        str | None,
        typer.Option(metavar="N/COUNT", help="Only this part of the folder, as 3/64.", rich_help_panel=ARCHIVE),
    ] = None,
) -> None:
    """Score recordings; writes scores, events and a curve for each."""
    from oddframe.settings import read_zones

    chosen_zones = None if zones is None else read_zones(zones)
    if engine is None and (workers is not None or part is not None):
        raise SettingsError("--workers and --part are for archives; add --engine local or --engine ray")
    if engine is not None:
        if overlay or maps or pages:
            raise SettingsError("--overlay, --maps and --report are for single recordings; leave out --engine")
        score_as_archive(
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
            backend=backend.value,
            precision=precision.value,
            zones=chosen_zones,
            health=not no_health,
        )
        return
    from oddframe.detect import Extras
    from oddframe.detect import score as run_score
    from oddframe.terminal import bars, show_rows

    written = None
    with bars(quiet=as_json) as on_progress:
        report = run_score(
            one_or_many(source),
            model,
            out,
            fps=fps,
            device=device,
            batch_size=batch_size,
            backend=backend.value,
            precision=precision.value,
            extras=Extras(parquet=parquet, maps=maps, overlay=overlay),
            zones=chosen_zones,
            health=not no_health,
            on_progress=on_progress,
        )
        if pages:
            from oddframe.reporting import write_report

            written = write_report(
                out, only={one.name for one in report.recordings}, device=device, on_progress=on_progress
            )
    if as_json:
        print_json(report if written is None else {**vars(report), "pages": written.pages})
        return
    warn(
        (
            *report.notices,
            *report.skipped,
            *(f"{one.name}: {text}" for one in report.recordings for text in one.notices),
        )
    )
    rows = [
        (
            one.name,
            str(one.frames),
            f"{one.peak:.2f}",
            str(len(one.events)),
            _spans(one.events),
        )
        for one in report.recordings
    ]
    show_rows(("recording", "frames", "peak", "events", "from - to"), rows)
    frames = sum(one.frames for one in report.recordings)
    from oddframe.terminal import console

    if written is not None:
        warn(written.notices)
    console.print(
        f"\n{frames} frames in {duration(report.seconds)} with {report.backend}; results in [bold]{out}[/bold]"
        + ("" if written is None else f", look at [bold]{written.page}[/bold]")
    )


def _spans(events: Sequence[Any]) -> str:
    shown = ", ".join(f"{event.start_s:.1f} - {event.end_s:.1f} s" for event in events[:4])
    return shown + (f" and {len(events) - 4} more" if len(events) > 4 else "")
