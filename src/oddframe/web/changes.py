"""Changes to cameras and to the site: they are written to `cameras.toml`, and can be undone.

Each change of what a model, a threshold, zones, a name or the retention are is stored as a revision
with what held before, which `roll_back` and `roll_back_site` restore.
"""

from collections.abc import Mapping
from typing import Any

from oddframe.core.alerts import safe_name
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import Calibration
from oddframe.core.recalibration import raw_score_text
from oddframe.errors import InputError, SettingsError
from oddframe.monitoring.camera_threshold import write_camera_calibration
from oddframe.monitoring.config import Camera
from oddframe.sinks.factory import rules_of
from oddframe.store.feedback import Revision
from oddframe.web.context import AppContext, now_us
from oddframe.web.schemas import RevisionList, RevisionRecord
from oddframe.web.serializers import model_name
from oddframe.web.thresholds import propose, threshold_now

SITE = "/"
"""Stands in the store for the site itself, which has a history too; no camera has this name."""

RETENTION = {"keep_days": "days", "pictures_gb": "GB of pictures", "keep_free_gb": "GB left free"}
"""The settings of the table ``watch`` that say what is kept, with their units for people."""

_THRESHOLD_KEYS = ("model", "false_alarms", "calibration")
"""The settings of a camera that decide its threshold, and that change together."""


def change_camera(context: AppContext, name: str, values: Mapping[str, Any]) -> None:
    """Change settings of a camera; what people can undo is stored as a revision.

    A threshold of the camera's own belongs to one model: another model removes it. Another budget
    computes it anew. Another name takes along all that is kept of the camera.

    Args:
        context: The server's parts.
        name: The camera.
        values: Keys of its table in `cameras.toml`; those that are None are taken out.

    Raises:
        OddframeError: If the camera cannot be watched like this; nothing has changed then.
    """
    camera, values = context.camera(name), dict(values)
    table = context.supervisor.cameras_file.tables().get(name, {})
    told, more = _change_threshold(context, camera, values)
    before = {key: table.get(key) for key in _THRESHOLD_KEYS} if told else {}
    values |= more
    if "zones" in values and (zones := _zone_changes(table.get("zones"), values["zones"])):
        told |= zones
        before["zones"] = table.get("zones")
    new_name = values.get("name", name)
    if new_name != name:
        _check_new_name(context, name, new_name)
        told["name"] = f"Name: {name} → {new_name}"
        before["name"] = name
    context.supervisor.edit(lambda file, accept: file.change(name, values, accept))
    _rename(context, name, new_name)
    if told:
        text = "; ".join(told.values())
        context.store.add_revision(new_name, now_us(), ",".join(told), text, before)


def recalibrate(context: AppContext, name: str) -> int:
    """Give a camera a threshold of its own; returns the number of the revision.

    Raises:
        OddframeError: If that is impossible; nothing has changed then.
    """
    camera = context.camera(name)
    table = context.supervisor.cameras_file.tables().get(name, {})
    before = {key: table.get(key) for key in _THRESHOLD_KEYS}
    old = threshold_now(context, camera)
    proposal = propose(context, camera, FalseAlarmBudget.parse(camera.false_alarms or old.budget))
    path = _write_calibration(context, camera, proposal.calibration)
    context.supervisor.edit(lambda file, accept: file.change(name, {"calibration": path}, accept))
    new = proposal.calibration
    events = f"{proposal.feedback} {'event' if proposal.feedback == 1 else 'events'}"
    text = (
        f"Threshold: {raw_score_text(old.threshold)} → {raw_score_text(new.threshold)}, "
        f"from {events} marked as normal"
    )
    number = context.store.add_revision(name, now_us(), "recalibrated", text, before)
    context.hub.publish("changed", {"what": "calibration", "camera": name})
    return number


def roll_back(context: AppContext, name: str) -> Revision:
    """Undo the newest change of a camera that was not undone yet; returns it.

    Raises:
        InputError: If there is no such change.
        OddframeError: If what held before is not there any more, such as a model; nothing has
            changed then.
    """
    context.camera(name)
    newest = _newest(context, name, f"camera {name!r}")
    old_name = newest.before.get("name", name)
    if old_name != name:
        _check_new_name(context, name, old_name)
    context.supervisor.edit(lambda file, accept: file.change(name, newest.before, accept))
    _rename(context, name, old_name)
    context.store.undo_revision(newest.number, now_us())
    context.hub.publish("changed", {"what": "calibration", "camera": old_name})
    return newest


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


def change_site(context: AppContext, values: Mapping[str, float]) -> None:
    """Change how long and how much is kept, with a revision.

    Args:
        context: The server's parts.
        values: Keys of `RETENTION`.

    Raises:
        OddframeError: If a value is refused; nothing has changed then.
    """
    supervisor = context.supervisor
    now = supervisor.plan.settings
    changed = {key: value for key, value in values.items() if value != getattr(now, key)}
    if not changed:
        return
    text = "; ".join(
        f"{getattr(now, key):g} → {value:g} {RETENTION[key]}" for key, value in changed.items()
    )
    written = supervisor.cameras_file.watch_values()
    before = {key: written.get(key) for key in changed}
    supervisor.edit(lambda file, accept: file.change_watch(changed, accept))
    context.store.add_revision(SITE, now_us(), "retention", f"Kept: {text}", before)
    context.hub.publish("changed", {"what": "settings"})


def roll_back_site(context: AppContext) -> int:
    """Undo the newest change of the site that was not undone yet; returns its number.

    Raises:
        InputError: If there is no such change.
        OddframeError: If the file cannot be written; nothing has changed then.
    """
    newest = _newest(context, SITE, "the site")
    context.supervisor.edit(lambda file, accept: file.change_watch(newest.before, accept))
    context.store.undo_revision(newest.number, now_us())
    context.hub.publish("changed", {"what": "settings"})
    return newest.number


def _newest(context: AppContext, place: str, what: str) -> Revision:
    revisions = context.store.reader.revisions(place)
    newest = next((revision for revision in revisions if not revision.undone), None)
    if newest is None:
        raise InputError(f"{what} must have a change to roll back, but it has none")
    return newest


def _change_threshold(
    context: AppContext, camera: Camera, values: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Say what changes of a camera's threshold, by kind, and which other keys follow from that."""
    model = model_name(context, camera)
    if "model" in values and values["model"] != model:
        return {"model": f"Model: {model} → {values['model']}"}, {"calibration": None}
    budget = values.get("false_alarms")
    if "false_alarms" not in values or budget == camera.false_alarms:
        return {}, {}
    old = threshold_now(context, camera).budget
    told = {"budget": f"Allowed false alarms: {old} → {budget or 'model default'}"}
    if camera.calibration is None:
        return told, {}
    if budget is None:
        # Back to the model's own budget, and with it to the model's own threshold.
        return told, {"calibration": None}
    proposal = propose(context, camera, FalseAlarmBudget.parse(budget))
    return told, {"calibration": _write_calibration(context, camera, proposal.calibration)}


def _zone_changes(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> dict[str, str]:
    """Say what changes of a camera's zones, hours and cool-down, by kind."""
    was, is_ = (
        {key: value for key, value in (zones or {}).items() if value is not None}
        for zones in (before, after)
    )
    parts = (
        ("zones", "Zones", ("watch", "ignore"), _zones_text),
        ("armed", "Armed hours", ("armed", "time_zone"), _armed_text),
        ("cool_down", "Cool-down", ("cool_down_s",), _cool_down_text),
    )
    return {
        kind: f"{title}: {text(was)} → {text(is_)}"
        for kind, title, keys, text in parts
        # An empty list of zones is as none.
        if any((was.get(key) or None) != (is_.get(key) or None) for key in keys)
    }


def _zones_text(zones: Mapping[str, Any]) -> str:
    outlines = [*zones.get("watch", ()), *zones.get("ignore", ())]
    return ", ".join(str(zone.get("name") or "one without a name") for zone in outlines) or "none"


def _armed_text(zones: Mapping[str, Any]) -> str:
    if "armed" not in zones:
        return "always"
    return f"{', '.join(zones['armed'])} ({zones.get('time_zone')})"


def _cool_down_text(zones: Mapping[str, Any]) -> str:
    return f"{zones['cool_down_s']:g} s" if "cool_down_s" in zones else "that of the model"


def _check_new_name(context: AppContext, name: str, new_name: str) -> None:
    """Refuse a name that would mix two cameras, or leave something of this one behind.

    Raises:
        SettingsError: If it does.
    """
    learning = context.learner.learning(name)
    if learning is not None and not learning.is_over:
        raise SettingsError(
            f"{name} must not be renamed while it is learnt; wait for the learning, or cancel it"
        )
    # That no other camera is called this the file itself is checked for.
    is_watched = context.supervisor.camera(new_name) is not None
    if new_name in context.store.reader.cameras() and not is_watched:
        raise SettingsError(
            f"the new name must be a free one, but events of an earlier camera {new_name!r} are "
            "kept; choose another name"
        )
    for sink, config in context.supervisor.plan.settings.sinks.items():
        rules = rules_of(config)
        if rules is not None and name in rules.cameras:
            raise SettingsError(
                f"{name} must not be named in the rules of a sink to be renamed, but is in those "
                f"of {sink}; change these on the page Settings"
            )


def _rename(context: AppContext, name: str, new_name: str) -> None:
    """Let what is kept of a camera follow it to its new name."""
    if new_name != name:
        context.store.rename(name, new_name)
        context.uploads.rename(name, new_name)
        context.learner.rename(name, new_name)
        context.tokens.rename_camera(name, new_name)


def _write_calibration(context: AppContext, camera: Camera, calibration: Calibration) -> str:
    """Write a threshold into a new file; returns its path for `cameras.toml`."""
    folder = context.supervisor.data / "calibrations"
    folder.mkdir(exist_ok=True)
    # A new file each time: a roll back needs the one of before.
    path = folder / f"{safe_name(camera.name)}-{now_us()}.json"
    write_camera_calibration(path, calibration, context.supervisor.model(camera).bundle)
    return path.relative_to(context.supervisor.data).as_posix()
