"""Changes to cameras that can be taken back: models, budgets, recalibrations."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from oddframe.core.alerts import plain_name
from oddframe.core.budget import Budget
from oddframe.core.calibration import Calibration
from oddframe.errors import InputError
from oddframe.serve.past import propose, threshold_now
from oddframe.serve.site import Site, now_us
from oddframe.serve.telling import model_name
from oddframe.store.revision_rows import Revision, read_revisions, undo, write_revision
from oddframe.watching.camera_calibration import write_camera_calibration
from oddframe.watching.cameras import Camera

__all__ = ["change_camera", "recalibrate", "revisions_of", "roll_back"]

_KEPT = ("model", "false_alarms", "calibration")
"""The settings of a camera that a revision remembers."""


def change_camera(site: Site, name: str, values: Mapping[str, Any]) -> None:
    """Change settings of a camera; another model or budget is a revision.

    A threshold of its own belongs to one model: with another one it goes. With another budget it is made anew.

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
            proposal = propose(site, camera, Budget.parse(values["false_alarms"]))
            values["calibration"] = _write(site, camera, proposal.calibration)
        elif camera.calibration is not None:
            values["calibration"] = None
        new = values["false_alarms"] or "model default"
        what, text = "budget", f"Allowed false alarms: {was} → {new}"
    site.supervisor.edit(lambda book, accept: book.change(name, values, accept))
    if what:
        site.store.do(lambda connection: write_revision(connection, name, now_us(), what, text, before))


def recalibrate(site: Site, name: str) -> int:
    """Give a camera a threshold of its own; gives the number of the revision.

    Raises:
        OddframeError: If that is impossible; nothing has changed then.
    """
    camera, before = site.camera(name), _remembered(site, name)
    was = threshold_now(site, camera)
    proposal = propose(site, camera, Budget.parse(camera.false_alarms or was.budget))
    path = _write(site, camera, proposal.calibration)
    site.supervisor.edit(lambda book, accept: book.change(name, {"calibration": path}, accept))
    text = (
        f"Threshold: {_raw_text(was.threshold)} → {_raw_text(proposal.calibration.threshold)}, "
        f"from {proposal.feedback} {'event' if proposal.feedback == 1 else 'events'} marked as normal"
    )
    number = site.store.do(lambda connection: write_revision(connection, name, now_us(), "recalibrated", text, before))
    site.hub.publish("changed", {"what": "calibration", "camera": name})
    return number


def roll_back(site: Site, name: str) -> int:
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
    site.store.do(lambda connection: undo(connection, newest.number, now_us()))
    site.hub.publish("changed", {"what": "calibration", "camera": name})
    return newest.number


def revisions_of(site: Site, name: str) -> list[Revision]:
    """Changes to a camera, the newest first."""
    return site.store.reader.ask(lambda connection: read_revisions(connection, name))


def _raw_text(score: float) -> str:
    """Three digits of a raw score, without an exponent, as `formatRawScore` writes it in the app."""
    return np.format_float_positional(float(f"{score:.3g}"), trim="-")


def _remembered(site: Site, name: str) -> dict[str, Any]:
    table = site.supervisor.book.table(name) or {}
    return {key: table.get(key) for key in _KEPT}


def _write(site: Site, camera: Camera, calibration: Calibration) -> str:
    """Keep a threshold in a file of its own; gives the path for `cameras.toml`."""
    folder = site.supervisor.data / "calibrations"
    folder.mkdir(exist_ok=True)
    path = folder / f"{plain_name(camera.name)}-{now_us()}.json"
    write_camera_calibration(path, calibration, site.supervisor.model(camera).bundle)
    return path.relative_to(site.supervisor.data).as_posix()
