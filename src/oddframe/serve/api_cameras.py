"""The API of cameras: what there is, live pictures, scores; adding, editing and removing them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi import Path as InPath

from oddframe.serve.addresses import checked_source
from oddframe.serve.revisions import change_camera
from oddframe.serve.shapes import (
    MOST_US,
    CameraAdded,
    CameraChanged,
    CameraList,
    CameraRecord,
    Source,
    SourceTested,
    SpanList,
)
from oddframe.serve.site import Site, now_us, site_of
from oddframe.serve.telling import camera_record, camera_records
from oddframe.serve.trying import try_source
from oddframe.store.score_rows import span_seconds

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/cameras", responses={401: {}, 404: {}})

Here = Annotated[Site, Depends(site_of)]
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
        raise HTTPException(409, f"each camera must have its own name, but {given.name!r} is taken; choose another")
    values: dict[str, Any] = {"name": given.name, **_settings(site, given)}
    site.supervisor.edit(lambda book, accept: book.add(values, accept))
    site.hub.publish("changed", {"what": "cameras", "camera": given.name})
    return camera_record(site, site.camera(given.name))


@router.post("/test")
def test(site: Here, given: Source) -> SourceTested:
    """Try an address: its first picture, or what is wrong with it; takes at most 12 seconds."""
    return try_source(checked_source(given.source, site.supervisor.data, site.media), site.supervisor.data)


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


@router.get("/{name}/live.jpg", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}, 503: {}})
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
    return SpanList(spans=[(span.start_us, span.peak, span.mean) for span in spans], span_us=span_us)


def _settings(site: Site, given: CameraChanged) -> dict[str, Any]:
    """What was given, checked, as `cameras.toml` has it."""
    values = given.model_dump(exclude_unset=True, exclude={"name"})
    if given.source is None:
        values.pop("source", None)
    else:
        values["source"] = checked_source(given.source, site.supervisor.data, site.media)
    if given.model is not None:
        plan = site.supervisor.plan
        values["model"] = site.supervisor.shelf.choose(given.model, map(plan.model_of, plan.cameras)).name
    elif "model" in values:
        del values["model"]
    return values
