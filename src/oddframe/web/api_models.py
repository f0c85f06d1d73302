"""The API of models: the list, with where each is used, and the report of a training."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import FileResponse

from oddframe.bundle.bundle import SHIPPED
from oddframe.errors import BundleError, InputError
from oddframe.web.context import AppContext, Context
from oddframe.web.model_registry import RegisteredModel
from oddframe.web.schemas import ModelList, ModelRecord

router = APIRouter(prefix="/api/v1/models", responses={401: {}})


_REPORT_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; font-src data:; "
    "base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""Content security policy of a report, whose scripts stand inside the page.

In a sandbox the page belongs to no origin, so it reaches neither the session nor the API.
"""


@router.get("")
def models(context: Context) -> ModelList:
    """The models of the data folder, those of its cameras, and those that come with Oddframe."""
    plan = context.supervisor.plan
    registry = context.supervisor.registry
    names = registry.names(map(plan.model_of, plan.cameras))
    used: dict[str, list[str]] = {}
    for camera in context.cameras:
        used.setdefault(names[plan.model_of(camera)], []).append(camera.name)
    records = []
    for model in registry.models(map(plan.model_of, plan.cameras)):
        # Models are named after the cameras that they have learnt.
        if context.person.cameras is not None and model.name not in used:
            continue
        try:
            records.append(_record(context, model, used.get(model.name, [])))
        except BundleError:
            # A broken bundle cannot be chosen, so it is not offered.
            continue
    return ModelList(models=records)


@router.get("/report", response_class=FileResponse, responses={404: {}})
def report(context: Context, model: Annotated[str, Query(max_length=500)]) -> FileResponse:
    """The report that the training of a model has written."""
    plan, registry = context.supervisor.plan, context.supervisor.registry
    try:
        chosen = registry.choose(model, map(plan.model_of, plan.cameras))
    except InputError as error:
        raise HTTPException(404, str(error)) from error
    if context.person.cameras is not None:
        names = registry.names(map(plan.model_of, plan.cameras))
        if chosen.name not in {names[plan.model_of(camera)] for camera in context.cameras}:
            raise HTTPException(404, "there is no model of this name at your cameras")
    path = _report_path(chosen.folder)
    if path is None:
        raise HTTPException(404, "this model has no training report")
    return FileResponse(
        path, media_type="text/html", headers={"content-security-policy": _REPORT_POLICY}
    )


def _record(context: AppContext, model: RegisteredModel, used_by: list[str]) -> ModelRecord:
    bundle = context.supervisor.registry.bundle(model.folder)
    network = bundle.network.config
    # A bundle states no date; its manifest is the last thing that a training or import writes.
    created = datetime.fromtimestamp((model.folder / "manifest.json").stat().st_mtime, UTC)
    # A name may hold slashes, so it travels as a query and not in the path.
    address = f"/api/v1/models/report?model={quote(model.name, safe='')}"
    report = None if _report_path(model.folder) is None else address
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
        allowance=bundle.calibration.allowance,
        own_budgets=bundle.normal is not None,
        demonstration=model.folder.parent == SHIPPED,
        card=bundle.card,
        report=report,
        used_by=used_by,
    )


def _report_path(folder: Path) -> Path | None:
    """Return the report beside a bundle in a run folder; None where there is none."""
    path = folder.parent / "report.html"
    return path if folder.name == "bundle" and path.is_file() else None
