"""A browser that can be told, and its push service on this machine, which decrypts.

The arithmetic is written anew from RFC 8188 and RFC 8291, and shares nothing with what it tests.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.support.alerting import Hook, hook


def unpack(text: str) -> bytes:
    """Bytes of base64url, with or without its padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pack(data: bytes) -> str:
    """Bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as the 65 bytes of a point."""
    form = serialization.PublicFormat.UncompressedPoint
    return key.public_bytes(serialization.Encoding.X962, form)


class Browser:
    """A browser with its keys; each has an address of its own at the push service."""

    def __init__(self, service: Hook, name: str = "one") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secret = name.ljust(16, "-").encode()[:16]
        self.path = f"/hook/{name}"
        self.endpoint = f"http://127.0.0.1:{service.port}{self.path}"
        self._service = service

    @property
    def keys(self) -> dict[str, str]:
        """What the browser gives to the server."""
        return {"p256dh": pack(point(self.key.public_key())), "auth": pack(self.secret)}

    def told(self) -> list[dict[str, Any]]:
        """The messages that came for this browser, decrypted."""
        bodies = [body for path, _, body in self._service.requests if path == self.path]
        return [json.loads(decrypt(body, self.key, self.secret)) for body in bodies]


def decrypt(body: bytes, key: ec.EllipticCurvePrivateKey, secret: bytes) -> bytes:
    """The message in a body of the form aes128gcm, of a single record."""
    salt, length = body[:16], int.from_bytes(body[16:20], "big")
    sender = body[21 : 21 + body[20]]
    sealed = body[21 + body[20] :]
    assert len(sealed) <= length
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
    info = b"WebPush: info\0" + point(key.public_key()) + sender
    shared = HKDF(hashes.SHA256(), 32, secret, info).derive(key.exchange(ec.ECDH(), theirs))
    cipher = HKDF(hashes.SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(shared)
    nonce = HKDF(hashes.SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(shared)
    opened = AESGCM(cipher).decrypt(nonce, sealed, None)
    assert opened.endswith(b"\x02")
    return opened[:-1]


def claims_of(headers: dict[str, str]) -> dict[str, Any]:
    """What a request says of its sender, once its signature is checked."""
    kind, _, rest = headers["Authorization"].partition(" ")
    assert kind == "vapid"
    values = dict(part.strip().split("=", 1) for part in rest.split(","))
    head, body, signature = values["t"].split(".")
    numbers = unpack(signature)
    signed = encode_dss_signature(
        int.from_bytes(numbers[:32], "big"), int.from_bytes(numbers[32:], "big")
    )
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unpack(values["k"]))
    key.verify(signed, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    claims = json.loads(unpack(body))
    assert isinstance(claims, dict)
    return claims


@contextmanager
def push_service() -> Iterator[Hook]:
    """Run a push service."""
    with hook() as service:
        service.answer = lambda _count: 201
        yield service
