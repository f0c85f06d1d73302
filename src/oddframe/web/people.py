"""Who uses the web app, and what they may do: tokens with a name, a role and an end.

Beside the one token of the server there can be a token for each person and each program. A viewer
sees everything, an operator also judges events, an admin also changes cameras, models and
thresholds. What was changed, and by whom, is in a log.
"""

import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from oddframe.errors import SettingsError
from oddframe.files import output_error, write_json
from oddframe.sinks.jsonl import append_line

Role: TypeAlias = Literal["viewer", "operator", "admin"]
"""What somebody may do; each role may do what those before it may."""

ROLES: tuple[Role, ...] = get_args(Role)

TOKENS_FILE, AUDIT_FILE = "tokens.json", "audit.jsonl"
"""Names of the files in the data folder."""

MOST_AUDIT_BYTES = 10_000_000
"""A longer log is renamed to ``audit.old.jsonl``, in place of the one before."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

# What an operator may change: the verdicts on events, and which of them belong together.
_JUDGING = re.compile(r"/api/v1/(reviews|events/[^/]+/(review|apart))/?")

_SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class Person:
    """Who sent a request.

    Attributes:
        name: The name of the token; empty for the server's one token, and where none is needed.
        role: What may be done with it.
    """

    name: str = ""
    role: Role = "admin"

    def may(self, role: Role) -> bool:
        """Whether somebody may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class NamedToken:
    """A token of a person or a program.

    Attributes:
        person: Whose it is.
        sha256: Hash of the token in hexadecimal digits; the token itself is kept nowhere.
        until_s: When it ends, in seconds since 1970-01-01 UTC; None for never.
    """

    person: Person
    sha256: str
    until_s: float | None = None


def needed_role(method: str, path: str) -> Role:
    """Return the role that a request to the API needs."""
    if method in _SAFE:
        return "viewer"
    return "operator" if _JUDGING.fullmatch(path) else "admin"


class NamedTokens:
    """The tokens in a file of the data folder; what is written to it holds at once.

    Args:
        path: The file, which need not exist.
        now_s: Reads the wall clock, in seconds since 1970-01-01 UTC.
    """

    def __init__(self, path: Path, now_s: Callable[[], float] = time.time) -> None:
        self._path, self._now_s = path, now_s
        self._lock = threading.Lock()
        self._read_at: tuple[int, int] | None = None
        self._tokens: dict[str, NamedToken] = {}

    def all(self) -> list[NamedToken]:
        """Return all tokens, also those that have ended, by name.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self._lock:
            self._read()
            return sorted(self._tokens.values(), key=lambda token: token.person.name)

    def find(self, token: str) -> NamedToken | None:
        """Return whose token it is; None where it is nobody's, or has ended.

        Raises:
            SettingsError: If the file cannot be read: then nobody gets in.
        """
        with self._lock:
            self._read()
            found = self._tokens.get(token.partition(".")[0])
        # A token has 256 random bits, so a fast hash is enough; the comparison takes as long
        # whichever digit is wrong.
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        if found is None or not hmac.compare_digest(digest, found.sha256):
            return None
        return None if self._has_ended(found) else found

    def still_holds(self, token: NamedToken) -> bool:
        """Whether a token that was found before was neither removed nor replaced, nor has ended."""
        with self._lock:
            self._read()
            return self._tokens.get(token.person.name) == token and not self._has_ended(token)

    def add(self, name: str, role: Role, days: float | None = None) -> str:
        """Make a token, in place of the one of the same name; returns it.

        Raises:
            SettingsError: If the name or the days are none.
            OutputError: If the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"the name of a token must be up to 40 small letters, digits, - and _, got {name!r}"
            )
        if days is not None and not 0 < days <= 36_500:
            raise SettingsError(f"the days of a token must be from 0 to 36,500, got {days:g}")
        token = f"{name}.{secrets.token_urlsafe(32)}"
        until_s = None if days is None else self._now_s() + days * 86_400
        digest = hashlib.sha256(token.encode()).hexdigest()
        with self._lock:
            self._read()
            self._write({**self._tokens, name: NamedToken(Person(name, role), digest, until_s)})
        return token

    def remove(self, name: str) -> None:
        """Remove a token; who has signed in with it is signed out.

        Raises:
            SettingsError: If there is none of this name.
            OutputError: If the file cannot be written.
        """
        with self._lock:
            self._read()
            if name not in self._tokens:
                known = ", ".join(sorted(self._tokens)) or "there is none yet"
                raise SettingsError(f"there must be a token of this name ({known}), got {name!r}")
            self._write({key: token for key, token in self._tokens.items() if key != name})

    def _has_ended(self, token: NamedToken) -> bool:
        return token.until_s is not None and self._now_s() >= token.until_s

    def _read(self) -> None:
        """Read the file if it has changed; the caller holds the lock."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._tokens, self._read_at = {}, None
            return
        # Files are replaced and never written in place: another one has another inode.
        read_at = (found.st_mtime_ns, found.st_ino)
        if read_at == self._read_at:
            return
        try:
            values = json.loads(self._path.read_text("utf-8"))
            self._tokens = {name: _token_of(name, value) for name, value in values.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"{self._path} must hold the tokens as --make-token writes them, but it does not; "
                "make them anew, or restore it from a copy"
            ) from error
        self._read_at = read_at

    def _write(self, tokens: Mapping[str, NamedToken]) -> None:
        values = {
            name: {"role": token.person.role, "sha256": token.sha256, "until_s": token.until_s}
            for name, token in tokens.items()
        }
        write_json(self._path, values)
        try:
            self._path.chmod(0o600)
        except OSError as error:
            raise output_error(self._path, error) from error
        self._tokens, self._read_at = dict(tokens), None


class AuditLog:
    """Appends a line to a file for each change that somebody asked for; any thread may call it.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, person: Person, address: str, method: str, path: str, status: int) -> None:
        """Write who asked for what, and how it was answered; never what was in the request.

        Raises:
            OSError: If the disk takes no line.
        """
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "by": person.name,
            "role": person.role,
            "from": address,
            "method": method,
            "path": path,
            "status": status,
        }
        with self._lock:
            if self._path.exists() and self._path.stat().st_size > MOST_AUDIT_BYTES:
                self._path.replace(self._path.with_suffix(".old.jsonl"))
            append_line(self._path, json.dumps(line, ensure_ascii=False) + "\n")


def _token_of(name: str, value: Mapping[str, object]) -> NamedToken:
    """Make a token of its entry in the file.

    Raises:
        ValueError: If it is none.
    """
    role, digest, until_s = value["role"], value["sha256"], value["until_s"]
    if role not in ROLES or not isinstance(digest, str) or len(digest) != 64:
        raise ValueError("no token")
    if until_s is not None and not isinstance(until_s, int | float):
        raise ValueError("no end")
    return NamedToken(Person(name, role), digest, until_s)
