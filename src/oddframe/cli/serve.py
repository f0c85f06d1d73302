"""The verb `oddframe serve`: its options, and the token that it is protected with."""

import gc
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddframe.cli.options import Device, Threads
from oddframe.cli.output import console, messages, warn

if TYPE_CHECKING:
    from oddframe.web.people import Role

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
    name: Annotated[
        str | None,
        typer.Option(
            help="With --make-token: whose token it is, such as anna or dashboard.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    role: Annotated[
        str,
        typer.Option(
            help="With --name: viewer (sees), operator (also judges) or admin (also changes).",
            rich_help_panel=SAFETY,
        ),
    ] = "viewer",
    days: Annotated[
        float | None,
        typer.Option(
            help="With --name: days until the token ends; default: never.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            help="With --name: a camera that is seen, and no other; may be repeated. "
            "Default: all cameras.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    remove_token: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Remove the token of this name, and exit; who uses it is signed out.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    list_tokens: Annotated[
        bool,
        typer.Option(
            "--list-tokens",
            help="Print names, roles and ends of the tokens, and exit.",
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
    trusted_proxy: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="IP address of a reverse proxy that signs people in and names them in a header. "
            "The header is refused from any other address.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    user_header: Annotated[
        str,
        typer.Option(
            help="Header in which the trusted proxy names who sends a request.",
            rich_help_panel=SAFETY,
        ),
    ] = "X-Forwarded-User",
    proxy_role: Annotated[
        str | None,
        typer.Option(
            help="Role of those whom the proxy names and who have no account of this name. "
            "Default: they are refused.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="PEM file with a certificate, to serve HTTPS; notifications of browsers need it.",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    certificate_key: Annotated[
        Path | None,
        typer.Option(
            help="PEM file with the key of the certificate, where it is a file of its own.",
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
    upload_gb: Annotated[
        float,
        typer.Option(
            help="Most gigabytes that recordings may have together that browsers send.",
            rich_help_panel=SAFETY,
        ),
    ] = 100.0,
) -> None:
    """Watch cameras and show them in the browser: live, events, thresholds, models, health.

    Example: [cyan]oddframe serve --data site[/cyan], then open http://127.0.0.1:8750/
    """
    from oddframe.errors import SettingsError
    from oddframe.media.live_config import hide_in_process_title
    from oddframe.web.auth import hash_token, write_hash
    from oddframe.web.auth import make_token as new_token
    from oddframe.web.server import ACCESS_FILE, ServeSettings
    from oddframe.web.server import serve as run_serve

    if remove_token is not None or list_tokens or (make_token and name is not None):
        _change_tokens(data, name, role, days, camera, remove_token, is_made=make_token)
        return
    if name is not None or days is not None or camera:
        raise SettingsError("--name, --role, --days and --camera must have --make-token with them")
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
        upload_gb=upload_gb,
        trusted_proxy=trusted_proxy,
        user_header=user_header,
        certificate=certificate,
        certificate_key=certificate_key,
        proxy_role=None if proxy_role is None else _role(proxy_role, "--proxy-role"),
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


def _role(text: str, option: str) -> "Role":
    """Return a role by its name."""
    from oddframe.errors import SettingsError
    from oddframe.web.people import ROLES

    found = next((known for known in ROLES if known == text), None)
    if found is None:
        raise SettingsError(f"{option} must be one of {', '.join(ROLES)}, got {text!r}")
    return found


def _change_tokens(
    data: Path,
    name: str | None,
    role: str,
    days: float | None,
    cameras: list[str] | None,
    removed: str | None,
    *,
    is_made: bool,
) -> None:
    """Make or remove a token with a name, or list them all."""
    from oddframe.web.people import TOKENS_FILE, NamedTokens
    from oddframe.web.server import ACCESS_FILE

    tokens = NamedTokens(data / TOKENS_FILE)
    if removed is not None:
        tokens.remove(removed)
        messages.print(f"The token {removed} opens nothing any more.")
    elif is_made and name is not None:
        wanted = _role(role, "--role")
        data.mkdir(parents=True, exist_ok=True)
        made = tokens.add(name, wanted, days, cameras or None)
        console.print(made, soft_wrap=True, highlight=False, markup=False)
        messages.print(f"Keep this token: only its hash is stored. Its role is {role}.")
        has_admin = any(token.person.role == "admin" for token in tokens.all())
        if not has_admin and not (data / ACCESS_FILE).exists():
            messages.print(
                "Nobody can change cameras now: make a token with --role admin, or one without "
                "--name."
            )
    else:
        for token in tokens.all():
            end = "never ends"
            if token.until_s is not None:
                end = f"until {datetime.fromtimestamp(token.until_s):%Y-%m-%d %H:%M}"
            line = f"{token.person.name}  {token.person.role}  {end}"
            if token.person.cameras is not None:
                line += f"  sees {', '.join(sorted(token.person.cameras))}"
            console.print(line, soft_wrap=True, highlight=False, markup=False)
