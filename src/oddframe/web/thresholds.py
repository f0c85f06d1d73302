"""What other thresholds would have made of what a camera has shown; nothing here changes anything.

Changes to cameras that can be taken back: models, budgets, recalibrations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe.core.alerts import safe_name
from oddframe.core.calibration import Calibration, FalseAlarmBudget, calibrate
from oddframe.core.recalibration import alarms, outside, raw_scores, recalibrated
from oddframe.errors import InputError
from oddframe.monitoring.camera_threshold import write_camera_calibration
from oddframe.monitoring.config import Camera
from oddframe.store.events import StoredEvent
from oddframe.store.feedback import NORMAL, Revision, thresholds_at
from oddframe.web.context import AppContext, now_us
from oddframe.web.schemas import Appearing, BudgetPreview, RecalibrationPreview
from oddframe.web.serializers import event_record, model_name

DAY_US = 86_400 * 1_000_000
LEARNT_ALARMS = 120
"""So much of what a camera has shown of late counts as its normal footage as would have so many alarms under the
budget, from an hour to a day: more would tell little more, and take long."""
PAST_US = 7 * DAY_US
"""So far back a recalibration shows what would have become of alarms."""
MOST_EVENTS = 500
_MICRO = 1_000_000


@dataclass(frozen=True, eq=False)
class ScoreHistory:
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


def propose(site: AppContext, camera: Camera, budget: FalseAlarmBudget) -> Proposal:
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
    said = site.store.reader.normal_events(camera.name, bundle.fingerprint)
    events = anomalies(site, camera, start_us, now)
    doubtful = [one for one in events if one.review is None or one.review.verdict != NORMAL]
    usable = outside(
        seen.seconds, [(one.alert.start_us / 1e6, one.alert.seen_us / 1e6) for one in doubtful]
    )
    calibration = recalibrated(
        bundle.calibration,
        bundle.normal,
        seen.seconds[usable],
        seen.raw[usable],
        [one.raw for one in said],
        budget,
    )
    return Proposal(calibration, len(said))


def preview_recalibration(site: AppContext, camera: Camera) -> RecalibrationPreview:
    """What a recalibration would have made of the alarms of the last days."""
    now = now_us()
    before = threshold_now(site, camera)
    budget = FalseAlarmBudget.parse(camera.false_alarms or before.budget)
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


def preview_budget(site: AppContext, camera: Camera, budget: FalseAlarmBudget) -> BudgetPreview:
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


def threshold_now(site: AppContext, camera: Camera) -> Calibration:
    """The threshold that holds."""
    found = site.supervisor.watcher.calibration(camera.name)
    return found or site.supervisor.model(camera).bundle.calibration


def seen_of(site: AppContext, camera: Camera, start_us: int, end_us: int) -> ScoreHistory:
    """What a camera has shown under its model, as far as thresholds of that time are known."""
    model = site.supervisor.model(camera).bundle.fingerprint
    seconds, peaks = site.store.reader.peaks(camera.name, start_us, end_us)
    held = site.store.reader.thresholds(camera.name)
    raw = raw_scores(peaks, thresholds_at(held, seconds * _MICRO + _MICRO - 1, model))
    known = np.isfinite(raw)
    return ScoreHistory(seconds[known], raw[known])


def anomalies(site: AppContext, camera: Camera, start_us: int, end_us: int) -> list[StoredEvent]:
    """The newest anomalies of a camera."""
    return site.store.reader.events(
        camera=camera.name, kind="anomaly", from_us=start_us, to_us=end_us, limit=MOST_EVENTS
    )


def _raw_peaks(
    site: AppContext, camera: Camera, start_us: int, end_us: int
) -> list[tuple[StoredEvent, float]]:
    """The anomalies that the camera's model found, with the raw score of each at its peak."""
    model = site.supervisor.model(camera).bundle.fingerprint
    found = []
    for one in anomalies(site, camera, start_us, end_us):
        raw = site.store.reader.raw_peak(one)
        if raw is not None and raw[1] == model:
            found.append((one, raw[0]))
    return found


def _appearing(
    seen: ScoreHistory, then: Calibration, known: list[tuple[float, float]]
) -> list[Appearing]:
    """Alarms that there would have been, and were not."""
    found = []
    for span in alarms(seen.seconds, seen.raw, then):
        if any(span.start_s <= end_s + 2 and span.end_s >= start_s - 2 for start_s, end_s in known):
            continue
        first, last = np.searchsorted(seen.seconds, [span.start_s, span.end_s + 1e-6])
        peak = then.score(float(seen.raw[first : max(last, first + 1)].max()))
        found.append(
            Appearing(start_us=round(span.start_s * 1e6), end_us=round(span.end_s * 1e6), peak=peak)
        )
    return found


_KEPT = ("model", "false_alarms", "calibration")
"""The settings of a camera that a revision remembers."""


def change_camera(site: AppContext, name: str, values: Mapping[str, Any]) -> None:
    """Change settings of a camera; another model or budget is a revision.

    A threshold of its own belongs to one model: with another one it goes. With another budget it is
    made anew.

    Args:
        site: Where it is.
        name: The camera.
        values: Keys of its table; those that are None are taken out.

    Raises:
        OddframeError: If it cannot be watched like this; nothing has changed then.
    """
    camera, values = site.camera(name), dict(values)
    before = _remembered(site, name)
    text = what = ""
    if "model" in values and values["model"] != model_name(site, camera):
        what, text = "model", f"Model: {model_name(site, camera)} → {values['model']}"
        values["calibration"] = None
    elif "false_alarms" in values and values["false_alarms"] != camera.false_alarms:
        was = threshold_now(site, camera).budget
        if camera.calibration is not None and values["false_alarms"] is not None:
            proposal = propose(site, camera, FalseAlarmBudget.parse(values["false_alarms"]))
            values["calibration"] = _write(site, camera, proposal.calibration)
        elif camera.calibration is not None:
            values["calibration"] = None
        new = values["false_alarms"] or "model default"
        what, text = "budget", f"Allowed false alarms: {was} → {new}"
    site.supervisor.edit(lambda book, accept: book.change(name, values, accept))
    if what:
        site.store.add_revision(name, now_us(), what, text, before)


def recalibrate(site: AppContext, name: str) -> int:
    """Give a camera a threshold of its own; gives the number of the revision.

    Raises:
        OddframeError: If that is impossible; nothing has changed then.
    """
    camera, before = site.camera(name), _remembered(site, name)
    was = threshold_now(site, camera)
    proposal = propose(site, camera, FalseAlarmBudget.parse(camera.false_alarms or was.budget))
    path = _write(site, camera, proposal.calibration)
    site.supervisor.edit(lambda book, accept: book.change(name, {"calibration": path}, accept))
    text = (
        f"Threshold: {_raw_text(was.threshold)} → {_raw_text(proposal.calibration.threshold)}, "
        f"from {proposal.feedback} {'event' if proposal.feedback == 1 else 'events'} marked as normal"
    )
    number = site.store.add_revision(name, now_us(), "recalibrated", text, before)
    site.hub.publish("changed", {"what": "calibration", "camera": name})
    return number


def roll_back(site: AppContext, name: str) -> int:
    """Take back the newest change of a camera that was not taken back; gives its number.

    Raises:
        InputError: If there is none.
        OddframeError: If what was before is not there any more; nothing has changed then.
    """
    site.camera(name)
    newest = next((one for one in revisions_of(site, name) if not one.undone), None)
    if newest is None:
        raise InputError(f"camera {name!r} must have a change to roll back, but it has none")
    site.supervisor.edit(lambda book, accept: book.change(name, newest.before, accept))
    site.store.undo_revision(newest.number, now_us())
    site.hub.publish("changed", {"what": "calibration", "camera": name})
    return newest.number


def revisions_of(site: AppContext, name: str) -> list[Revision]:
    """Changes to a camera, the newest first."""
    return site.store.reader.revisions(name)


def _raw_text(score: float) -> str:
    """Three digits of a raw score, without an exponent, as `formatRawScore` writes it in the app."""
    return np.format_float_positional(float(f"{score:.3g}"), trim="-")


def _remembered(site: AppContext, name: str) -> dict[str, Any]:
    table = site.supervisor.book.table(name) or {}
    return {key: table.get(key) for key in _KEPT}


def _write(site: AppContext, camera: Camera, calibration: Calibration) -> str:
    """Keep a threshold in a file of its own; gives the path for `cameras.toml`."""
    folder = site.supervisor.data / "calibrations"
    folder.mkdir(exist_ok=True)
    path = folder / f"{safe_name(camera.name)}-{now_us()}.json"
    write_camera_calibration(path, calibration, site.supervisor.model(camera).bundle)
    return path.relative_to(site.supervisor.data).as_posix()
