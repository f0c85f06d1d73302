"""The API of models: what there is, where each is used, its card and its report."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import FileResponse

from oddframe.errors import BundleError, InputError
from oddframe.web.context import AppContext, site_of
from oddframe.web.model_registry import RegisteredModel
from oddframe.web.schemas import Schema
from oddframe.web.serializers import model_name

router = APIRouter(prefix="/api/v1/models", responses={401: {}})

Here = Annotated[AppContext, Depends(site_of)]

_REPORT_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""A report has its scripts inside it. In a sandbox it is a page of nobody: it sees neither the session nor the API."""


class ModelRecord(Schema):
    """A model that cameras may have."""

    name: str
    path: str
    sha256: str
    created: str
    preset: str | None
    size: tuple[int, int]
    rate_fps: float
    threshold: float
    false_alarms: str
    own_budgets: bool
    card: str
    report: str | None
    used_by: list[str]


class ModelList(Schema):
    """All of them."""

    models: list[ModelRecord]


@router.get("")
def models(site: Here) -> ModelList:
    """The models of the data folder, those of its cameras, and those that come with Oddframe."""
    plan = site.supervisor.plan
    used: dict[str, list[str]] = {}
    for camera in plan.cameras:
        used.setdefault(model_name(site, camera), []).append(camera.name)
    found = []
    for model in site.supervisor.shelf.models(map(plan.model_of, plan.cameras)):
        try:
            found.append(_record(site, model, used.get(model.name, [])))
        except BundleError:
            # It cannot be chosen, so it is not offered.
            continue
    return ModelList(models=found)


@router.get("/report", response_class=FileResponse, responses={404: {}})
def report(site: Here, model: Annotated[str, Query(max_length=500)]) -> FileResponse:
    """The page that a model's training ended with."""
    plan = site.supervisor.plan
    try:
        chosen = site.supervisor.shelf.choose(model, map(plan.model_of, plan.cameras))
    except InputError as error:
        raise HTTPException(404, str(error)) from error
    path = _report_of(chosen.folder)
    if path is None:
        raise HTTPException(404, "this model has no training report")
    return FileResponse(
        path, media_type="text/html", headers={"content-security-policy": _REPORT_POLICY}
    )


def _record(site: AppContext, model: RegisteredModel, used_by: list[str]) -> ModelRecord:
    bundle = site.supervisor.shelf.bundle(model.folder)
    network = bundle.network.config
    created = datetime.fromtimestamp((model.folder / "manifest.json").stat().st_mtime, UTC)
    return ModelRecord(
        name=model.name,
        path=str(model.folder),
        sha256=bundle.fingerprint,
        created=created.isoformat(timespec="seconds"),
        preset=None,
        size=(network.width, network.height),
        rate_fps=bundle.rate_fps,
        threshold=bundle.calibration.threshold,
        false_alarms=bundle.calibration.budget,
        own_budgets=bundle.normal is not None,
        card=bundle.card,
        report=None
        if _report_of(model.folder) is None
        else f"/api/v1/models/report?model={quote(model.name, safe='')}",
        used_by=used_by,
    )


def _report_of(folder: Path) -> Path | None:
    """The report beside a bundle: it belongs to the run folder."""
    path = folder.parent / "report.html"
    return path if folder.name == "bundle" and path.is_file() else None
