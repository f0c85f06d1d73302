"""A device that speaks ONVIF: it answers searches, wants a login, and names two streams.

As a program it answers a search in its own process, and prints what was found and what it was
asked, as JSON: for a network namespace, in which nobody else answers.
"""

import base64
import hashlib
import json
import re
import socket
import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from oddframe.web.onvif import MULTICAST, find_devices

USER, PASSWORD = "opérateur", "g<h>&eim"
LATE = timedelta(hours=1, minutes=7)
"""So far is the clock of the device behind ours."""

_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
    'xmlns:ter="http://www.onvif.org/ver10/error" '
    'xmlns:dn="http://www.onvif.org/ver10/network/wsdl" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" '
    'xmlns:trt="http://www.onvif.org/ver10/media/wsdl" '
    'xmlns:tt="http://www.onvif.org/ver10/schema">{head}<s:Body>{body}</s:Body>'
    "</s:Envelope>"
)
_MATCH_HEAD = (
    "<s:Header><a:MessageID>urn:uuid:2</a:MessageID><a:RelatesTo>{asked}</a:RelatesTo>"
    "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
    "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action>"
    '<d:AppSequence InstanceId="1" MessageNumber="1"/></s:Header>'
)
_MATCH = (
    "<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:1</a:Address>"
    "</a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>"
    "onvif://www.onvif.org/Profile/Streaming onvif://www.onvif.org/name/Front%20door "
    "onvif://www.onvif.org/hardware/X-100</d:Scopes><d:XAddrs>{address}</d:XAddrs>"
    "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches>"
)
_PROFILE = (
    '<trt:Profiles token="{token}" fixed="true"><tt:Name>{name}</tt:Name>'
    '<tt:VideoEncoderConfiguration token="v"><tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount>'
    "<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width>"
    "<tt:Height>{height}</tt:Height></tt:Resolution><tt:Quality>5</tt:Quality>"
    "<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type></tt:Address><tt:Port>0</tt:Port>"
    "<tt:TTL>1</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>"
    "<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration></trt:Profiles>"
)


def probe_match(address: str, asked: str = "urn:uuid:0") -> bytes:
    """Write the answer of a device to a search.

    Args:
        address: Where the device says that it is asked.
        asked: What the question calls itself.
    """
    head, body = _MATCH_HEAD.format(asked=asked), _MATCH.format(address=address)
    return _ENVELOPE.format(head=head, body=body).encode()


class OnvifServer:
    """The device; use it in a `with` block.

    Args:
        media_host: The host that it says its streams are asked at; it may be a wrong one.

    Attributes:
        address: Where it is asked.
        asked: The names of the requests, in order.
        said: The requests and their answers as they were sent, in order.
    """

    def __init__(self, media_host: str = "192.0.2.1") -> None:
        device = self
        self.asked: list[str] = []
        self.said: list[tuple[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, body = device.answer(self.path, text)
                answer = _ENVELOPE.format(head="", body=body)
                device.said.append((text, answer))
                content = answer.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/soap+xml")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._media_host = media_host
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/onvif/device_service"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, path: str, text: str) -> tuple[int, str]:
        """Answer a request to a path: the status, and the body of the envelope."""
        (name,) = re.findall(r"<s:Body><(\w+) ", text)
        self.asked.append(f"{path} {name}")
        now = datetime.now(UTC) - LATE
        if name == "GetSystemDateAndTime":
            return 200, (
                "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual"
                "</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime>"
                f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
                f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}"
                f"</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date>"
                "</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
            )
        if not _is_right_login(text, now):
            return 400, (
                "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized"
                '</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">Sender not '
                "Authorized</s:Text></s:Reason></s:Fault>"
            )
        if name == "GetCapabilities":
            return 200, (
                "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media><tt:XAddr>"
                f"http://{self._media_host}/onvif/media_service</tt:XAddr>"
                "<tt:StreamingCapabilities/></tt:Media>"
                "</tds:Capabilities></tds:GetCapabilitiesResponse>"
            )
        if name == "GetProfiles":
            profiles = [
                _PROFILE.format(token="p&amp;1", name="main", width=1920, height=1080),
                _PROFILE.format(token="p2", name="sub", width=640, height=360),
            ]
            return 200, f"<trt:GetProfilesResponse>{''.join(profiles)}</trt:GetProfilesResponse>"
        (token,) = re.findall(r"<ProfileToken>(.*?)</ProfileToken>", text)
        place = {"p&amp;1": "main?a=1&amp;b=2", "p2": "sub"}[token]
        return 200, (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>rtsp://10.0.0.7:554/{place}</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false"
            "</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri>"
            "</trt:GetStreamUriResponse>"
        )


def _is_right_login(text: str, now: datetime) -> bool:
    """Check a login by the clock of the device, as WS-Security says."""
    found = re.search(
        r"<w:Username>(.*?)</w:Username><w:Password [^>]*>(.*?)</w:Password>"
        r"<w:Nonce [^>]*>(.*?)</w:Nonce><u:Created>(.*?)</u:Created>",
        text,
    )
    if found is None:
        return False
    user, digest, nonce, created = found.groups()
    right = hashlib.sha1(base64.b64decode(nonce) + created.encode() + PASSWORD.encode()).digest()
    late = abs(datetime.fromisoformat(created) - now)
    return user == USER and base64.b64decode(digest) == right and late < timedelta(minutes=5)


def answer_one_search(address: str) -> tuple[threading.Thread, list[str]]:
    """Answer the next search that comes to this machine.

    Returns:
        The thread that does, and a list that it puts the question into.
    """
    questions: list[str] = []
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(MULTICAST)
    member = socket.inet_aton(MULTICAST[0]) + socket.inet_aton("127.0.0.1")
    listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)

    def answer() -> None:
        with listening:
            question, sender = listening.recvfrom(65_507)
            questions.append(question.decode())
            (asked,) = re.findall(r"<a:MessageID>(.*?)</a:MessageID>", questions[0])
            listening.sendto(b"no answer", sender)
            for _ in range(2):
                listening.sendto(probe_match(address, asked), sender)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return thread, questions


if __name__ == "__main__":
    answering, questions = answer_one_search("http://127.0.0.1:8000/onvif/device_service")
    found = [asdict(device) for device in find_devices(1.0)]
    answering.join(5)
    print(json.dumps({"found": found, "questions": questions}))
