"""The API of thresholds: preview a budget, recalibrate, read the history and roll back.

Previews compare with stored scores, and change nothing.
"""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query

from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import Calibration, calibrate
from oddframe.core.recalibration import alarms
from oddframe.monitoring.config import Camera
from oddframe.store.events import StoredEvent
from oddframe.web.changes import recalibrate, revision_list, roll_back
from oddframe.web.context import DAY_US, AppContext, CameraName, Context, now_us
from oddframe.web.schemas import (
    Appearing,
    BudgetPreview,
    RecalibrationPreview,
    RevisionDone,
    RevisionList,
)
from oddframe.web.serializers import event_record
from oddframe.web.thresholds import (
    FLUSH_S,
    MOST_EVENTS,
    ScoreHistory,
    anomalies,
    no_normal_scores,
    propose,
    score_history,
    seconds_of,
    threshold_now,
    with_raw_peaks,
)

PAST_US = 7 * DAY_US
"""How far back the preview of a recalibration looks, in microseconds."""

router = APIRouter(prefix="/api/v1/cameras/{name}", responses={401: {}, 404: {}})


@router.get("/budget")
def budget(
    context: Context, name: CameraName, false_alarms: Annotated[str, Query(max_length=40)]
) -> BudgetPreview:
    """What a budget of false alarms would have done over the last day."""
    return _preview_budget(context, context.camera(name), FalseAlarmBudget.parse(false_alarms))


@router.post("/recalibration/preview")
def preview(context: Context, name: CameraName) -> RecalibrationPreview:
    """What a recalibration would have done over the last week: which alarms vanish, which stay."""
    return _preview_recalibration(context, context.camera(name))


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


def _preview_recalibration(context: AppContext, camera: Camera) -> RecalibrationPreview:
    """Say which alarms of the last week a recalibration would have avoided, and which not."""
    now = now_us()
    before = threshold_now(context, camera)
    budget = FalseAlarmBudget.parse(camera.false_alarms or before.budget)
    proposal = propose(context, camera, budget)
    after = proposal.calibration
    peaks = _raw_peaks(context, camera, now - PAST_US, now)
    vanish = [event for event, peak in peaks if before.threshold < peak <= after.threshold]
    stay = [event for event, peak in peaks if peak > max(before.threshold, after.threshold)]
    # Alarms of an earlier, lower threshold, which the new one would raise again.
    stay += [event for event, peak in peaks if after.threshold < peak <= before.threshold]
    lost = sum(event.review is not None and event.review.verdict == "important" for event in vanish)
    notices = list(after.notices)
    if lost:
        notices.insert(
            0,
            f"{lost} of the alarms that would disappear {'was' if lost == 1 else 'were'} "
            "marked as important. A threshold cannot tell them from the events marked as normal; "
            "an ignored zone or a training with this footage can",
        )
    if not proposal.feedback:
        notices.insert(0, "you have not marked any event of this camera and model as normal yet")
    before_s = context.supervisor.plan.settings.clip_before_s
    return RecalibrationPreview(
        threshold_before=before.threshold,
        threshold_after=after.threshold,
        false_alarms=str(budget),
        feedback=proposal.feedback,
        vanish=[event_record(event, before_s) for event in vanish],
        stay=[event_record(event, before_s) for event in stay],
        hours=score_history(context, camera, now - PAST_US, now).hours,
        notice="; ".join(notices) or None,
    )


def _preview_budget(context: AppContext, camera: Camera, budget: FalseAlarmBudget) -> BudgetPreview:
    """Say which alarms of the last day a budget would have avoided, and which added."""
    now = now_us()
    bundle, current = context.supervisor.model(camera).bundle, threshold_now(context, camera)
    # As a change of the budget does it: a camera that was recalibrated keeps what it has learned.
    if camera.calibration is not None:
        then = propose(context, camera, budget).calibration
    elif bundle.normal is not None:
        then = calibrate(bundle.normal, budget, bundle.calibration.rules)
    else:
        raise no_normal_scores(camera)
    context.store.flush(FLUSH_S)
    history = score_history(context, camera, now - DAY_US, now)
    peaks = _raw_peaks(context, camera, now - DAY_US, now)
    vanish = [event for event, peak in peaks if peak <= then.threshold]
    appear = _new_alarms(history, then, [seconds_of(event) for event, _ in peaks])
    # Scores are stored at all times, alarms are raised in armed hours only.
    if camera.zones is not None and camera.zones.armed is not None:
        armed = camera.zones.armed
        appear = [alarm for alarm in appear if armed.armed(alarm.start_us / 1e6)]
    before_s = context.supervisor.plan.settings.clip_before_s
    return BudgetPreview(
        false_alarms=str(budget),
        threshold=then.threshold,
        threshold_now=current.threshold,
        hours=history.hours,
        alarms_now=len(peaks),
        alarms_then=len(peaks) - len(vanish) + len(appear),
        vanish=[event_record(event, before_s) for event in vanish],
        appear=appear[:MOST_EVENTS],
        notice="; ".join(then.notices) or None,
    )


def _raw_peaks(
    context: AppContext, camera: Camera, start_us: int, end_us: int
) -> list[tuple[StoredEvent, float]]:
    """Return the anomalies that the camera's present model found, with their raw scores."""
    model = context.supervisor.model(camera).bundle.fingerprint
    return with_raw_peaks(context, anomalies(context, camera, start_us, end_us), model)


def _new_alarms(
    history: ScoreHistory, then: Calibration, known: list[tuple[float, float]]
) -> list[Appearing]:
    """Return the alarms that a threshold would have raised beside the known ones."""
    new = []
    for span in alarms(history.seconds, history.raw, then):
        # Two seconds of room: stored peaks are rounded to seconds, events are not.
        if any(span.start_s <= end_s + 2 and span.end_s >= start_s - 2 for start_s, end_s in known):
            continue
        first, last = np.searchsorted(history.seconds, [span.start_s, span.end_s + 1e-6])
        peak = then.score(float(history.raw[first : max(last, first + 1)].max()))
        new.append(
            Appearing(start_us=round(span.start_s * 1e6), end_us=round(span.end_s * 1e6), peak=peak)
        )
    return new
