"""Where a stream comes from and how it is opened, without ever showing a password.

`stream_address` checks an address for the program itself, `checked_source` one that a user of the
web app gives. `LiveSettings` says how a live stream is opened and watched; docs/streams.md says
when to change which setting. `hide_in_process_title` keeps passwords in arguments from other users.
"""

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from pydantic import Field

from oddframe.errors import MissingExtraError, SettingsError, SourceError, SourceNotFoundError
from oddframe.settings import settings_dataclass

VARIABLE = re.compile(r"\$\{(\w*)\}")
"""``${NAME}`` in a text stands for an environment variable; the group is its name."""

_KINDS: dict[str, Literal["rtsp", "http"]] = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "http": "http",
    "https": "http",
}

_SHOWN_KEYS = frozenset(
    {"channel", "stream", "subtype", "profile", "fps", "resolution", "codec", "unicast", "proto"}
)
"""Keys of a query whose values are shown.

Cameras have too many names for passwords to list those instead.
"""

_SECRET_IN_PATH = re.compile(
    r"(?i)((?:user|usr|login|pass|pw|token|key|auth|secret)[a-z]*[=:])([^/&;,]+)"
)
_DEVICE = re.compile(r"(?:/dev/video)?(\d{1,3})")
_HIDDEN = "***"
# 10.0.0.7, 10.0.0.7:554/x, camera.local, gate:554/x, with or without a login before it.
_BARE_HOST = re.compile(
    r"(?:\S*@)?(?:\d{1,3}(?:\.\d{1,3}){3}|[\w-]+\.local|[\w.-]+(?=:\d))(?::\d+)?(?:/|$)"
)
_BARE_HOST_ERROR = (
    "an address must begin with rtsp:// or http(s)://, but this one begins with the name or the "
    "number of a host; write rtsp:// before it, and behind it the path that the camera's manual has"
)

Seconds = Annotated[float, Field(gt=0, le=3600)]
"""A time-out or a wait in seconds, above 0 and at most an hour."""


@dataclass(frozen=True, slots=True, repr=False)
class StreamAddress:
    """A checked address; its text may be shown to anybody, `secret` is for FFmpeg alone.

    Attributes:
        kind: "rtsp", "http", "camera" (Video4Linux) or "file".
        secret: The address itself, with user name and password.
        shown: The same with those hidden.
        transport: "tcp" or "udp", for rtsp.
        secrets: Texts that no message may hold.
    """

    kind: Literal["rtsp", "http", "camera", "file"]
    secret: str
    shown: str
    transport: Literal["tcp", "udp"] = "tcp"
    secrets: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"StreamAddress({self.shown!r})"

    @property
    def name(self) -> str:
        """The name under which results are filed when the user gives none."""
        if self.kind in ("camera", "file"):
            return Path(self.secret).stem
        parts = urlsplit(self.shown)
        return re.sub(r"[^\w.]+", "-", f"{parts.hostname}{parts.path}").strip("-.")

    @property
    def whole(self) -> str:
        """The address as `stream_address` takes it, with user name, password and transport."""
        if self.transport == "tcp":
            return self.secret
        return f"{self.secret}{'&' if urlsplit(self.secret).query else '?'}transport=udp"

    def scrub(self, text: str) -> str:
        """Return a text without anything that is secret in this address."""
        # The whole address first: its parts alone would leave an address full of asterisks.
        for secret in (self.secret, *self.secrets):
            text = text.replace(secret, self.shown if secret == self.secret else _HIDDEN)
        return text


def stream_address(
    text: str | Path,
    *,
    transport: Literal["tcp", "udp"] = "tcp",
    variables: Mapping[str, str] | None = None,
) -> StreamAddress:
    """Check an address and take its secrets apart from what may be shown.

    Args:
        text: ``rtsp(s)://``, ``http(s)://``, a camera's number or ``/dev/videoN``, or a file.
            ``${NAME}`` stands for an environment variable, so that a password need not be written
            into a file or a command line; ``?transport=udp`` or ``tcp`` is for rtsp, and not sent
            to the camera.
        transport: What rtsp uses where the address does not say.
        variables: The environment's variables when None.

    Raises:
        SourceError: If it is no address that can be watched; what is secret is not repeated.
        SourceNotFoundError: If it is neither an address nor an existing file.
    """
    text = str(text)
    if device := _DEVICE.fullmatch(text):
        path = f"/dev/video{int(device[1])}"
        return StreamAddress("camera", path, path)
    if "://" not in text:
        if not Path(text).exists() and _BARE_HOST.match(text):
            raise SourceNotFoundError(_BARE_HOST_ERROR)
        if not Path(text).exists():
            # With an @ it may be a mistyped address: what stands before it may be a password.
            shown = re.sub(r".*@", f"{_HIDDEN}@", text)
            raise SourceNotFoundError(
                f"{shown} must be rtsp://..., http(s)://..., a camera's number or a file, "
                "but nothing is there"
            )
        return StreamAddress("file", text, text)
    scheme = text.partition("://")[0].lower()
    if scheme not in _KINDS:
        raise SourceError(
            f"a stream's address must begin with {_list_schemes(' or ')}, got {scheme!r}; "
            "give a file as a plain path"
        )
    parts = _split(_fill_in_address(text, os.environ if variables is None else variables))
    parts, transport = _take_transport(parts, transport)
    shown, secrets = _redact(parts)
    return StreamAddress(_KINDS[scheme], urlunsplit(parts), shown, transport, secrets)


def is_device(text: str) -> bool:
    """Tell whether an address is a camera of this machine: its number or ``/dev/videoN``."""
    return _DEVICE.fullmatch(text) is not None


def fill_in(text: str, value_of: Callable[[str], str]) -> str:
    """Replace every ``${NAME}`` in a text.

    Args:
        text: The text.
        value_of: Gives the value of a variable by its name.
    """
    return VARIABLE.sub(lambda match: value_of(match[1]), text)


def _fill_in_address(text: str, variables: Mapping[str, str]) -> str:
    def value_of(name: str) -> str:
        if name not in variables:
            raise SourceError(
                f"the address of a stream names the variable ${{{name}}}, which is not set"
            )
        # Quoted, so that a password with / or @ in it does not cut the address in two.
        return quote(variables[name], safe="")

    return fill_in(text, value_of)


def _list_schemes(before_last: str) -> str:
    """Name the schemes of addresses, with this text before the last one."""
    *others, last = (f"{scheme}://" for scheme in _KINDS)
    return f"{', '.join(others)}{before_last}{last}"


def _split(text: str) -> SplitResult:
    # A password with / ? or # in it cuts the address in two at the wrong place, and half of it
    # would be shown.
    wrong = SourceError(
        "a stream's address must be SCHEME://USER:PASSWORD@HOST:PORT/PATH, "
        "but this one cannot be taken apart; "
        "write special characters as %40 for @, %2F for /, %3F for ?, %23 for #"
    )
    # `urlsplit` drops line breaks without a word, so they are looked for before it.
    if any(ord(letter) <= ord(" ") for letter in text):
        raise wrong
    try:
        parts = urlsplit(text)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise wrong
    return parts._replace(scheme=parts.scheme.lower(), fragment="")


def _take_transport(
    parts: SplitResult, transport: Literal["tcp", "udp"]
) -> tuple[SplitResult, Literal["tcp", "udp"]]:
    """Take `transport=...` out of an rtsp address, since the camera does not know it."""
    if parts.scheme not in ("rtsp", "rtsps"):
        return parts, transport
    kept = []
    for pair in filter(None, parts.query.split("&")):
        key, _, value = pair.partition("=")
        if key != "transport":
            kept.append(pair)
        elif value == "udp":
            transport = "udp"
        elif value == "tcp":
            transport = "tcp"
        else:
            raise SourceError(f"transport must be tcp or udp, got {value!r}")
    return parts._replace(query="&".join(kept)), transport


def _redact(parts: SplitResult) -> tuple[str, tuple[str, ...]]:
    """Return the address to show, and the secrets that were taken out of it, longest first."""
    secrets = set()
    login, at, place = parts.netloc.rpartition("@")
    if at:
        user, _, password = login.partition(":")
        # Where there is no colon, what stands before the @ may well be the password.
        secrets |= {login, password or user}
    query = []
    for pair in filter(None, parts.query.split("&")):
        key, equals, value = pair.partition("=")
        if key.lower() in _SHOWN_KEYS:
            query.append(pair)
        else:
            secrets.add(value if equals else key)
            query.append(f"{key}={_HIDDEN}" if equals else _HIDDEN)

    def hidden(match: re.Match[str]) -> str:
        secrets.add(match[2])
        return f"{match[1]}{_HIDDEN}"

    path = _SECRET_IN_PATH.sub(hidden, parts.path)
    shown = parts._replace(
        netloc=f"{_HIDDEN}@{place}" if at else place, path=path, query="&".join(query)
    )
    # Servers repeat a secret as it was sent or decoded; the longest is replaced first, so that no
    # rest of it stays.
    plain = {unquote(secret) for secret in secrets}
    return urlunsplit(shown), tuple(sorted(filter(None, secrets | plain), key=len, reverse=True))


@settings_dataclass("live")
class LiveSettings:
    """How a live stream is opened, checked and kept.

    Attributes:
        open_timeout_s: Seconds in which a server must answer, and again in which it must say what
            it sends.
        read_timeout_s: Seconds without any data after which a connection counts as lost.
        quiet_s: Seconds without a frame after which a stream shows as stalled.
        stall_s: Seconds without a frame after which the connection is given up, whatever data
            comes.
        first_wait_s: The first wait before connecting again, in seconds; it doubles with every
            failure.
        longest_wait_s: The longest such wait.
        queue: Frames that wait for whoever takes them; of a live stream the oldest is dropped when
            there are more.
        decoder_threads: Threads that decode; more than one delays frames.
        keep_s: Seconds of encoded video to keep for clips, before now; 0 keeps none.
        keep_mb: Most memory for those, in megabytes of 10^6 bytes.
        redirects: Whether an http server may send the reader to another address.
    """

    open_timeout_s: Seconds = 10.0
    read_timeout_s: Seconds = 10.0
    quiet_s: Seconds = 3.0
    stall_s: Seconds = 20.0
    first_wait_s: Seconds = 1.0
    longest_wait_s: Seconds = 60.0
    queue: Annotated[int, Field(ge=1, le=256)] = 4
    decoder_threads: Annotated[int, Field(ge=1, le=256)] = 1
    keep_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    keep_mb: Annotated[float, Field(gt=0, le=3600)] = 64.0
    redirects: bool = True

    def __post_init__(self) -> None:
        if self.longest_wait_s < self.first_wait_s:
            raise SettingsError(
                f"longest_wait_s must be at least first_wait_s ({self.first_wait_s}), "
                f"got {self.longest_wait_s}"
            )


def checked_source(text: str, data: Path, media: Sequence[Path]) -> str:
    """Check an address that a user of the web app gives for `cameras.toml`.

    Args:
        text: What a user gave: ``rtsp(s)://``, ``http(s)://``, a camera's number, or a file.
        data: The data folder; files in it may be watched, and relative paths begin there.
        media: More folders whose files may be watched.

    Returns:
        The address as it is written into the file.

    Raises:
        SettingsError: If it may not be watched. What was given is not repeated: it may hold a
            password.
    """
    text = text.strip()
    if "${" in text:
        # Somebody could have our environment's secrets sent to a server of his own.
        raise SettingsError(
            "an address must not contain ${...} here; variables are for cameras.toml only"
        )
    if "://" in text:
        if text.partition("://")[0].lower() not in _KINDS:
            raise SettingsError(
                f"an address must begin with {_list_schemes(', ')}, or be the path of a file"
            )
        return text
    if is_device(text):
        return text
    if _BARE_HOST.match(text) and not (data / text).exists():
        raise SettingsError(_BARE_HOST_ERROR)
    folders = [data.resolve(), *(folder.resolve() for folder in media)]
    # Resolved, so that neither ../ nor a link leads out of the folders.
    path = (data / text).resolve()
    if not any(path.is_relative_to(folder) for folder in folders):
        raise SettingsError(
            "the file must lie in the data folder or in a folder given with --media"
        )
    if not path.exists():
        raise SettingsError(
            "an address must begin with rtsp:// or http(s)://, or be the path of a file on the "
            "server, but there is no such file"
        )
    return path.relative_to(folders[0]).as_posix() if path.is_relative_to(folders[0]) else str(path)


def hide_in_process_title(secrets: Iterable[str]) -> tuple[str, ...]:
    """Overwrite texts in the arguments that `ps` shows, with as many asterisks.

    Until this call other users can read the arguments; only a variable keeps a password out of
    them altogether. Nothing happens where the system does not show arguments as Linux does.

    Args:
        secrets: The texts to hide.

    Returns:
        A sentence for whoever started the program where a text could not be hidden; else nothing.
    """
    hidden = tuple(os.fsencode(secret) for secret in secrets if secret)
    if not _in_arguments(hidden):
        return ()
    try:
        import setproctitle
    except ModuleNotFoundError:
        missing = MissingExtraError("hiding passwords from `ps`", "watch")
        return (f"{missing}; or put them in variables",)
    title = os.fsencode(" ".join(sys.orig_argv))
    for secret in hidden:
        title = title.replace(secret, b"*" * len(secret))
    # `pgrep` and `killall` look for the program's short name, which a title would replace.
    name = setproctitle.getthreadtitle()
    # A file name need not be text, but a title must be.
    setproctitle.setproctitle(title.decode(errors="replace"))
    setproctitle.setthreadtitle(name)
    # The library needs an environment at the start of the program, and is silent without one.
    if _in_arguments(hidden):
        return ("a password in the arguments can be seen with `ps`; put it in a variable instead",)
    return ()


def _in_arguments(secrets: tuple[bytes, ...]) -> bool:
    """Tell whether one of the texts stands in the arguments that other users see."""
    try:
        arguments = Path("/proc/self/cmdline").read_bytes()
    except OSError:
        return False
    return any(secret in arguments for secret in secrets)
