"""A camera's threshold: what another one would have done, and which one it should be.

`preview_budget` and `preview_recalibration` compare with stored scores, and `propose` computes a
threshold; nothing is changed here, but by `changes`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oddframe._types import Float64
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import Calibration, calibrate
from oddframe.core.recalibration import alarms, calibrate_camera, outside, raw_scores
from oddframe.errors import InputError
from oddframe.monitoring.config import Camera
from oddframe.store.events import StoredEvent
from oddframe.store.feedback import NORMAL, thresholds_at
from oddframe.store.stacks import is_near
from oddframe.web.context import DAY_US, AppContext, now_us
from oddframe.web.schemas import Appearing, BudgetPreview, Lesson, RecalibrationPreview
from oddframe.web.serializers import event_record

LEARNT_ALARMS = 120
"""How many alarms the budget would allow in the footage that a recalibration learns from.

That is from one hour to one day of what the camera has shown last: more footage would hardly move
the threshold, and take long.
"""

PAST_US = 7 * DAY_US
"""How far back the preview of a recalibration looks, in microseconds."""

MOST_EVENTS = 500
"""Most events that a preview compares."""

MOST_LIKE = 40
"""Most alarms that are compared with the one that somebody judged, the newest."""

_MICRO = 1_000_000

_FLUSH_S = 2.0
"""Longest wait for the database to have written the newest scores."""


@dataclass(frozen=True, eq=False)
class ScoreHistory:
    """The raw scores of a camera under its present model.

    Attributes:
        seconds: Seconds since 1970-01-01 UTC, N, increasing; those without a score are missing.
        raw: The highest raw score of each second, N.
    """

    seconds: npt.NDArray[np.int64]
    raw: Float64

    @property
    def hours(self) -> float:
        """How many hours were scored."""
        return len(self.seconds) / 3600


@dataclass(frozen=True)
class Proposal:
    """A threshold that a camera could have.

    Attributes:
        calibration: The threshold.
        feedback: How many events marked as normal it takes into account.
    """

    calibration: Calibration
    feedback: int


def propose(context: AppContext, camera: Camera, budget: FalseAlarmBudget) -> Proposal:
    """Compute a threshold for a camera and a budget.

    It is taken from the model's normal footage, from what the camera has shown last, and from the
    events that people marked as normal. Alarms that nobody marked as normal are left out: they may
    be what the camera is there for.

    Raises:
        InputError: If the model keeps no scores of normal footage.
    """
    bundle, now = context.supervisor.model(camera).bundle, now_us()
    if bundle.normal is None:
        raise _no_normal_scores(camera)
    # What was scored a moment ago may still wait to be written.
    context.store.flush(_FLUSH_S)
    hours = min(24.0, max(1.0, LEARNT_ALARMS / budget.per_hour))
    start_us = now - round(hours * 3.6e9)
    history = score_history(context, camera, start_us, now)
    marked_normal = context.store.reader.normal_events(camera.name, bundle.fingerprint)
    events = anomalies(context, camera, start_us, now)
    doubtful = [event for event in events if event.review is None or event.review.verdict != NORMAL]
    usable = outside(history.seconds, [seconds_of(event) for event in doubtful])
    calibration = calibrate_camera(
        bundle.calibration,
        bundle.normal,
        history.seconds[usable],
        history.raw[usable],
        [feedback.raw for feedback in marked_normal],
        budget,
    )
    return Proposal(calibration, len(marked_normal))


def preview_recalibration(context: AppContext, camera: Camera) -> RecalibrationPreview:
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


def lesson_of(context: AppContext, stored: StoredEvent) -> Lesson:
    """Say what the verdict on an event would change for alarms like it, or has changed.

    Like it are alarms of its camera and model with the same reason, at about the same place.

    Raises:
        InputError: If the model keeps no scores of normal footage.
    """
    event, review = stored.alert.event, stored.review
    camera = context.camera(event.source)
    if event.kind != "anomaly" or review is None or review.verdict is None:
        return Lesson(like=0, silenced=0, applied_us=None, sentence="")
    if review.verdict != NORMAL:
        text = "Alarms like this are raised as before: only “Normal” teaches the camera."
        return Lesson(like=0, silenced=0, applied_us=None, sentence=text)
    current = threshold_now(context, camera)
    peaks = _like_peaks(context, camera, stored)
    applied_us = next(
        (
            revision.at_us
            for revision in context.store.reader.revisions(camera.name)
            if revision.what == "recalibrated"
            and not revision.undone
            and revision.at_us >= review.at_us
        ),
        None,
    )
    if applied_us is not None:
        silenced = sum(peak <= current.threshold for peak in peaks)
        text = f"Learnt: {silenced} of the last {len(peaks)} alarms like this would not have come."
        return Lesson(like=len(peaks), silenced=silenced, applied_us=applied_us, sentence=text)
    budget = FalseAlarmBudget.parse(camera.false_alarms or current.budget)
    then = propose(context, camera, budget).calibration
    # What the threshold of now leaves out anyway is not the work of this verdict.
    silenced = sum(current.threshold < peak <= then.threshold for peak in peaks)
    text = f"{silenced} of the last {len(peaks)} alarms like this would not be raised."
    if not peaks:
        text = "Of alarms like this nothing is known yet for the present model and threshold."
    elif not silenced:
        text = "This changes no threshold: alarms like this are below the one of now already."
    return Lesson(like=len(peaks), silenced=silenced, applied_us=None, sentence=text)


def preview_budget(context: AppContext, camera: Camera, budget: FalseAlarmBudget) -> BudgetPreview:
    """Say which alarms of the last day a budget would have avoided, and which added."""
    now = now_us()
    bundle, current = context.supervisor.model(camera).bundle, threshold_now(context, camera)
    # As a change of the budget does it: a camera that was recalibrated keeps what it has learned.
    if camera.calibration is not None:
        then = propose(context, camera, budget).calibration
    elif bundle.normal is not None:
        then = calibrate(bundle.normal, budget, bundle.calibration.rules)
    else:
        raise _no_normal_scores(camera)
    context.store.flush(_FLUSH_S)
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


def threshold_now(context: AppContext, camera: Camera) -> Calibration:
    """Return the threshold that holds: the camera's own, else that of its model."""
    own = context.supervisor.watcher.calibration(camera.name)
    return own or context.supervisor.model(camera).bundle.calibration


def score_history(context: AppContext, camera: Camera, start_us: int, end_us: int) -> ScoreHistory:
    """Return the raw scores of a camera between two times, as far as they can be known.

    The database keeps scores relative to the threshold of their time. Where that is not known, or
    was of another model, the raw score is not known either and is left out.
    """
    model = context.supervisor.model(camera).bundle.fingerprint
    seconds, peaks = context.store.reader.peaks(camera.name, start_us, end_us)
    held = context.store.reader.thresholds(camera.name)
    # The threshold at the end of each second is the one that its peak was measured with.
    raw = raw_scores(peaks, thresholds_at(held, seconds * _MICRO + _MICRO - 1, model))
    known = np.isfinite(raw)
    return ScoreHistory(seconds[known], raw[known])


def anomalies(context: AppContext, camera: Camera, start_us: int, end_us: int) -> list[StoredEvent]:
    """Return the newest anomalies of a camera between two times, at most `MOST_EVENTS`."""
    return context.store.reader.events(
        camera=camera.name, kind="anomaly", from_us=start_us, to_us=end_us, limit=MOST_EVENTS
    )


def seconds_of(event: StoredEvent) -> tuple[float, float]:
    """Return when an event began and was last seen, in seconds since 1970-01-01 UTC."""
    return event.alert.start_us / 1e6, event.alert.seen_us / 1e6


def _no_normal_scores(camera: Camera) -> InputError:
    """Make the error for a camera whose model keeps no scores of normal footage."""
    return InputError(
        f"the model of camera {camera.name!r} must contain scores of normal footage, "
        "but has none; calibrate it once: oddframe calibrate MODEL NORMAL"
    )


def _raw_peaks(
    context: AppContext, camera: Camera, start_us: int, end_us: int
) -> list[tuple[StoredEvent, float]]:
    """Return the anomalies that the camera's present model found, with their raw scores."""
    model = context.supervisor.model(camera).bundle.fingerprint
    return _with_raw_peaks(context, anomalies(context, camera, start_us, end_us), model)


def _like_peaks(context: AppContext, camera: Camera, stored: StoredEvent) -> list[float]:
    """Return the raw scores of the newest alarms that are like one, at most `MOST_LIKE`."""
    event = stored.alert.event
    found = context.store.reader.events(
        camera=camera.name, kind="anomaly", reason=event.reason, limit=MOST_EVENTS
    )
    near = [one for one in found if is_near(one.alert.event.box, event.box)]
    model = context.supervisor.model(camera).bundle.fingerprint
    return [peak for _, peak in _with_raw_peaks(context, near[:MOST_LIKE], model)]


def _with_raw_peaks(
    context: AppContext, events: list[StoredEvent], model: str
) -> list[tuple[StoredEvent, float]]:
    """Return those of some events that a model found, with their raw scores."""
    peaks = []
    for event in events:
        raw = context.store.reader.raw_peak(event)
        # Raw scores of two models cannot be compared.
        if raw is not None and raw[1] == model:
            peaks.append((event, raw[0]))
    return peaks


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
