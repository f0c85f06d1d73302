"""The verb `oddframe serve`: its options, and the token that it is protected with."""

import gc
import os
from pathlib import Path
from typing import Annotated

import typer

from oddframe.cli.options import Device, Threads
from oddframe.cli.output import console, messages, warn

SAFETY = "Access"
"""Title of the help page's panel of options that decide who may do what."""


def serve(
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            "-d",
            help="Folder with cameras.toml; database, pictures and clips are stored there too. "
            "Created if it does not exist.",
        ),
    ] = Path("oddframe-data"),
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. 0.0.0.0 lets other machines connect and needs a token."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 uses any free port.")] = 8750,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token (password) for signing in; at least 12 characters.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="ODDFRAME_TOKEN",
            help="The token itself. The environment variable is safer than the command line.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    make_token: Annotated[
        bool,
        typer.Option(
            "--make-token",
            help="Create a token, print it once, store its hash in the data folder, and exit.",
            rich_help_panel=SAFETY,
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Additional host name of this server, such as that of a proxy; may be repeated.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    media: Annotated[
        list[Path] | None,
        typer.Option(
            help="Additional folder of video files that may be watched; may be repeated.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    redirects: Annotated[
        bool,
        typer.Option(
            "--redirects",
            help="Allow HTTP cameras to redirect to another address.",
            rich_help_panel=SAFETY,
        ),
    ] = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Watch cameras and show them in the browser: live, events, thresholds, models, health.

    Example: [cyan]oddframe serve --data site[/cyan], then open http://127.0.0.1:8750/
    """
    from oddframe.media.live_config import hide_in_process_title
    from oddframe.web.auth import hash_token, write_hash
    from oddframe.web.auth import make_token as new_token
    from oddframe.web.server import ACCESS_FILE, ServeSettings
    from oddframe.web.server import serve as run_serve

    if make_token:
        made = new_token()
        data.mkdir(parents=True, exist_ok=True)
        write_hash(data / ACCESS_FILE, hash_token(made))
        console.print(made, soft_wrap=True, highlight=False, markup=False)
        messages.print(
            "Keep this token: only its hash is stored. Whoever has it can change everything."
        )
        return
    if token:
        # Other users of this machine can read command lines and environments.
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
        threads=threads,
    )
    run_serve(
        settings,
        on_start=lambda url: messages.print(
            f"Oddframe runs at [bold]{url}[/bold]; stop it with Ctrl-C."
        ),
        on_notice=lambda notice: warn([notice]),
    )
    # Everything is written and closed; a last garbage collection over torch's objects would take
    # seconds.
    gc.freeze()


def _hash(token: str | None, token_file: Path | None) -> str | None:
    """The hash of the token that was given, None where there is none."""
    from oddframe.errors import SettingsError
    from oddframe.files import decode_text
    from oddframe.web.auth import hash_token

    if token is not None and token_file is not None:
        raise SettingsError("a token must be given in one way: --token-file or ODDFRAME_TOKEN")
    if token_file is not None:
        try:
            token = decode_text(token_file.read_bytes()).strip()
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"--token-file must be a file with a token, but {token_file} cannot be read"
            ) from error
    return None if token is None else hash_token(token)
