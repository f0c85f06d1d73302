"""The end of a training: from its last step to a bundle.

The graph is exported first, so that what is left to score runs at full speed: held-out clips, from
which the threshold comes, and a sample of the rest, in which outliers are found. Only then can the
graph be compared with the trained network at that threshold. Where it does not agree it is dropped,
and the scores are taken again with the network itself.
"""

import math
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from oddframe._types import Progress
from oddframe.bundle.bundle import ONNX, Bundle
from oddframe.core.budget import FalseAlarmBudget
from oddframe.core.calibration import calibrate, placeholder_calibration
from oddframe.core.clocks import hours_text
from oddframe.datasets.clip_dataset import MOST_HELD_OUT
from oddframe.datasets.footage_health import FootageHealth
from oddframe.datasets.frame_cache import FrameCache
from oddframe.errors import (
    MissingExtraError,
    OddframeError,
    ParityError,
    SourceError,
    SourceNotFoundError,
)
from oddframe.inference.backends import GPU_HALF, Backend, installed, make_scorer
from oddframe.inference.export_gate import TRAINED_ON, check_parity, footage_from_cache
from oddframe.inference.parity import RAW_LIMIT
from oddframe.inference.scorer import Scorer
from oddframe.inference.torch_backend import TorchScorer
from oddframe.media.source import FrameFormat, FrameSource
from oddframe.training.held_out_scores import (
    ClipsToScore,
    DecodedClips,
    KeptClips,
    score_clips,
)
from oddframe.training.loop import SCORING_BATCH
from oddframe.training.outliers import MOST_SCORED, OutlierSpan, find_outliers
from oddframe.training.plan import SplitClips
from oddframe.training.trainer import Trainer

LEAST_CALIBRATION_S, CALIBRATION_SHARE = 600.0, 0.1
"""Held-out clips are scored for so many seconds, or this share of the training if that is more."""
OUTLIER_SHARE, LEAST_SAMPLED = 0.02, 300
"""Clips scored to find outliers, as a share of those that the steps trained on, and at least.

A score of a whole frame takes up to three times as long as a step on a part of it, so the search
takes a twentieth of the training.
"""
_GRAPHS = (Backend("openvino"), Backend("onnx"))
"""What runs the graph of a training on a processor, the fastest first."""
_MOST_OPENED = 9
"""About so many recordings tell in what shape the pictures of the footage are shown."""
_SAME_ASPECT = 1.02
"""Shapes that differ by less are one; sizes are whole pixels."""
_TINY = FrameFormat(2, 2, "grey")
_COMPARED = 2 * SCORING_BATCH
"""Clips on which a backend must agree with the trained network before it scores the others."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A training after its last step.

    Attributes:
        trainer: The trainer.
        cache: The frames that it was trained on.
        sources: The footage, for held-out frames that the cache did not keep.
        health: What is usual for the camera.
        clips: Clips trained on and clips held out.
        seconds: How long its steps took.
    """

    trainer: Trainer
    cache: FrameCache
    sources: Sequence[FrameSource]
    health: FootageHealth
    clips: SplitClips
    seconds: float


class Ending(NamedTuple):
    """What came of a training.

    Attributes:
        bundle: The trained model, whose card is not written yet.
        odd: Stretches of the footage that are unlike the rest; empty where none were sought.
        notices: What to know of the threshold and of the graph, a sentence each.
        calibrated: Where the pieces of footage begin that set the threshold: source and seconds.
    """

    bundle: Bundle
    odd: tuple[OutlierSpan, ...]
    notices: tuple[str, ...]
    calibrated: list[tuple[str, float]]


class _TrainedScores(NamedTuple):
    """What the scores of a trained network gave.

    Attributes:
        bundle: The bundle with its calibration.
        odd: Outliers of the footage.
        not_reached: Clips held out that time did not allow to score.
        pieces: Where the pieces of footage begin that were scored: source and seconds.
    """

    bundle: Bundle
    odd: tuple[OutlierSpan, ...]
    not_reached: int
    pieces: list[tuple[str, float]]


def end_training(
    trained: Trained,
    budget: FalseAlarmBudget,
    *,
    calibration_minutes: float | None,
    find_odd: bool,
    export: bool,
    on_progress: Progress,
) -> Ending:
    """Score, calibrate and export a trained network.

    Args:
        trained: The training.
        budget: The false alarms agreed to.
        calibration_minutes: Most minutes of scoring held-out footage; None takes
            `LEAST_CALIBRATION_S`, or `CALIBRATION_SHARE` of the training where that is more.
        find_odd: Whether outliers are sought.
        export: Whether the graph that ONNX Runtime and OpenVINO run is added.
        on_progress: Called with the phases "export", "calibrate", "guard" and "parity".
    """
    trainer, cache = trained.trainer, trained.cache
    bundle = Bundle(
        network=trainer.network.trained(),
        rate_fps=cache.rate_fps,
        calibration=placeholder_calibration(),
        card="",
        health=trained.health.reference,
        picture_aspect=_picture_aspect(trained.sources),
    )
    most_s = max(LEAST_CALIBRATION_S, CALIBRATION_SHARE * trained.seconds)
    if calibration_minutes is not None:
        most_s = 60 * calibration_minutes
    network = TorchScorer(trainer.network, trainer.device, SCORING_BATCH)
    graph, notices = export_graph(bundle, trainer, on_progress) if export else (None, ())
    made = bundle if graph is None else replace(bundle, graphs={ONNX: graph})
    scorer = network if graph is None else fastest_scorer(made, trained, network)
    scored = _score(trained, made, scorer, budget, most_s, find_odd, on_progress)
    if graph is not None:
        made, refused = _check_graph(scored.bundle, trained, on_progress)
        scored = scored._replace(bundle=made)
        if refused and scorer is not network:
            # What a graph that does not agree has scored is worth nothing.
            scored = _score(trained, bundle, network, budget, most_s, find_odd, on_progress)
        if refused:
            notices = (f"the model needs torch, which has scored the held-out clips: {refused}",)
    return Ending(
        scored.bundle,
        scored.odd,
        (
            *_shortage_notices(trained, scored, most_s),
            *_unused_notices(trained, scored, most_s),
            *notices,
        ),
        scored.pieces,
    )


def _picture_aspect(sources: Sequence[FrameSource]) -> float | None:
    """Find the shape in which players show the footage; None where it has no single one."""
    aspects = []
    # A few tell it: to open each of thousands of recordings once more would take minutes.
    for source in sources[:: max(1, len(sources) // _MOST_OPENED)]:
        with suppress(SourceError, SourceNotFoundError), closing(source.frames(_TINY)) as frames:  # type: ignore[type-var]
            width, height = next(frames).shown_size
            aspects.append(width / height)
    if not aspects or max(aspects) > _SAME_ASPECT * min(aspects):
        return None
    return round(median(aspects), 4)


def export_graph(
    bundle: Bundle, trainer: Trainer, on_progress: Progress
) -> tuple[bytes | None, tuple[str, ...]]:
    """Export the trained network in the first process, for all of them.

    Returns:
        The graph, and nothing; or None, and a sentence that says why.
    """
    content = b""
    notices: tuple[str, ...] = ()
    on_progress("export", 0, 1, {})
    if trainer.group.is_first:
        content, notices = make_graph(bundle)
    on_progress("export", 1, 1, {})
    length = int(trainer.group.broadcast(np.array([len(content)], np.int64))[0])
    # The others give an array of the same length, in which they receive it.
    given = np.frombuffer(content or bytes(length), np.uint8).copy()
    shared = trainer.group.broadcast(given).tobytes()
    return shared or None, notices


def make_graph(bundle: Bundle) -> tuple[bytes, tuple[str, ...]]:
    """Export a network; without the exporter there is nothing, and a sentence that says why.

    A training must not fail because of its export: torch can run the model without a graph.
    """
    # Imported here, since the exporter is an extra.
    from oddframe.inference import onnx_export

    try:
        return onnx_export.onnx_graph(bundle.network), ()
    except MissingExtraError as error:
        return b"", (f"the model needs torch: {error}",)


def fastest_scorer(bundle: Bundle, trained: Trained, torch_scorer: TorchScorer) -> Scorer:
    """Choose what scores the rest of the training: a GPU, else the fastest graph that agrees.

    Always the first in this order, and not the fastest by the clock: a training that is done again
    must come to the same threshold. The first process chooses for all of them.
    """
    if trained.trainer.device.type != "cpu":
        return torch_scorer
    group = trained.trainer.group
    number, scorer = 0, None
    if group.is_first:
        number, scorer = _first_that_agrees(bundle, trained, torch_scorer)
    number = int(group.broadcast(np.array([number]))[0])
    if scorer is not None:
        return scorer
    return torch_scorer if number == len(_GRAPHS) else _on_graph(bundle, _GRAPHS[number])


def _first_that_agrees(
    bundle: Bundle, trained: Trained, torch_scorer: TorchScorer
) -> tuple[int, Scorer]:
    """Find the first of `_GRAPHS` that gives the network's scores; after the last the network."""
    clips = trained.clips.trained
    numbers = clips.evenly(_COMPARED)
    expected = [torch_scorer.score(batch).raw for batch in clips.in_order(numbers, SCORING_BATCH)]
    for number, backend in enumerate(_GRAPHS):
        if not installed(backend.name):
            continue
        try:
            scorer = _on_graph(bundle, backend)
            found = [scorer.score(batch).raw for batch in clips.in_order(numbers, SCORING_BATCH)]
        except (OddframeError, RuntimeError):
            # It will say so itself where it is asked for; here another one does its work.
            continue
        if np.allclose(np.concatenate(found), np.concatenate(expected), RAW_LIMIT["float32"], 0.0):
            return number, scorer
    return len(_GRAPHS), torch_scorer


def _on_graph(bundle: Bundle, backend: Backend) -> Scorer:
    """Make what runs the graph, on as many threads as the training had: one beside others."""
    return make_scorer(bundle, *backend, "cpu", SCORING_BATCH, torch.get_num_threads())


def _score(
    trained: Trained,
    bundle: Bundle,
    scorer: Scorer,
    budget: FalseAlarmBudget,
    most_s: float,
    find_odd: bool,
    on_progress: Progress,
) -> "_TrainedScores":
    """Score the held-out clips, calibrate on them, and look for outliers."""
    trainer, clips, cache = trained.trainer, trained.clips, trained.cache
    to_score, in_sample = _clips_to_score(trained, bundle, scorer)
    group = trainer.group
    scored = score_clips(to_score, most_s=most_s, on_progress=on_progress, group=group)
    if not len(scored.positions):
        # Nothing of the footage could be read again, or the camera's health forbade all of it.
        kept, in_sample = _kept_clips(clips, scorer)
        scored = score_clips(kept, most_s=most_s, on_progress=on_progress, group=group)
    odd: tuple[OutlierSpan, ...] = ()
    if find_odd:
        training = trainer.config
        sampled = round(OUTLIER_SHARE * training.steps * training.batch_size)
        most = max(LEAST_SAMPLED, min(MOST_SCORED, sampled))
        odd = find_outliers(scorer, clips, on_progress, group, most=most, known=scored)
    normal = scored.normal(cache.rate_fps, bundle.network.config.neighbours, in_sample=in_sample)
    made = replace(bundle, calibration=calibrate(normal, budget), normal=normal)
    pieces = scored.pieces(cache.footage, cache.rate_fps)
    return _TrainedScores(made, odd, scored.not_reached, pieces)


def _clips_to_score(trained: Trained, bundle: Bundle, scorer: Scorer) -> tuple[ClipsToScore, bool]:
    """Choose what the threshold comes from, and say whether the model was trained on it."""
    clips = trained.clips
    if clips.footage and trained.cache.has_more:
        decoded = DecodedClips(trained.cache, clips.footage, trained.sources, bundle, scorer)
        return decoded, False
    return _kept_clips(clips, scorer)


def _kept_clips(clips: SplitClips, scorer: Scorer) -> tuple[KeptClips, bool]:
    """Take the held-out clips of the cache; where it has none, those trained on, which is said."""
    return KeptClips(clips.held_out or clips.trained, scorer), clips.held_out is None


def _check_graph(bundle: Bundle, trained: Trained, on_progress: Progress) -> tuple[Bundle, str]:
    """Compare the graph with the trained network, in the first process, for all of them.

    Returns:
        The bundle with what was found, or without the graph; and why it is without, if it is.
    """
    group, refused = trained.trainer.group, ""
    on_progress("parity", 0, 1, {})
    if group.is_first:
        footage = footage_from_cache(trained.cache, bundle.network.config.interval, TRAINED_ON)
        device = str(trained.trainer.device)
        try:
            bundle = check_parity(bundle, Backend("onnx"), footage, device=device)
            if trained.trainer.device.type != "cpu":
                # Noted only: whoever scores in half precision on a GPU is told or refused then.
                bundle = check_parity(bundle, GPU_HALF, footage, refuse=False, device=device)
        except (ParityError, MissingExtraError) as error:
            refused = str(error)
    on_progress("parity", 1, 1, {})
    if int(group.broadcast(np.array([bool(refused)], np.int64))[0]):
        refused = refused or "the first process says why"
        bundle = replace(bundle, graphs={})
    return bundle, refused


def _unused_notices(trained: Trained, scored: _TrainedScores, most_s: float) -> tuple[str, ...]:
    """Say in one sentence which of the footage stayed unused, and what would use it."""
    cache, calibration = trained.cache, scored.bundle.calibration
    hours = 1 / (3600 * cache.rate_fps)
    parts = []
    if cache.share < 1.0:
        footage = len(cache) / cache.share
        gigabytes = footage * cache.frame_bytes / 1e9
        parts.append(
            f"of {hours_text(footage * hours)} of footage the cache kept "
            f"{hours_text(len(cache) * hours)} (--cache-gb {_round_up(gigabytes)} keeps all of it)"
        )
    if scored.not_reached:
        held = calibration.clips + scored.not_reached
        minutes = most_s / 60 * held / calibration.clips
        parts.append(
            f"of {hours_text(held * hours)} that were held out {hours_text(calibration.hours)} set "
            f"the threshold, which took {hours_text(most_s / 3600)} "
            f"(--calibration-minutes {_round_up(minutes)} scores all of it)"
        )
    return (" and ".join(parts),) if parts else ()


def _shortage_notices(trained: Trained, scored: _TrainedScores, most_s: float) -> tuple[str, ...]:
    """Say where the footage was too short for the budget, and what would help."""
    cache, calibration = trained.cache, scored.bundle.calibration
    frames = 3600 * cache.rate_fps
    wanted = 1 / FalseAlarmBudget.parse(calibration.budget).per_hour
    footage = len(cache) / cache.share / frames
    held = calibration.hours + scored.not_reached / frames
    if scored.not_reached and held >= wanted:
        minutes = most_s / 60 * wanted / calibration.hours
        advice = f"score more of what was held out: --calibration-minutes {_round_up(minutes)}"
    elif footage * MOST_HELD_OUT >= wanted and held < wanted:
        share = math.ceil(100 * wanted / footage) / 100
        advice = f"train again and hold out more of the footage: --hold-out {share:g}"
    else:
        advice = f"calibrate on {hours_text(wanted)} or more that it was not trained on"
    return calibration.shortage(advice)


def _round_up(value: float) -> str:
    """Write a number with two digits, so that a flag of it is enough."""
    digits = max(0, 1 - math.floor(math.log10(value)))
    return f"{math.ceil(value * 10**digits) / 10**digits:g}"
