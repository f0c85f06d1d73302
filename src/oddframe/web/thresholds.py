"""A camera's threshold: which one holds, which one it should be, and the scores that say so.

Nothing is changed here, but by `changes`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oddframe._types import Float64
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import Calibration
from oddframe.core.recalibration import calibrate_camera, outside, raw_scores
from oddframe.errors import InputError
from oddframe.monitoring.config import Camera
from oddframe.store.events import StoredEvent
from oddframe.store.feedback import NORMAL, thresholds_at
from oddframe.web.context import AppContext, now_us

LEARNT_ALARMS = 120
"""How many alarms the budget would allow in the footage that a recalibration learns from.

That is from one hour to one day of what the camera has shown last: more footage would hardly move
the threshold, and take long.
"""

MOST_EVENTS = 500
"""Most events that a preview compares."""

_MICRO = 1_000_000

FLUSH_S = 2.0
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
        raise no_normal_scores(camera)
    # What was scored a moment ago may still wait to be written.
    context.store.flush(FLUSH_S)
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


def no_normal_scores(camera: Camera) -> InputError:
    """Make the error for a camera whose model keeps no scores of normal footage."""
    return InputError(
        f"the model of camera {camera.name!r} must contain scores of normal footage, "
        "but has none; calibrate it once: oddframe calibrate MODEL NORMAL"
    )


def with_raw_peaks(
    context: AppContext, events: list[StoredEvent], model: str
) -> list[tuple[StoredEvent, float]]:
    """Return those of some events that a model found, with their raw scores.

    Args:
        context: The server's parts.
        events: The events.
        model: Fingerprint of the model's bundle: raw scores of two models cannot be compared.
    """
    peaks = []
    for event in events:
        raw = context.store.reader.raw_peak(event)
        if raw is not None and raw[1] == model:
            peaks.append((event, raw[0]))
    return peaks
