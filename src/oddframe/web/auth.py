"""Access control: a token of which only a hash is kept, sessions, and a limit on attempts.

People may also be signed in by a reverse proxy, which names them in a header. That header is
believed from the address of the proxy alone.
"""

import hashlib
import hmac
import ipaddress
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
from oddframe.web.people import NamedToken, NamedTokens, Person, Role

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


class TrustedProxy:
    """A reverse proxy that signs people in, by OIDC or otherwise, and says who they are.

    Attributes:
        header: Name of the header with who somebody is, in small letters.
        role: Role of those for whom there is no token of their name; None refuses them.
    """

    def __init__(self, address: str, header: str, role: Role | None = None) -> None:
        """Check the settings.

        Args:
            address: The one address from which the header is believed.
            header: Name of the header, such as "X-Forwarded-User".
            role: As in the attribute.

        Raises:
            SettingsError: If the address is none, or the header cannot be one.
        """
        found = _ip_address(address)
        if found is None:
            raise SettingsError(
                f"--trusted-proxy must be the IP address of the proxy, got {address!r}"
            )
        self._address = found
        if not header.isascii() or not header.replace("-", "").isalnum():
            raise SettingsError(
                f"--user-header must be a name of letters, digits and -, got {header!r}"
            )
        self.header, self.role = header.lower(), role

    def is_at(self, address: str) -> bool:
        """Whether a request came from the proxy, by the address of its connection."""
        return _ip_address(address) == self._address


class Access:
    """Checks tokens and keeps sessions, in memory only: a restart signs everybody out.

    Args:
        token_hash: The argon2 hash of the server's token; None where there is none.
        now_s: Returns seconds on a clock that never jumps.
        tokens: Tokens with a name and a role; without any, and without a hash, everybody gets in.
        proxy: Signs people in; None where no proxy does.

    Attributes:
        proxy: As given.
    """

    def __init__(
        self,
        token_hash: str | None,
        now_s: Callable[[], float] = time.monotonic,
        tokens: NamedTokens | None = None,
        proxy: TrustedProxy | None = None,
    ) -> None:
        self._hash, self._now_s, self._tokens = token_hash, now_s, tokens
        self.proxy = proxy
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
        """Whether people have to say who they are at all."""
        is_secret = self._hash is not None or self.proxy is not None
        return is_secret or bool(self._tokens and self._tokens.all())

    @property
    def has_own_token(self) -> bool:
        """Whether the server has a token without a name, which may do everything."""
        return self._hash is not None

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
        person: Person | None = Person()
        if named is not None:
            present = None if self._tokens is None else self._tokens.present(named)
            person = None if present is None else present.person
        if until_s <= self._now_s() or person is None:
            self.sign_out(session)
            return None
        return person

    def check(self, token: str, address: str) -> Person | None:
        """Return whose token it is; None for a wrong one, which counts against the address.

        Raises:
            TooManyAttempts: If this address has to wait; the token is not checked then.
        """
        if not self.required:
            return Person()
        self._raise_if_waiting(address)
        person = self.person_with(token)
        with self._lock:
            if person is None:
                self._count(address)
            else:
                self._attempts.pop(address, None)
        return person

    def person_with(self, token: str) -> Person | None:
        """Return whose token it is, without counting a wrong one: for one that was right before."""
        named = None if self._tokens is None else self._tokens.find(token[: _MOST_LENGTH + 1])
        if named is not None:
            return named.person
        return Person() if self._is_own(token) else None

    def person_behind_proxy(self, name: str) -> Person | None:
        """Return who somebody is whom the proxy has named; None where nobody knows the name."""
        # Addresses of mail are the same in capitals and small letters.
        name = name.strip().lower()
        named = None if self._tokens is None else self._tokens.of_name(name)
        if named is not None:
            return named.person
        role = None if self.proxy is None else self.proxy.role
        return Person(name, role) if name and role is not None else None

    def person_named(self, name: str) -> Person | None:
        """Return who has an account now, by its name; empty is the server's own token."""
        if name:
            return self.person_behind_proxy(name)
        return Person() if self.has_own_token or not self.required else None

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


def _ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an IP address; None where it is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A server that listens on IPv6 sees addresses of IPv4 in this form.
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped


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
