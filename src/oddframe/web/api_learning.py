"""The API of learning a camera: begin, follow, pause, cancel; and of the footage for it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import Field, StringConstraints

from oddframe.core.budget import FalseAlarmBudget
from oddframe.errors import SettingsError
from oddframe.media.live_config import checked_source, is_device
from oddframe.monitoring.config import check_camera_name
from oddframe.monitoring.footage import (
    FootageSegment,
    covered_hours,
    list_segments,
    remove_segment,
)
from oddframe.monitoring.recording_order import RecordingOrder
from oddframe.web.context import AppContext, CameraName, Context
from oddframe.web.learning_order import Learning
from oddframe.web.schemas import MOST_US, BudgetText, HoursText, Name, Schema, SourceText, Text
from oddframe.web.serializers import model_name

router = APIRouter(prefix="/api/v1", responses={401: {}, 404: {}})

Moment = Annotated[int | None, Query(ge=0, le=MOST_US)]


class LearningGiven(Schema):
    """What is to be learnt: a camera that is watched, or a new one with its source."""

    name: Name
    # Left out for a camera that is watched.
    source: SourceText | None = None
    # Record another stream of the camera, which takes less: its address, or its path on the camera.
    stream: SourceText | None = None
    # Learn from the recordings that were sent for it, instead of recording it.
    uploads: bool = False
    # With 0 it learns from what was recorded before.
    hours: Annotated[float, Field(ge=0, le=24 * 366)] = 1.0
    # Record so many minutes of every so many; both or none.
    stretch_minutes: Annotated[float, Field(gt=0, le=1440)] | None = None
    every_minutes: Annotated[float, Field(gt=0, le=10_080)] | None = None
    # Record in these periods of the week only, such as "mon-fri 08:00-18:00".
    armed: Annotated[list[HoursText], Field(max_length=20, default_factory=list)]
    time_zone: Annotated[Text, StringConstraints(max_length=60)] | None = None
    most_gb: Annotated[float, Field(gt=0, le=100_000)] = 50.0
    false_alarms: BudgetText = "1/day"
    preset: Literal["fast", "paper"] = "fast"
    keep_footage: bool = False
    # Watch with the model as soon as it is there; otherwise it waits for `/learning/NAME/live`.
    at_once: bool = False


class LearningRecord(Schema):
    """How far the learning of a camera is."""

    name: str
    state: Literal["recording", "training", "paused", "failed", "ready", "finished"]
    # What has to be done: "record", "train", "ready" (waits to go live), "done".
    stage: str
    # How far the stage is: its part by name, units done of all, the share, the seconds left.
    part: str | None
    done: int
    total: int
    share: float
    seconds_left: float | None
    error: str | None
    notices: list[str]
    losses: dict[str, float]
    held_out: dict[str, float]
    hours: float
    stretch_minutes: float | None
    every_minutes: float | None
    armed: list[str]
    time_zone: str | None
    recorded_hours: float
    recorded_bytes: int
    false_alarms: str
    preset: str
    keep_footage: bool
    at_once: bool
    # The new model once it is there, and the one that the camera had before.
    model: str | None
    previous: str | None


class LearningList(Schema):
    """All learnings, by the name of their cameras."""

    learnings: list[LearningRecord]


class FootageSegmentRecord(Schema):
    """A stretch of recorded footage."""

    start_us: int
    length_s: float
    size_bytes: int


class FootageRecord(Schema):
    """What was recorded of a camera, and the room there is for more."""

    camera: str
    segments: list[FootageSegmentRecord]
    hours: float
    size_bytes: int
    # (start of an hour, share of it that is covered), for a calendar.
    covered: list[tuple[int, float]]
    # How many bytes a second of the camera's video is; null where that is not known.
    bytes_per_s: float | None
    free_bytes: int


class FootageRemoved(Schema):
    """How much footage was deleted."""

    segments: int
    size_bytes: int


@router.get("/learning")
def learnings(context: Context) -> LearningList:
    """All cameras that are or were learnt."""
    return LearningList(
        learnings=[
            learning_record(context, one)
            for one in context.learner.learnings()
            if context.person.sees(one.name)
        ]
    )


@router.post("/learning", status_code=201, responses={409: {}})
def begin(context: Context, given: LearningGiven) -> LearningRecord:
    """Record a camera and train a model of it; then it is watched with that model."""
    running = context.learner.learning(given.name)
    if running is not None and not running.is_over:
        raise HTTPException(409, f"{given.name!r} is being learnt already; cancel that first")
    FalseAlarmBudget.parse(given.false_alarms)
    stretch_s = None if given.stretch_minutes is None else 60 * given.stretch_minutes
    every_s = None if given.every_minutes is None else 60 * given.every_minutes
    where = _where(context, given)
    if given.stream is not None:
        _check_stream(context, given, where)
    if given.uploads:
        where["file"] = str(_sent(context, given.name))
    elif given.hours:
        # Refused now and not by the process, of whose errors nobody would be told at once.
        RecordingOrder(
            for_s=3600 * given.hours,
            stretch_s=stretch_s,
            every_s=every_s,
            armed=tuple(given.armed),
            time_zone=given.time_zone,
        )
    elif not list_segments(context.learner.footage(given.name)):
        raise SettingsError("hours must be above 0 where nothing was recorded yet, got 0")
    learning = Learning(
        name=given.name,
        **where,
        stream=given.stream,
        for_s=3600 * given.hours,
        stretch_s=stretch_s,
        every_s=every_s,
        armed=tuple(given.armed),
        time_zone=given.time_zone,
        most_gb=given.most_gb,
        false_alarms=given.false_alarms,
        preset=given.preset,
        keep_footage=given.keep_footage,
        at_once=given.at_once,
    )
    context.learner.begin(learning)
    return learning_record(context, learning_of(context, given.name))


@router.get("/learning/{name}")
def learning(context: Context, name: CameraName) -> LearningRecord:
    """How far the learning of a camera is."""
    return learning_record(context, learning_of(context, name))


@router.post("/learning/{name}/pause")
def pause(context: Context, name: CameraName) -> LearningRecord:
    """Stop for now; what was recorded and trained stays."""
    learning_of(context, name)
    context.learner.pause(name)
    return learning_record(context, learning_of(context, name))


@router.post("/learning/{name}/resume")
def resume(context: Context, name: CameraName) -> LearningRecord:
    """Go on with what was paused, or has failed."""
    learning_of(context, name)
    context.learner.resume(name)
    return learning_record(context, learning_of(context, name))


@router.delete("/learning/{name}", status_code=204)
def cancel(context: Context, name: CameraName, footage: bool = False) -> Response:
    """Cancel or forget the learning of a camera; `footage` also deletes what was recorded."""
    learning_of(context, name)
    context.learner.remove(name, footage=footage)
    return Response(status_code=204)


@router.get("/footage/{name}")
def footage(context: Context, name: CameraName) -> FootageRecord:
    """What was recorded of a camera, its bit rate, and the room on the disk."""
    segments = _segments(context, name)
    supervisor = context.supervisor
    size, seconds = sum(one.size_bytes for one in segments), sum(one.length_s for one in segments)
    rate = supervisor.watcher.bytes_per_s(name)
    return FootageRecord(
        camera=name,
        segments=[
            FootageSegmentRecord(
                start_us=one.start_us, length_s=one.length_s, size_bytes=one.size_bytes
            )
            for one in segments
        ],
        hours=seconds / 3600,
        size_bytes=size,
        covered=sorted(covered_hours(segments).items()),
        bytes_per_s=rate if rate is not None or not seconds else size / seconds,
        free_bytes=shutil.disk_usage(supervisor.data).free,
    )


@router.delete("/footage/{name}")
def remove(
    context: Context, name: CameraName, from_us: Moment = None, to_us: Moment = None
) -> FootageRemoved:
    """Delete footage of a camera: what begins between two times, all of it where none is given."""
    chosen = [
        one
        for one in _segments(context, name)
        if (from_us is None or one.start_us >= from_us) and (to_us is None or one.start_us < to_us)
    ]
    for one in chosen:
        remove_segment(one)
    context.hub.publish("changed", {"what": "learning", "camera": name})
    return FootageRemoved(
        segments=len(chosen), size_bytes=sum(segment.size_bytes for segment in chosen)
    )


def _where(context: AppContext, given: LearningGiven) -> dict[str, Any]:
    """Find out where a camera's pictures come from, and what model it has."""
    supervisor = context.supervisor
    camera = supervisor.camera(given.name)
    if camera is not None:
        if given.source is not None:
            raise SettingsError(
                f"source must be left out for {given.name!r}, whose source is known already"
            )
        file = camera.address.secret if camera.address.kind == "file" else None
        return {"file": file, "previous": model_name(context, camera)}
    if given.source is None:
        raise HTTPException(404, "there is no camera with this name; a new one needs its source")
    # Now, and not when it has been learnt and is to be watched.
    check_camera_name(given.name)
    source = checked_source(given.source, supervisor.data, context.media)
    if "://" in source or is_device(source):
        return {"source": source}
    return {"source": source, "file": str((supervisor.data / source).resolve())}


def _check_stream(context: AppContext, given: LearningGiven, where: Mapping[str, Any]) -> None:
    """Check the address that is to be recorded in place of the one that is watched."""
    own = where.get("source") or context.supervisor.address_of(given.name)
    if given.uploads or where.get("file") or own is None or "://" not in own:
        raise SettingsError(
            "stream must be left out where nothing is recorded from the network, but is given"
        )
    recorded = Learning(name=given.name, stream=given.stream).recorded_address(own)
    if "://" not in recorded:
        raise SettingsError("stream must be a whole address, or a path that begins with /")
    checked_source(recorded, context.supervisor.data, context.media)


def _sent(context: AppContext, name: str) -> Path:
    """Return the folder with the recordings that were sent for a camera."""
    uploads = context.uploads.list(name)
    open_ = [one.name for one in uploads if one.received_bytes < one.size_bytes]
    if open_:
        raise SettingsError(
            f"all recordings must be there before they are learnt from, but {open_[0]} is not "
            "complete; send the rest of it, or delete it"
        )
    if not uploads:
        raise SettingsError(f"recordings must be sent for {name!r} first, but there are none")
    return context.uploads.folder(name)


def learning_of(context: AppContext, name: str) -> Learning:
    """Return the learning of a camera; 404 where there is none, or the camera is not seen."""
    context.check_seen(name)
    found = context.learner.learning(name)
    if found is None:
        raise HTTPException(404, "nothing is learnt under this name")
    return found


def _segments(context: AppContext, name: str) -> list[FootageSegment]:
    """List what was recorded of a camera that is watched or was learnt."""
    context.check_seen(name)
    segments = list_segments(context.learner.footage(name))
    known = context.supervisor.camera(name) or context.learner.learning(name)
    if known is None and not segments:
        raise HTTPException(404, "there is no camera with this name")
    return segments


def learning_record(context: AppContext, learning: Learning) -> LearningRecord:
    """Return a learning as a record of the API."""
    learner = context.learner
    progress = learner.progress(learning)
    segments = list_segments(learner.footage(learning.name))
    losses = learner.losses(learning)
    held_out = losses.pop("held_out", {})
    return LearningRecord(
        name=learning.name,
        state=learning.state,
        stage=learning.stage,
        part=None if progress is None else progress.stage,
        done=0 if progress is None else progress.done,
        total=0 if progress is None else progress.total,
        share=0.0 if progress is None else progress.share,
        seconds_left=None if progress is None else progress.seconds_left,
        error=learning.error,
        notices=learner.notices(learning.name),
        losses={name: value for name, value in losses.items() if isinstance(value, float)},
        held_out=held_out,
        hours=learning.for_s / 3600,
        stretch_minutes=None if learning.stretch_s is None else learning.stretch_s / 60,
        every_minutes=None if learning.every_s is None else learning.every_s / 60,
        armed=list(learning.armed),
        time_zone=learning.time_zone,
        recorded_hours=sum(one.length_s for one in segments) / 3600,
        recorded_bytes=sum(one.size_bytes for one in segments),
        false_alarms=learning.false_alarms,
        preset=learning.preset,
        keep_footage=learning.keep_footage,
        at_once=learning.at_once,
        model=f"models/{learning.run}" if learning.stage in ("ready", "done") else None,
        previous=learning.previous,
    )
