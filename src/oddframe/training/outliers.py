"""Find what in the supposedly normal footage is unlike the rest, by the model's own scores.

A model that has trained long on abnormal footage has learned it too, and a search at the end of a
training finds less. So where such footage is to be left out, a first pass of a quarter of the steps
finds it, and the training starts anew without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from oddframe._types import Float32, Float64, Progress
from oddframe.core.clips import clip_span
from oddframe.datasets.frame_cache import Positions
from oddframe.files import output_error
from oddframe.inference.scorer import Scorer
from oddframe.inference.torch_backend import TorchScorer
from oddframe.training.distributed import SINGLE_PROCESS, ProcessGroup
from oddframe.training.held_out_scores import ScoredClips
from oddframe.training.loop import SCORING_BATCH, TrainingLoop, new_trainer, restore
from oddframe.training.plan import SplitClips
from oddframe.training.run_folder import RunFolder
from oddframe.training.settings import Settings

ENTER, LEAVE = 3.0, 2.0
"""An outlier starts this many spreads above the median, and lasts above the second number."""
MERGE_S = 2.0
"""Outliers less than this many seconds apart are one."""
FEWEST = 50
"""With fewer scores nothing is called an outlier: their spread says too little."""
TAIL_SPREADS = 1.2816
"""Standard deviations from the median to the 90 % quantile of a normal distribution."""

SCORES_PER_S = 2.0
"""Scores taken from a second of footage."""
MOST_SCORED = 20_000
"""Most clips that are scored, evenly over the footage."""
FIRST_PASS_SHARE = 4
"""The first pass has the steps of the training divided by this."""


@dataclass(frozen=True, slots=True)
class OutlierSpan:
    """A span of the footage that is unlike the rest.

    Attributes:
        source: Name of the recording.
        start_s: Time of its first unusual frame, in seconds.
        end_s: Time of its last unusual frame, in seconds.
        score: The highest score in it, in (0.5, 1): r / (r + t) of the raw score r, where t is the
            level from which an outlier starts.
        begin: Position in the cache of the first frame of its clips.
        end: Position in the cache after the last one.
    """

    source: str
    start_s: float
    end_s: float
    score: float
    begin: int
    end: int

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.start_s:.1f} s to {self.end_s:.1f} s is unlike the rest "
            f"(score {self.score:.2f})"
        )


def first_pass(
    run: RunFolder,
    settings: Settings,
    clips: SplitClips,
    device: torch.device,
    checkpoint_s: float,
    on_progress: Progress,
    group: ProcessGroup = SINGLE_PROCESS,
) -> tuple[OutlierSpan, ...]:
    """Train shortly on all of the footage and find the outliers in it.

    A pass that was killed goes on exactly from its last checkpoint.

    Args:
        run: A folder of its own for log and checkpoint.
        settings: Settings of the training that the pass belongs to.
        clips: All clips, those to train on and those held out.
        device: Where it runs.
        checkpoint_s: Seconds from one checkpoint to the next.
        on_progress: Called with the steps done, as phase "first pass", and then the clips scored.
        group: The processes that train together.

    Raises:
        OutputError: If the folder cannot be written.
    """
    training = settings.training
    # Rounded up, so that no phase of few steps is lost.
    short = replace(
        training,
        pretrain_steps=-(-training.pretrain_steps // FIRST_PASS_SHARE),
        joint_steps=-(-training.joint_steps // FIRST_PASS_SHARE),
    )
    settings = replace(settings, training=short)
    trainer = new_trainer(settings, clips.trained, device, group)
    try:
        run.path.mkdir(exist_ok=True)
    except OSError as error:
        raise output_error(run.path, error) from error
    restore(run, trainer)

    def report(phase: str, done: int, total: int, losses: Mapping[str, float]) -> None:
        # Pre-training and joint training are one phase to whoever waits for this pass.
        if phase != "centres":
            on_progress("first pass", done, total, losses)

    TrainingLoop(run, trainer, clips.trained, clips.held_out, settings, checkpoint_s, report).run()
    scorer = TorchScorer(trainer.network, trainer.device, SCORING_BATCH)
    return find_outliers(scorer, clips, on_progress, group)


def find_outliers(
    scorer: Scorer,
    clips: SplitClips,
    on_progress: Progress,
    group: ProcessGroup = SINGLE_PROCESS,
    *,
    most: int = MOST_SCORED,
    known: ScoredClips | None = None,
) -> tuple[OutlierSpan, ...]:
    """Score a sample of the footage, and find the spans that stand out of all of it.

    Args:
        scorer: Runs the trained network.
        clips: Clips trained on and clips held out, of one cache.
        on_progress: Called with the clips done, as phase "guard".
        group: The processes that divide the sample; each of them gets all that is found.
        most: Most clips that are scored.
        known: Scores of clips that are not scored again. Held-out clips are then taken from these
            alone.
    """
    cache, span = clips.trained.cache, clip_span(clips.trained.interval)
    total = sum(map(len, clips.datasets))
    every = max(1, round(cache.rate_fps / SCORES_PER_S), -(-total // most))
    raw: list[Float32] = []
    begins, pieces = [], []
    for part in clips.datasets:
        numbers = np.arange(0, len(part), every)
        found = _known_scores(known, cache.in_footage(part.starts[numbers]))
        if known is not None and part is clips.held_out:
            numbers, found = numbers[~np.isnan(found)], found[~np.isnan(found)]
        new = np.flatnonzero(np.isnan(found))
        own = [np.empty(0, np.float32)]
        for batch in part.in_order(group.share(numbers[new], SCORING_BATCH), SCORING_BATCH):
            own.append(scorer.score(batch).raw)
            # Of several processes none knows how far the others are: about as far as this one.
            done = sum(map(len, raw)) + group.size * sum(map(len, own))
            on_progress("guard", min(every * done, total), total, {})
        # Where all scores are known, which all processes find alike, nothing is exchanged.
        if len(new):
            found[new] = group.gather_for_all(np.concatenate(own), len(new), SCORING_BATCH)
        raw.append(found)
        begins.append(part.starts[numbers])
        pieces.append(part.ends[numbers])
    on_progress("guard", total, total, {})
    # Held-out clips lie between those trained on: back to the order of the footage.
    begin = np.concatenate(begins)
    order = np.argsort(begin)
    begin = begin[order]
    outliers = robust_outliers(
        np.concatenate(raw)[order].astype(np.float64),
        np.concatenate(pieces)[order],
        begin / cache.rate_fps,
    )
    spans = []
    for first, last, score in outliers:
        stretch = cache.stretch_of(int(begin[first]))
        # Between two scored clips nothing is known: what lies next to an outlier goes with it.
        spans.append(
            OutlierSpan(
                source=stretch.source,
                start_s=round(cache.time_s(int(begin[first]) + span - 1), 3),
                end_s=round(cache.time_s(int(begin[last]) + span - 1), 3),
                score=round(score, 4),
                begin=max(stretch.offset, int(begin[first]) - every + 1),
                end=min(stretch.offset + stretch.count, int(begin[last]) + span + every - 1),
            )
        )
    return tuple(spans)


def _known_scores(known: ScoredClips | None, positions: Positions) -> Float32:
    """Look up the raw scores of clips by their positions in the footage; NaN where not known."""
    found = np.full(len(positions), np.nan, np.float32)
    if known is not None:
        places = np.searchsorted(known.positions, positions).clip(max=len(known.positions) - 1)
        same = known.positions[places] == positions
        found[same] = known.scores[places[same], 0]
    return found


class Outlier(NamedTuple):
    """A run of scores that stand out, from one index to another in an array of scores.

    Attributes:
        first: Index of the first score.
        last: Index of the last score.
        peak: The highest raw score r in it, as r / (r + t) in (0.5, 1), where t is the level from
            which an outlier starts.
    """

    first: int
    last: int
    peak: float


def robust_outliers(raw: Float64, piece: npt.NDArray[np.int64], time_s: Float64) -> list[Outlier]:
    """Find robust outliers on the logarithmic scale.

    The spread is that of the upper side alone, from the median to the 90 % quantile, as multiples
    of a normal distribution's: an empty scene scores orders of magnitude lower than a busy one, and
    up to a tenth of the footage may be abnormal without hiding itself.

    Args:
        raw: Raw scores r > 0 of N clips in the order of the footage.
        piece: The number of the unbroken piece of footage that each comes from.
        time_s: Time of each in the footage, in seconds.
    """
    if len(raw) < FEWEST:
        return []
    levels = np.log(raw)
    middle, high = np.quantile(levels, (0.5, 0.9))
    spread = (high - middle) / TAIL_SPREADS
    limit = middle + ENTER * spread
    found: list[Outlier] = []
    for index in np.flatnonzero(levels > middle + LEAVE * spread).tolist():
        # r / (r + t) of r = exp(level) and t = exp(limit), without leaving the logarithms.
        peak = float(1.0 / (1.0 + np.exp(limit - levels[index])))
        before = found[-1] if found else None
        near = (
            before is not None
            and piece[before.last] == piece[index]
            and time_s[index] - time_s[before.last] < MERGE_S
        )
        if before is not None and near:
            found[-1] = Outlier(before.first, index, max(before.peak, peak))
        else:
            found.append(Outlier(index, index, peak))
    # A run that never reaches the upper limit is no outlier.
    return [outlier for outlier in found if outlier.peak > 0.5]
