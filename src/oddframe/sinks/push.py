"""Notifications of browsers, also while no page is open: web push (RFC 8030, 8188, 8291, 8292).

A browser that wants to be told gives an address at the push service of its maker, and two keys.
Messages are encrypted with these, so the push service learns when somebody is told and not of what.
The server signs each request with a key of its own (VAPID). `cryptography` does the arithmetic;
what is put together of it is written down here, as the standards have it.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from oddframe.core.alerts import CameraStatus
from oddframe.errors import DeliveryError, InputError, OutputError
from oddframe.files import output_error, write_bytes, write_json
from oddframe.sinks.http_client import Receiver
from oddframe.sinks.rules import AlertRules
from oddframe.sinks.sink import Message, Retry, is_wanted

KEY_FILE, SUBSCRIPTIONS_FILE = "push.key", "push.json"
"""Names of the files in the store's folder: our own key, and who is told."""

MOST_SUBSCRIPTIONS = 500
"""So many browsers can be told; one more takes the place of the oldest."""

_POINT = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
_POINT_BYTES, _SECRET_BYTES, _SALT_BYTES = 65, 16, 16
_RECORD_BYTES = 4096
"""Length of a record; a message of ours is a single one and shorter."""

_VALID_S = 12 * 3600
"""How long the signature of a request holds, in seconds; at most a day is allowed."""

_KEPT_S = 12 * 3600
"""How long the push service keeps a message for a browser that is away, in seconds."""

_CONTACT = "mailto:oddframe@example.com"
_MOST_TEXT = 600
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """A browser that wants to be told.

    Attributes:
        endpoint: Its address at the push service; a secret, since whoever has it can write there.
        p256dh: Its public key, an uncompressed point of P-256 in base64url.
        auth: Its secret of 16 bytes, in base64url.
        by: Name of the account that is signed in there; empty for the server's own token.
    """

    endpoint: str
    p256dh: str
    auth: str
    by: str

    def __post_init__(self) -> None:
        point, secret = from_base64url(self.p256dh), from_base64url(self.auth)
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError as error:
            raise InputError("p256dh must be a public key of a browser, but it is none") from error
        if len(secret) != _SECRET_BYTES:
            raise InputError(f"auth must have {_SECRET_BYTES} bytes, got {len(secret)}")


class Subscriptions:
    """The browsers that want to be told, in a file; any thread may call.

    Args:
        path: The file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def all(self) -> list[Subscription]:
        """Return all of them, the oldest first; those that are damaged are left out."""
        with self._lock:
            return self._read()

    def add(self, subscription: Subscription) -> None:
        """Add a browser, in place of what was known of it.

        Raises:
            OutputError: If the file cannot be written.
        """
        with self._lock:
            others = [one for one in self._read() if one.endpoint != subscription.endpoint]
            self._write([*others, subscription][-MOST_SUBSCRIPTIONS:])

    def remove(self, endpoint: str, by: str | None = None) -> bool:
        """Remove a browser.

        Args:
            endpoint: Its address.
            by: Only if it is one of this account; None for any.

        Returns:
            Whether there was such a one.

        Raises:
            OutputError: If the file cannot be written.
        """
        with self._lock:
            known = self._read()
            left = [
                one
                for one in known
                if one.endpoint != endpoint or (by is not None and one.by != by)
            ]
            if len(left) < len(known):
                self._write(left)
            return len(left) < len(known)

    def _read(self) -> list[Subscription]:
        try:
            values = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError):
            # Browsers subscribe anew when their page is opened, so nothing is lost for ever.
            return []
        found = []
        for value in values if isinstance(values, list) else []:
            try:
                found.append(Subscription(**value))
            except (TypeError, InputError):
                continue
        return found

    def _write(self, subscriptions: list[Subscription]) -> None:
        write_json(self._path, [asdict(one) for one in subscriptions])
        _hide(self._path)


class Push:
    """Tells browsers: each the events of the cameras that its account sees.

    Attributes:
        rules: Like events are told together, as to people elsewhere.
        subscriptions: Who is told.
        public_key: The server's public key in base64url, which a browser asks for.
        contact: Address at which a push service can reach who runs the server, ``https:`` or
            ``mailto:``; may be set.
    """

    retry = Retry()
    durable = True
    rules = AlertRules(digest_s=600.0)

    def __init__(
        self,
        folder: Path,
        cameras_of: Callable[[str], Collection[str] | None],
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Read the key of the server, or make one; nothing is sent yet.

        Args:
            folder: The store's folder.
            cameras_of: Called with the name of an account: names of the cameras that it sees, None
                for all. It raises a `LookupError` where there is no such account any more.
            now_s: Reads the wall clock, in seconds since 1970-01-01 UTC.

        Raises:
            OutputError: If the key can be neither read nor written.
        """
        self.subscriptions = Subscriptions(folder / SUBSCRIPTIONS_FILE)
        self._cameras_of, self._now_s = cameras_of, now_s
        self.contact = _CONTACT
        self._key = read_key(folder / KEY_FILE)
        self.public_key = base64url(self._key.public_key().public_bytes(*_POINT))
        # Addresses that have the present message already, by its key.
        self._told: tuple[str, set[str]] = ("", set())

    def deliver(self, message: Message) -> None:
        """Tell every browser that has not been told.

        Raises:
            DeliveryError: If a push service did not take it; only that one is told again.
        """
        if not is_wanted(message, ("start", "description")):
            return
        if self._told[0] != message["key"]:
            self._told = (str(message["key"]), set())
        told = self._told[1]
        failures = []
        for one in self.subscriptions.all():
            shown = self._shown(message, one)
            if shown is None or one.endpoint in told:
                continue
            failure = self._tell(one, json.dumps(shown, ensure_ascii=False).encode())
            if failure is None:
                told.add(one.endpoint)
            else:
                failures.append(failure)
        if failures:
            raise DeliveryError(f"{'; '.join(sorted(set(failures)))}; the alert is sent again")

    def report(self, status: CameraStatus) -> None:
        """Send nothing: people get the health events of a camera instead."""

    def close(self) -> None:
        """Do nothing: no connection is open between two requests."""

    def _shown(self, message: Message, subscription: Subscription) -> dict[str, Any] | None:
        """Return what a browser is told; None where its account does not see the camera."""
        try:
            cameras = self._cameras_of(subscription.by)
        except LookupError:
            self.subscriptions.remove(subscription.endpoint)
            return None
        source = str(message["source"])
        if message["phase"] == "test" or cameras is None:
            return notification(message)
        if source not in cameras:
            return None
        # The words of a digest name other cameras, too.
        is_digest = message["phase"] == "digest"
        return notification(
            {**message, "text": f"More events at {source}."} if is_digest else message
        )

    def _tell(self, subscription: Subscription, payload: bytes) -> str | None:
        """Tell one browser; returns why that failed and is worth another try, None otherwise."""
        parts = urlsplit(subscription.endpoint)
        receiver = Receiver("the push service", subscription.endpoint, timeout_s=_TIMEOUT_S)
        body = encrypt(
            payload, from_base64url(subscription.p256dh), from_base64url(subscription.auth)
        )
        signed = sign_origin(
            self._key, f"{parts.scheme}://{parts.netloc}", self.contact, self._now_s()
        )
        headers = {
            "Authorization": f"vapid t={signed}, k={self.public_key}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(_KEPT_S),
            "Urgency": "high",
        }
        try:
            answer = receiver.send("POST", receiver.path, body, headers)
        except DeliveryError as error:
            return str(error).removesuffix("; the alert is sent again")
        if answer.status in (404, 410):
            # The browser has unsubscribed, or is gone.
            self.subscriptions.remove(subscription.endpoint)
        elif not answer.is_taken and not answer.is_final:
            return f"the push service at {receiver.host} answered {answer.status}"
        return None


def notification(message: Message) -> dict[str, Any]:
    """Make what a browser shows of a message: title, text, where it leads, and what it replaces."""
    link = str(message.get("link") or "")
    # Of the address only what the page itself knows: the browser has its own way to the server.
    _, mark, place = link.partition("#")
    key = f"{message['id']}-{message['start']}"
    return {
        "title": "Oddframe" if message["phase"] == "test" else str(message["source"]),
        "text": str(message["text"])[:_MOST_TEXT],
        "hash": f"#{place}" if mark else "#/events?verdict=none",
        # The sentence of a model takes the place of the notification of its event.
        "tag": hashlib.sha256(key.encode()).hexdigest()[:16],
    }


def check_endpoint(endpoint: str) -> None:
    """Check an address that a browser gives: it must be one of a push service.

    Anybody who may sign in can give one, so it must not lead into the network of the server.

    Raises:
        InputError: If it is no ``https://`` address of a public host.
    """
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
        parts = urlsplit("")
    is_right = parts.scheme == "https" and port in (None, 443) and parts.username is None
    try:
        is_public = ipaddress.ip_address(host).is_global
    except ValueError:
        is_public = "." in host.strip(".") and not host.endswith((".local", ".internal", ".lan"))
    if not (is_right and is_public and endpoint.isascii() and endpoint.isprintable()):
        raise InputError("endpoint must be an https:// address of a push service on the internet")


def encrypt(
    payload: bytes,
    point: bytes,
    secret: bytes,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """Encrypt a message for a browser: a single record of aes128gcm (RFC 8291, section 4).

    Args:
        payload: The message, at most 3,993 bytes.
        point: The browser's public key, 65 bytes.
        secret: The browser's secret, 16 bytes.
        key: Our key for this message; a new one when None.
        salt: 16 bytes; random when None.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    salt = salt or os.urandom(_SALT_BYTES)
    ours = key.public_key().public_bytes(*_POINT)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    shared = key.exchange(ec.ECDH(), theirs)
    cipher_key, nonce = _derive(shared, secret, salt, point, ours)
    # 2 marks the last record.
    sealed = AESGCM(cipher_key).encrypt(nonce, payload + b"\x02", None)
    return salt + _RECORD_BYTES.to_bytes(4, "big") + bytes([len(ours)]) + ours + sealed


def sign_origin(key: ec.EllipticCurvePrivateKey, origin: str, contact: str, now_s: float) -> str:
    """Sign that we are the one whom a browser has subscribed to (RFC 8292): a JSON web token.

    Args:
        key: The server's key.
        origin: Scheme and host of the push service.
        contact: Address of who runs the server.
        now_s: The present time, in seconds since 1970-01-01 UTC.
    """
    claims = {"aud": origin, "exp": int(now_s) + _VALID_S, "sub": contact}
    parts = ({"typ": "JWT", "alg": "ES256"}, claims)
    signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    signature = key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    # A token has the two numbers as they are, 32 bytes each, and not in the form of ASN.1.
    numbers = decode_dss_signature(signature)
    plain = b"".join(number.to_bytes(32, "big") for number in numbers)
    return f"{signed}.{base64url(plain)}"


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read the server's key, or make one that only its owner can read.

    Raises:
        OutputError: If it can be neither read nor written.
    """
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if isinstance(found, ec.EllipticCurvePrivateKey):
            return found
    except FileNotFoundError:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_bytes(path, pem)
        _hide(path)
        return key
    except (OSError, ValueError):
        pass
    raise OutputError(
        f"{path} must hold the key of the server for notifications, but it cannot be read; "
        "delete it to make a new one, after which browsers have to be asked again"
    )


def base64url(data: bytes) -> str:
    """Write bytes in the form of base64 that addresses and headers take."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_base64url(text: str) -> bytes:
    """Read what `base64url` wrote.

    Raises:
        InputError: If it is none.
    """
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", True)
    except (ValueError, UnicodeEncodeError) as error:
        raise InputError("a key of a browser must be written in base64url") from error


def _derive(
    shared: bytes, secret: bytes, salt: bytes, theirs: bytes, ours: bytes
) -> tuple[bytes, bytes]:
    """Derive the key and the nonce of a message (RFC 8291, section 3.4)."""
    keyed = _hmac(secret, shared)
    input_key = _hmac(keyed, b"WebPush: info\x00" + theirs + ours + b"\x01")
    extracted = _hmac(salt, input_key)
    cipher_key = _hmac(extracted, b"Content-Encoding: aes128gcm\x00\x01")[:16]
    return cipher_key, _hmac(extracted, b"Content-Encoding: nonce\x00\x01")[:12]


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _hide(path: Path) -> None:
    """Let only its owner read a file."""
    try:
        path.chmod(0o600)
    except OSError as error:
        raise output_error(path, error) from error
