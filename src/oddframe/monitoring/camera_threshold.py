"""A threshold that belongs to one camera and one model.

It lies in a file beside the cameras, so that the model stays as it is and others may use it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oddframe.bundle.bundle import Bundle
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import Calibration, calibrate
from oddframe.errors import InputError, SettingsError
from oddframe.files import write_json
from oddframe.monitoring.config import Camera


def calibration_of(camera: Camera, bundle: Bundle) -> Calibration:
    """Return the threshold that holds for a camera: its own, that of its budget, or the model's.

    Raises:
        InputError: If its budget needs scores that the model does not keep.
        SettingsError: If the file of its own threshold cannot be read, or was made for another
            model.
    """
    if camera.calibration is not None:
        return read_calibration(camera.calibration, bundle)
    if camera.false_alarms is None:
        return bundle.calibration
    if bundle.normal is None:
        raise InputError(
            f"camera {camera.name!r} has a budget of its own, but its model keeps no scores of "
            "normal footage; calibrate the model with footage once: oddframe calibrate MODEL NORMAL"
        )
    # The same scores of normal footage as the model's own threshold, with another budget.
    return calibrate(
        bundle.normal, FalseAlarmBudget.parse(camera.false_alarms), bundle.calibration.rules
    )


def read_calibration(path: Path, bundle: Bundle) -> Calibration:
    """Read a threshold from a file.

    Args:
        path: The file.
        bundle: The model whose scores the threshold is for.

    Raises:
        SettingsError: If it cannot be read, or was made for another model.
    """
    try:
        values: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        model, calibration = values["model"], Calibration.from_dict(values["calibration"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} must be a camera's calibration, but cannot be read: {error}"
        ) from error
    # Raw scores of two models cannot be compared, not even of one that was trained again.
    if model != bundle.fingerprint:
        raise SettingsError(
            f"{path} must be for the camera's model, but was made for another one, whose scores "
            "mean something else; take calibration out of the camera's table"
        )
    return calibration


def write_camera_calibration(path: Path, calibration: Calibration, bundle: Bundle) -> None:
    """Write a threshold and the fingerprint of its model to a file, as JSON.

    Raises:
        OutputError: If it cannot be written.
    """
    write_json(path, {"model": bundle.fingerprint, "calibration": calibration.as_dict()})
