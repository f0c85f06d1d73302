"""Set a model's threshold anew: the verb `oddframe calibrate`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oddframe._types import Progress, silent
from oddframe.bundle.bundle import find_bundle, read_bundle, write_calibration
from oddframe.core import calibration
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import Calibration, NormalScores
from oddframe.core.event_rules import EventRules
from oddframe.core.maps import map_peaks
from oddframe.core.records import Score
from oddframe.errors import InputError, SettingsError, SourceError, SourceNotFoundError
from oddframe.inference.loading import load_model
from oddframe.inference.model import Model
from oddframe.inference.selection import (
    BackendChoice,
    InferenceOptions,
    PrecisionChoice,
)
from oddframe.media.discovery import find_sources
from oddframe.media.source import FrameSource
from oddframe.training.model_card import with_threshold

_AS_BEFORE: Mapping[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class CalibrationReport:
    """What a calibration did.

    Example:
        >>> report = oddframe.calibrate("runs/door", false_alarms="6/hour")
        >>> report.cached
        True

    Attributes:
        bundle: The bundle that now has the new calibration.
        calibration: The new calibration.
        threshold_before: The raw threshold until then; None where the model had no calibration.
        cached: Whether the scores that the bundle kept were used.
        skipped: What was not used, and why, a sentence each.
        notices: What to know of the threshold and of what scored the footage, a sentence each.
        seconds: Wall-clock time.
    """

    bundle: Path
    calibration: Calibration
    threshold_before: float | None
    cached: bool
    skipped: tuple[str, ...]
    notices: tuple[str, ...]
    seconds: float


def calibrate(
    model: str | Path,
    normal: str | Path | Sequence[str | Path] | None = None,
    *,
    false_alarms: str | None = None,
    rules: Mapping[str, float] = _AS_BEFORE,
    fps: float | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    on_progress: Progress = silent,
) -> CalibrationReport:
    """Set the threshold of a model for a budget of false alarms, and keep it in its bundle.

    Example:
        >>> report = oddframe.calibrate("runs/door", false_alarms="6/hour")
        >>> report.calibration.budget
        '6/hour'

    Args:
        model: A run folder or a model bundle.
        normal: Normal footage that the model was not trained on; its scores take the place of those
            in the bundle. Without it the scores that the bundle keeps are used, which takes
            seconds.
        false_alarms: "1/day", "6/hour", "2/week"; what the bundle has when None.
        rules: Fields of `EventRules` to set; the others stay as the bundle has them.
        fps: Frames per second of folders of images. When None, the times in their names count, or
            else the bundle's rate.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time, as in
            `oddframe.inference.loading.load`.
        backend: What runs the network, as in `oddframe.inference.loading.load`.
        precision: What it computes in, likewise.
        on_progress: Called with the frames done of each recording; its name is the phase.

    Raises:
        SourceError: If no recording can be scored; where some can, the others are named in the
            report.
        InputError: If there is neither footage nor scores in the bundle.
        BundleError: If the bundle is unusable.
        OutputError: If the bundle cannot be written; it stays as it was.
    """
    began = time.monotonic()
    budget = None if false_alarms is None else FalseAlarmBudget.parse(false_alarms)
    folder = find_bundle(model)
    bundle = read_bundle(folder)
    skipped: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    # Scoring takes as long as the footage needs, the scores in the bundle take seconds.
    if normal is not None:
        loaded = load_model(bundle, InferenceOptions(device, backend, precision, batch_size))
        scores, skipped = _score_footage(loaded, normal, fps, on_progress)
        notices = loaded.notices
    elif bundle.normal is not None:
        scores = bundle.normal
    else:
        raise InputError(
            f"{folder} keeps no scores of normal footage; give the footage: "
            "oddframe calibrate MODEL NORMAL"
        )
    before = bundle.calibration
    now = calibration.calibrate(
        scores, budget or FalseAlarmBudget.parse(before.budget), _change(before.rules, rules)
    )
    write_calibration(folder, now, scores, with_threshold(bundle.card, now))
    return CalibrationReport(
        bundle=folder,
        calibration=now,
        threshold_before=before.threshold if before.clips else None,
        cached=normal is None,
        skipped=skipped,
        notices=(*notices, *now.notices),
        seconds=time.monotonic() - began,
    )


def _change(rules: EventRules, changes: Mapping[str, float]) -> EventRules:
    """The rules with some fields changed; `SettingsError` for a field that there is not."""
    known = [item.name for item in fields(rules)]
    for name in changes:
        if name not in known:
            raise SettingsError(f"rules must be among {', '.join(known)}, got {name}")
    return replace(rules, **changes)


class _ScoreRow(NamedTuple):
    """A scored frame, in the order of the arrays of `NormalScores`."""

    recording: int
    time_s: float
    raw: float
    appearance: float
    motion: float
    cluster: float
    map_peak: float


def _score_footage(
    model: Model,
    normal: str | Path | Sequence[str | Path],
    fps: float | None,
    on_progress: Progress,
) -> tuple[NormalScores, tuple[str, ...]]:
    """Score normal footage; also returns what was not used of it, a sentence each."""
    found = find_sources(normal, fps, model.bundle.rate_fps)
    skipped = [f"{path.path}: {path.reason}" for path in found.skipped]
    rows: list[_ScoreRow] = []
    for source in found.sources:
        try:
            # A recording may be several pieces of footage, so the next number is the last plus one.
            rows += _rows(model, source, rows[-1].recording + 1 if rows else 0, on_progress)
        except (SourceError, SourceNotFoundError) as error:
            skipped.append(str(error))
    if not rows:
        raise SourceError(
            "; ".join(skipped) or "no frame of the footage ends a clip; give longer recordings"
        )
    # From rows to one array for each field, as NormalScores has them.
    columns = dict(zip(_ScoreRow._fields, zip(*rows, strict=True), strict=True))
    kinds = {"recording": np.int32, "time_s": np.float64}
    return NormalScores(
        **{
            name: np.asarray(values, kinds.get(name, np.float32))
            for name, values in columns.items()
        },
        rate_fps=model.bundle.rate_fps,
        in_sample=False,
    ), tuple(skipped)


def _rows(
    model: Model, source: FrameSource, first: int, on_progress: Progress
) -> Iterator[_ScoreRow]:
    """Yield the scored frames of a recording; after a gap in time the next piece of footage begins.

    Events do not reach over such a gap, so false alarms are counted for each piece on its own.
    """
    total = source.count_frames()
    # One missing frame is no gap; the slower of the two rates says how long a frame lasts.
    longest_s = 2.5 / min(source.rate_fps, model.bundle.rate_fps) + source.gap_s
    piece, before_s = first, -np.inf
    for number, score in enumerate(model.scores(source, maps=True), start=1):
        if number % 10 == 0 or number == total:
            on_progress(source.name, min(number, total), total, {})
        if score.raw is None:
            continue
        if np.isfinite(before_s) and score.time_s - before_s > longest_s:
            piece += 1
        before_s = score.time_s
        yield _row(score, piece)


def _row(score: Score, piece: int) -> _ScoreRow:
    """A score as a row; a part that the network does not have counts as 0."""
    peak = 0.0 if score.map is None else float(map_peaks(score.map[None])[0])
    raw, appearance, motion, cluster = (
        value or 0.0 for value in (score.raw, score.appearance, score.motion, score.cluster)
    )
    return _ScoreRow(piece, score.time_s, raw, appearance, motion, cluster, peak)
