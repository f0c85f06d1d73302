"""The API of what holds for all cameras: how long and how much is kept, and its history."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from oddframe.web.changes import RETENTION, SITE, change_site, revision_list, roll_back_site
from oddframe.web.context import Context
from oddframe.web.schemas import RevisionDone, RevisionList, Schema

router = APIRouter(prefix="/api/v1/settings", responses={401: {}})


class SiteSettings(Schema):
    """How long and how much is kept, as in the table `watch` of cameras.toml."""

    # Events, pictures, clips and scores that are older are deleted.
    keep_days: float
    # Pictures and clips beyond this are deleted, the oldest first.
    pictures_gb: float
    # While the disk has less room than this, pictures and clips are deleted too.
    keep_free_gb: float


class SiteSettingsChanged(Schema):
    """Settings to change; what is left out stays as it is."""

    keep_days: Annotated[float, Field(gt=0, le=36_500)] | None = None
    pictures_gb: Annotated[float, Field(ge=0, le=1e6)] | None = None
    keep_free_gb: Annotated[float, Field(ge=0, le=1e6)] | None = None


@router.get("")
def settings(context: Context) -> SiteSettings:
    """How long and how much is kept."""
    now = context.supervisor.plan.settings
    return SiteSettings(**{key: getattr(now, key) for key in RETENTION})


@router.put("")
def change(context: Context, given: SiteSettingsChanged) -> SiteSettings:
    """Keep things for another time, at once; what is too much is deleted within the hour."""
    change_site(context, given.model_dump(exclude_none=True))
    return settings(context)


@router.get("/history")
def history(context: Context) -> RevisionList:
    """Changes to these settings, the newest first."""
    return revision_list(context, SITE)


@router.post("/rollback")
def rollback(context: Context) -> RevisionDone:
    """Undo the newest change; what was deleted meanwhile stays deleted."""
    return RevisionDone(revision=roll_back_site(context))
