"""From the cameras that are watched to those of another plan: who stays, who gets another threshold, who is new."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from oddframe.core.calibration import Calibration
from oddframe.scoring import Model
from oddframe.watching.camera_calibration import calibration_of
from oddframe.watching.cameras import Camera, WatchPlan
from oddframe.watching.watched_camera import WatchedCamera

__all__ = ["Change", "changed"]


@dataclass(frozen=True, eq=False)
class Change:
    """What the loop is to do.

    Attributes:
        plan: What is to be watched.
        cameras: The same, in the plan's order: those that stay, and new ones whose streams have not started.
        recalibrated: Those of them that get another threshold, with their settings and the threshold.
        done: Set once it is done.
    """

    plan: WatchPlan
    cameras: Sequence[WatchedCamera]
    recalibrated: Sequence[tuple[WatchedCamera, Camera, Calibration]]
    done: threading.Event = field(default_factory=threading.Event)


def changed(
    watched: Sequence[WatchedCamera],
    plan: WatchPlan,
    models: Mapping[str, Model],
    make: Callable[[Camera, Model], WatchedCamera],
) -> Change:
    """What leads from the cameras that are watched to a plan. Nothing has changed yet when this raises.

    Args:
        watched: Those that are watched.
        plan: What is to be watched.
        models: The models by the names that the plan gives them.
        make: Makes a new one.

    Raises:
        OddframeError: If a camera cannot be made or its threshold cannot be read.
    """
    before = {one.name: one for one in watched}
    cameras, recalibrated = [], []
    for camera in plan.cameras:
        model, known = models[plan.model_of(camera)], before.get(camera.name)
        if known is None or known.crashed or known.model is not model or not _same_pictures(known.camera, camera):
            cameras.append(make(camera, model))
            continue
        cameras.append(known)
        calibration = calibration_of(camera, model.bundle)
        if calibration != known.calibration:
            recalibrated.append((known, camera, calibration))
    return Change(plan, cameras, recalibrated)


def _same_pictures(one: Camera, other: Camera) -> bool:
    """Whether two differ in nothing but their threshold."""
    return replace(one, false_alarms=None, calibration=None) == replace(other, false_alarms=None, calibration=None)
