"""Cameras of the network that speak ONVIF: which there are, and at which addresses they stream.

Devices answer a question that is sent to all of them (WS-Discovery); the addresses of its streams a
device tells in four SOAP requests. That is all that is needed of ONVIF here, so no library of it
is: those that are kept well bring a dozen packages, and the one for WS-Discovery is under the LGPL.

What comes from the network is bounded in size, and no answer leads to another host than the device.
"""

import base64
import hashlib
import os
import selectors
import socket
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit, urlunsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from oddframe.errors import DeliveryError, InputError, SourceError
from oddframe.sinks.http_client import Answer, Receiver

MULTICAST = ("239.255.255.250", 3702)
"""Where all devices of a network listen for WS-Discovery."""

FIND_S = 3.0
"""How long answers of devices are waited for, in seconds; the standard lets them wait for half."""

MOST_DEVICES, MOST_STREAMS = 200, 16
"""More than these are not looked at."""

_ASK_S = 5.0
"""Longest time of one request to a device, in seconds."""

_MOST_DATAGRAM = 65_507

_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_NETWORK = "http://www.onvif.org/ver10/network/wsdl"
_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"

_PROBE = (
    f'<s:Envelope xmlns:s="{_SOAP}" xmlns:a="{_ADDRESSING}" xmlns:d="{_DISCOVERY}" '
    f'xmlns:n="{_NETWORK}"><s:Header><a:MessageID>urn:uuid:{{id}}</a:MessageID>'
    '<a:To s:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>'
    f'<a:Action s:mustUnderstand="true">{_DISCOVERY}/Probe</a:Action></s:Header>'
    "<s:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"
)


@dataclass(frozen=True, slots=True)
class OnvifDevice:
    """A device that has answered.

    Attributes:
        address: Where it is asked, such as "http://10.0.0.7/onvif/device_service".
        name: What it calls itself; its host where it says nothing.
        model: What it is; "" where it says nothing.
    """

    address: str
    name: str
    model: str


@dataclass(frozen=True, slots=True)
class OnvifStream:
    """A stream of a device.

    Attributes:
        name: What the device calls it.
        address: Its address, without a login.
        encoding: Such as "H264"; "" where it is not said.
        size: (width, height) in pixels; None where it is not said.
    """

    name: str
    address: str
    encoding: str
    size: tuple[int, int] | None


def find_devices(wait_s: float = FIND_S) -> list[OnvifDevice]:
    """Ask all devices of the networks of this machine, and wait for their answers.

    Args:
        wait_s: How long to wait, in seconds.

    Returns:
        The devices by their addresses, each once.

    Raises:
        SourceError: If no network lets the question through.
    """
    found: dict[str, OnvifDevice] = {}
    with ExitStack() as stack:
        waiting = stack.enter_context(selectors.DefaultSelector())
        for asking in _ask_networks():
            stack.enter_context(asking)
            waiting.register(asking, selectors.EVENT_READ)
        if not waiting.get_map():
            raise SourceError("cameras can be found only in a network, but there is none")
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0 and len(found) < MOST_DEVICES:
            for ready, _ in waiting.select(left_s):
                with suppress(OSError):
                    answer, _ = ready.fileobj.recvfrom(_MOST_DATAGRAM)  # type: ignore[union-attr]
                    found |= {device.address: device for device in read_answer(answer)}
    return [found[address] for address in sorted(found)]


def _ask_networks() -> Iterator[socket.socket]:
    """Send the question into each network; yields the sockets that the answers come to."""
    for number, _ in socket.if_nameindex():
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            # The two addresses are left open: the number of the network says which one is meant.
            network = struct.pack("=4s4si", bytes(4), bytes(4), number)
            asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, network)
            asking.sendto(_PROBE.format(id=uuid.uuid4()).encode(), MULTICAST)
        except OSError:
            # One that is down, or has no addresses.
            asking.close()
            continue
        yield asking


def read_answer(answer: bytes) -> list[OnvifDevice]:
    """Read the devices in an answer to the question; what is no such answer holds none."""
    with suppress(ElementTree.ParseError):
        return [
            device
            for match in ElementTree.fromstring(answer).iter(f"{{{_DISCOVERY}}}ProbeMatch")
            if (device := _device_of(match)) is not None
        ]
    return []


def _device_of(match: ElementTree.Element) -> OnvifDevice | None:
    addresses = (match.findtext(f"{{{_DISCOVERY}}}XAddrs") or "").split()
    usable = [address for address in addresses if _is_web_address(address)]
    if not usable:
        return None
    # onvif://www.onvif.org/name/Front%20door
    scopes = dict[str, str]()
    for scope in (match.findtext(f"{{{_DISCOVERY}}}Scopes") or "").split():
        kind, _, value = urlsplit(scope).path.strip("/").partition("/")
        scopes.setdefault(kind, unquote(value)[:100])
    host = urlsplit(usable[0]).hostname or ""
    return OnvifDevice(usable[0], scopes.get("name") or host, scopes.get("hardware", ""))


def read_streams(address: str, user: str, password: str) -> list[OnvifStream]:
    """Ask a device for the addresses of its streams.

    Args:
        address: That of the device, as `find_devices` found it.
        user: A user of the device; "" asks without a login.
        password: The user's password.

    Returns:
        Its streams, in the order in which it tells them: mostly the largest comes first.

    Raises:
        InputError: If the address is none, or the device refuses the login.
        SourceError: If it cannot be reached or answers something else.
    """
    if not _is_web_address(address):
        raise InputError("a device's address must begin with http:// or https://, but does not")
    device = _Device(address, user, password)
    media = device.media_address()
    streams = []
    for profile in device.ask(media, f'<GetProfiles xmlns="{_MEDIA}"/>').iter(
        f"{{{_MEDIA}}}Profiles"
    ):
        token = profile.get("token", "")
        asked = (
            f'<GetStreamUri xmlns="{_MEDIA}"><StreamSetup><Stream xmlns="{_SCHEMA}">RTP-Unicast'
            f'</Stream><Transport xmlns="{_SCHEMA}"><Protocol>RTSP</Protocol></Transport>'
            f"</StreamSetup><ProfileToken>{escape(token)}</ProfileToken></GetStreamUri>"
        )
        uri = device.ask(media, asked).findtext(f".//{{{_SCHEMA}}}Uri") or ""
        if urlsplit(uri).scheme in ("rtsp", "rtsps"):
            streams.append(_stream_of(profile, uri))
        if len(streams) == MOST_STREAMS:
            break
    return streams


class _Device:
    """A device that is asked for what it knows.

    Args:
        address: Where it is.
        user: A user of it, or "".
        password: The user's password.
    """

    def __init__(self, address: str, user: str, password: str) -> None:
        self._address, self._user, self._password = address, user, password
        self._host = urlsplit(address).hostname or ""
        # Logins hold the time, and a device with a wrong clock would call ours too old.
        self._ahead = self._clock() - datetime.now(UTC)

    def media_address(self) -> str:
        """Return where it is asked about its streams."""
        asked = f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
        found = self.ask(self._address, asked).findtext(f".//{{{_SCHEMA}}}Media/{{{_SCHEMA}}}XAddr")
        if not found or not _is_web_address(found):
            raise SourceError(f"the device at {self._host} must have streams, but names none")
        # A device behind a router may tell an address of its own network; and it must not send us
        # to another host.
        own, told = urlsplit(self._address), urlsplit(found)
        return urlunsplit((own.scheme, own.netloc, told.path, told.query, ""))

    def ask(self, address: str, body: str, *, login: bool = True) -> ElementTree.Element:
        """Send a request and return the envelope of its answer.

        Raises:
            InputError: If the device refuses the login.
            SourceError: If there is no answer, or it is none.
        """
        head = self._login() if login and self._user else ""
        text = f'<s:Envelope xmlns:s="{_SOAP}">{head}<s:Body>{body}</s:Body></s:Envelope>'
        receiver = Receiver("the device", address, timeout_s=_ASK_S)
        try:
            answer = receiver.send(
                "POST",
                receiver.path,
                text.encode(),
                {"Content-Type": "application/soap+xml; charset=utf-8"},
                read=True,
            )
        except DeliveryError as error:
            raise SourceError(
                f"the device at {self._host} gave no answer; is it switched on and reachable?"
            ) from error
        return self._envelope(answer)

    def _envelope(self, answer: Answer) -> ElementTree.Element:
        # Refusals come as a fault with this name, by many devices with the status 400.
        if answer.status in (401, 403) or b"NotAuthorized" in answer.body:
            raise InputError(
                f"the device at {self._host} must be asked with a login that it knows, but it "
                "refuses this one; correct user and password"
            )
        try:
            envelope = ElementTree.fromstring(answer.body)
        except ElementTree.ParseError:
            envelope = None
        if envelope is None or not answer.is_taken:
            raise SourceError(
                f"the device at {self._host} must answer as ONVIF asks, but answered otherwise "
                f"(status {answer.status}); give the address of its stream by hand"
            )
        return envelope

    def _clock(self) -> datetime:
        """Return the time of the device's clock; ours where it does not say."""
        asked = f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>'
        try:
            utc = self.ask(self._address, asked, login=False).find(f".//{{{_SCHEMA}}}UTCDateTime")
            names = ("Year", "Month", "Day", "Hour", "Minute", "Second")
            year, month, day, hour, minute, second = (
                int(("" if utc is None else utc.findtext(f".//{{{_SCHEMA}}}{name}")) or "")
                for name in names
            )
            # Second 60 is one of those that are put in now and then.
            start = datetime(year, month, day, hour, minute, tzinfo=UTC)
            return start + timedelta(seconds=second)
        except (InputError, ValueError, OverflowError):
            return datetime.now(UTC)

    def _login(self) -> str:
        """Write the head that proves that the password is known, without it (WS-Security)."""
        nonce = os.urandom(16)
        created = (datetime.now(UTC) + self._ahead).strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = hashlib.sha1(
            nonce + created.encode() + self._password.encode(), usedforsecurity=False
        ).digest()
        token, profile = f"{_WSS}-wssecurity", f"{_WSS}-username-token-profile-1.0"
        encoding = f"{_WSS}-soap-message-security-1.0#Base64Binary"
        return (
            f'<s:Header><w:Security xmlns:w="{token}-secext-1.0.xsd" '
            f'xmlns:u="{token}-utility-1.0.xsd"><w:UsernameToken>'
            f"<w:Username>{escape(self._user)}</w:Username>"
            f'<w:Password Type="{profile}#PasswordDigest">{_base64(digest)}</w:Password>'
            f'<w:Nonce EncodingType="{encoding}">{_base64(nonce)}</w:Nonce>'
            f"<u:Created>{created}</u:Created></w:UsernameToken></w:Security></s:Header>"
        )


def _stream_of(profile: ElementTree.Element, uri: str) -> OnvifStream:
    encoder = profile.find(f"{{{_SCHEMA}}}VideoEncoderConfiguration")
    name = profile.findtext(f"{{{_SCHEMA}}}Name") or profile.get("token") or ""
    encoding, size = "", None
    if encoder is not None:
        encoding = (encoder.findtext(f"{{{_SCHEMA}}}Encoding") or "")[:20]
        place = f"{{{_SCHEMA}}}Resolution/{{{_SCHEMA}}}"
        with suppress(ValueError):
            size = (
                int(encoder.findtext(f"{place}Width") or ""),
                int(encoder.findtext(f"{place}Height") or ""),
            )
    parts = urlsplit(uri)
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return OnvifStream(name[:100], address, encoding, size)


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return False
    has_blanks = any(letter <= " " or letter == "\x7f" for letter in address)
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and address.isascii() and not has_blanks


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
