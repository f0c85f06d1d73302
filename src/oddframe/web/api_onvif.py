"""The API of finding cameras: which devices of the network speak ONVIF, and their streams."""

import threading
from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import Field, StringConstraints

from oddframe.web.onvif import find_devices, read_streams
from oddframe.web.schemas import Schema, SourceText, Text

router = APIRouter(prefix="/api/v1/onvif", responses={401: {}, 503: {}})

# Each search sends into all networks, and waits: two at a time would find nothing more.
_searching = threading.Lock()


class DeviceRecord(Schema):
    """A device of the network that speaks ONVIF."""

    address: str
    name: str
    model: str


class DeviceList(Schema):
    """The devices that have answered."""

    devices: list[DeviceRecord]


class DeviceLogin(Schema):
    """A device, and a user of it; no answer ever contains the password."""

    address: SourceText
    user: Annotated[Text, StringConstraints(max_length=200)] = ""
    password: Annotated[Text, Field(repr=False), StringConstraints(max_length=200)] = ""


class DeviceStreamRecord(Schema):
    """A stream of a device; its address is without a login."""

    name: str
    address: str
    encoding: str
    size: tuple[int, int] | None


class DeviceStreamList(Schema):
    """The streams of a device, as it tells them: mostly the largest comes first."""

    streams: list[DeviceStreamRecord]


@router.post("/find")
def find() -> DeviceList:
    """Ask the networks of the server for cameras; this takes three seconds."""
    if not _searching.acquire(blocking=False):
        raise HTTPException(503, "cameras are being searched for already; try again in a moment")
    try:
        found = find_devices()
    finally:
        _searching.release()
    return DeviceList(
        devices=[
            DeviceRecord(address=device.address, name=device.name, model=device.model)
            for device in found
        ]
    )


@router.post("/streams")
def streams(given: DeviceLogin) -> DeviceStreamList:
    """Ask a device for the addresses of its streams."""
    found = read_streams(given.address, given.user, given.password)
    return DeviceStreamList(
        streams=[
            DeviceStreamRecord(
                name=stream.name, address=stream.address, encoding=stream.encoding, size=stream.size
            )
            for stream in found
        ]
    )
