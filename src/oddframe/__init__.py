"""Oddframe finds what is abnormal in video after learning only from normal video.

    >>> import oddframe
    >>> oddframe.train("normal/", "runs/door")            # doctest: +SKIP
    >>> model = oddframe.load("runs/door")                # doctest: +SKIP
    >>> for score in model.scores("monday.mp4"):          # doctest: +SKIP
    ...     if score.score is not None and score.score > 0.5:
    ...         print(f"{score.time_s:.1f} s: {score.score:.2f}")

Names are imported when they are first used, so that ``import oddframe`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from oddframe.extras import naming_extras

if TYPE_CHECKING:
    from oddframe.archive.scoring import ArchiveReport, score_archive
    from oddframe.benching import BenchReport, bench
    from oddframe.calibrating import CalibrationReport, calibrate
    from oddframe.config import PRESETS, Settings
    from oddframe.core.records import Clip, Event, Frame, Score
    from oddframe.core.zones import Zones
    from oddframe.detect import Extras, ScoreReport, score
    from oddframe.errors import OddframeError
    from oddframe.evaluation import evaluate
    from oddframe.exporting import ExportReport, export
    from oddframe.metrics.report import EvalReport
    from oddframe.reporting import PageReport, write_report
    from oddframe.score_evaluation import evaluate_scores
    from oddframe.scoring import Model, load
    from oddframe.settings import read_zones
    from oddframe.training import TrainReport, train
    from oddframe.watching.camera_file import read_camera_file
    from oddframe.watching.cameras import Camera, WatchPlan, WatchSettings
    from oddframe.watching.watch import WatchReport, watch

__version__ = "0.1.0"

__all__ = [
    "PRESETS",
    "ArchiveReport",
    "BenchReport",
    "CalibrationReport",
    "Camera",
    "Clip",
    "EvalReport",
    "Event",
    "ExportReport",
    "Extras",
    "Frame",
    "Model",
    "OddframeError",
    "PageReport",
    "Score",
    "ScoreReport",
    "Settings",
    "TrainReport",
    "WatchPlan",
    "WatchReport",
    "WatchSettings",
    "Zones",
    "bench",
    "calibrate",
    "evaluate",
    "evaluate_scores",
    "export",
    "load",
    "read_camera_file",
    "read_zones",
    "score",
    "score_archive",
    "train",
    "watch",
    "write_report",
]

_HOMES = {
    "PRESETS": "config",
    "ArchiveReport": "archive.scoring",
    "BenchReport": "benching",
    "CalibrationReport": "calibrating",
    "Camera": "watching.cameras",
    "Clip": "core.records",
    "EvalReport": "metrics.report",
    "Event": "core.records",
    "ExportReport": "exporting",
    "Extras": "detect",
    "Frame": "core.records",
    "Model": "scoring",
    "OddframeError": "errors",
    "PageReport": "reporting",
    "Score": "core.records",
    "ScoreReport": "detect",
    "Settings": "config",
    "TrainReport": "training",
    "WatchPlan": "watching.cameras",
    "WatchReport": "watching.watch",
    "WatchSettings": "watching.cameras",
    "Zones": "core.zones",
    "bench": "benching",
    "calibrate": "calibrating",
    "evaluate": "evaluation",
    "evaluate_scores": "score_evaluation",
    "export": "exporting",
    "load": "scoring",
    "read_camera_file": "watching.camera_file",
    "read_zones": "settings",
    "score": "detect",
    "score_archive": "archive.scoring",
    "train": "training",
    "watch": "watching.watch",
    "write_report": "reporting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with naming_extras(f"{__name__}.{name}"):
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
