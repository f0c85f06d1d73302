"""Access control: a token of which only a hash is kept, sessions, and a limit on attempts."""

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
from oddframe.files import decode_text, write_text
from oddframe.web.people import NamedToken, NamedTokens, Person

COOKIE = "oddframe_session"

SESSION_S = 7 * 86_400.0
"""How long a session lasts, in seconds: a week."""

MOST_SESSIONS = 1_000
"""Most sessions at the same time; one more ends the oldest."""

LEAST_LENGTH = 12
"""Least letters of a token that a person chooses; those of `make_token` are longer."""

ATTEMPTS, WINDOW_S = 5, 60.0
"""So many wrong tokens from one address within so many seconds, and the address has to wait.

It waits for a minute at first and twice as long each further time, up to an hour.
"""

MOST_ADDRESSES = 10_000
"""Most addresses whose attempts are counted: a bound on memory."""

# A bound on the work of hashing: a request may bring 64 KB.
_MOST_LENGTH = 1_024

_hasher = PasswordHasher()


class TooManyAttempts(Exception):  # noqa: N818 - it is an answer, not a failure of ours
    """An address has sent too many wrong tokens and has to wait.

    Attributes:
        wait_s: How long it has to wait, in seconds.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__("too many attempts")
        self.wait_s = wait_s


@dataclass
class _Attempts:
    """The wrong tokens of one address.

    Attributes:
        failures: How many there were in this window.
        rounds: How often the address has had to wait already.
        until_s: When it may try again.
        first_s: When this window began.
    """

    failures: int = 0
    rounds: int = 0
    until_s: float = 0.0
    first_s: float = 0.0


class Access:
    """Checks tokens and keeps sessions, in memory only: a restart signs everybody out.

    Args:
        token_hash: The argon2 hash of the server's token; None where there is none.
        now_s: Returns seconds on a clock that never jumps.
        tokens: Tokens with a name and a role; without any, and without a hash, everybody gets in.
    """

    def __init__(
        self,
        token_hash: str | None,
        now_s: Callable[[], float] = time.monotonic,
        tokens: NamedTokens | None = None,
    ) -> None:
        self._hash, self._now_s, self._tokens = token_hash, now_s, tokens
        self._lock = threading.Lock()
        # One hash at a time: each takes 64 MB and some 50 ms, and anybody can ask for one.
        self._hashing = threading.Lock()
        # By the digest of each session, since whoever reads the memory must not be able to use it:
        # when it ends, and the token that opened it, None for the server's own.
        self._sessions: OrderedDict[bytes, tuple[float, NamedToken | None]] = OrderedDict()
        self._right_digest: bytes | None = None
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()

    @property
    def required(self) -> bool:
        """Whether a token is needed at all."""
        return self._hash is not None or bool(self._tokens and self._tokens.all())

    def sign_in(self, token: str, address: str) -> str | None:
        """Open a session for whoever has the token; None where the token is wrong.

        Raises:
            TooManyAttempts: If this address has to wait.
        """
        if not self.check(token, address):
            return None
        named = None if self._tokens is None else self._tokens.find(token)
        session = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_digest(session)] = (self._now_s() + SESSION_S, named)
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return session

    def sign_out(self, session: str) -> None:
        """End a session; an unknown one is ignored."""
        with self._lock:
            self._sessions.pop(_digest(session), None)

    def has_session(self, session: str) -> bool:
        """Whether a session exists and has not ended."""
        return self.person_of(session) is not None

    def person_of(self, session: str) -> Person | None:
        """Return whose session it is; None where it does not exist, or has ended.

        It ends with its time, and with the token that opened it.
        """
        key = _digest(session)
        with self._lock:
            until_s, named = self._sessions.get(key, (0.0, None))
            is_known = key in self._sessions
        if not is_known:
            return None
        holds = named is None or (self._tokens is not None and self._tokens.still_holds(named))
        if until_s <= self._now_s() or not holds:
            self.sign_out(session)
            return None
        return Person() if named is None else named.person

    def check(self, token: str, address: str) -> Person | None:
        """Return whose token it is; None for a wrong one, which counts against the address.

        Raises:
            TooManyAttempts: If this address has to wait; the token is not checked then.
        """
        if not self.required:
            return Person()
        self._raise_if_waiting(address)
        named = None if self._tokens is None else self._tokens.find(token[: _MOST_LENGTH + 1])
        if named is not None or self._is_own(token):
            with self._lock:
                self._attempts.pop(address, None)
            return Person() if named is None else named.person
        with self._lock:
            self._count(address)
        return None

    def _is_own(self, token: str) -> bool:
        """Whether it is the server's own token."""
        if self._hash is None:
            return False
        digest = _digest(token[: _MOST_LENGTH + 1])
        # Programs send the token with every request. Hashing each time would be slow: a token that
        # was right once is compared by its digest, in constant time.
        if self._right_digest is not None and hmac.compare_digest(digest, self._right_digest):
            return True
        with self._hashing:
            right = len(token) <= _MOST_LENGTH and _verify(self._hash, token)
        if right:
            self._right_digest = digest
        return right

    def _raise_if_waiting(self, address: str) -> None:
        with self._lock:
            attempts = self._attempts.get(address)
            wait_s = 0.0 if attempts is None else attempts.until_s - self._now_s()
        if wait_s > 0:
            raise TooManyAttempts(wait_s)

    def _count(self, address: str) -> None:
        """Count a wrong token; the caller holds the lock."""
        now_s = self._now_s()
        attempts = self._attempts.setdefault(address, _Attempts(first_s=now_s))
        self._attempts.move_to_end(address)
        if now_s - attempts.first_s > WINDOW_S:
            attempts.failures, attempts.first_s = 0, now_s
        attempts.failures += 1
        if attempts.failures >= ATTEMPTS:
            attempts.until_s = now_s + min(3600.0, WINDOW_S * 2.0**attempts.rounds)
            # Bounded, so that the power above stays small.
            attempts.rounds = min(attempts.rounds + 1, 10)
            attempts.failures, attempts.first_s = 0, attempts.until_s
        while len(self._attempts) > MOST_ADDRESSES:
            self._attempts.popitem(last=False)


def make_token() -> str:
    """Make a token that nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Hash a token or password.

    Raises:
        SettingsError: If it is too short or too long; the message does not repeat it.
    """
    if not LEAST_LENGTH <= len(token) <= _MOST_LENGTH:
        raise SettingsError(
            f"a token must have from {LEAST_LENGTH} to {_MOST_LENGTH} letters, got {len(token)}; "
            "make one with: oddframe serve --make-token"
        )
    return _hasher.hash(_bytes(token))


def write_hash(path: Path, token_hash: str) -> None:
    """Write the hash of a token into a file that only its owner can read.

    Raises:
        OutputError: If it cannot be written.
    """
    write_text(path, token_hash + "\n")
    path.chmod(0o600)


def read_hash(path: Path) -> str | None:
    """Read the hash of a token; None where there is no file.

    Raises:
        SettingsError: If the file holds no such hash.
    """
    try:
        text = decode_text(path.read_bytes()).strip()
        # Called only for its check of the form: a broken file must not let everybody in.
        _hasher.check_needs_rehash(text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, InvalidHashError) as error:
        raise SettingsError(
            f"{path} must hold the hash of a token; make one: oddframe serve --make-token"
        ) from error
    return text


def _verify(token_hash: str, token: str) -> bool:
    try:
        return _hasher.verify(token_hash, _bytes(token))
    except Argon2Error:
        return False


def _digest(text: str) -> bytes:
    return hashlib.sha256(_bytes(text)).digest()


def _bytes(text: str) -> bytes:
    # JSON can carry half of a surrogate pair, which UTF-8 cannot write.
    return text.encode("utf-8", "surrogatepass")
