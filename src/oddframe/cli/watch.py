"""The verb `oddframe watch`: its options, and where its table or its lines go while it runs."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.markup import escape

from oddframe.cli.options import (
    MACHINE,
    OUTPUT,
    UNUSABLE,
    AsJson,
    Backend,
    Compile,
    Device,
    Fps,
    Precision,
    Threads,
)
from oddframe.cli.output import console, duration, messages, print_json, warn

if TYPE_CHECKING:
    from oddframe.monitoring.config import WatchPlan
    from oddframe.tasks.watch import WatchSnapshot


def watch(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="Cameras: rtsp://..., http(s)://..., or for a local camera its number or "
            "/dev/videoN; or video files. Not together with --config."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Run folder, model bundle, or name of a shipped model such as ped2.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for events, the database, pictures and clips."),
    ] = Path("watched"),
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="File such as cameras.toml with the cameras, their zones and allowed false "
            "alarms, and where alerts are sent.",
        ),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast", help="Play files as fast as they can be scored, not at their own speed."
        ),
    ] = False,
    zones: Annotated[
        Path | None,
        typer.Option(
            "--zones",
            help="TOML or JSON file with areas to watch or to ignore, hours in which alarms are "
            "wanted, and a pause after events.",
        ),
    ] = None,
    no_health: Annotated[
        bool,
        typer.Option(
            "--no-health",
            help="Score every frame, even if the camera is covered, frozen, moved or out of focus.",
        ),
    ] = False,
    no_store: Annotated[
        bool,
        typer.Option(
            "--no-store",
            help="Write JSON lines only: no database, no pictures, no clips.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    no_pictures: Annotated[
        bool,
        typer.Option(
            "--no-pictures", help="Store no pictures and no clips.", rich_help_panel=OUTPUT
        ),
    ] = False,
    fps: Fps = None,
    device: Device = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Number of clips that the network processes at once.",
            show_default="number of cameras, at most 8; with files 8",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    compiled: Compile = None,
    as_json: AsJson = False,
) -> None:
    """Watch live cameras, or files as if they were cameras: store events and send alerts.

    Exit code 2 if not all results could be kept; what a receiver has not got is sent later.

    Example: [cyan]oddframe watch rtsp://10.0.0.7/stream1 --model runs/door -o watched[/cyan]
    """
    from oddframe.tasks.watch import watch as run_watch

    stop = threading.Event()
    plan = _plan(source, config, model, zones=zones, health=not no_health, fps=fps)
    settings = replace(
        plan.settings,
        fast=fast,
        store=plan.settings.store and not no_store,
        pictures=plan.settings.pictures and not no_pictures,
    )
    # A stop ends all open events in order, so both signals only ask for it.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: stop.set())
    with _screen(quiet=as_json) as show:
        report = run_watch(
            replace(plan, settings=settings),
            out=out,
            device=device,
            batch_size=batch_size,
            backend=backend,
            precision=precision,
            stop=stop,
            on_start=warn,
            on_look=lambda snapshot: _show_notices(snapshot, show),
            threads=threads,
            compiled=compiled,
        )
    if as_json:
        print_json(report)
    else:
        warn(report.left)
        events = sum(camera.events for camera in report.cameras)
        where = (
            "[bold red]not all results could be kept[/bold red], see above"
            if report.unkept
            else f"results in [bold]{escape(str(out))}[/bold]"
        )
        console.print(f"{events} events in {duration(report.seconds)}; {where}")
    code = UNUSABLE if report.unkept else 0
    if report.stopped:
        _leave(code)
    if code:
        raise typer.Exit(code)


def _show_notices(snapshot: "WatchSnapshot", show: "Callable[[WatchSnapshot], None]") -> None:
    """Show a snapshot, and on standard error what could not be kept, whatever else is shown."""
    show(snapshot)
    warn(snapshot.notices)


def _leave(code: int) -> NoReturn:
    """End the process at once, with an exit code.

    Everything is written, and closing the interpreter with its libraries would take longer than the
    stop itself.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _plan(
    source: list[str] | None,
    config: Path | None,
    model: str | None,
    *,
    zones: Path | None,
    health: bool,
    fps: float | None,
) -> "WatchPlan":
    """The cameras that were named, or those of the file."""
    from oddframe.monitoring.config import WatchPlan, named_cameras
    from oddframe.monitoring.config_file import read_camera_file
    from oddframe.settings import read_zones

    if (source is None) == (config is None):
        raise typer.BadParameter("Give either SOURCE or --config.")
    if config is not None:
        if zones is not None or not health or fps is not None:
            raise typer.BadParameter(
                "--zones, --no-health and --fps are not for --config: the file has them per camera"
            )
        return read_camera_file(config, model=model)
    chosen = None if zones is None else read_zones(zones)
    return WatchPlan(
        cameras=named_cameras(source or (), zones=chosen, health=health, fps=fps), model=model
    )


@contextmanager
def _screen(*, quiet: bool) -> "Iterator[Callable[[WatchSnapshot], None]]":
    """Give a function that shows a snapshot on standard error; only troubles when ``quiet``."""
    if messages.is_terminal and not quiet:
        with _table() as show:
            yield show
    else:
        yield _show_lines(quiet=quiet)


@contextmanager
def _table() -> "Iterator[Callable[[WatchSnapshot], None]]":
    """Give a function that redraws the table."""
    from rich.live import Live

    from oddframe.cli.watch_screen import render

    with Live(console=messages, auto_refresh=False, transient=False) as live:

        def show(snapshot: "WatchSnapshot") -> None:
            # The size is asked for each time: people make their terminals larger.
            table = render(
                snapshot.cameras, snapshot.header, messages.width, height=messages.height
            )
            live.update(table, refresh=True)

        yield show


def _show_lines(*, quiet: bool) -> "Callable[[WatchSnapshot], None]":
    """Give a function that prints what is new; only troubles when ``quiet``."""
    from oddframe.cli.watch_lines import WatchLines

    changes = WatchLines()

    def show(snapshot: "WatchSnapshot") -> None:
        cameras, alerts = ((), ()) if quiet else (snapshot.cameras, snapshot.alerts)
        for line in changes.lines(
            cameras, alerts, snapshot.header.now_us, snapshot.header.troubles
        ):
            # Names of cameras and errors are no markup, and a log wants one line for each change.
            messages.print(line, markup=False, highlight=False, soft_wrap=True)

    return show
