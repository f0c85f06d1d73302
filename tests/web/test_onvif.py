"""Cameras that speak ONVIF are found, and tell their streams to who has a login."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oddframe.errors import InputError, SourceError
from oddframe.web.onvif import OnvifDevice, OnvifStream, read_answer, read_streams
from tests.support.onvif_device import PASSWORD, USER, OnvifServer, probe_match
from tests.support.stream_server import StreamServer, http

ROOT = Path(__file__).parents[2]
FOUND = OnvifDevice("http://127.0.0.1:8000/onvif/device_service", "Front door", "X-100")


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
def test_a_device_is_found_in_a_network_of_its_own():
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
    assert done.stdout.strip() == str([FOUND]), done.stderr
