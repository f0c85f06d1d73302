"""The API of thresholds: what a budget would have done, recalibration, history and the way back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from oddframe.core.calibration import FalseAlarmBudget
from oddframe.web.api_cameras import CameraName
from oddframe.web.context import AppContext, site_of
from oddframe.web.schemas import (
    BudgetPreview,
    RecalibrationPreview,
    RevisionDone,
    RevisionList,
    RevisionRecord,
)
from oddframe.web.thresholds import (
    preview_budget,
    preview_recalibration,
    recalibrate,
    revisions_of,
    roll_back,
)

router = APIRouter(prefix="/api/v1/cameras/{name}", responses={401: {}, 404: {}})

Here = Annotated[AppContext, Depends(site_of)]


@router.get("/budget")
def budget(
    site: Here, name: CameraName, false_alarms: Annotated[str, Query(max_length=40)]
) -> BudgetPreview:
    """What a budget of false alarms would have done over the last day."""
    return preview_budget(site, site.camera(name), FalseAlarmBudget.parse(false_alarms))


@router.post("/recalibration/preview")
def preview(site: Here, name: CameraName) -> RecalibrationPreview:
    """What a recalibration would have done over the last week: these alarms would vanish, these stay."""
    return preview_recalibration(site, site.camera(name))


@router.post("/recalibration/apply")
def apply(site: Here, name: CameraName) -> RevisionDone:
    """Recalibrate."""
    return RevisionDone(revision=recalibrate(site, name))


@router.post("/rollback")
def rollback(site: Here, name: CameraName) -> RevisionDone:
    """Take back the newest change of model, budget or threshold."""
    return RevisionDone(revision=roll_back(site, name))


@router.get("/history")
def history(site: Here, name: CameraName) -> RevisionList:
    """Changes to the camera, the newest first."""
    site.camera(name)
    found = revisions_of(site, name)
    current = next((one.number for one in found if not one.undone), None)
    records = [
        RevisionRecord(
            number=one.number,
            at_us=one.at_us,
            what=one.what,
            text=one.text,
            current=one.number == current,
            undone=one.undone,
        )
        for one in found
    ]
    return RevisionList(revisions=records)
