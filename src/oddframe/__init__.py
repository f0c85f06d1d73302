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

if TYPE_CHECKING:
    from oddframe.calibrating import CalibrationReport, calibrate
    from oddframe.config import PRESETS, Settings
    from oddframe.core.records import Clip, Event, Frame, Score
    from oddframe.core.zones import Zones
    from oddframe.detect import Extras, ScoreReport, score
    from oddframe.errors import OddframeError
    from oddframe.evaluation import evaluate
    from oddframe.metrics.report import EvalReport
    from oddframe.score_evaluation import evaluate_scores
    from oddframe.scoring import Model, load
    from oddframe.training import TrainReport, train
    from oddframe.zone_settings import read_zones

__version__ = "0.1.0"

__all__ = [
    "PRESETS",
    "CalibrationReport",
    "Clip",
    "EvalReport",
    "Event",
    "Extras",
    "Frame",
    "Model",
    "OddframeError",
    "Score",
    "ScoreReport",
    "Settings",
    "TrainReport",
    "Zones",
    "calibrate",
    "evaluate",
    "evaluate_scores",
    "load",
    "read_zones",
    "score",
    "train",
]

_HOMES = {
    "PRESETS": "config",
    "CalibrationReport": "calibrating",
    "Clip": "core.records",
    "EvalReport": "metrics.report",
    "Event": "core.records",
    "Extras": "detect",
    "Frame": "core.records",
    "Model": "scoring",
    "OddframeError": "errors",
    "Score": "core.records",
    "ScoreReport": "detect",
    "Settings": "config",
    "TrainReport": "training",
    "Zones": "core.zones",
    "calibrate": "calibrating",
    "evaluate": "evaluation",
    "evaluate_scores": "score_evaluation",
    "load": "scoring",
    "read_zones": "zone_settings",
    "score": "detect",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
