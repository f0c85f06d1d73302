"""The API of cameras: list, add, change and remove them, test an address, pictures and scores."""

import base64
import threading
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response

from oddframe.core.records import Frame
from oddframe.errors import OddframeError
from oddframe.media.convert import encode_jpeg
from oddframe.media.discovery import open_source
from oddframe.media.live_config import LiveSettings, StreamAddress, checked_source, stream_address
from oddframe.media.live_stream import LiveStream
from oddframe.media.source import FrameFormat
from oddframe.store.scores import span_seconds
from oddframe.web.api_views import check_view
from oddframe.web.changes import change_camera
from oddframe.web.context import DAY_US, AppContext, CameraName, Context, now_us
from oddframe.web.live_updates import MOST_VIEWERS, PictureStream
from oddframe.web.schemas import (
    MOST_US,
    CameraAdded,
    CameraChanged,
    CameraList,
    CameraRecord,
    Schema,
    Source,
    SourceTested,
    SpanList,
)
from oddframe.web.serializers import camera_record, camera_records

MOST_S = 11.0
"""Longest wait for the first picture of an address, in seconds."""

MOST_AT_ONCE = 4
"""Most tests of addresses at the same time: each holds a connection and a decoder."""

# The picture for people is wide; the network's form is not needed and as small as it may be.
_WANTED = FrameFormat(32, 32, "grey", 640)

# A redirection could lead a request of this server into a network that the browser cannot reach.
_SETTINGS = LiveSettings(open_timeout_s=5.0, read_timeout_s=5.0, redirects=False)

_IMAGE_RATE_FPS = 10.0
"""Rate of a folder of images whose names hold no times."""

_tests = threading.Semaphore(MOST_AT_ONCE)

router = APIRouter(prefix="/api/v1", responses={401: {}, 404: {}})


class CameraScores(Schema):
    """Spans of scores of a camera in three lists; those without a score are left out."""

    # How many spans after the first of all cameras each begins.
    at: list[int]
    peaks: list[float]
    means: list[float]


class ScoreOverview(Schema):
    """The scores of all cameras, by name; cameras without a score are left out."""

    cameras: dict[str, CameraScores]
    # When the first span begins, and how long each is.
    first_us: int
    span_us: int


@router.get("/cameras")
def cameras(context: Context) -> CameraList:
    """All cameras, in the order of the file."""
    return CameraList(cameras=camera_records(context))


@router.post("/cameras", status_code=201, responses={409: {}})
def add(context: Context, given: CameraAdded) -> CameraRecord:
    """Add a camera; it is watched at once."""
    if context.supervisor.camera(given.name) is not None:
        raise HTTPException(
            409, f"each camera must have its own name, but {given.name!r} is taken; choose another"
        )
    values: dict[str, Any] = {"name": given.name, **_checked_values(context, given)}
    context.supervisor.edit(lambda file, accept: file.add(values, accept))
    context.hub.publish("changed", {"what": "cameras", "camera": given.name})
    return camera_record(context, context.camera(given.name))


@router.post("/cameras/test")
def test(context: Context, given: Source) -> SourceTested:
    """Test an address: its first picture, or what is wrong with it; takes at most 12 seconds."""
    data = context.supervisor.data
    return check_connection(checked_source(given.source, data, context.media), data)


@router.get("/cameras/{name}")
def camera(context: Context, name: CameraName) -> CameraRecord:
    """One camera, with its state, score and settings."""
    return camera_record(context, context.camera(name))


@router.put("/cameras/{name}", responses={409: {}})
def change(context: Context, name: CameraName, given: CameraChanged) -> CameraRecord:
    """Change the settings that are given and leave the rest.

    The API never tells a source in full, so leave it out to keep it. Another name takes along all
    that is kept of the camera. A model that has learnt
    another view than the camera shows is refused with 409, which says why, unless `other_view`.
    """
    # Before anything is checked: a camera that is not there is a 404, whatever was given.
    camera = context.camera(name)
    values = _checked_values(context, given)
    if "model" in values and not given.other_view:
        check_view(context, camera, values["model"])
    new_name = given.name or name
    change_camera(context, name, {**values, "name": new_name})
    context.hub.publish("changed", {"what": "cameras", "camera": new_name})
    return camera_record(context, context.camera(new_name))


@router.delete("/cameras/{name}", status_code=204)
def remove(context: Context, name: CameraName, forget: bool = False) -> Response:
    """Stop watching a camera and remove it; `forget` also deletes all that was stored of it."""
    context.camera(name)
    context.supervisor.edit(lambda file, accept: file.remove(name, accept))
    if forget and name in context.store.reader.cameras():
        context.store.forget(name)
    if forget:
        context.learner.remove(name, footage=True)
        context.uploads.remove(name)
    context.hub.publish("changed", {"what": "cameras", "camera": name})
    return Response(status_code=204)


@router.get(
    "/cameras/{name}/live.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 503: {}},
)
def live(context: Context, name: CameraName, heat: bool = False) -> Response:
    """The newest picture of a camera; with `heat`, unusual places are coloured."""
    context.camera(name)
    picture = context.pictures.picture(name, heat=heat)
    if picture is None:
        raise HTTPException(503, "there is no picture of this camera yet")
    return Response(picture, media_type="image/jpeg")


@router.get(
    "/cameras/{name}/live.mjpeg",
    response_class=Response,
    responses={200: {"content": {"multipart/x-mixed-replace": {}}}, 503: {}},
)
async def live_stream(
    context: Context, request: Request, name: CameraName, heat: bool = False
) -> PictureStream:
    """Each new picture of a camera, for as long as somebody looks; with `heat` as for a picture."""
    # Async, unlike the other routes of the API: the count of viewers belongs to the event loop.
    context.camera(name)
    if context.pictures.viewers >= MOST_VIEWERS:
        raise HTTPException(503, "too many browsers show live pictures; close some of them")

    def is_over() -> bool:
        # Also where the account of whoever looks has ended, or sees other cameras now.
        gone = context.supervisor.camera(name) is None or not request.scope["still_holds"]()
        return context.hub.is_closed or gone

    return PictureStream(context.pictures, name, heat=heat, is_over=is_over)


@router.get("/cameras/{name}/scores")
def scores(
    context: Context,
    name: CameraName,
    from_us: Annotated[int | None, Query(ge=0, le=MOST_US)] = None,
    to_us: Annotated[int | None, Query(ge=0, le=MOST_US)] = None,
    most: Annotated[int, Query(ge=1, le=5_000)] = 1_000,
) -> SpanList:
    """Scores between two times, in at most so many spans; the last day where no time is given."""
    # Also of a camera that was removed, so it need not be one of the plan.
    context.check_seen(name)
    end_us = now_us() if to_us is None else to_us
    start_us = max(0, end_us - DAY_US) if from_us is None else from_us
    spans = context.store.reader.scores(name, start_us, end_us, most)
    span_us = span_seconds(start_us, end_us, most) * 1_000_000
    return SpanList(
        spans=[(span.start_us, span.peak, span.mean) for span in spans], span_us=span_us
    )


@router.get("/scores")
def all_scores(
    context: Context,
    from_us: Annotated[int | None, Query(ge=0, le=MOST_US)] = None,
    to_us: Annotated[int | None, Query(ge=0, le=MOST_US)] = None,
    most: Annotated[int, Query(ge=1, le=1_000)] = 800,
) -> ScoreOverview:
    """Scores of all cameras between two times, in few spans; the last 33 days without times."""
    end_us = now_us() if to_us is None else to_us
    # What the page Timeline can show: 31 days before today, whose midnight depends on the zone.
    start_us = max(0, end_us - 33 * DAY_US) if from_us is None else from_us
    names = [camera.name for camera in context.cameras]
    found = context.store.reader.score_columns(names, start_us, end_us, most)
    span_us = span_seconds(start_us, end_us, most) * 1_000_000
    first_us = min((columns.starts_us[0] for columns in found.values()), default=start_us)
    return ScoreOverview(
        cameras={
            name: CameraScores(
                # Numbers of few digits: a month of many cameras is tens of thousands of spans.
                at=[(us - first_us) // span_us for us in columns.starts_us],
                peaks=columns.peaks,
                means=columns.means,
            )
            for name, columns in found.items()
        },
        first_us=first_us,
        span_us=span_us,
    )


def _checked_values(context: AppContext, given: CameraChanged) -> dict[str, Any]:
    """Check what was given and return it as `cameras.toml` holds it; None takes a key out."""
    # What was not given stays as it is; what was given as null is taken out of the file.
    values = given.model_dump(exclude_unset=True, exclude={"name", "other_view"})
    supervisor = context.supervisor
    if given.source is None:
        # A camera cannot be without a source, so null means here that it stays.
        values.pop("source", None)
    else:
        values["source"] = checked_source(given.source, supervisor.data, context.media)
    if given.model is not None:
        plan = supervisor.plan
        model = supervisor.registry.choose(given.model, map(plan.model_of, plan.cameras))
        values["model"] = model.name
    elif "model" in values:
        del values["model"]
    return values


def check_connection(source: str, folder: Path) -> SourceTested:
    """Open a source and wait for its first picture; no redirection is followed.

    Args:
        source: The address, already checked.
        folder: Where relative paths begin.

    Returns:
        The first picture, or what is wrong as a sentence.
    """
    if not _tests.acquire(timeout=1.0):
        text = "too many addresses are being tested at once; try again in a moment"
        return SourceTested(ok=False, error=text)
    try:
        # No variables: an address from a browser must not read the server's environment.
        address = stream_address(
            source if "://" in source else _file_or_device(source, folder), variables={}
        )
        if address.kind == "file":
            opened = open_source(address.secret, default_fps=_IMAGE_RATE_FPS)
            rate_fps: float | None = opened.rate_fps
            frame = next(iter(opened.frames(_WANTED)), None)
            error = None if frame else "the file contains no pictures"
        else:
            frame, rate_fps, error = _first_frame(address)
    except OddframeError as failure:
        return SourceTested(ok=False, error=str(failure))
    finally:
        _tests.release()
    if frame is None or frame.picture is None:
        return SourceTested(ok=False, error=error or f"no picture came within {MOST_S:.0f} s")
    return SourceTested(ok=True, size=frame.shown_size, rate_fps=rate_fps, picture=_as_text(frame))


def _file_or_device(source: str, folder: Path) -> str:
    # A number alone is a camera of this machine, such as 0 for /dev/video0.
    return source if source.isdigit() else str(folder / source)


def _first_frame(address: StreamAddress) -> tuple[Frame | None, float | None, str | None]:
    """Return the first frame of a live stream, its rate, and what went wrong."""
    stream = LiveStream(address, _WANTED, _SETTINGS, name="test")
    arrived = threading.Event()
    stream.notify = arrived.set
    deadline = time.monotonic() + MOST_S
    stream.start()
    try:
        while time.monotonic() < deadline:
            # The timeout is for the deadline and for failures, of which nobody notifies.
            arrived.wait(0.1)
            arrived.clear()
            if (frame := stream.take()) is not None:
                return frame, stream.rate_fps, None
            state = stream.state()
            # A stream that waits to try again has failed once, which is the answer here.
            if state.retry_s is not None:
                return None, None, state.error
        return None, None, stream.state().error
    finally:
        stream.stop()


def _as_text(frame: Frame) -> str:
    assert frame.picture is not None, "a picture was asked for"
    jpeg = encode_jpeg(frame.picture, quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
