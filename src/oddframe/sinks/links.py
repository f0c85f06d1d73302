"""Links in alerts: to the event in the web app, and to its picture and clip.

The link to the event asks for a token as every page does. Those to picture and clip show them to
whoever has the link, since a phone's notification cannot sign in; so they are signed with a secret
of the server, and end after some days. A link is for one file of one event and opens nothing else.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode, urlsplit

from oddframe.core.alerts import Alert
from oddframe.errors import OutputError, SettingsError
from oddframe.files import output_error, write_text

SECRET_FILE = "links.key"
"""Name of the file with the secret, in the store's folder; without it all links end."""

FILES = {"snapshot": "snapshot.jpg", "clip": "clip.mp4"}
"""The last part of a link to a file of an event, by the kind of the file."""

VALID_S = 7 * 86_400
"""How long a link to a file can be used, in seconds."""

_SECRET_BYTES = 32


class Links:
    """Makes links, and checks those that come back.

    Args:
        secret: Secret of the server.
        public_url: Address at which people reach the web app; None makes no links.
        now_s: Reads the wall clock, in seconds since 1970-01-01 UTC.
    """

    def __init__(
        self, secret: bytes, public_url: str | None, now_s: Callable[[], float] = time.time
    ) -> None:
        self._secret, self._now_s = secret, now_s
        self._root = None if public_url is None else public_url.rstrip("/")

    def of(self, alert: Alert) -> dict[str, str | None]:
        """Make the links of an alert.

        Returns:
            ``link``, ``snapshot_url`` and ``clip_url``; None where there is no such file, and all
            of them without a public address.
        """
        key = event_key(alert)
        return {
            "link": None if self._root is None else f"{self._root}/#/events/{key}",
            "snapshot_url": self._file_link(key, "snapshot") if alert.snapshot else None,
            "clip_url": self._file_link(key, "clip") if alert.clip else None,
        }

    def list_link(self) -> str | None:
        """Return the link to all events that nobody has judged; None without a public address."""
        return None if self._root is None else f"{self._root}/#/events?verdict=none"

    def check(
        self, key: str, file: str, until_s: int, signature: str
    ) -> Literal["valid", "expired", "forged"]:
        """Check a link to a file.

        Args:
            key: The event, as `event_key` writes it.
            file: One of `FILES`.
            until_s: When the link ends, in seconds since 1970-01-01 UTC.
            signature: What came with it.
        """
        # The signature first: who forges a link must not learn anything from its other parts. The
        # comparison takes as long whichever letter is wrong.
        right = self._sign(key, file, until_s)
        if not hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace")):
            return "forged"
        return "valid" if self._now_s() < until_s else "expired"

    def _file_link(self, key: str, kind: str) -> str | None:
        if self._root is None:
            return None
        file, until_s = FILES[kind], int(self._now_s()) + VALID_S
        query = urlencode({"until": until_s, "signature": self._sign(key, file, until_s)})
        return f"{self._root}/shared/{key}/{file}?{query}"

    def _sign(self, key: str, file: str, until_s: int) -> str:
        # A line each, so that no other parts give the same text.
        signed = f"{key}\n{file}\n{until_s}".encode()
        digest = hmac.new(self._secret, signed, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def event_key(alert: Alert) -> str:
    """Return what tells an event from all others of a store, through all of its phases."""
    return f"{alert.event.id}-{alert.start_us}"


def read_secret(folder: Path) -> bytes:
    """Read the secret of a store's folder, or make one that only its owner can read.

    Raises:
        OutputError: If it can be neither read nor written.
    """
    path = folder / SECRET_FILE
    try:
        text = path.read_text("ascii").strip()
        if len(text) == 2 * _SECRET_BYTES:
            return bytes.fromhex(text)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} must hold the secret of the links in alerts, but it cannot be read; "
            "delete it to make a new one, which ends all links"
        ) from error
    secret = secrets.token_bytes(_SECRET_BYTES)
    write_text(path, secret.hex() + "\n")
    try:
        path.chmod(0o600)
    except OSError as error:
        raise output_error(path, error) from error
    return secret


def check_public_url(url: str) -> None:
    """Check the address at which people reach the web app.

    Raises:
        SettingsError: If links cannot begin with it.
    """
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right or parts.query or parts.fragment or parts.username is not None:
        raise SettingsError(
            "public_url must be the address at which people reach the web app, such as "
            "https://cameras.example.org, without user name, ? and #"
        )
