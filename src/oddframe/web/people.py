"""Who uses the web app, and what they may do: tokens with a name, a role, cameras and an end.

Beside the one token of the server there can be a token for each person and each program. A viewer
sees, an operator also judges events, an admin also changes cameras, models and thresholds. A viewer
or an operator may see some cameras only. What was changed, and by whom, is in a log.
"""

import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

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

# Also addresses of mail, which are the names that a proxy knows people by.
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,79}")

# What an operator may change: the verdicts on events, and which of them belong together.
_JUDGING = re.compile(r"/api/v1/(reviews|events/[^/]+/(review|apart))/?")

# What a viewer may change: that he has looked at an event, and what his own browser is sent.
_LOOKING = re.compile(r"/api/v1/(looks|push)/?")

# What asks for a preview: it changes nothing, though its settings come in a body.
_PREVIEWING = re.compile(r"/api/v1/cameras/[^/]+/recalibration/preview/?")

# What only an admin may see: who there is, who changed what, and where alerts go.
_ADMINISTERING = re.compile(r"/api/v1/(accounts|changes|sinks)(/.*)?")

_SAFE = {"GET", "HEAD", "OPTIONS"}

Cameras: TypeAlias = frozenset[str] | None
"""Names of the cameras that somebody sees; None for all of them."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who sent a request.

    Attributes:
        name: The name of the token; empty for the server's one token, and where none is needed.
        role: What may be done with it.
        cameras: Which cameras are seen.
    """

    name: str = ""
    role: Role = "admin"
    cameras: Cameras = None

    def may(self, role: Role) -> bool:
        """Whether somebody may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def sees(self, camera: str) -> bool:
        """Whether somebody sees a camera."""
        return self.cameras is None or camera in self.cameras


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


def is_noted(method: str, path: str) -> bool:
    """Whether a request to the API is a change that the log is to have."""
    looks = _LOOKING.fullmatch(path) or _PREVIEWING.fullmatch(path)
    return method not in _SAFE and not looks


def needed_role(method: str, path: str) -> Role:
    """Return the role that a request to the API needs."""
    if _ADMINISTERING.fullmatch(path):
        return "admin"
    if method in _SAFE or _LOOKING.fullmatch(path):
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
            # The last dot: a name may have some, the secret has none.
            found = self._tokens.get(token.rpartition(".")[0])
        # A token has 256 random bits, so a fast hash is enough; the comparison takes as long
        # whichever digit is wrong.
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        if found is None or not hmac.compare_digest(digest, found.sha256):
            return None
        return None if self.has_ended(found) else found

    def present(self, token: NamedToken) -> NamedToken | None:
        """Return a token that was found before as it is now; None where it opens nothing any more.

        It may have another role or other cameras since; a new one in its place is not the same.
        """
        now = self.of_name(token.person.name)
        return None if now is None or now.sha256 != token.sha256 else now

    def of_name(self, name: str) -> NamedToken | None:
        """Return the token of a name; None where there is none, or it has ended.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self._lock:
            self._read()
            found = self._tokens.get(name)
        return None if found is None or self.has_ended(found) else found

    def add(
        self,
        name: str,
        role: Role,
        days: float | None = None,
        cameras: Collection[str] | None = None,
    ) -> str:
        """Make a token, in place of the one of the same name; returns it.

        Args:
            name: Whose it is.
            role: What may be done with it.
            days: Days until it ends; None for never.
            cameras: Names of the cameras that are seen; None for all.

        Raises:
            SettingsError: If the name, the days or the cameras cannot be.
            OutputError: If the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise SettingsError(
                "the name of a token must be up to 80 small letters, digits and . _ @ + -, and "
                f"begin with a letter or digit, got {name!r}"
            )
        token, digest = _new_token(name)
        made = NamedToken(_person(name, role, cameras), digest, self._end_of(days))
        with self._lock:
            self._read()
            self._write({**self._tokens, name: made})
        return token

    def renew(self, name: str) -> str:
        """Make another token in place of one, for the same role, cameras and end; returns it.

        Raises:
            SettingsError: If there is none of this name.
            OutputError: If the file cannot be written.
        """
        token, digest = _new_token(name)
        with self._lock:
            after = replace(self._known(name), sha256=digest)
            self._write({**self._tokens, name: after})
        return token

    def change(
        self,
        name: str,
        role: Role,
        days: float | None = None,
        cameras: Collection[str] | None = None,
    ) -> None:
        """Change what may be done with a token, and when it ends; the token itself stays.

        Args:
            name: As in `add`, and the others likewise.
            role: The new role.
            days: Days from now until it ends; None leaves the end as it is.
            cameras: The new cameras.

        Raises:
            SettingsError: If there is none of this name, or the days or cameras cannot be.
            OutputError: If the file cannot be written.
        """
        person = _person(name, role, cameras)
        with self._lock:
            before = self._known(name)
            until_s = before.until_s if days is None else self._end_of(days)
            after = replace(before, person=person, until_s=until_s)
            self._write({**self._tokens, name: after})

    def remove(self, name: str) -> None:
        """Remove a token; who has signed in with it is signed out.

        Raises:
            SettingsError: If there is none of this name.
            OutputError: If the file cannot be written.
        """
        with self._lock:
            self._known(name)
            self._write({key: token for key, token in self._tokens.items() if key != name})

    def rename_camera(self, camera: str, new_name: str) -> None:
        """Have those who see some cameras only see one of them under its new name.

        Raises:
            SettingsError: If the file cannot be read.
            OutputError: If it cannot be written.
        """

        def renamed(token: NamedToken) -> NamedToken:
            cameras = token.person.cameras
            if cameras is None or camera not in cameras:
                return token
            person = replace(token.person, cameras=frozenset(cameras) - {camera} | {new_name})
            return replace(token, person=person)

        with self._lock:
            self._read()
            after = {name: renamed(token) for name, token in self._tokens.items()}
            if after != self._tokens:
                self._write(after)

    def _known(self, name: str) -> NamedToken:
        """Return a token that there must be; the caller holds the lock."""
        self._read()
        if name not in self._tokens:
            known = ", ".join(sorted(self._tokens)) or "there is none yet"
            raise SettingsError(f"there must be a token of this name ({known}), got {name!r}")
        return self._tokens[name]

    def _end_of(self, days: float | None) -> float | None:
        """Return when a token ends that is to last so many days."""
        if days is None:
            return None
        if not 0 < days <= 36_500:
            raise SettingsError(f"the days of a token must be from 0 to 36,500, got {days:g}")
        return self._now_s() + days * 86_400

    def has_ended(self, token: NamedToken) -> bool:
        """Whether a token has come to its end."""
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
            name: {
                "role": token.person.role,
                "sha256": token.sha256,
                "until_s": token.until_s,
                "cameras": None if token.person.cameras is None else sorted(token.person.cameras),
            }
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

    def newest(self, most: int) -> list[dict[str, Any]]:
        """Return the newest lines of the file, the newest first; damaged ones are left out.

        Args:
            most: How many lines at most.
        """
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return list(islice(_records(reversed(lines)), most))


def _records(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            # A kill may have left half a line.
            continue
        if isinstance(record, dict):
            yield record


def _new_token(name: str) -> tuple[str, str]:
    """Make a token of a name; returns it and its hash."""
    token = f"{name}.{secrets.token_urlsafe(32)}"
    return token, hashlib.sha256(token.encode()).hexdigest()


def _person(name: str, role: Role, cameras: Collection[str] | None) -> Person:
    """Make a person.

    Raises:
        SettingsError: If there is no camera among the cameras, or an admin is to see some only.
    """
    if cameras is None:
        return Person(name, role)
    if not cameras:
        raise SettingsError("cameras must name at least one camera, or be left out for all")
    if role == "admin":
        raise SettingsError(
            "an admin must see all cameras, since an admin changes them; "
            "leave the cameras out, or choose the role operator"
        )
    return Person(name, role, frozenset(cameras))


def _token_of(name: str, value: Mapping[str, object]) -> NamedToken:
    """Make a token of its entry in the file.

    Raises:
        ValueError: If it is none.
    """
    role, digest, until_s = value["role"], value["sha256"], value["until_s"]
    # Files of 0.1.0 do not have them.
    cameras = value.get("cameras")
    if role not in ROLES or not isinstance(digest, str) or len(digest) != 64:
        raise ValueError("no token")
    if until_s is not None and not isinstance(until_s, int | float):
        raise ValueError("no end")
    if cameras is not None and not (
        isinstance(cameras, list) and all(isinstance(camera, str) for camera in cameras)
    ):
        raise ValueError("no cameras")
    # A list without a camera in it shows none.
    seen = None if cameras is None else frozenset(cameras)
    return NamedToken(Person(name, role, seen), digest, until_s)
