"""The API of what a learning has found, for people to look at before its model goes live.

Outliers of the footage are judged: what is left out is left out of the next training. And the
footage that the training did not learn from shows which alarms a budget would have raised there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import Field, StringConstraints

from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import calibrate
from oddframe.errors import SourceError, SourceNotFoundError
from oddframe.files import name_for_files
from oddframe.media.clip_export import picture_at
from oddframe.media.convert import encode_jpeg
from oddframe.monitoring.footage import list_segments
from oddframe.web.api_learning import LearningRecord, learning_of, learning_record
from oddframe.web.context import AppContext, CameraName, Context
from oddframe.web.learning_order import Learning, OutlierVerdict
from oddframe.web.learnt_alarms import ComparedAlarms, FootagePiece, compare_alarms, find_alarms
from oddframe.web.schemas import BudgetText, Schema, Text

router = APIRouter(prefix="/api/v1/learning/{name}", responses={401: {}, 404: {}, 409: {}})

MOST_ALARMS = 200
"""Most alarms that a preview lists; it counts all of them."""

MOST_S = 1e8
"""Longest time in a recording that is let through, in seconds."""

_WIDTH, _QUALITY = 640, 80

SourceName = Annotated[Text, StringConstraints(min_length=1, max_length=300)]
Seconds = Annotated[float, Field(ge=0, le=MOST_S)]


class FootageSpan(Schema):
    """A span of the footage that a model was learnt from."""

    source: str
    # When it began; null where the recording's name does not tell when it was made.
    at_us: int | None
    # Times in the recording.
    start_s: float
    end_s: float
    score: float
    picture: str


class OutlierRecord(FootageSpan):
    """A span of the footage that is unlike the rest, and what was said of it."""

    verdict: OutlierVerdict | None


class OutlierList(Schema):
    """The outliers of a training, the least like the rest first."""

    outliers: list[OutlierRecord]
    # How many spans are left out of the next training, those of earlier trainings included.
    left_out: int
    # Whether there is footage to train on again.
    can_train_again: bool


class OutlierJudged(Schema):
    """What somebody says of an outlier; a verdict of null takes back what was said."""

    source: SourceName
    start_s: Seconds
    end_s: Seconds
    verdict: OutlierVerdict | None


class LearntPreview(Schema):
    """What a budget would have alarmed in the footage that set the threshold."""

    false_alarms: str
    threshold: float
    hours: float
    # Whether the model has learnt from this very footage: it then knows it too well.
    in_sample: bool
    alarm_count: int
    alarms: list[FootageSpan]
    notices: list[str]
    # The same for the model that watches the camera now; null where none has seen these hours.
    compared: ComparedAlarms | None = None


class GoneLive(Schema):
    """With which budget a model goes live; null takes the one that it was trained for."""

    false_alarms: BudgetText | None = None


@router.get("/outliers")
def outliers(context: Context, name: CameraName) -> OutlierList:
    """What in the footage is unlike the rest, with pictures."""
    return _outlier_list(context, _trained(context, name))


@router.put("/outliers")
def judge(context: Context, name: CameraName, given: OutlierJudged) -> OutlierList:
    """Say that an outlier is normal, or leave it out of the next training."""
    known = [
        (one.source, one.start_s, one.end_s)
        for one in _outlier_list(context, _trained(context, name)).outliers
    ]
    # What was never found must not fill the order, nor leave out footage that nobody has seen.
    if (given.source, given.start_s, given.end_s) not in known:
        raise HTTPException(404, "the training has found no such outlier")
    context.learner.judge(name, given.source, given.start_s, given.end_s, given.verdict)
    return _outlier_list(context, learning_of(context, name))


@router.post("/again")
def train_again(context: Context, name: CameraName) -> LearningRecord:
    """Train anew on the same footage, without the outliers that are left out."""
    _trained(context, name)
    context.learner.train_again(name)
    return learning_record(context, learning_of(context, name))


@router.get("/preview")
def preview(
    context: Context, name: CameraName, false_alarms: BudgetText | None = None
) -> LearntPreview:
    """Which alarms a budget would have raised in the footage that set the threshold."""
    learning = _trained(context, name)
    budget = FalseAlarmBudget.parse(false_alarms or learning.false_alarms)
    run = context.learner.run_folder(learning)
    bundle = context.supervisor.registry.bundle(run.bundle)
    found, normal = run.read_footage(), bundle.normal
    pieces = [FootagePiece(*piece) for piece in found["calibrated"]] if found else []
    if normal is None or len(pieces) != len(list(normal.pieces())):
        # Somebody has put another model there, or has calibrated it on other footage.
        raise HTTPException(409, "what set the threshold of this model is not known any more")
    then = calibrate(normal, budget, bundle.calibration.rules)
    alarms = list(find_alarms(normal, then, pieces))
    starts_us = _segment_starts(context, learning)
    return LearntPreview(
        false_alarms=str(budget),
        threshold=then.threshold,
        hours=then.hours,
        in_sample=then.in_sample,
        alarm_count=len(alarms),
        alarms=[FootageSpan(**_span(learning, starts_us, *one)) for one in alarms[:MOST_ALARMS]],
        notices=list(then.notices),
        compared=compare_alarms(context, learning.name, normal, then, pieces, starts_us),
    )


@router.post("/live")
def go_live(context: Context, name: CameraName, given: GoneLive) -> LearningRecord:
    """Watch the camera with the model that was learnt."""
    if learning_of(context, name).stage != "ready":
        raise HTTPException(409, f"no model of {name!r} waits to go live")
    budget = given.false_alarms
    context.learner.go_live(name, None if budget is None else str(FalseAlarmBudget.parse(budget)))
    return learning_record(context, learning_of(context, name))


@router.get(
    "/picture.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def picture(
    context: Context,
    name: CameraName,
    source: Annotated[SourceName, Query()],
    time_s: Annotated[float, Query(ge=0, le=MOST_S)],
) -> Response:
    """A picture of the footage that a model was learnt from."""
    path = _footage_file(context, _trained(context, name), source)
    if path is None:
        raise HTTPException(404, "there is no video of this name among the footage")
    try:
        shown = picture_at(path, time_s, _WIDTH)
    except (SourceError, SourceNotFoundError) as error:
        raise HTTPException(404, "the video of this moment is no longer there") from error
    return Response(encode_jpeg(shown, _QUALITY), media_type="image/jpeg")


def _trained(context: AppContext, name: str) -> Learning:
    """Return a learning whose model is there."""
    learning = learning_of(context, name)
    if learning.stage not in ("ready", "done"):
        raise HTTPException(409, f"the model of {name!r} must be trained first")
    return learning


def _outlier_list(context: AppContext, learning: Learning) -> OutlierList:
    found = context.learner.run_folder(learning).read_footage()
    starts_us = _segment_starts(context, learning)
    odd = sorted(found["odd"] if found else [], key=lambda span: -span["score"])
    places = [(span["source"], span["start_s"], span["end_s"], span["score"]) for span in odd]
    return OutlierList(
        outliers=[
            OutlierRecord(
                **_span(learning, starts_us, *place), verdict=learning.verdict(*place[:3])
            )
            for place in places
        ],
        left_out=sum(verdict == "leave_out" for *_, verdict in learning.judged),
        can_train_again=learning.file is not None or bool(starts_us),
    )


def _segment_starts(context: AppContext, learning: Learning) -> dict[str, int]:
    """Map the recorded segments of a camera, by name, to when they began."""
    segments = list_segments(context.learner.footage(learning.name))
    return {segment.path.stem: segment.start_us for segment in segments}


def _span(
    learning: Learning,
    starts_us: Mapping[str, int],
    source: str,
    start_s: float,
    end_s: float,
    score: float,
) -> dict[str, Any]:
    """Return the fields of a `FootageSpan`."""
    began_us = starts_us.get(source)
    # In the middle something is most likely to be seen.
    shown = urlencode({"source": source, "time_s": round((start_s + end_s) / 2, 3)})
    return {
        "source": source,
        "at_us": None if began_us is None else began_us + round(1e6 * start_s),
        "start_s": start_s,
        "end_s": end_s,
        "score": score,
        "picture": f"/api/v1/learning/{quote(learning.name, safe='')}/picture.jpg?{shown}",
    }


def _footage_file(context: AppContext, learning: Learning, source: str) -> Path | None:
    """Return the recording of a name; None where there is none.

    The name is only compared with those of the footage, so no path of a user reaches the disk.
    """
    _, record = context.learner.run_folder(learning).read_settings()
    files = (Path(path) for path in record.normal)
    return next((path for path in files if name_for_files(path.stem) == source), None)
