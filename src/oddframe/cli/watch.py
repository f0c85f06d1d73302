"""The verb `oddframe watch`.

What `oddframe watch` shows while it runs: a table that is redrawn, or lines where there is no
terminal.
"""

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

from oddframe.cli.options import (
    MACHINE,
    OUTPUT,
    AsJson,
    Backend,
    BackendName,
    Device,
    Fps,
    Numbers,
    Precision,
)
from oddframe.cli.output import duration, print_json, warn

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
    backend: Backend = BackendName.auto,
    precision: Precision = Numbers.auto,
    as_json: AsJson = False,
) -> None:
    """Watch live cameras, or files as if they were cameras: store events and send alerts.

    Example: [cyan]oddframe watch rtsp://10.0.0.7/stream1 --model runs/door -o watched[/cyan]
    """
    from oddframe.cli.output import console
    from oddframe.tasks.watch import watch as run_watch

    stop = threading.Event()
    plan = _plan(source, config, model, zones=zones, health=not no_health, fps=fps)
    settings = replace(
        plan.settings,
        fast=fast,
        store=plan.settings.store and not no_store,
        pictures=plan.settings.pictures and not no_pictures,
    )
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: stop.set())
    with watch_screen(quiet=as_json) as on_look:
        report = run_watch(
            replace(plan, settings=settings),
            out=out,
            device=device,
            batch_size=batch_size,
            backend=backend.value,
            precision=precision.value,
            stop=stop,
            on_start=warn,
            on_look=on_look,
        )
    if as_json:
        print_json(report)
    else:
        events = sum(camera.events for camera in report.cameras)
        console.print(
            f"{events} events in {duration(report.seconds)}; results in [bold]{out}[/bold]"
        )
    if report.stopped:
        _leave()


def _leave() -> NoReturn:
    """End the process: everything is written, and taking the interpreter down takes longer than the stop itself."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _plan(
    source: list[str] | None,
    config: Path | None,
    model: str | None,
    *,
    zones: Path | None,
    health: bool,
    fps: float | None,
) -> "WatchPlan":
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
def watch_screen(*, quiet: bool) -> "Iterator[Callable[[WatchSnapshot], None]]":
    """Shows each look that it is given, on standard error; nothing when ``quiet``."""
    from oddframe.cli.output import messages

    if quiet:
        yield lambda look: None
    elif messages.is_terminal:
        with _table() as show:
            yield show
    else:
        yield _lines()


@contextmanager
def _table() -> "Iterator[Callable[[WatchSnapshot], None]]":
    from rich.live import Live

    from oddframe.cli.output import messages
    from oddframe.cli.watch_screen import render

    with Live(console=messages, auto_refresh=False, transient=False) as live:
        yield lambda look: live.update(
            render(look.cameras, look.header, messages.width, height=messages.height), refresh=True
        )


def _lines() -> "Callable[[WatchSnapshot], None]":
    from oddframe.cli.output import messages
    from oddframe.cli.watch_screen import WatchLines

    told = WatchLines()

    def show(look: "WatchSnapshot") -> None:
        for line in told.lines(look.cameras, look.alerts, look.header.now_us):
            messages.print(line, markup=False, highlight=False, soft_wrap=True)

    return show
