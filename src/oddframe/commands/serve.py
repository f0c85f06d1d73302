"""The verb `oddframe serve`."""

import gc
import os
from pathlib import Path
from typing import Annotated

import typer

from oddframe.commands.options import Device

__all__ = ["serve"]

SAFETY = "Safety"


def serve(
    data: Annotated[
        Path, typer.Option("--data", "-d", help="Folder with cameras.toml; gets the database and all pictures.")
    ] = Path("oddframe-data"),
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for everybody, which needs a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen at; 0 takes a free one.")] = 8750,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token or password that lets somebody in.", rich_help_panel=SAFETY),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="ODDFRAME_TOKEN", help="The same; better in the variable than here.", rich_help_panel=SAFETY
        ),
    ] = None,
    make_token: Annotated[
        bool,
        typer.Option(
            "--make-token", help="Make a token, print it once, keep its hash, and leave.", rich_help_panel=SAFETY
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name under which the server is reached, beside its address.", rich_help_panel=SAFETY),
    ] = None,
    media: Annotated[
        list[Path] | None,
        typer.Option(help="A folder whose files may be watched, beside DATA.", rich_help_panel=SAFETY),
    ] = None,
    redirects: Annotated[
        bool,
        typer.Option("--redirects", help="Let cameras send their reader to other addresses.", rich_help_panel=SAFETY),
    ] = False,
    device: Device = "auto",
) -> None:
    """Watch the cameras of a folder, and show them in the browser: live, events, thresholds, models, health."""
    from oddframe.process_title import hide_in_process_title
    from oddframe.serve.access import hashed, write_hash
    from oddframe.serve.access import make_token as new_token
    from oddframe.serve.serving import ACCESS_FILE, ServeSettings
    from oddframe.serve.serving import serve as run_serve
    from oddframe.terminal import console, messages

    if make_token:
        made = new_token()
        data.mkdir(parents=True, exist_ok=True)
        write_hash(data / ACCESS_FILE, hashed(made))
        console.print(made, soft_wrap=True, highlight=False, markup=False)
        messages.print("Keep it: only its hash was stored. Whoever has it can see and change everything.")
        return
    if token:
        for notice in hide_in_process_title([token]):
            messages.print(notice, highlight=False, markup=False)
        os.environ.pop("ODDFRAME_TOKEN", None)
    settings = ServeSettings(
        data=data,
        host=host,
        port=port,
        token_hash=_hash(token, token_file),
        hosts=tuple(allow_host or ()),
        media=tuple(media or ()),
        redirects=redirects,
        device=device,
    )
    run_serve(settings, on_start=lambda url: messages.print(f"Oddframe is at [bold]{url}[/bold]; Ctrl-C ends it."))
    # All is written and closed; looking for garbage among all that torch brought would take seconds.
    gc.freeze()


def _hash(token: str | None, token_file: Path | None) -> str | None:
    from oddframe.errors import SettingsError
    from oddframe.serve.access import hashed

    if token is not None and token_file is not None:
        raise SettingsError("a token must be given once: as --token-file, or as ODDFRAME_TOKEN")
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise SettingsError(f"--token-file must be a file with a token, but {token_file} cannot be read") from error
    return None if token is None else hashed(token)
