"""Cameras that speak ONVIF are found, and tell their streams to who has a login."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from oddframe.errors import InputError, SourceError
from oddframe.web.onvif import OnvifDevice, OnvifStream, read_answer, read_streams
from tests.support.onvif_device import PASSWORD, USER, OnvifServer, probe_match
from tests.support.stream_server import StreamServer, http

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "tests" / "fixtures" / "onvif" / "published.zip"
SERVICES = {
    "device_service": "ver10/device/wsdl/devicemgmt.wsdl",
    "media_service": "ver10/media/wsdl/media.wsdl",
}
SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
XS = "{http://www.w3.org/2001/XMLSchema}"
FOUND = OnvifDevice("http://127.0.0.1:8000/onvif/device_service", "Front door", "X-100")


def schema_in(path):
    """The schema inside a WSDL file, as a file of its own."""
    (schema,) = ElementTree.parse(path).iter(f"{XS}schema")
    ElementTree.register_namespace("xs", XS.strip("{}"))
    # Prefixes in values are lost to the parser, so they are declared anew.
    for _, (prefix, namespace) in ElementTree.iterparse(path, events=["start-ns"]):
        if prefix not in ("xs", "xml"):
            schema.set(f"xmlns:{prefix}", namespace)
    return ElementTree.tostring(schema)


class Published:
    """What ONVIF and WS-Discovery publish, unpacked into a folder."""

    def __init__(self, folder):
        import xmlschema  # takes a second

        with zipfile.ZipFile(PUBLISHED) as packed:
            packed.extractall(folder)
        places = [
            "schema/common/soap-envelope",
            "discovery/addressing",
            "discovery/ws-discovery.xsd",
        ]
        self.operations = {}
        for service, place in SERVICES.items():
            wsdl = ElementTree.parse(folder / place).getroot()
            self.operations[service] = self.read_operations(wsdl)
            # Beside the file, from where it names other ones.
            places.append(f"{place}.xsd")
            (folder / places[-1]).write_bytes(schema_in(folder / place))
        imports = "".join(
            f'<xs:import namespace="{namespace}" schemaLocation="{place}"/>'
            for place in places
            for namespace in [ElementTree.parse(folder / place).getroot().get("targetNamespace")]
        )
        whole = folder / "whole.xsd"
        whole.write_text(
            f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
        )
        # "lax", since the published schemas do not keep the rule that nothing may be read in two
        # ways. All else in them has to be right: a type that is not found would allow anything.
        self.schema = xmlschema.XMLSchema10(str(whole), validation="lax", allow="local")
        assert self.schema.all_errors == [
            error for error in self.schema.all_errors if "Unique Particle" in str(error)
        ]

    @staticmethod
    def read_operations(wsdl):
        """The elements that each operation takes and gives, by its name."""
        (part,) = wsdl.iter(f"{WSDL}portType")
        elements = {
            message.get("name"): message.find(f"{WSDL}part").get("element").partition(":")[2]
            for message in wsdl.iter(f"{WSDL}message")
        }
        return {
            operation.get("name"): tuple(
                f"{{{wsdl.get('targetNamespace')}}}"
                + elements[operation.find(WSDL + way).get("message").partition(":")[2]]
                for way in ("input", "output")
            )
            for operation in part.iter(f"{WSDL}operation")
        }

    def faults(self, text):
        """What a message has that its schema does not allow."""
        return [f"{error.path}: {error.reason}" for error in self.schema.iter_errors(text)]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return Published(tmp_path_factory.mktemp("published"))


def body_of(text):
    """The element in the body of an envelope."""
    (element,) = ElementTree.fromstring(text).find(f"{SOAP}Body")
    return element.tag


@pytest.mark.slow
def test_what_is_asked_and_answered_keeps_to_what_onvif_publishes(published):
    with OnvifServer() as device:
        read_streams(device.address, USER, PASSWORD)
        with pytest.raises(InputError):
            read_streams(device.address, USER, "wrong")
    assert len(device.said) == len(device.asked) == 7
    for asked, (request, answer) in zip(device.asked, device.said, strict=True):
        assert published.faults(request) == [], asked
        assert published.faults(answer.partition("?>")[2]) == [], asked
        service, _, name = asked.rpartition("/")[2].partition(" ")
        takes, gives = published.operations[service][name]
        assert body_of(request) == takes
        assert body_of(answer) in (gives, f"{SOAP}Fault")
    assert body_of(device.said[-1][1]) == f"{SOAP}Fault"
    assert published.faults(probe_match(FOUND.address).decode().partition("?>")[2]) == []
    # The schemas do refuse: a part too few, a value that is none, a part that nobody knows.
    right = device.said[4][1].partition("?>")[2]
    for part, other in (
        ("<tt:Timeout>PT0S</tt:Timeout>", ""),
        (">false<", ">perhaps<"),
        ("tt:InvalidAfterReboot", "tt:AfterReboot"),
    ):
        assert published.faults(right.replace(part, other)) != [], part


def test_a_device_tells_its_streams_to_who_has_a_login():
    with OnvifServer() as device:
        found = read_streams(device.address, USER, PASSWORD)
        # Asked at the host where the device is, whatever host it names.
        assert device.asked == [
            "/onvif/device_service GetSystemDateAndTime",
            "/onvif/device_service GetCapabilities",
            "/onvif/media_service GetProfiles",
            "/onvif/media_service GetStreamUri",
            "/onvif/media_service GetStreamUri",
        ]
    assert found == [
        OnvifStream("main", "rtsp://10.0.0.7:554/main?a=1&b=2", "H264", (1920, 1080)),
        OnvifStream("sub", "rtsp://10.0.0.7:554/sub", "H264", (640, 360)),
    ]


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("nobody", PASSWORD), ("", "")])
def test_who_has_no_login_is_told_so(user, password):
    with OnvifServer() as device, pytest.raises(InputError, match="refuses this one"):
        read_streams(device.address, user, password)


def test_what_is_no_device_is_told_so():
    with (
        StreamServer(http(b"<!doctype html><p>Hello</p>")) as server,
        pytest.raises(SourceError, match="give the address of its stream by hand"),
    ):
        read_streams(server.url("x"), USER, PASSWORD)
    with pytest.raises(SourceError, match="gave no answer"):
        read_streams("http://127.0.0.1:9/x", USER, PASSWORD)
    for address in ("file:///etc/passwd", "rtsp://10.0.0.7/", "http://", "http://a b/"):
        with pytest.raises(InputError, match="must begin with http"):
            read_streams(address, USER, PASSWORD)


def test_an_answer_names_devices_and_anything_else_none():
    assert read_answer(probe_match(FOUND.address)) == [FOUND]
    assert read_answer(probe_match("http://10.0.0.7/a http://[fe80::1]/a")) == [
        OnvifDevice("http://10.0.0.7/a", "Front door", "X-100")
    ]
    for answer in (b"", b"<a>", b"<a/>", b"\x00\xff", probe_match(""), probe_match("file:///x")):
        assert read_answer(answer) == []


def test_the_answers_of_the_api_hold_no_password(client):
    with OnvifServer() as device:
        given = {"address": device.address, "user": USER, "password": PASSWORD}
        answer = client.post("/api/v1/onvif/streams", json=given)
    assert [one["name"] for one in answer.json()["streams"]] == ["main", "sub"]
    assert "eim" not in answer.text
    refused = client.post("/api/v1/onvif/streams", json={**given, "address": "file:///x"})
    assert refused.status_code == 422


@pytest.mark.services
def test_a_device_is_found_in_a_network_of_its_own(published):
    """In a namespace, in which no camera of the house can answer."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare and ip are needed")
    program = (
        "ip link set lo multicast on up && ip route add 224.0.0.0/4 dev lo && "
        f'exec "{sys.executable}" -m tests.support.onvif_device'
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", program],
        cwd=ROOT,
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode and "unshare" in done.stderr:
        pytest.skip(f"this machine lets nobody make a namespace: {done.stderr}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["found"] == [asdict(FOUND)]
    (question,) = told["questions"]
    assert published.faults(question) == []
    assert body_of(question) == "{http://schemas.xmlsoap.org/ws/2005/04/discovery}Probe"
