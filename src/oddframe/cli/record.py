"""The verb `oddframe record`: its options, and what was recorded."""

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from oddframe.cli.options import INTERRUPTED, AsJson, JsonProgress, parse_time
from oddframe.cli.output import (
    bars,
    console,
    duration,
    print_json,
    print_json_progress,
    show_rows,
    warn,
)

if TYPE_CHECKING:
    from oddframe.tasks.record import RecordReport

SCHEDULE, DISK = "When to record", "Disk"


def record(
    source: Annotated[
        list[str],
        typer.Argument(
            help="Cameras: rtsp://..., http(s)://..., or for a local camera its number or "
            "/dev/videoN. NAME=ADDRESS gives one a name, such as door=rtsp://... With - they are "
            "read from standard input, one in each line."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the video; each camera gets a folder in it."),
    ],
    for_time: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="How long to record, such as 90s, 30m, 8h or 7d, pauses included.",
            show_default="until it is stopped; needs --most-gb",
        ),
    ] = None,
    stretch: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Record only so much of each --every, such as 5m. Takes less disk, and sees more "
            "kinds of light than as much video at a stretch.",
            rich_help_panel=SCHEDULE,
        ),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="From the start of one stretch to that of the next, such as 30m.",
            rich_help_panel=SCHEDULE,
        ),
    ] = None,
    armed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOURS",
            help="Record in these hours only, such as 'mon-fri 08:00-18:00'; may be repeated.",
            rich_help_panel=SCHEDULE,
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="Time zone of --armed, such as Europe/Berlin.", rich_help_panel=SCHEDULE),
    ] = None,
    most_gb: Annotated[
        float | None,
        typer.Option(
            help="Most gigabytes in the folder; the oldest video goes for newer.",
            show_default="no bound",
            rich_help_panel=DISK,
        ),
    ] = None,
    most_days: Annotated[
        float | None,
        typer.Option(
            help="Video that is older than so many days goes.",
            show_default="no bound",
            rich_help_panel=DISK,
        ),
    ] = None,
    keep_free_gb: Annotated[
        float,
        typer.Option(
            help="While the disk has less free space than this, in gigabytes, nothing is written.",
            rich_help_panel=DISK,
        ),
    ] = 1.0,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the stopped recording in the folder, for the time left."
        ),
    ] = False,
    no_redirects: Annotated[
        bool,
        typer.Option(
            "--no-redirects", help="Do not follow an http server that names another address."
        ),
    ] = False,
    as_json: AsJson = False,
    json_progress: JsonProgress = False,
) -> None:
    """Record live cameras, as video to train on: as they send it, without sound.

    Example: [cyan]oddframe record rtsp://10.0.0.7/stream1 -o normal --for 8h[/cyan]
    """
    from oddframe.monitoring.recording_order import live_cameras
    from oddframe.tasks.record import record as run_record
    from oddframe.training.progress import ignore_record

    # Whatever is in the arguments can be read by other users of the machine.
    sources = sys.stdin.read().split() if source == ["-"] else source
    cameras = live_cameras(sources, redirects=not no_redirects)
    stop = threading.Event()
    # A stop writes what is in memory, so both signals only ask for it.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: stop.set())
    with bars(quiet=as_json or json_progress) as on_progress:
        report = run_record(
            cameras,
            out,
            for_s=parse_time("--for", for_time),
            stretch_s=parse_time("--stretch", stretch),
            every_s=parse_time("--every", every),
            armed=armed or (),
            time_zone=time_zone,
            most_gb=most_gb,
            most_days=most_days,
            keep_free_gb=keep_free_gb,
            resume=resume,
            stop=stop,
            on_notice=lambda notice: None if as_json else warn([notice]),
            on_progress=on_progress,
            on_record=print_json_progress if json_progress else ignore_record,
        )
    if as_json:
        print_json(report)
    else:
        _show(report)
    if report.stopped and for_time is not None:
        raise typer.Exit(INTERRUPTED)


def _show(report: "RecordReport") -> None:
    from oddframe.monitoring.footage import size_text

    show_rows(
        ("camera", "files", "video", "size"),
        [
            (
                escape(camera.name),
                f"{camera.segments:,}",
                duration(camera.seconds),
                size_text(camera.size_bytes),
            )
            for camera in report.cameras
        ],
    )
    if report.removed:
        console.print(f"{report.removed:,} older files went for newer ones")
    what = "stopped after" if report.stopped else "recorded for"
    console.print(f"{what} {duration(report.seconds)} into [bold]{escape(str(report.out))}[/bold]")
    if report.stopped:
        console.print("go on with: the same command and --resume")
    console.print(f"train on it: oddframe train {escape(str(report.out))} -o runs/NAME")
