"""The API of cameras: what there is, live pictures, scores; adding, editing and removing them.

Try an address before a camera is added: its first picture, or what is wrong.
"""

import base64
import threading
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi import Path as InPath

from oddframe.core.records import Frame
from oddframe.errors import OddframeError
from oddframe.media.convert import encode_jpeg
from oddframe.media.discovery import open_source
from oddframe.media.live_config import LiveSettings, StreamAddress, checked_source, stream_address
from oddframe.media.live_stream import LiveStream
from oddframe.media.source import FrameFormat
from oddframe.store.scores import span_seconds
from oddframe.web.context import AppContext, now_us, site_of
from oddframe.web.schemas import (
    MOST_US,
    CameraAdded,
    CameraChanged,
    CameraList,
    CameraRecord,
    SourceAddress,
    SourceTested,
    SpanList,
)
from oddframe.web.serializers import camera_record, camera_records
from oddframe.web.thresholds import change_camera

MOST_S = 11.0
"""Longest wait for the first picture."""

MOST_AT_ONCE = 4
"""Tries at the same time: each holds a connection and a decoder."""

_WANTED = FrameFormat(32, 32, "grey", 640)
_SETTINGS = LiveSettings(open_timeout_s=5.0, read_timeout_s=5.0, redirects=False)
_IMAGE_RATE_FPS = 10.0

_trying = threading.Semaphore(MOST_AT_ONCE)


def test_connection(source: str, folder: Path) -> SourceTested:
    """What came of trying a checked address; no redirection is followed.

    Args:
        source: The address.
        folder: Where relative paths begin.
    """
    if not _trying.acquire(timeout=1.0):
        text = "too many addresses are being tested at once; try again in a moment"
        return SourceTested(ok=False, error=text)
    try:
        address = stream_address(source if "://" in source else _path(source, folder), variables={})
        if address.kind == "file":
            opened = open_source(address.secret, _IMAGE_RATE_FPS)
            rate_fps: float | None
            frame, rate_fps = next(iter(opened.frames(_WANTED)), None), opened.rate_fps
            error = None if frame else "the file contains no pictures"
        else:
            frame, rate_fps, error = _first(address)
    except OddframeError as failure:
        return SourceTested(ok=False, error=str(failure))
    finally:
        _trying.release()
    if frame is None or frame.picture is None:
        return SourceTested(ok=False, error=error or f"no picture came within {MOST_S:.0f} s")
    return SourceTested(ok=True, size=frame.source_size, rate_fps=rate_fps, picture=_as_text(frame))


def _path(source: str, folder: Path) -> str:
    return source if source.isdigit() else str(folder / source)


def _first(address: StreamAddress) -> tuple[Frame | None, float | None, str | None]:
    """The first frame of a camera, its rate, and what went wrong."""
    stream = LiveStream(address, _WANTED, _SETTINGS, name="test")
    came = threading.Event()
    stream.notify = came.set
    deadline = time.monotonic() + MOST_S
    stream.start()
    try:
        while time.monotonic() < deadline:
            came.wait(0.1)
            came.clear()
            if (frame := stream.take()) is not None:
                return frame, stream.rate_fps, None
            state = stream.state()
            if state.retry_s is not None:
                return None, None, state.error
        return None, None, stream.state().error
    finally:
        stream.stop()


def _as_text(frame: Frame) -> str:
    assert frame.picture is not None, "one was asked for"
    jpeg = encode_jpeg(frame.picture, quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


router = APIRouter(prefix="/api/v1/cameras", responses={401: {}, 404: {}})

Here = Annotated[AppContext, Depends(site_of)]
CameraName = Annotated[str, InPath(min_length=1, max_length=100)]
DAY_US = 86_400 * 1_000_000


@router.get("")
def cameras(site: Here) -> CameraList:
    """All cameras."""
    return CameraList(cameras=camera_records(site))


@router.post("", status_code=201, responses={409: {}})
def add(site: Here, given: CameraAdded) -> CameraRecord:
    """Add a camera; it is watched at once."""
    if site.supervisor.camera(given.name) is not None:
        raise HTTPException(
            409, f"each camera must have its own name, but {given.name!r} is taken; choose another"
        )
    values: dict[str, Any] = {"name": given.name, **_settings(site, given)}
    site.supervisor.edit(lambda book, accept: book.add(values, accept))
    site.hub.publish("changed", {"what": "cameras", "camera": given.name})
    return camera_record(site, site.camera(given.name))


@router.post("/test")
def test(site: Here, given: SourceAddress) -> SourceTested:
    """Try an address: its first picture, or what is wrong with it; takes at most 12 seconds."""
    return test_connection(
        checked_source(given.source, site.supervisor.data, site.media), site.supervisor.data
    )


@router.get("/{name}")
def camera(site: Here, name: CameraName) -> CameraRecord:
    """One camera."""
    return camera_record(site, site.camera(name))


@router.put("/{name}")
def change(site: Here, name: CameraName, given: CameraChanged) -> CameraRecord:
    """Change what is given of a camera and leave the rest; a source is never given back, so leave it out to keep it."""
    site.camera(name)
    change_camera(site, name, _settings(site, given))
    site.hub.publish("changed", {"what": "cameras", "camera": name})
    return camera_record(site, site.camera(name))


@router.delete("/{name}", status_code=204)
def remove(site: Here, name: CameraName, forget: bool = False) -> Response:
    """Watch a camera no more; `forget` also removes all that was kept of it."""
    site.camera(name)
    site.supervisor.edit(lambda book, accept: book.remove(name, accept))
    if forget and name in site.store.reader.cameras():
        site.store.forget(name)
    site.hub.publish("changed", {"what": "cameras", "camera": name})
    return Response(status_code=204)


@router.get(
    "/{name}/live.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 503: {}},
)
def live(site: Here, name: CameraName, heat: bool = False) -> Response:
    """What it shows now, as a picture; with `heat` its unusual places glow."""
    site.camera(name)
    picture = site.pictures.picture(name, heat=heat)
    if picture is None:
        raise HTTPException(503, "there is no picture of this camera yet")
    return Response(picture, media_type="image/jpeg")


@router.get("/{name}/scores")
def scores(
    site: Here,
    name: CameraName,
    from_us: Annotated[int | None, Query(ge=0, le=MOST_US)] = None,
    to_us: Annotated[int | None, Query(ge=0, le=MOST_US)] = None,
    most: Annotated[int, Query(ge=1, le=5_000)] = 1_000,
) -> SpanList:
    """Scores over a stretch of time, the last day unless said otherwise, in at most so many spans."""
    end_us = now_us() if to_us is None else to_us
    start_us = max(0, end_us - DAY_US) if from_us is None else from_us
    spans = site.store.reader.scores(name, start_us, end_us, most)
    span_us = span_seconds(start_us, end_us, most) * 1_000_000
    return SpanList(
        spans=[(span.start_us, span.peak, span.mean) for span in spans], span_us=span_us
    )


def _settings(site: AppContext, given: CameraChanged) -> dict[str, Any]:
    """What was given, checked, as `cameras.toml` has it."""
    values = given.model_dump(exclude_unset=True, exclude={"name"})
    if given.source is None:
        values.pop("source", None)
    else:
        values["source"] = checked_source(given.source, site.supervisor.data, site.media)
    if given.model is not None:
        plan = site.supervisor.plan
        values["model"] = site.supervisor.shelf.choose(
            given.model, map(plan.model_of, plan.cameras)
        ).name
    elif "model" in values:
        del values["model"]
    return values
