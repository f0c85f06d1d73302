"""Who may come in: a token or password that is kept as a hash only, sessions, and a limit on attempts."""

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from oddframe.errors import SettingsError
from oddframe.files import write_text

COOKIE = "oddframe_session"

SESSION_S = 7 * 86_400.0
MOST_SESSIONS = 1_000
LEAST_LENGTH = 12
"""Letters of a password that a person thinks of; made tokens are longer."""

ATTEMPTS, WINDOW_S = 5, 60.0
"""So many wrong tokens from one address, and it waits for a minute; twice as long each time, up to an hour."""

MOST_ADDRESSES = 10_000
_MOST_LENGTH = 1_024

_hasher = PasswordHasher()


class TooManyAttempts(Exception):  # noqa: N818 - it is an answer, not a failure of ours
    """Somebody has to wait.

    Attributes:
        wait_s: How long, in seconds.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__("too many attempts")
        self.wait_s = wait_s


@dataclass
class _Attempts:
    failures: int = 0
    rounds: int = 0
    until_s: float = 0.0
    first_s: float = 0.0


class Access:
    """Checks tokens and keeps sessions; all in memory, so a restart signs everybody out.

    Args:
        token_hash: An argon2 hash; None lets everybody in.
        now_s: Seconds on a clock that never jumps.
    """

    def __init__(self, token_hash: str | None, now_s: Callable[[], float] = time.monotonic) -> None:
        self._hash, self._now_s = token_hash, now_s
        self._lock = threading.Lock()
        # One at a time: each costs 64 MB and some 50 ms.
        self._hashing = threading.Lock()
        self._sessions: OrderedDict[bytes, float] = OrderedDict()
        self._known: bytes | None = None
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()

    @property
    def required(self) -> bool:
        """Whether a token is asked for."""
        return self._hash is not None

    def sign_in(self, token: str, address: str) -> str | None:
        """A new session for whoever has the token; None where it is wrong.

        Raises:
            TooManyAttempts: If this address has to wait.
        """
        if not self.check(token, address):
            return None
        session = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_digest(session)] = self._now_s() + SESSION_S
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return session

    def sign_out(self, session: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(session), None)

    def has_session(self, session: str) -> bool:
        """Whether a session holds."""
        key = _digest(session)
        with self._lock:
            until_s = self._sessions.get(key)
            if until_s is not None and until_s <= self._now_s():
                del self._sessions[key]
                return False
            return until_s is not None

    def check(self, token: str, address: str) -> bool:
        """Whether a token is the right one; counts against the address if not.

        Raises:
            TooManyAttempts: If this address has to wait; the token is not even looked at.
        """
        if self._hash is None:
            return True
        self._wait_if_due(address)
        digest = _digest(token[: _MOST_LENGTH + 1])
        # Programs send it with every request: what was right once is compared by its digest, in
        # constant time.
        if self._known is not None and hmac.compare_digest(digest, self._known):
            return True
        with self._hashing:
            right = len(token) <= _MOST_LENGTH and _verified(self._hash, token)
        with self._lock:
            if right:
                self._known = digest
                self._attempts.pop(address, None)
            else:
                self._count(address)
        return right

    def _wait_if_due(self, address: str) -> None:
        with self._lock:
            attempts = self._attempts.get(address)
            wait_s = 0.0 if attempts is None else attempts.until_s - self._now_s()
        if wait_s > 0:
            raise TooManyAttempts(wait_s)

    def _count(self, address: str) -> None:
        now_s = self._now_s()
        attempts = self._attempts.setdefault(address, _Attempts(first_s=now_s))
        self._attempts.move_to_end(address)
        if now_s - attempts.first_s > WINDOW_S:
            attempts.failures, attempts.first_s = 0, now_s
        attempts.failures += 1
        if attempts.failures >= ATTEMPTS:
            attempts.until_s = now_s + min(3600.0, WINDOW_S * 2.0**attempts.rounds)
            attempts.rounds, attempts.failures, attempts.first_s = (
                min(attempts.rounds + 1, 10),
                0,
                attempts.until_s,
            )
        while len(self._attempts) > MOST_ADDRESSES:
            self._attempts.popitem(last=False)


def make_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """The hash of a token or password.

    Raises:
        SettingsError: If it is too short or too long; it is not repeated.
    """
    if not LEAST_LENGTH <= len(token) <= _MOST_LENGTH:
        raise SettingsError(
            f"a token must have from {LEAST_LENGTH} to {_MOST_LENGTH} letters, got {len(token)}; "
            "make one with: oddframe serve --make-token"
        )
    return _hasher.hash(_bytes(token))


def write_hash(path: Path, token_hash: str) -> None:
    """Keep the hash of a token.

    Raises:
        OutputError: If it cannot be written.
    """
    write_text(path, token_hash + "\n")
    path.chmod(0o600)


def read_hash(path: Path) -> str | None:
    """The hash that was kept; None where there is none.

    Raises:
        SettingsError: If it is no such hash.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
        _hasher.check_needs_rehash(text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, InvalidHashError) as error:
        raise SettingsError(
            f"{path} must hold the hash of a token; make one: oddframe serve --make-token"
        ) from error
    return text


def _verified(token_hash: str, token: str) -> bool:
    try:
        return _hasher.verify(token_hash, _bytes(token))
    except Argon2Error:
        return False


def _digest(text: str) -> bytes:
    return hashlib.sha256(_bytes(text)).digest()


def _bytes(text: str) -> bytes:
    # JSON may hold halves of letters, which UTF-8 has no place for.
    return text.encode("utf-8", "surrogatepass")
