"""The API of views: what a camera shows beside what a model has learnt, before it takes the model.

A camera that is watched with the model of another view is not scored: all that it shows counts as
a fault of the camera.
"""

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Query, Response

from oddframe.bundle.bundle import Bundle
from oddframe.core.health.monitor import find_other_view
from oddframe.errors import InputError
from oddframe.media.convert import encode_jpeg, resize_picture
from oddframe.monitoring.config import Camera
from oddframe.web.context import AppContext, CameraName, Context
from oddframe.web.schemas import Schema
from oddframe.web.serializers import model_name

_QUALITY = 85

ModelName = Annotated[str, Query(max_length=500)]

router = APIRouter(prefix="/api/v1", responses={401: {}, 404: {}})


class ViewRecord(Schema):
    """What a camera shows now, and what a model has learnt."""

    model: str
    # Whether they are plainly two views; false too where that cannot be known now.
    differs: bool
    # In what they differ, or why that is not known; empty where they are alike.
    sentence: str
    # Where the two pictures are; null where there is none.
    camera_picture: str | None
    model_picture: str | None
    # Width by height of the model's picture as players show it.
    aspect: float


@router.get("/cameras/{name}/view")
def compare(context: Context, name: CameraName, model: ModelName) -> ViewRecord:
    """Whether a camera shows the view that a model has learnt."""
    camera = context.camera(name)
    bundle = _bundle(context, model)
    shown = context.supervisor.watcher.snapshot(camera.name)
    difference = _difference(context, camera, bundle)
    sentence = difference or ""
    if bundle.health is None:
        sentence = "the model keeps no picture of its view, so the two cannot be compared"
    elif shown is None:
        sentence = "the camera shows no picture now, so the two cannot be compared"
    network = bundle.network.config
    live = f"/api/v1/cameras/{quote(name, safe='')}/live.jpg"
    return ViewRecord(
        model=model,
        differs=difference is not None,
        sentence=sentence,
        camera_picture=None if shown is None else live,
        model_picture=None
        if bundle.health is None
        else f"/api/v1/models/view.jpg?{urlencode({'model': model})}",
        aspect=bundle.picture_aspect or network.width / network.height,
    )


@router.get(
    "/models/view.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def view_picture(context: Context, model: ModelName) -> Response:
    """The empty scene that a model has learnt, in grey and as the network sees it."""
    health = _bundle(context, model).health
    if health is None:
        raise HTTPException(404, "this model keeps no picture of its view")
    return Response(encode_jpeg(health.scene[..., None], _QUALITY), media_type="image/jpeg")


def check_view(context: AppContext, camera: Camera, model: str) -> None:
    """Refuse a model that has learnt another view than a camera shows now.

    Raises:
        HTTPException: 409 with a sentence that says in what they differ, and what to do.
    """
    if model == model_name(context, camera):
        return
    difference = _difference(context, camera, _bundle(context, model))
    if difference is not None:
        raise HTTPException(
            409,
            f"{model} must have learnt what {camera.name} shows, but {difference}: the camera "
            "would not be scored with it; let the camera be learnt, or send other_view = true",
        )


def _difference(context: AppContext, camera: Camera, bundle: Bundle) -> str | None:
    """Say in what a camera's picture differs from a model's view; None where nothing is known."""
    shown = context.supervisor.watcher.snapshot(camera.name)
    if bundle.health is None or shown is None:
        return None
    network = bundle.network.config
    # The picture for people is made from the same frame, larger: shrunk it is what a model sees.
    return find_other_view(
        bundle.health, resize_picture(shown.picture, network.width, network.height)
    )


def _bundle(context: AppContext, model: str) -> Bundle:
    """Return the bundle of a model that cameras can have; 404 where there is none."""
    supervisor = context.supervisor
    plan = supervisor.plan
    try:
        chosen = supervisor.registry.choose(model, map(plan.model_of, plan.cameras))
    except InputError as error:
        raise HTTPException(404, str(error)) from error
    return supervisor.registry.bundle(chosen.folder)
