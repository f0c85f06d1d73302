"""What other thresholds would have made of what a camera has shown; nothing here changes anything."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oddframe.core.budget import Budget
from oddframe.core.calibration import Calibration, calibrate
from oddframe.core.feedback import alarms, outside, raw_scores, recalibrated
from oddframe.errors import InputError
from oddframe.serve.shapes import Appearing, BudgetPreview, RecalibrationPreview
from oddframe.serve.site import Site, now_us
from oddframe.serve.telling import event_record
from oddframe.store.event_rows import StoredEvent
from oddframe.store.review_rows import NORMAL, normal_events, raw_peak
from oddframe.store.revision_rows import thresholds_at, thresholds_of
from oddframe.store.score_rows import read_peaks
from oddframe.watching.cameras import Camera

__all__ = [
    "Proposal",
    "Seen",
    "anomalies",
    "preview_budget",
    "preview_recalibration",
    "propose",
    "seen_of",
    "threshold_now",
]

DAY_US = 86_400 * 1_000_000
LEARNT_ALARMS = 120
"""So much of what a camera has shown of late counts as its normal footage as would have so many alarms under the
budget, from an hour to a day: more would tell little more, and take long."""
PAST_US = 7 * DAY_US
"""So far back a recalibration shows what would have become of alarms."""
MOST_EVENTS = 500
_MICRO = 1_000_000


@dataclass(frozen=True, eq=False)
class Seen:
    """What a camera has shown: seconds since 1970-01-01 UTC in order, and the highest raw score of each."""

    seconds: npt.NDArray[np.int64]
    raw: npt.NDArray[np.float64]

    @property
    def hours(self) -> float:
        """How much that is."""
        return len(self.seconds) / 3600


@dataclass(frozen=True)
class Proposal:
    """A threshold that a camera could have.

    Attributes:
        calibration: The threshold.
        feedback: Events called normal that it takes into account.
    """

    calibration: Calibration
    feedback: int


def propose(site: Site, camera: Camera, budget: Budget) -> Proposal:
    """A threshold from the model's normal footage, what the camera has shown of late, and what people called normal.

    Stretches with alarms that nobody called normal are left out: they may be what it is there for.

    Raises:
        InputError: If the model keeps no scores of normal footage.
    """
    bundle, now = site.supervisor.model(camera).bundle, now_us()
    if bundle.normal is None:
        raise InputError(
            f"the model of camera {camera.name!r} must contain scores of normal footage, but has none; "
            "calibrate it once: oddframe calibrate MODEL NORMAL"
        )
    site.store.flush(2.0)
    start_us = now - round(min(24.0, max(1.0, LEARNT_ALARMS / budget.per_hour)) * 3.6e9)
    seen = seen_of(site, camera, start_us, now)
    said = site.store.reader.ask(lambda connection: normal_events(connection, camera.name, bundle.fingerprint))
    events = anomalies(site, camera, start_us, now)
    doubtful = [one for one in events if one.review is None or one.review.verdict != NORMAL]
    usable = outside(seen.seconds, [(one.alert.start_us / 1e6, one.alert.seen_us / 1e6) for one in doubtful])
    calibration = recalibrated(
        bundle.calibration, bundle.normal, seen.seconds[usable], seen.raw[usable], [one.raw for one in said], budget
    )
    return Proposal(calibration, len(said))


def preview_recalibration(site: Site, camera: Camera) -> RecalibrationPreview:
    """What a recalibration would have made of the alarms of the last days."""
    now = now_us()
    before = threshold_now(site, camera)
    budget = Budget.parse(camera.false_alarms or before.budget)
    proposal = propose(site, camera, budget)
    after = proposal.calibration
    raw = _raw_peaks(site, camera, now - PAST_US, now)
    vanish = [one for one, peak in raw if before.threshold < peak <= after.threshold]
    stay = [one for one, peak in raw if peak > max(before.threshold, after.threshold)]
    stay += [one for one, peak in raw if after.threshold < peak <= before.threshold]
    lost = sum(one.review is not None and one.review.verdict == "important" for one in vanish)
    notices = list(after.notices)
    if lost:
        notices.insert(
            0,
            f"{lost} of the alarms that would disappear {'was' if lost == 1 else 'were'} marked as important. "
            "A threshold cannot tell them from the events marked as normal; "
            "an ignored zone or a training with this footage can",
        )
    if not proposal.feedback:
        notices.insert(0, "you have not marked any event of this camera and model as normal yet")
    before_s = site.supervisor.plan.settings.clip_before_s
    return RecalibrationPreview(
        threshold_before=before.threshold,
        threshold_after=after.threshold,
        false_alarms=str(budget),
        feedback=proposal.feedback,
        vanish=[event_record(one, before_s) for one in vanish],
        stay=[event_record(one, before_s) for one in stay],
        hours=seen_of(site, camera, now - PAST_US, now).hours,
        notice="; ".join(notices) or None,
    )


def preview_budget(site: Site, camera: Camera, budget: Budget) -> BudgetPreview:
    """What a budget would have made of the last day."""
    now = now_us()
    bundle, current = site.supervisor.model(camera).bundle, threshold_now(site, camera)
    if camera.calibration is not None:
        then = propose(site, camera, budget).calibration
    elif bundle.normal is not None:
        then = calibrate(bundle.normal, budget, bundle.calibration.rules)
    else:
        raise InputError(
            f"the model of camera {camera.name!r} must contain scores of normal footage, but has none; "
            "calibrate it once: oddframe calibrate MODEL NORMAL"
        )
    site.store.flush(2.0)
    seen = seen_of(site, camera, now - DAY_US, now)
    raw = _raw_peaks(site, camera, now - DAY_US, now)
    vanish = [one for one, peak in raw if peak <= then.threshold]
    known = [(one.alert.start_us / 1e6, one.alert.seen_us / 1e6) for one, _ in raw]
    appear = _appearing(seen, then, known)
    if camera.zones is not None and camera.zones.armed is not None:
        armed = camera.zones.armed
        appear = [one for one in appear if armed.armed(one.start_us / 1e6)]
    before_s = site.supervisor.plan.settings.clip_before_s
    return BudgetPreview(
        false_alarms=str(budget),
        threshold=then.threshold,
        threshold_now=current.threshold,
        hours=seen.hours,
        alarms_now=len(raw),
        alarms_then=len(raw) - len(vanish) + len(appear),
        vanish=[event_record(one, before_s) for one in vanish],
        appear=appear[:MOST_EVENTS],
        notice="; ".join(then.notices) or None,
    )


def threshold_now(site: Site, camera: Camera) -> Calibration:
    """The threshold that holds."""
    found = site.supervisor.watcher.calibration(camera.name)
    return found or site.supervisor.model(camera).bundle.calibration


def seen_of(site: Site, camera: Camera, start_us: int, end_us: int) -> Seen:
    """What a camera has shown under its model, as far as thresholds of that time are known."""
    model = site.supervisor.model(camera).bundle.fingerprint
    seconds, peaks = site.store.reader.ask(lambda connection: read_peaks(connection, camera.name, start_us, end_us))
    held = site.store.reader.ask(lambda connection: thresholds_of(connection, camera.name))
    raw = raw_scores(peaks, thresholds_at(held, seconds * _MICRO + _MICRO - 1, model))
    known = np.isfinite(raw)
    return Seen(seconds[known], raw[known])


def anomalies(site: Site, camera: Camera, start_us: int, end_us: int) -> list[StoredEvent]:
    """The newest anomalies of a camera."""
    return site.store.reader.events(
        camera=camera.name, kind="anomaly", from_us=start_us, to_us=end_us, limit=MOST_EVENTS
    )


def _raw_peaks(site: Site, camera: Camera, start_us: int, end_us: int) -> list[tuple[StoredEvent, float]]:
    """The anomalies that the camera's model found, with the raw score of each at its peak."""
    model = site.supervisor.model(camera).bundle.fingerprint
    found = []
    for one in anomalies(site, camera, start_us, end_us):
        raw = site.store.reader.ask(lambda connection, one=one: raw_peak(connection, one))  # type: ignore[misc]
        if raw is not None and raw[1] == model:
            found.append((one, raw[0]))
    return found


def _appearing(seen: Seen, then: Calibration, known: list[tuple[float, float]]) -> list[Appearing]:
    """Alarms that there would have been, and were not."""
    found = []
    for span in alarms(seen.seconds, seen.raw, then):
        if any(span.start_s <= end_s + 2 and span.end_s >= start_s - 2 for start_s, end_s in known):
            continue
        first, last = np.searchsorted(seen.seconds, [span.start_s, span.end_s + 1e-6])
        peak = then.score(float(seen.raw[first : max(last, first + 1)].max()))
        found.append(Appearing(start_us=round(span.start_s * 1e6), end_us=round(span.end_s * 1e6), peak=peak))
    return found
