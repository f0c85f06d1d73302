"""The API of thresholds: preview a budget, recalibrate, read the history and roll back."""

from typing import Annotated

from fastapi import APIRouter, Query

from oddframe.core.budget import FalseAlarmBudget
from oddframe.web.changes import recalibrate, roll_back
from oddframe.web.context import AppContext, CameraName, Context
from oddframe.web.schemas import (
    BudgetPreview,
    RecalibrationPreview,
    RevisionDone,
    RevisionList,
    RevisionRecord,
)
from oddframe.web.thresholds import preview_budget, preview_recalibration

router = APIRouter(prefix="/api/v1/cameras/{name}", responses={401: {}, 404: {}})


@router.get("/budget")
def budget(
    context: Context, name: CameraName, false_alarms: Annotated[str, Query(max_length=40)]
) -> BudgetPreview:
    """What a budget of false alarms would have done over the last day."""
    return preview_budget(context, context.camera(name), FalseAlarmBudget.parse(false_alarms))


@router.post("/recalibration/preview")
def preview(context: Context, name: CameraName) -> RecalibrationPreview:
    """What a recalibration would have done over the last week: which alarms vanish, which stay."""
    return preview_recalibration(context, context.camera(name))


@router.post("/recalibration/apply")
def apply(context: Context, name: CameraName) -> RevisionDone:
    """Recalibrate a camera: give it a threshold from what people marked as normal."""
    return RevisionDone(revision=recalibrate(context, name))


@router.post("/rollback")
def rollback(context: Context, name: CameraName) -> RevisionDone:
    """Undo the newest change of model, budget, threshold, zones, hours, cool-down or name."""
    undone = roll_back(context, name)
    return RevisionDone(revision=undone.number, name=undone.before.get("name", name))


@router.get("/history")
def history(context: Context, name: CameraName) -> RevisionList:
    """Changes to the camera, the newest first."""
    # A camera without changes has an empty history, one that is not there is a 404.
    context.camera(name)
    return revision_list(context, name)


def revision_list(context: AppContext, place: str) -> RevisionList:
    """Return the changes to a camera or to the site as a record of the API."""
    revisions = context.store.reader.revisions(place)
    # The newest that was not undone is what holds, and what a roll back would undo.
    current = next((revision.number for revision in revisions if not revision.undone), None)
    records = [
        RevisionRecord(
            number=revision.number,
            at_us=revision.at_us,
            what=revision.what,
            text=revision.text,
            current=revision.number == current,
            undone=revision.undone,
        )
        for revision in revisions
    ]
    return RevisionList(revisions=records)
