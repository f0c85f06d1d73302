"""Where a stream comes from, without ever saying a password."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from oddframe.errors import SourceError, SourceNotFoundError

__all__ = ["StreamAddress", "stream_address"]

_KINDS: dict[str, Literal["rtsp", "http"]] = {"rtsp": "rtsp", "rtsps": "rtsp", "http": "http", "https": "http"}

_TOLD = frozenset({"channel", "stream", "subtype", "profile", "fps", "resolution", "codec", "unicast", "proto"})
"""Keys whose values are shown; cameras call their passwords too many things to name those instead."""

_SECRET_IN_PATH = re.compile(r"(?i)((?:user|usr|login|pass|pw|token|key|auth|secret)[a-z]*[=:])([^/&;,]+)")
_VARIABLE = re.compile(r"\$\{(\w*)\}")
_DEVICE = re.compile(r"(?:/dev/video)?(\d{1,3})")
_HIDDEN = "***"


@dataclass(frozen=True, slots=True, repr=False)
class StreamAddress:
    """A checked address. As text it is fit to be shown; `secret` is for FFmpeg alone.

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
        """What to file results under when the user gives no name."""
        if self.kind in ("camera", "file"):
            return Path(self.secret).stem
        parts = urlsplit(self.shown)
        return re.sub(r"[^\w.]+", "-", f"{parts.hostname}{parts.path}").strip("-.")

    def scrub(self, text: str) -> str:
        """The text without anything that is secret in this address."""
        for secret in (self.secret, *self.secrets):
            text = text.replace(secret, self.shown if secret == self.secret else _HIDDEN)
        return text


def stream_address(
    text: str | Path, *, transport: Literal["tcp", "udp"] = "tcp", variables: Mapping[str, str] | None = None
) -> StreamAddress:
    """Check an address.

    Args:
        text: ``rtsp(s)://``, ``http(s)://``, a camera's number or ``/dev/videoN``, or a file. ``${NAME}`` stands for
            an environment variable, so that a password need not be written into a file or a command line;
            ``?transport=udp`` or ``tcp`` is for rtsp, and not sent to the camera.
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
        if not Path(text).exists():
            # With an @ it may be a mistyped address: what stands before it may be a password.
            shown = re.sub(r".*@", f"{_HIDDEN}@", text)
            raise SourceNotFoundError(
                f"{shown} must be rtsp://..., http(s)://..., a camera's number or a file, but nothing is there"
            )
        return StreamAddress("file", text, text)
    scheme = text.partition("://")[0].lower()
    if scheme not in _KINDS:
        raise SourceError(
            f"a stream's address must begin with rtsp://, rtsps://, http:// or https://, got {scheme!r}; "
            "give a file as a plain path"
        )
    parts = _split(_filled_in(text, os.environ if variables is None else variables))
    parts, transport = _own_transport(parts, transport)
    shown, secrets = _redacted(parts)
    return StreamAddress(_KINDS[scheme], urlunsplit(parts), shown, transport, secrets)


def _filled_in(text: str, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in variables:
            raise SourceError(f"the address of a stream names the variable {match[0]}, which is not set")
        return quote(variables[match[1]], safe="")

    return _VARIABLE.sub(value, text)


def _split(text: str) -> SplitResult:
    # A password with / ? or # in it cuts the address in two at the wrong place, and half of it would be shown.
    wrong = SourceError(
        "a stream's address must be SCHEME://USER:PASSWORD@HOST:PORT/PATH, but this one cannot be taken apart; "
        "write special characters as %40 for @, %2F for /, %3F for ?, %23 for #"
    )
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


def _own_transport(parts: SplitResult, transport: Literal["tcp", "udp"]) -> tuple[SplitResult, Literal["tcp", "udp"]]:
    """Take `transport=...` out of an rtsp address."""
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


def _redacted(parts: SplitResult) -> tuple[str, tuple[str, ...]]:
    """The address to show, and what was taken out of it, longest first."""
    secrets = set()
    login, at, place = parts.netloc.rpartition("@")
    if at:
        user, _, password = login.partition(":")
        secrets |= {login, password or user}
    query = []
    for pair in filter(None, parts.query.split("&")):
        key, equals, value = pair.partition("=")
        if key.lower() in _TOLD:
            query.append(pair)
        else:
            secrets.add(value if equals else key)
            query.append(f"{key}={_HIDDEN}" if equals else _HIDDEN)

    def hidden(match: re.Match[str]) -> str:
        secrets.add(match[2])
        return f"{match[1]}{_HIDDEN}"

    path = _SECRET_IN_PATH.sub(hidden, parts.path)
    shown = parts._replace(netloc=f"{_HIDDEN}@{place}" if at else place, path=path, query="&".join(query))
    plain = {unquote(secret) for secret in secrets}
    return urlunsplit(shown), tuple(sorted(filter(None, secrets | plain), key=len, reverse=True))
